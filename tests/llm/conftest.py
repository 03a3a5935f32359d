"""A pocket server with the embedded model, a tiny model for the engine alone, and a TGI that misbehaves."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiohttp import web

from builder.llm import pocket_server
from builder.llm.embedded import embedded_tokenizer


@pytest.fixture(scope="session")
def pocket_url() -> Iterator[str]:
    """One pocket server with the embedded model for the whole session."""
    with pocket_server() as url:
        yield url


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """The embedded model's tokenizer."""
    return embedded_tokenizer()


@pytest.fixture(scope="session")
def tiny_model(tiny_directory) -> tuple[Any, Any]:
    """Model and tokenizer of ``tiny_directory``, ready for ``Engine``."""
    from builder.llm.pocket.server import load

    return load(str(tiny_directory), "cpu")


@pytest.fixture(scope="session")
def valid() -> Callable[[str, Any], None]:
    """``valid(name, value)``: ``value`` is what TGI's OpenAPI file calls ``name``."""
    document = json.loads(Path(__file__).with_name("tgi-openapi-3.3.6.json").read_text())
    components = _json_schema(document["components"])

    def check(name: str, value: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": components}
        jsonschema.Draft202012Validator(schema).validate(value)

    return check


def _json_schema(node: Any) -> Any:
    """OpenAPI 3.0's ``nullable`` in JSON Schema's terms."""
    if isinstance(node, list):
        return [_json_schema(child) for child in node]
    if not isinstance(node, dict):
        return node
    converted = {key: _json_schema(child) for key, child in node.items() if key != "nullable"}
    return {"anyOf": [converted, {"type": "null"}]} if node.get("nullable") is True else converted


class FakeTGI:
    """Answers as TGI would, except for what stands in ``script``: one entry a request, first in, first out.

    An entry is a status with a body, or a function that gets the honest answer's body and returns another.
    "reset" cuts the connection before anything is answered.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.script: list[Any] = []
        self.requests: list[tuple[str, Any, dict[str, str]]] = []
        self.info: Any = {
            "model_id": "fake",
            "model_sha": "abc",
            "max_concurrent_requests": 4,
            "max_best_of": 1,
            "max_stop_sequences": 4,
            "max_input_tokens": 1000,
            "max_total_tokens": 1024,
            "validation_workers": 1,
            "max_client_batch_size": 1,
            "router": "fake",
            "version": "3.3.6",
        }
        self.url = ""
        self.handler = self._post

    async def _info(self, request: web.Request) -> web.Response:
        return web.json_response(self.info) if self.info is not None else web.Response(status=404)

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "open/model", "max_model_len": 2048}]})

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append((request.path, body, dict(request.headers)))
        answer = self.chat(body) if request.path.startswith("/v1") else self.generate(body)
        act = self.script.pop(0) if self.script else None
        if act == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if isinstance(act, tuple):
            status, said = act
            return web.Response(status=status, text=said if isinstance(said, str) else json.dumps(said))
        return web.Response(text=json.dumps(answer if act is None else act(answer)))

    def generate(self, body: Any) -> Any:
        ids = self.tokenizer(body["inputs"])["input_ids"]
        prefill = [
            {
                "id": token,
                "text": self.tokenizer.decode([token]),
                "logprob": None if at == 0 else -(at % 7) - 0.25,
            }
            for at, token in enumerate(ids)
        ]
        details = {"finish_reason": "length", "generated_tokens": 1, "prefill": prefill, "tokens": []}
        return {"generated_text": "x", "details": details}

    def chat(self, body: Any) -> Any:
        message = {"role": "assistant", "content": f"answer to {body['messages'][-1]['content']}"}
        return {
            "id": "1",
            "created": 1,
            "model": "fake",
            "system_fingerprint": "",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        }


@pytest.fixture
def fake_tgi(tokenizer) -> Callable[[], contextlib.AbstractAsyncContextManager[FakeTGI]]:
    """``async with fake_tgi() as fake``: a ``FakeTGI`` on loopback."""

    @contextlib.asynccontextmanager
    async def run() -> AsyncIterator[FakeTGI]:
        fake = FakeTGI(tokenizer)
        app = web.Application(client_max_size=2**23)
        app.router.add_get("/info", fake._info)
        app.router.add_get("/v1/models", fake._models)

        async def post(request: web.Request) -> web.StreamResponse:
            return await fake.handler(request)

        app.router.add_post("/generate", post)
        app.router.add_post("/v1/chat/completions", post)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield fake
        finally:
            await runner.cleanup()

    return run
