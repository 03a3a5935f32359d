"""One worker thread, one model: continuous batching for text, fixed blocks and a prefix cache for scores.

An answer never depends on what else is in flight or cached, to the last bit. Matrix products give other
bits for other shapes, so every shape here follows from the request alone: prompts run in blocks of
``BLOCK`` tokens at fixed positions, whether or not the blocks before came from the cache, and decoding always
runs ``SLOTS`` rows, empty ones included. Attention is each sequence's own (see ``attention``).
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from builder.llm.pocket.attention import KeyValues, Row, causal_mask
from builder.llm.pocket.sampling import Sampler, Sampling

BLOCK = 128
SLOTS = 8
CACHED_TOKENS = 32_768  # 1.5 GB of keys and values for SmolLM2-135M in fp32


@dataclass(frozen=True)
class Answer:
    """What came of a job.

    ``prefill`` holds the log-prob of each prompt token (nats; None for the first), empty unless asked for.
    ``finish`` is TGI's: "length", "eos_token" or "stop_sequence".
    """

    prefill: list[float | None]
    tokens: list[int]
    logprobs: list[float]
    finish: str


@dataclass
class Job:
    """A prompt and what to do with it. Cancel ``future`` to give it up: its slot is free a step later."""

    ids: list[int]
    max_new_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    prefill_details: bool = False
    future: Future[Answer] = field(default_factory=Future)


@dataclass
class Counters:
    """Tokens since the start: prompt tokens asked for and really computed, and tokens generated."""

    prefill_asked: int = 0
    prefill_computed: int = 0
    generated: int = 0


@dataclass(frozen=True)
class _Block:
    """A full block of a prompt: keys and values by layer, last hidden state, log-probs of its own tokens."""

    layers: list[Tensor]
    last_hidden: Tensor
    logprobs: list[float]


class _PrefixCache:
    """Recent full blocks, each under the hash of all ids up to its end; the least recently used go first."""

    def __init__(self, max_tokens: int) -> None:
        self._blocks: OrderedDict[bytes, _Block] = OrderedDict()
        self._max_blocks = max_tokens // BLOCK

    def get(self, key: bytes) -> _Block | None:
        block = self._blocks.get(key)
        if block is not None:
            self._blocks.move_to_end(key)
        return block

    def put(self, key: bytes, block: _Block) -> None:
        self._blocks[key] = block
        while len(self._blocks) > self._max_blocks:
            self._blocks.popitem(last=False)


@dataclass
class _Slot:
    """A sequence that is being decoded: ``cache`` lacks only ``tokens[-1]``."""

    job: Job
    cache: KeyValues
    sampler: Sampler
    prefill: list[float | None]


class Engine:
    """Runs ``model`` (a causal language model of transformers, in evaluation mode) for many callers."""

    def __init__(
        self, model: Any, tokenizer: Any, *, slots: int = SLOTS, cached_tokens: int = CACHED_TOKENS
    ) -> None:
        self.counters = Counters()
        self.eos_ids = _eos_ids(model, tokenizer)
        self._tokenizer = tokenizer
        self._body, self._head = model.base_model, model.get_output_embeddings()
        self._device, self._dtype = model.device, model.dtype
        self._num_layers = model.config.num_hidden_layers
        self._groups = model.config.num_attention_heads // model.config.num_key_value_heads
        self._prefixes = _PrefixCache(cached_tokens)
        self._slots: list[_Slot | None] = [None] * slots
        self._inbox: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._to_score: deque[Job] = deque()
        self._to_generate: deque[Job] = deque()
        self._thread = threading.Thread(target=self._run, name="pocket-engine", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether jobs are still being worked on."""
        return self._thread.is_alive()

    def submit(self, job: Job) -> Future[Answer]:
        """Queue ``job``; callable from any thread. The future raises what the model raised."""
        self.counters.prefill_asked += len(job.ids)
        self._inbox.put(job)
        return job.future

    @torch.inference_mode()
    def _run(self) -> None:
        sides = (self._scoring(), self._generating())
        spent = [0.0, 0.0]
        while True:
            # Each side does one step, a block or a token; while both have work they share the time evenly.
            side = 0 if spent[0] <= spent[1] else 1
            began = time.perf_counter()
            if next(sides[side]):
                spent[side] += time.perf_counter() - began
            else:
                spent = [0.0, 0.0]
                if not next(sides[1 - side]):
                    self._receive(wait=True)
            self._receive(wait=False)

    def _receive(self, wait: bool) -> None:
        while wait or not self._inbox.empty():
            job = self._inbox.get()
            wait = False
            # A score needs no slot: its one new token follows from the prompt's last logits.
            (self._to_score if job.max_new_tokens == 1 else self._to_generate).append(job)

    def _scoring(self) -> Iterator[bool]:
        """Scores in turn; a step (True) is one block, False says that there is nothing to do."""
        while True:
            if not self._to_score:
                yield False
                continue
            job = self._to_score.popleft()
            if not job.future.cancelled():
                yield from self._start(job, slot=None)

    def _generating(self) -> Iterator[bool]:
        """Fills free slots first, since a decoding step costs the same with one row as with all."""
        while True:
            free = self._slots.index(None) if None in self._slots else None
            if self._to_generate and free is not None:
                job = self._to_generate.popleft()
                if not job.future.cancelled():
                    yield from self._start(job, free)
            elif any(self._slots):
                self._decode()
                yield True
            else:
                yield False

    def _start(self, job: Job, slot: int | None) -> Iterator[bool]:
        """Prefill ``job``, a block a step, and draw its first token; the rest is decoded in ``slot``."""
        try:
            cache = KeyValues(self._num_layers)
            prefill: list[float | None] = []
            logits = None
            for outcome in self._prefill(job.ids, cache, prefill if job.prefill_details else None):
                logits = outcome
                if job.future.cancelled():
                    return
                yield True
            assert logits is not None
            sampler = Sampler(job.sampling, job.max_new_tokens, self._tokenizer, self.eos_ids)
            sampler.draw(logits)
            self.counters.generated += 1
            started = _Slot(job, cache, sampler, prefill)
            if slot is None or sampler.finish is not None:
                self._finish(started)
            else:
                self._slots[slot] = started
        except Exception as error:
            _fail(job, error)

    def _prefill(
        self, ids: list[int], cache: KeyValues, logprobs: list[float | None] | None
    ) -> Iterator[Tensor | None]:
        """Bring ``ids`` into ``cache``, yielding once a block; the last yield is the next token's logits.

        Fills ``logprobs`` where it is a list. Blocks with and without log-probs are cached apart.
        """
        chain = hashlib.sha256(b"scored" if logprobs is not None else b"plain")
        last_hidden: Tensor | None = None
        reusing = True
        if logprobs is not None:
            logprobs.append(None)
        for start in range(0, len(ids), BLOCK):
            piece = ids[start : start + BLOCK]
            final = start + BLOCK >= len(ids)
            chain.update(b",".join(b"%d" % token for token in piece) + b";")
            # The final block is computed in any case: the next token's logits come from it.
            block = self._prefixes.get(chain.digest()) if reusing and not final else None
            if block is not None:
                cache.copy_in(block.layers)
                last_hidden = block.last_hidden
                if logprobs is not None:
                    logprobs += block.logprobs
                continue
            reusing = False
            length = start + len(piece)
            mask = causal_mask(len(piece), length, self._groups, self._dtype, self._device)
            hidden = self._forward(piece, range(start, length), [Row(0, len(piece), cache, mask)])
            cache.advance(len(piece))
            self.counters.prefill_computed += len(piece)
            own: list[float] = []
            if logprobs is not None:
                # The block's first token is predicted by the last hidden state of the block before.
                before = hidden[:-1] if last_hidden is None else torch.cat([last_hidden, hidden[:-1]])
                own = self._logprobs_of(before, piece[len(piece) - len(before) :])
                logprobs += own
            last_hidden = hidden[-1:].clone()
            if len(piece) == BLOCK:
                layers = cache.copy_out(start, length)
                self._prefixes.put(chain.digest(), _Block(layers, last_hidden, own))
            yield self._head(last_hidden)[0].float().cpu() if final else None

    def _decode(self) -> None:
        """One token for every occupied slot, in one forward pass over all slots."""
        tokens, positions, rows = [0] * len(self._slots), [0] * len(self._slots), []
        for index, slot in enumerate(self._slots):
            if slot is None:
                continue
            if slot.job.future.cancelled():
                self._slots[index] = None
                continue
            tokens[index] = slot.sampler.tokens[-1]
            positions[index] = slot.cache.length
            rows.append(Row(index, 1, slot.cache))
        if not rows:
            return
        try:
            logits = self._head(self._forward(tokens, positions, rows)).float().cpu()
            for row in rows:
                row.cache.advance(1)
            for index, slot in enumerate(self._slots):
                if slot is None:
                    continue
                slot.sampler.draw(logits[index])
                self.counters.generated += 1
                if slot.sampler.finish is not None:
                    self._slots[index] = None
                    self._finish(slot)
        except Exception as error:
            for index, slot in enumerate(self._slots):
                if slot is not None:
                    self._slots[index] = None
                    _fail(slot.job, error)

    def _forward(self, ids: list[int], positions: range | list[int], rows: list[Row]) -> Tensor:
        """Last hidden states ``[tokens, hidden]`` of a flat batch."""
        output = self._body(
            input_ids=torch.tensor([ids], device=self._device),
            position_ids=torch.tensor([list(positions)], device=self._device),
            use_cache=False,
            rows=rows,
        )
        return output.last_hidden_state[0]

    def _logprobs_of(self, hidden: Tensor, ids: list[int]) -> list[float]:
        if not ids:
            return []
        # In fp32 whatever the model's own type: bf16 steps by 0.016 near -3.
        logprobs = self._head(hidden).float().log_softmax(-1)
        return logprobs.gather(-1, torch.tensor(ids, device=logprobs.device)[:, None])[:, 0].tolist()

    def _finish(self, slot: _Slot) -> None:
        sampler = slot.sampler
        assert sampler.finish is not None
        if slot.job.future.set_running_or_notify_cancel():
            slot.job.future.set_result(Answer(slot.prefill, sampler.tokens, sampler.logprobs, sampler.finish))


def _fail(job: Job, error: Exception) -> None:
    if job.future.set_running_or_notify_cancel():
        job.future.set_exception(error)


def _eos_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    ids: set[int] = set()
    for value in (
        tokenizer.eos_token_id,
        model.config.eos_token_id,
        getattr(model.generation_config, "eos_token_id", None),
    ):
        ids.update(value if isinstance(value, list) else [] if value is None else [value])
    return frozenset(ids)
