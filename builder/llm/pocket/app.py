"""TGI's HTTP protocol in front of the engine: its routes, bodies, error types and its 429."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from builder.llm.pocket.engine import Answer, Engine, Job
from builder.llm.pocket.requests import (
    MAX_STOP_SEQUENCES,
    Invalid,
    Limits,
    chat_job,
    generate_job,
    inputs_of,
)

PAYLOAD_LIMIT = 2_000_000  # bytes, TGI's own default


def create_app(
    engine: Engine, tokenizer: Any, config: Any, model_id: str, revision: str, max_concurrent_requests: int
) -> Starlette:
    """The server as an ASGI application."""
    server = _Server(engine, tokenizer, Limits(config.max_position_embeddings), model_id, revision)
    server.free = server.max_concurrent_requests = max_concurrent_requests
    routes = [
        Route("/info", server.info),
        Route("/health", server.health),
        Route("/metrics", server.metrics),
        Route("/v1/models", server.models),
        Route("/generate", server.generate, methods=["POST"]),
        Route("/", server.generate_compat, methods=["POST"]),
        Route("/tokenize", server.tokenize, methods=["POST"]),
        Route("/v1/chat/completions", server.chat, methods=["POST"]),
    ]
    handlers: dict[Any, Callable[[Request, Any], Awaitable[Response]]] = {
        Invalid: _invalid,
        HTTPException: _http_error,
        _Failed: _failed,
    }
    return Starlette(routes=routes, exception_handlers=handlers)


class _Overloaded(HTTPException):
    pass


class _Failed(Exception):
    """The model itself raised."""


class _Server:
    max_concurrent_requests: int
    free: int

    def __init__(self, engine: Engine, tokenizer: Any, limits: Limits, model_id: str, revision: str) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._limits = limits
        self._model_id = model_id
        self._revision = revision
        self._text = lru_cache(maxsize=None)(lambda token: tokenizer.decode([token]))
        self._special = frozenset(tokenizer.all_special_ids)

    async def info(self, _: Request) -> Response:
        return JSONResponse(
            {
                "model_id": self._model_id,
                "model_sha": self._revision or None,
                "model_pipeline_tag": "text-generation",
                "max_concurrent_requests": self.max_concurrent_requests,
                "max_best_of": 1,
                "max_stop_sequences": MAX_STOP_SEQUENCES,
                "max_input_tokens": self._limits.max_input_tokens,
                "max_total_tokens": self._limits.max_total_tokens,
                "validation_workers": 1,
                "max_client_batch_size": 1,
                "router": "pocket",
                "version": "3.3.6",  # of the protocol that is spoken here
                "sha": None,
                "docker_label": None,
            }
        )

    async def health(self, _: Request) -> Response:
        if not self._engine.alive:
            return _error(503, "healthcheck", "unhealthy")
        return Response()

    async def metrics(self, _: Request) -> Response:
        counters = self._engine.counters
        lines = [
            f"# TYPE pocket_{name} counter\npocket_{name} {value}\n"
            for name, value in (
                ("prefill_tokens_asked_total", counters.prefill_asked),
                ("prefill_tokens_computed_total", counters.prefill_computed),
                ("generated_tokens_total", counters.generated),
            )
        ]
        return PlainTextResponse("".join(lines))

    async def models(self, _: Request) -> Response:
        model = {"id": self._model_id, "object": "model", "created": 0, "owned_by": self._model_id}
        return JSONResponse({"object": "list", "data": [model]})

    async def tokenize(self, request: Request) -> Response:
        text = inputs_of(await _json(request))
        encoded = self._tokenizer(text, return_offsets_mapping=True)
        return JSONResponse(
            [
                {"id": token, "text": text[start:stop], "start": start, "stop": stop}
                for token, (start, stop) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
            ]
        )

    async def generate(self, request: Request) -> Response:
        return JSONResponse(await self._generate(request))

    async def generate_compat(self, request: Request) -> Response:
        return JSONResponse([await self._generate(request)])

    async def chat(self, request: Request) -> Response:
        body = await _json(request)
        job, answer = await self._answer(request, lambda: chat_job(body, self._tokenizer, self._limits))
        message = {"role": "assistant", "content": self._decode(answer.tokens)}
        finish = "length" if answer.finish == "length" else "stop"
        return JSONResponse(
            {
                "id": f"chatcmpl-{uuid.uuid4().hex}",
                "object": "chat.completion",
                "created": int(time.time()),
                "model": self._model_id,
                "system_fingerprint": f"pocket-{self._revision}",
                "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
                "usage": {
                    "prompt_tokens": len(job.ids),
                    "completion_tokens": len(answer.tokens),
                    "total_tokens": len(job.ids) + len(answer.tokens),
                },
            }
        )

    async def _generate(self, request: Request) -> dict[str, Any]:
        body = await _json(request)
        job, answer = await self._answer(request, lambda: generate_job(body, self._tokenizer, self._limits))
        parameters = body.get("parameters") or {}
        text = self._decode(answer.tokens)
        response: dict[str, Any] = {
            "generated_text": body["inputs"] + text if parameters.get("return_full_text") else text
        }
        if parameters.get("details"):
            prefill = zip(job.ids, answer.prefill, strict=True) if answer.prefill else ()
            response["details"] = {
                "finish_reason": answer.finish,
                "generated_tokens": len(answer.tokens),
                "seed": job.sampling.seed if job.sampling.temperature else None,
                "prefill": [
                    {"id": token, "text": self._text(token), "logprob": logprob} for token, logprob in prefill
                ],
                "tokens": [
                    {
                        "id": token,
                        "text": self._text(token),
                        "logprob": logprob,
                        "special": token in self._special,
                    }
                    for token, logprob in zip(answer.tokens, answer.logprobs, strict=True)
                ],
            }
        return response

    async def _answer(self, request: Request, make_job: Callable[[], Job]) -> tuple[Job, Answer]:
        """Run a job, unless the server is full; give it up when the client has gone."""
        if self.free == 0:
            raise _Overloaded(429)
        self.free -= 1
        try:
            job = make_job()
            answer = asyncio.wrap_future(self._engine.submit(job))
            gone = asyncio.create_task(_disconnected(request))
            gone.add_done_callback(lambda _: answer.cancel())
            try:
                return job, await answer
            except asyncio.CancelledError as error:
                raise HTTPException(499, "the client has gone") from error
            except Exception as error:
                raise _Failed(str(error)) from error
            finally:
                gone.cancel()
        finally:
            self.free += 1

    def _decode(self, tokens: list[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


async def _json(request: Request) -> Any:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > PAYLOAD_LIMIT:
                raise HTTPException(413, f"the body is longer than {PAYLOAD_LIMIT} bytes")
    except ClientDisconnect as error:
        raise HTTPException(499, "the client has gone") from error
    try:
        return json.loads(body)
    except ValueError as error:
        raise Invalid(f"the body is not JSON ({error})") from error


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _error(status: int, kind: str, message: str) -> JSONResponse:
    return JSONResponse({"error": message, "error_type": kind}, status)


async def _invalid(_: Request, error: Invalid) -> Response:
    message = str(error)
    if message.startswith("Template error"):
        return _error(422, "template_error", message)
    return _error(422, "validation", f"Input validation error: {message}")


async def _http_error(_: Request, error: HTTPException) -> Response:
    if isinstance(error, _Overloaded):
        return _error(429, "overloaded", "Model is overloaded")
    return _error(error.status_code, "not_found" if error.status_code == 404 else "http", error.detail)


async def _failed(_: Request, error: _Failed) -> Response:
    return _error(424, "generation", f"Request failed during generation: {error}")
