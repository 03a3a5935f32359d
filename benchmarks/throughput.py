"""What a build makes of its server, beside a bare load generator and a bare client: `make bench-throughput`.

The server is `tests/fake_tgi.py` in a process of its own: its answers cost it next to nothing, so that what
is measured is the client's side. Both sides send the same requests, those of a real build with search, and
take turns; results are ratios, each the median of several rounds.

    python benchmarks/throughput.py --rounds 3
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import AsyncInferenceClient

from builder import embedded_model
from builder.config import BuildConfig
from builder.llm import Message, connect
from builder.pipeline import Models, open_models, reconstruct, reconstruct_all
from builder.repository import Repository, load
from builder.search import SearchOptions

ROOT = Path(__file__).parents[1]
TOKENIZER = embedded_model()
# A server of fixed speed: no faster with more requests at once than RATE / ALONE.
RATE, ALONE = 2400.0, 300.0  # tokens a second
SWEEP = (8, 12, 16)  # requests at once, of which the load generator may take the best
AS_GOOD = 1.02  # more at once that gain less than this are no better
CONCURRENCY = 8
NUM_REPOSITORIES = 32  # enough that the last one, which works alone, counts for little
# The noise of a scorer is measured once for all builds, so it is no part of this one.
SEARCH = SearchOptions(rounds=2, margin=1e-5)

Body = tuple[str, dict[str, Any]]  # what goes over the wire, with its path
Request = tuple[str, Any]  # "generate" with messages and options, or "score" with context and target


def main() -> None:
    """Run all comparisons and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts")
    parser.add_argument("--only", choices=("latency", "speed"), help="one of the two servers")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        repositories = [repository(Path(folder), number) for number in range(NUM_REPOSITORIES)]
        with server() as url:
            requests = asyncio.run(recorded(url, repositories, Path(folder)))
            num_texts = sum(kind == "generate" for kind, _ in requests)
            print(
                f"{NUM_REPOSITORIES} repositories of {sum(len(each.files) for each in repositories)} files, "
                f"{num_texts} texts and {len(requests) - num_texts} scores; median of {options.rounds} rounds"
            )
            if options.only != "speed":
                without_latency(url, repositories, requests, options.rounds)
        if options.only != "latency":
            of_fixed_speed(repositories, requests, options.rounds)


def without_latency(
    url: str, repositories: Sequence[Repository], requests: Sequence[Request], rounds: int
) -> None:
    """Our calls, and a build, beside the bare client's calls."""
    print(f"\na server without latency, {CONCURRENCY} calls at once, beside AsyncInferenceClient")
    parts = {
        "texts": [request for request in requests if request[0] == "generate"],
        "scores": [request for request in requests if request[0] == "score"],
        "all": requests,
    }
    for name, part in parts.items():
        ours, theirs = partial(through_store, url, part), partial(bare, url, bodies(part))
        compare(f"{name}, through the store", ours, theirs, rounds, len(part))
    theirs = partial(bare, url, bodies(requests))
    compare("a whole build", partial(whole_build, url, repositories), theirs, rounds, len(requests))


def of_fixed_speed(repositories: Sequence[Repository], requests: Sequence[Request], rounds: int) -> None:
    """A build beside a load generator at its best: with no more calls at once than gain something."""
    with server("--rate", RATE, "--alone", ALONE) as url:
        whole_build(url, repositories)  # the server computes its answers
        sent = bodies(requests)
        seconds = {number: load_generator(url, sent, number) for number in SWEEP}
        best = min(number for number in SWEEP if seconds[number] <= AS_GOOD * min(seconds.values()))
        print(
            f"\na server of {RATE:.0f} tokens a second, {best} calls at once, beside a load "
            "generator that makes as many"
        )
        compare(
            "a whole build",
            partial(whole_build, url, repositories, best),
            partial(load_generator, url, sent, best),
            rounds,
            len(requests),
        )


def compare(
    name: str, ours: Callable[[], float], theirs: Callable[[], float], rounds: int, calls: int
) -> None:
    """Time both in turns; print what share of the other side's calls a second ours makes."""
    times = [(ours(), theirs()) for _ in range(rounds)]
    ratio = statistics.median(theirs / mine for mine, theirs in times)
    mine, other = (calls / statistics.median(column) for column in zip(*times, strict=True))
    print(f"  {name}: {ratio:.0%} ({mine:.0f} calls a second, the other {other:.0f})", flush=True)


@contextlib.contextmanager
def server(*options: object) -> Iterator[str]:
    """The URL of a fake TGI with these ``options``, for the length of the context."""
    command = [
        sys.executable,
        ROOT / "tests" / "fake_tgi.py",
        TOKENIZER / "tokenizer.json",
        *map(str, options),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("ready ").strip()
        process.stdin.close()


def repository(folder: Path, number: int) -> Repository:
    """A repository of two to eight files that import one another: few are of one size."""
    root = folder / f"project{number}"
    root.mkdir()
    for n in range(2 + 5 * number % 7):
        others = sorted({n // 2, n - 1} - {n, -1})
        imports = "".join(f"from part{other} import total{other}\n" for other in others)
        functions = "\n\n".join(
            f"def total{n}{'_' * place}(values, factor={place}):\n"
            f'    """The values of project {number}, each times {place}."""\n'
            f"    if len(values) > {n}:\n        raise ValueError('too many values for part {n}')\n"
            f"    weighted = [value * factor for value in values if value != {n}]\n    return sum(weighted)\n"
            for place in range(1 + 3 * n % 5)
        )
        (root / f"part{n}.py").write_text(f'"""Part {n}."""\n\n{imports}\n\n{functions}')
    return load(str(root))


def configuration(url: str, store: Path, number: int = CONCURRENCY) -> BuildConfig:
    return BuildConfig(llm=url, tokenizer=str(TOKENIZER), store=str(store), concurrency=number, search=SEARCH)


def whole_build(url: str, repositories: Sequence[Repository], number: int = CONCURRENCY) -> float:
    """Reconstruct everything with ``number`` calls at once, and with a store that knows nothing yet."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        config = configuration(url, Path(folder) / "store.sqlite", number)
        results = asyncio.run(reconstruct_all(repositories, config))
    assert not any(result.rows["repo2agent-search"]["notes"] for result in results)
    return time.perf_counter() - start


class Recorder:
    """A model that remembers what it was asked."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.requests: list[Request] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    async def generate(self, messages: Sequence[Message], **options: Any) -> str:
        self.requests.append(("generate", (list(messages), options)))
        return await self.model.generate(messages, **options)

    async def score(self, context: Sequence[int], target: Sequence[int]) -> list[float]:
        self.requests.append(("score", (list(context), list(target))))
        return await self.model.score(context, target)


async def recorded(url: str, repositories: Sequence[Repository], folder: Path) -> list[Request]:
    """All requests of a build, in the order in which they came."""
    config = configuration(url, folder / "recorded.sqlite")
    async with open_models(config) as models:
        recorder = Recorder(models.scorer)
        both = Models(recorder, recorder)  # type: ignore[arg-type]
        await asyncio.gather(*(reconstruct(each, both, config) for each in repositories))
    return recorder.requests


def through_store(url: str, requests: Sequence[Request]) -> float:
    """Ask through ``Connection``, with a store that knows nothing yet."""

    async def run(store: Path) -> float:
        async with connect(url, store=store, tokenizer=str(TOKENIZER), concurrency=CONCURRENCY) as model:

            async def ask(request: Request) -> None:
                kind, (first, second) = request
                await (model.generate(first, **second) if kind == "generate" else model.score(first, second))

            return await at_once(ask, requests, CONCURRENCY)

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(Path(folder) / "store.sqlite"))


def bodies(requests: Sequence[Request]) -> list[Body]:
    """The requests as they go over the wire: path and body."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    parameters = {"details": True, "decoder_input_details": True, "max_new_tokens": 1}
    return [
        ("/v1/chat/completions", {"messages": first, "model": "tgi", **second})
        if kind == "generate"
        else ("/generate", {"inputs": tokenizer.decode([*first, *second]), "parameters": parameters})
        for kind, (first, second) in requests
    ]


def bare(url: str, requests: Sequence[Body]) -> float:
    """Ask through huggingface_hub's client and nothing else."""

    async def run() -> float:
        async with AsyncInferenceClient(base_url=url, token="-") as client:
            client._async_client = httpx2.AsyncClient(trust_env=False)  # reaches this machine while offline

            async def ask(request: Body) -> None:
                path, body = request
                if path == "/generate":
                    await client.text_generation(body["inputs"], model=f"{url}{path}", **body["parameters"])
                else:
                    await client.chat_completion(**body)

            return await at_once(ask, requests, CONCURRENCY)

    return asyncio.run(run())


def load_generator(url: str, requests: Sequence[Body], number: int) -> float:
    """Post the requests, ``number`` at once, and look at no answer."""

    async def run() -> float:
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=600, limits=limits) as client:

            async def ask(request: Body) -> None:
                (await client.post(request[0], json=request[1])).raise_for_status()

            return await at_once(ask, requests, number)

    return asyncio.run(run())


async def at_once(ask: Callable[[Any], Any], requests: Sequence[Any], number: int) -> float:
    """Ask everything in order, ``number`` at a time; the seconds that it took."""
    waiting = iter(requests)

    async def worker() -> None:
        for request in waiting:
            await ask(request)

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(number)))
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
