"""A TGI without a model, in a process of its own: tests and benchmarks drive it as they would a real one.

    python tests/fake_tgi.py path/to/tokenizer.json --rate 400 --alone 50

Every answer is a function of the request. Log-probs are one of the ids up to their token, so that a rewrite
may well make the code behind it more likely. Answers are remembered: asked again, they cost next to nothing.
Prints `ready URL` once it listens, and goes away when its standard input is closed; with --latency it says
then what `Counts` holds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import heapq
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tokenizers import Tokenizer

PREFILL = 1 / 20  # what a token of a prompt costs beside one that is generated
SENTENCES = (
    "I first read the names that the outline gives and keep them in one table. Then each part checks what "
    "it was given, returns early where there is nothing to do, and raises where a value is of no use. The "
    "result is collected in order, so that callers find what they put in, and errors say which entry failed."
)
WORDS = SENTENCES.split()


@dataclass
class Speed:
    """A server of fixed speed: ``rate`` tokens a second for all requests, ``alone`` for each at most."""

    rate: float
    alone: float
    _done: float = 0.0  # tokens that a request would have got, had it been there from the beginning
    _since: float = 0.0
    _waiting: list[tuple[float, int, asyncio.Future[None]]] = field(default_factory=list)
    _number: int = 0
    _timer: asyncio.TimerHandle | None = None

    async def spend(self, tokens: float) -> None:
        """Wait until the server has given ``tokens`` to this request."""
        self._advance()
        self._number += 1
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self._done + tokens, self._number, future))
        self._wake()
        await future

    def _advance(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._waiting:
            self._done += (now - self._since) * min(self.alone, self.rate / len(self._waiting))
        self._since = now
        while self._waiting and self._waiting[0][0] <= self._done + 1e-6:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            speed = min(self.alone, self.rate / len(self._waiting))
            self._timer = asyncio.get_running_loop().call_later(
                (self._waiting[0][0] - self._done) / speed, self._on_time
            )

    def _on_time(self) -> None:
        self._advance()
        self._wake()


@dataclass
class Counts:
    """How busy a client of ``places`` calls at once keeps the server.

    A request is here from its last byte in until its answer's first byte out, over all requests
    ``request_seconds``. ``full_seconds`` are those from the first moment at which all places were taken to
    the last one, and ``request_seconds_when_full`` is what requests spent here in that time.
    """

    places: int
    calls: int = 0
    seconds: float = 0.0  # from the first request to the last answer
    request_seconds: float = 0.0
    full_seconds: float = 0.0
    request_seconds_when_full: float = 0.0
    _here: int = 0
    _since: float = 0.0
    _began: float | None = None
    _full_since: tuple[float, float] | None = None

    def __enter__(self) -> None:
        self._pass(1)
        self.calls += 1

    def __exit__(self, *_: object) -> None:
        self._pass(-1)

    def _pass(self, more: int) -> None:
        now = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = self._since = now
        self.request_seconds += self._here * (now - self._since)
        self.seconds, self._since = now - self._began, now
        if self._here >= self.places and self._full_since is not None:
            self.full_seconds = now - self._full_since[0]
            self.request_seconds_when_full = self.request_seconds - self._full_since[1]
        self._here += more
        if self._here >= self.places and self._full_since is None:
            self._full_since = now, self.request_seconds

    def as_json(self) -> str:
        return json.dumps({name: value for name, value in vars(self).items() if name[0] != "_"})


class Server:
    """Answers by body, with what they cost."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_input_tokens: int,
        speed: Speed | None,
        latency: float = 0.0,
        places: int = 1,
    ) -> None:
        self.tokenizer = tokenizer
        self.max_input_tokens = max_input_tokens
        self.speed = speed
        self.latency = latency
        self.counts = Counts(places)
        self.answers: dict[bytes, tuple[bytes, float]] = {}
        self.texts = [json.dumps(tokenizer.decode([n])) for n in range(tokenizer.get_vocab_size())]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept open from request to request."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line[15:])
                body = await reader.readexactly(length)
                path = head.split(b" ", 2)[1]
                writer.write(await self.answer(path, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or this process is going
        finally:
            writer.close()

    async def answer(self, path: bytes, body: bytes) -> bytes:
        if path == b"/info":
            return _response(self.info())
        with self.counts:
            return await self._model(path, body)

    async def _model(self, path: bytes, body: bytes) -> bytes:
        if (known := self.answers.get(body)) is None:
            known = self.answers[body] = self.generate(body) if path == b"/generate" else self.chat(body)
        response, cost = known
        if self.speed is not None:
            await self.speed.spend(cost)
        if self.latency:
            await asyncio.sleep(self.latency)
        return response

    def info(self) -> str:
        return json.dumps(
            {
                "model_id": "fake/model",
                "model_sha": "1",
                "max_concurrent_requests": 128,
                "max_input_tokens": self.max_input_tokens,
                "max_total_tokens": self.max_input_tokens + 512,
                "router": "fake",
                "version": "3.3.6",
            }
        )

    def generate(self, body: bytes) -> tuple[bytes, float]:
        ids = self.tokenizer.encode(json.loads(body)["inputs"]).ids
        entries = []
        state = 0
        for token in ids:
            state = (state * 6364136223846793005 + token + 1442695040888963407) % 2**64
            entries.append(
                f'{{"id":{token},"text":{self.texts[token]},"logprob":-{(state >> 44) % 4096 / 1024}}}'
            )
        entries[0] = f'{{"id":{ids[0]},"text":{self.texts[ids[0]]},"logprob":null}}'
        details = (
            f'{{"finish_reason":"length","generated_tokens":1,"prefill":[{",".join(entries)}],"tokens":[]}}'
        )
        return _response(f'{{"generated_text":"x","details":{details}}}'), len(ids) * PREFILL + 1

    def chat(self, body: bytes) -> tuple[bytes, float]:
        request = json.loads(body)
        dice = random.Random(hashlib.sha256(body).digest())
        words = dice.sample(WORDS, min(len(WORDS), request["max_tokens"] // 4))
        num_prompt = len(self.tokenizer.encode("".join(m["content"] for m in request["messages"])).ids)
        answer = {
            "id": "1",
            "created": 1,
            "model": "fake/model",
            "system_fingerprint": "",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": f"I {' '.join(words)}."},
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": num_prompt,
                "completion_tokens": len(words),
                "total_tokens": num_prompt + len(words),
            },
        }
        return _response(json.dumps(answer)), num_prompt * PREFILL + len(words)


def _response(text: str) -> bytes:
    data = text.encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


@contextlib.contextmanager
def running(tokenizer: Path, *options: str) -> Iterator[str]:
    """The URL of one, in a process of its own, with the ``tokenizer.json`` at ``tokenizer``."""
    command = [sys.executable, __file__, str(tokenizer), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().removeprefix("ready ").strip()
        process.stdin.close()


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tokenizer", help="a tokenizer.json")
    parser.add_argument(
        "--rate", type=float, default=0.0, help="tokens a second in all; 0: as fast as it can"
    )
    parser.add_argument(
        "--alone", type=float, default=50.0, help="tokens a second for one request, with --rate"
    )
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that every answer takes")
    parser.add_argument("--places", type=int, default=1, help="calls that the client may have in flight")
    parser.add_argument("--max_input_tokens", type=int, default=1500)
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    options = parser.parse_args()
    speed = Speed(options.rate, options.alone) if options.rate else None
    tokenizer = Tokenizer.from_file(options.tokenizer)
    server = Server(tokenizer, options.max_input_tokens, speed, options.latency, options.places)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", options.port, limit=1 << 24)
    print(f"ready http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    if options.latency:
        print(server.counts.as_json(), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
