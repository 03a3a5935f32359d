"""Shared by all tests: nothing is fetched from the Hub, and repositories are made of a dict."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Awaitable, Callable, Collection, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import aiohttp
import hypothesis
import pytest
from aiohttp import web

from builder.llm import ModelInfo
from builder.repository import Repository, SourceFile
from builder.search import ids_bytes
from builder.structure import Blueprint, Definition, Dependency
from builder.trajectory import Document, context_ranges, encode, take

# Machines are shared: an example may take long without being wrong.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")


@pytest.fixture(scope="session")
def make_repository() -> Callable[..., Repository]:
    """``make_repository({path: content}, license="MIT")``: a repository that never touched a disk."""

    def make(
        contents: dict[str, str], license: str = "MIT", **redactions: tuple[tuple[int, int], ...]
    ) -> Repository:
        files = []
        for path, content in sorted(contents.items()):
            data = content.encode()
            digest = hashlib.sha256(data).hexdigest()
            ranges = redactions.get(path, ())
            files.append(SourceFile(path, content, "utf-8", len(data), digest, ranges, license=license))
        return Repository("local/made", "1", license, tuple(files))

    return make


@pytest.fixture(scope="session")
def bytes_tokenizer():
    """A byte-level tokenizer with a BOS, an EOS and a few merges: small, and strict about boundaries."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|begin|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["def main(path):\n    return path\n</think>\n" * 8], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A", special_tokens=[("<|begin|>", 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|begin|>", eos_token="<|end|>")


@pytest.fixture(scope="session")
def blueprint(make_repository) -> Blueprint:
    """Two modules and a document, the second module importing the first."""
    contents = {
        "README.md": "# Shapes\n\nComputes areas.\n",
        "area.py": (
            "import math\n\n\ndef circle(radius):\n"
            '    """Area of a circle."""\n'
            "    squared_radius = radius * radius\n"
            "    return math.pi * squared_radius\n"
        ),
        "report.py": (
            "from area import circle\n\n\ndef report(radii):\n"
            "    total_area = sum(circle(radius) for radius in radii)\n"
            "    return f'total: {total_area}'\n"
        ),
    }
    return Blueprint(
        repository=make_repository(contents),
        languages={"README.md": "Markdown", "area.py": "Python", "report.py": "Python"},
        dependencies=(Dependency("report.py", "area.py", "import"),),
        outlines={
            "area.py": (
                Definition(
                    "function",
                    "circle",
                    "def circle(radius)",
                    4,
                    7,
                    doc="Area of a circle.",
                    signature_lines=frozenset({4, 5}),
                ),
            ),
            "report.py": (
                Definition("function", "report", "def report(radii)", 4, 6, signature_lines=frozenset({4})),
            ),
        },
        header_lines={"area.py": frozenset({1}), "report.py": frozenset({1})},
        order=("README.md", "area.py", "report.py"),
        external=("math",),
    )


class ScriptedModel:
    """A model whose answers a test decides; it remembers what it was asked.

    ``answer`` maps the messages and the seed to a text; ``logprob`` maps context and target ids to
    log-probs. ``depth`` counts how many calls had to wait for one another.
    """

    def __init__(self, tokenizer, answer=None, logprob=None, max_input_tokens=100_000) -> None:
        self.tokenizer = tokenizer
        self.info = ModelInfo("scripted", "1", max_input_tokens, max_input_tokens)
        self.answer = answer or (lambda messages, seed: "I write it with care.")
        self.logprob = logprob or (lambda context, target: [-1.0] * len(target))
        self.generated: list[tuple[str, int]] = []
        self.scored: list[tuple[list[int], list[int]]] = []
        self.waves = 0
        self._waiting: asyncio.Event | None = None

    async def _wave(self) -> None:
        """Calls that are made together form one wave."""
        if self._waiting is None:
            self._waiting = event = asyncio.Event()
            self.waves += 1
            for _ in range(50):  # let everything that can be asked be asked
                await asyncio.sleep(0)
            self._waiting = None
            event.set()
        else:
            await self._waiting.wait()

    async def generate(self, messages, *, max_tokens, temperature=0.0, seed=0):
        self.generated.append((messages[-1]["content"], seed))
        await self._wave()
        return self.answer(messages, seed)

    async def score(self, context, target):
        self.scored.append((list(context), list(target)))
        return self.logprob(context, target)


@pytest.fixture(scope="session")
def scripted(bytes_tokenizer):
    """``scripted(answer=…, logprob=…)``: a ``ScriptedModel`` with the small tokenizer."""
    return lambda **options: ScriptedModel(bytes_tokenizer, **options)


@pytest.fixture(scope="session")
def tiny_directory(bytes_tokenizer, tmp_path_factory) -> Path:
    """A Llama of two layers with random weights and a chat template, as ``from_pretrained`` wants it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=1,
    )
    directory = tmp_path_factory.mktemp("tiny")
    LlamaForCausalLM(config).save_pretrained(directory)
    bytes_tokenizer.save_pretrained(directory)
    template = (
        "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}"
    )
    (directory / "chat_template.jinja").write_text(template)
    return directory


@pytest.fixture(scope="session")
def assert_scores_are_of_the_row():
    """Asserts that the ids scored are the row's own under the window rule; returns the number of scores."""

    def check(row: dict[str, Any], tokenizer: Any) -> int:
        document = Document(row["text"], row["spans"], row["segments"], row["preamble"])
        encoded = encode(row["text"], row["spans"], tokenizer)
        for score in row["scores"]:
            digest = hashlib.sha256()
            for target in score["targets"]:
                limit = score["max_input_tokens"] - (target["end"] - target["start"])
                before = context_ranges(document, encoded, target["start"], limit)
                ids = [*take(encoded.ids, before), *encoded.ids[target["start"] : target["end"]]]
                digest.update(ids_bytes(ids))
            assert digest.hexdigest() == score["ids_sha256"]
        return len(row["scores"])

    return check


Spoil = Callable[[web.Request, str, web.Response], Awaitable[web.StreamResponse]]


class CountingProxy:
    """Passes requests on and remembers the bodies of those that a model had to answer.

    ``spoil`` gets each such request with its body and its honest answer, and gives what is sent instead.
    """

    def __init__(self, target: str, spoil: Spoil | None = None) -> None:
        self.target = target
        self.requests: list[str] = []
        self._spoil = spoil
        self._arrived = threading.Condition()
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()

    def wait_for(self, number: int, timeout: float) -> bool:
        """Wait until ``number`` requests have come; False after ``timeout`` seconds."""
        with self._arrived:
            return self._arrived.wait_for(lambda: len(self.requests) >= number, timeout)

    def _run(self, started: threading.Event) -> None:
        self._loop.run_until_complete(self._start())
        started.set()
        self._loop.run_forever()

    async def _start(self) -> None:
        self._client = aiohttp.ClientSession(auto_decompress=False)
        application = web.Application(client_max_size=1 << 24)
        application.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if body:
            with self._arrived:
                self.requests.append(body.decode())
                self._arrived.notify_all()
        headers = {"Content-Type": request.content_type}
        url = self.target + request.path
        async with self._client.request(request.method, url, data=body or None, headers=headers) as answer:
            response = web.Response(
                status=answer.status, body=await answer.read(), content_type=answer.content_type
            )
        return await self._spoil(request, body.decode(), response) if body and self._spoil else response

    def drain(self) -> None:
        """Wait until every connection has ended: all that a killed client still sent has been counted."""

        async def ended() -> None:
            assert self._runner.server is not None
            while self._runner.server.connections:
                await asyncio.sleep(0.005)

        asyncio.run_coroutine_threadsafe(ended(), self._loop).result(30)

    def close(self) -> None:
        """Refuse all connections from now on."""
        if not self._thread.is_alive():
            return

        async def stop() -> None:
            await self._runner.cleanup()
            await self._client.close()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


@pytest.fixture
def counting_proxy():
    """``counting_proxy(url, spoil)``: a ``CountingProxy`` in front of ``url``."""
    proxies: list[CountingProxy] = []

    def start(url: str, spoil: Spoil | None = None) -> CountingProxy:
        proxies.append(CountingProxy(url, spoil))
        return proxies[-1]

    yield start
    for proxy in proxies:
        proxy.close()


FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage "
    "--force-prefers-reduced-motion --window-size=1300,1000"
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Iterator[Any]:
    """A real browser without a window, that keeps what it asks for; skipped where there is none."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs Chromium and chromedriver (Debian: chromium, chromium-driver)")
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    chrome = Chrome(options=options, service=Service(driver))
    chrome.set_page_load_timeout(120)
    yield chrome
    chrome.quit()


@pytest.fixture(scope="session")
def assert_asked_for_nothing():
    """Asserts that pages, once opened, asked for nothing but themselves, and complained of nothing."""

    def check(browser: Any, opened: Collection[str]) -> None:
        messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        requests = {
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
            and not message["params"]["documentURL"].startswith("chrome:")  # the browser's own first tab
        }
        assert requests == set(opened)
        assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
        assert [entry["message"] for entry in browser.get_log("browser")] == []

    return check


async def _sabotage(kind: Any, request: web.Request, response: web.Response) -> web.StreamResponse:
    """What becomes of an honest ``response``; ``kind`` is a status, or one of the words below."""
    assert response.text is not None
    assert isinstance(response.body, bytes)
    if kind in (429, 500):
        return web.Response(status=kind, text="no")
    if kind == "truncated":
        return web.Response(text=response.text[: len(response.text) // 2])
    if kind == "null":
        answer = json.loads(response.text)
        answer.get("details", {"prefill": [{}]})["prefill"][-1]["logprob"] = None
        answer.pop("choices", None)
        return web.Response(text=json.dumps(answer))
    cut = web.StreamResponse(headers={"Content-Length": str(len(response.text))})
    await cut.prepare(request)
    await cut.write(response.body[:20])
    while kind == "stall" and request.transport is not None:  # until the client has enough
        await asyncio.sleep(0.01)
    if request.transport is not None:
        request.transport.abort()
    return cut


@pytest.fixture(scope="session")
def sabotage():
    """``await sabotage(kind, request, response)``: a faulty answer in place of an honest one."""
    return _sabotage
