"""The pocket server beside plain transformers, in one run: `make bench`.

Machines are noisy, so only ratios are printed as results; each is the median of several rounds in which
both sides take turns. Needs the embedded model (extra `local`).

    python benchmarks/pocket.py --rounds 3
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from builder import embedded_model
from builder.llm import connect, pocket_server

NUM_REQUESTS = 8
NEW_TOKENS = 32
CONTEXT, CANDIDATES, THOUGHT, TARGET = 1024, 4, 100, 200


def main() -> None:
    """Run both comparisons and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts")
    rounds = parser.parse_args().rounds
    directory = embedded_model()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    with pocket_server() as url:
        print(f"SmolLM2-135M-Instruct, fp32, {torch.get_num_threads()} threads, median of {rounds} rounds\n")
        compare(
            f"text: {NUM_REQUESTS} prompts at once, {NEW_TOKENS} tokens each, beside one padded batch",
            lambda number: asyncio.run(pocket_text(url, number)),
            lambda number: plain_text(model, tokenizer, number),
            rounds,
        )
        compare(
            f"scores: {CANDIDATES} thoughts of {THOUGHT} tokens in one context of {CONTEXT}, {TARGET} tokens "
            "scored, beside a forward pass each",
            lambda number: asyncio.run(pocket_scores(url, tokenizer, number)),
            lambda number: plain_scores(model, tokenizer, number),
            rounds,
        )


def compare(name: str, ours: Callable[[int], Any], theirs: Callable[[int], Any], rounds: int) -> None:
    """Time both in turns; print how many times faster ``ours`` is."""

    def seconds(run: Callable[[int], Any], number: int) -> float:
        start = time.perf_counter()
        run(number)
        return time.perf_counter() - start

    ratios, times = [], []
    for number in range(rounds):
        mine, plain = seconds(ours, number), seconds(theirs, number)
        ratios.append(plain / mine)
        times.append((mine, plain))
    mine, plain = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(ratios)
    print(f"{name}\n  {ratio:.2f} times as fast ({mine:.1f} s, transformers {plain:.1f} s)\n")


def prompts(number: int) -> list[list[dict[str, str]]]:
    """Requests of one round, of different lengths; rounds differ so that no cache helps."""
    words = "The parser keeps the sections in order and raises an error that names the line. "
    return [
        [{"role": "user", "content": f"Round {number}, {place}. " + words * (place + 2)}]
        for place in range(NUM_REQUESTS)
    ]


async def pocket_text(url: str, number: int) -> None:
    async with connect(url) as client:
        await asyncio.gather(
            *(client.generate(each, max_tokens=NEW_TOKENS, temperature=0.0) for each in prompts(number))
        )


def plain_text(model: Any, tokenizer: Any, number: int) -> None:
    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    batch = tokenizer.apply_chat_template(
        prompts(number), add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
    )
    with torch.inference_mode():
        model.generate(**batch, max_new_tokens=NEW_TOKENS, min_new_tokens=1, do_sample=False)


def texts(tokenizer: Any, number: int) -> list[tuple[list[int], list[int]]]:
    """Context with thought, and target, in ids, for each candidate of one round."""

    def ids(line: str, length: int) -> list[int]:
        """About ``length`` ids of whole lines: a server that takes text must find the same joins."""
        one = tokenizer(line, add_special_tokens=False)["input_ids"]
        return one * round(length / len(one))

    context = ids(f"def section_{number}(name): return sections[name]\n", CONTEXT)
    target = ids("key, value = line.split('='); table[key] = value.strip()\n", TARGET)
    return [
        ([*context, *ids(f"I keep {place} values and check each line in turn.\n", THOUGHT)], target)
        for place in range(CANDIDATES)
    ]


async def pocket_scores(url: str, tokenizer: Any, number: int) -> None:
    async with connect(url) as client:
        await asyncio.gather(*(client.score(*each) for each in texts(tokenizer, number)))


def plain_scores(model: Any, tokenizer: Any, number: int) -> None:
    for context, target in texts(tokenizer, number):
        ids = torch.tensor([[*context, *target]])
        with torch.inference_mode():
            logits = model(ids, logits_to_keep=len(target) + 1).logits[0, :-1]
            logits.log_softmax(-1).gather(-1, ids[0, -len(target) :, None])


if __name__ == "__main__":
    main()
