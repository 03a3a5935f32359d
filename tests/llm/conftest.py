"""A pocket server with the embedded model, a tiny model for the engine alone, and servers that misbehave."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import jsonschema
import pytest
from aiohttp import web

from builder.llm import pocket_server
from builder.llm.embedded import MODEL_ID, embedded_model, embedded_tokenizer

VLLM_START = 300.0  # seconds; on two idle cores it takes 20
# Kills the whole group once nobody holds the other end of its input: even a killed test run leaves no server.
END_WITH_STARTER = 'exec 3<&0; { read -r _ <&3; kill -KILL 0; } & exec "$@" 3<&- </dev/null'


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


class FakeServer:
    """Answers as ``get`` and ``answer`` say, except for what stands in ``script``.

    The script has one entry a POST request, first in, first out: a status with a body, or a function that
    gets the honest answer's body and returns another. "reset" cuts the connection before anything is
    answered.
    """

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.requests: list[tuple[str, Any, dict[str, str]]] = []
        self.url = ""
        self.handler = self._post

    @staticmethod
    def logprob(ids: list[int], at: int) -> float:
        """What fakes say of the token at ``at``: made up of its place and of what was read up to there."""
        return -((at + sum(ids[: at + 1])) % 7) - 0.25

    async def get(self, path: str) -> Any:
        """JSON, or a text, or None where there is no such route."""
        raise NotImplementedError

    async def answer(self, path: str, body: Any) -> tuple[int, Any]:
        raise NotImplementedError

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            return await self.handler(request)
        said = await self.get(request.path)
        if said is None:
            return web.json_response({"detail": "Not Found"}, status=404)
        return web.Response(text=said) if isinstance(said, str) else web.json_response(said)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append((request.path, body, dict(request.headers)))
        act = self.script.pop(0) if self.script else None
        if act == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if isinstance(act, tuple):
            status, said = act
            return web.Response(status=status, text=said if isinstance(said, str) else json.dumps(said))
        status, answer = await self.answer(request.path, body)
        return web.Response(status=status, text=json.dumps(answer if act is None else act(answer)))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Any]:
        """Listens on loopback meanwhile."""
        app = web.Application(client_max_size=2**23)
        app.router.add_route("*", "/{path:.*}", self.dispatch)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


class FakeTGI(FakeServer):
    """As TGI 3.3.6 answers; without ``info`` it is some OpenAI-compatible server."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.info: Any = {
            "model_id": "fake",
            "model_sha": "abc",
            "max_concurrent_requests": 4,
            "max_best_of": 1,
            "max_stop_sequences": 4,
            "max_input_tokens": 4000,
            "max_total_tokens": 4096,
            "validation_workers": 1,
            "max_client_batch_size": 1,
            "router": "fake",
            "version": "3.3.6",
        }

    async def get(self, path: str) -> Any:
        models = {"object": "list", "data": [{"id": "open/model", "max_model_len": 2048}]}
        return {"/info": self.info, "/v1/models": models}.get(path)

    async def answer(self, path: str, body: Any) -> tuple[int, Any]:
        if path == "/generate":
            return 200, self.generate(body)
        num_tokens = sum(len(self.tokenizer(message["content"])["input_ids"]) for message in body["messages"])
        if self.info and num_tokens > (most := self.info["max_input_tokens"]):
            words = f"Input validation error: `inputs` must have less than {most} tokens. Given: {num_tokens}"
            return 422, {"error": words, "error_type": "validation"}
        return 200, self.chat(body)

    def generate(self, body: Any) -> Any:
        ids = self.tokenizer(body["inputs"])["input_ids"]
        prefill = [
            {
                "id": token,
                "text": self.tokenizer.decode([token]),
                "logprob": None if at == 0 else self.logprob(ids, at),
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


class FakeVLLM(FakeServer):
    """As vLLM 0.32.0 answers at the edges: models, version, metrics, and its refusals word for word."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.card: dict[str, Any] = {
            "id": "fake/model",
            "object": "model",
            "created": 1,
            "owned_by": "vllm",
            "root": "fake/model",
            "parent": None,
            "max_model_len": 4096,
        }
        self.metrics = 'vllm:cache_config_info{block_size="128",enable_prefix_caching="False"} 1.0\n'

    async def get(self, path: str) -> Any:
        models = {"object": "list", "data": [self.card]}
        return {"/v1/models": models, "/version": {"version": "0.32.0"}, "/metrics": self.metrics}.get(path)

    async def answer(self, path: str, body: Any) -> tuple[int, Any]:
        if body["model"] != self.card["id"]:
            return 404, _vllm_error(404, "NotFoundError", f"The model `{body['model']}` does not exist.")
        if path == "/v1/chat/completions":
            num_tokens = sum(len(self.tokenizer(said["content"])["input_ids"]) for said in body["messages"])
        else:
            num_tokens = len(body["prompt"])
        if num_tokens + body["max_tokens"] > self.card["max_model_len"]:
            words = f"max_tokens must be at least 1, got {self.card['max_model_len'] - num_tokens}."
            return 400, _vllm_error(400, "BadRequestError", words)
        return 200, self.complete(body) if path == "/v1/completions" else self.chat(body)

    def complete(self, body: Any) -> Any:
        ids = body["prompt"]
        prompt_logprobs = [None] + [
            {
                str(token): {
                    "logprob": self.logprob(ids, at),
                    "rank": 1,
                    "decoded_token": self.tokenizer.decode([token]),
                }
            }
            for at, token in enumerate(ids[1:], start=1)
        ]
        choice = {
            "index": 0,
            "text": "x",
            "logprobs": None,
            "finish_reason": "length",
            "stop_reason": None,
            "prompt_logprobs": prompt_logprobs if body["prompt_logprobs"] == 0 else None,
        }
        if body.get("return_token_ids"):
            choice |= {"token_ids": [5], "prompt_token_ids": ids}
        return {
            "id": "cmpl-1",
            "object": "text_completion",
            "created": 1,
            "model": body["model"],
            "choices": [choice],
            "system_fingerprint": "vllm-0.32.0-cdc97abe",
            "usage": {"prompt_tokens": len(ids), "completion_tokens": 1, "total_tokens": len(ids) + 1},
        }

    def chat(self, body: Any) -> Any:
        message = {"role": "assistant", "content": f"answer to {body['messages'][-1]['content']}"}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        }


def _vllm_error(code: int, kind: str, message: str) -> Any:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


class Proxy(FakeServer):
    """Passes everything on to ``target``, but for the script. ``info`` changes what ``/info`` says."""

    def __init__(self, target: str, info: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.target = target
        self.info = info or {}

    async def get(self, path: str) -> Any:
        async with aiohttp.ClientSession() as session, session.get(self.target + path) as answer:
            if answer.status == 404:
                return None
            said = await answer.text()
        return {**json.loads(said), **self.info} if path == "/info" else said

    async def answer(self, path: str, body: Any) -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.target + path, json=body) as answer,
        ):
            return answer.status, await answer.json(content_type=None)


@pytest.fixture
def fake_tgi(tokenizer) -> Callable[[], contextlib.AbstractAsyncContextManager[FakeTGI]]:
    """``async with fake_tgi() as fake``: a ``FakeTGI`` on loopback."""
    return lambda: FakeTGI(tokenizer).running()


@pytest.fixture
def fake_vllm(tokenizer) -> Callable[[], contextlib.AbstractAsyncContextManager[FakeVLLM]]:
    """``async with fake_vllm() as fake``: a ``FakeVLLM`` on loopback."""
    return lambda: FakeVLLM(tokenizer).running()


@pytest.fixture
def proxy() -> Callable[..., contextlib.AbstractAsyncContextManager[Proxy]]:
    """``async with proxy(url) as between``: a ``Proxy`` on loopback."""
    return lambda url, info=None: Proxy(url, info).running()


@pytest.fixture(scope="session")
def vllm_url(tmp_path_factory) -> Iterator[str]:
    """A vLLM that serves the embedded model in float32.

    ``REPO2AGENT_VLLM`` names it: a URL where it runs, or the Python of an environment that it is started in.
    """
    named = os.environ.get("REPO2AGENT_VLLM", "")
    if not named:
        pytest.skip("REPO2AGENT_VLLM is not set: make test-vllm")
    if named.startswith("http"):
        yield named
    else:
        with _vllm_server(named, tmp_path_factory.mktemp("vllm") / "log") as url:
            yield url


@contextlib.contextmanager
def _vllm_server(python: str, log: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = {
        "--model": embedded_model(),
        "--served-model-name": MODEL_ID,
        "--dtype": "float32",
        "--host": "127.0.0.1",
        "--port": port,
    }
    # `vllm serve` asks for the metadata of a package named vllm, which the CPU build is not.
    command = ["sh", "-c", END_WITH_STARTER, "sh"]
    command += [python, "-m", "vllm.entrypoints.openai.api_server", "--enforce-eager"]
    command += [str(word) for option in options.items() for word in option]
    with log.open("w") as output:
        server = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"},
            start_new_session=True,  # its engine and workers go with it, as one group
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + VLLM_START
        while not _healthy(url):
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(timeout=1)
            if server.returncode is not None or time.monotonic() > deadline:
                end = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
                pytest.fail(f"vLLM does not start (exit status {server.returncode}); its last words:\n{end}")
        yield url
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _healthy(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.fixture(scope="session")
def tiny_url(tiny_directory) -> Iterator[str]:
    """One pocket server with the tiny model for the whole session."""
    with pocket_server(tiny_directory) as url:
        yield url
