"""
Tokenise and pack on one core, beside TRL's own ``pack_dataset`` on the same text:
    python benchmarks/packing.py                       # 600 documents, window 65,536, three minutes
    python benchmarks/packing.py --documents 2000 --sigma 1.5

Documents are source code from this project in lengths drawn from a lognormal with the paper's mean of
12,083 tokens. TRL's way is what its ``SFTTrainer`` does with a text column: tokenise with ``map``, then pack.
Ours gives each role its own tokens and labels, cuts long documents at segments with a preamble, and packs
from a bounded buffer. Seconds are the processor's, since machines are noisy, and include reading every row
once, as a trainer would. They take turns; the ratio is of the medians.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import datasets
import numpy as np
from datasets import Dataset
from transformers import AutoTokenizer
from trl import pack_dataset

from builder import embedded_model
from trainer.documents import IGNORED, tokenize_rows
from trainer.packing import best_fit, pack

ROOT = Path(__file__).resolve().parents[1]
MEAN = 12_083


def drawn_lengths(number: int, sigma: float, seed: int = 0) -> list[int]:
    draw = np.random.default_rng(seed).lognormal(np.log(MEAN) - sigma**2 / 2, sigma, number)
    return np.maximum(64, draw).astype(int).tolist()


def make_rows(lengths: list[int], tokenizer) -> list[dict]:
    """Rows of about ``lengths`` tokens: a preamble, then sub-agents of a thought, a read and a file."""
    source = "".join(path.read_text() for path in sorted((ROOT / "builder").rglob("*.py")))
    chars_a_token = len(source[:200_000]) / len(tokenizer(source[:200_000])["input_ids"])
    rows = []
    position = 0
    for length in lengths:
        num_chars = int(length * chars_a_token)
        while position + num_chars > len(source):
            position = 0
            source = source if num_chars <= len(source) else source * 2
        text = source[position : position + num_chars]
        position += num_chars
        head = min(400, num_chars // 4)
        cuts = [0, head, *range(head + 1500, num_chars - 500, 1500), num_chars]
        roles = [
            "requirement",
            *itertools.islice(itertools.cycle(["think", "observation", "code"]), len(cuts) - 2),
        ]
        spans = [
            {"start": start, "end": end, "role": role, "loss": role != "observation"}
            for (start, end), role in zip(itertools.pairwise(cuts), roles, strict=True)
        ]
        segments = [
            {"start": spans[n]["start"], "end": spans[min(n + 2, len(spans) - 1)]["end"], "plan": []}
            for n in range(1, len(spans), 3)
        ]
        rows.append(
            {"text": text, "spans": spans, "segments": segments, "preamble": {"start": 0, "end": head}}
        )
    return rows


def ours(dataset: Dataset, tokenizer, window: int) -> tuple[int, int]:
    """The number of tokens in rows, repeated preambles among them, and the number of rows."""
    packed = pack(tokenize_rows(dataset, tokenizer, window), window)
    return sum(len(row["input_ids"]) for row in packed), len(packed)


def num_trained_lost(dataset: Dataset, tokenizer, window: int) -> int:
    """Tokens that carry loss in the whole documents, less those that do in our rows."""
    whole = sum(tokenize_rows(dataset, tokenizer, 10**9)["num_trained"])
    packed = pack(tokenize_rows(dataset, tokenizer, window), window)
    return whole - sum(int((row["labels"] != IGNORED).sum()) for row in packed)


def trls(dataset: Dataset, tokenizer, window: int, strategy: str) -> tuple[int, int]:
    def tokenize(batch):
        return {
            "input_ids": [[*ids, tokenizer.eos_token_id] for ids in tokenizer(batch["text"])["input_ids"]]
        }

    tokens = dataset.map(tokenize, batched=True, batch_size=16, remove_columns=dataset.column_names)
    packed = pack_dataset(tokens, window, strategy).with_format("arrow")
    return sum(len(row["input_ids"][0]) for row in packed), len(packed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=600)
    parser.add_argument("--sigma", type=float, default=1.0, help="of the lognormal")
    parser.add_argument("--window", type=int, default=65_536)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    datasets.disable_caching()
    datasets.disable_progress_bars()

    tokenizer = AutoTokenizer.from_pretrained(str(embedded_model()))
    tokenizer.model_max_length = 10**9
    dataset = Dataset.from_list(make_rows(drawn_lengths(args.documents, args.sigma), tokenizer))
    num_tokens = sum(len(ids) + 1 for ids in tokenizer(dataset["text"][:])["input_ids"])
    ways = {
        "repo2agent": lambda: ours(dataset, tokenizer, args.window),
        "TRL bfd": lambda: trls(dataset, tokenizer, args.window, "bfd"),
        "TRL bfd_split": lambda: trls(dataset, tokenizer, args.window, "bfd_split"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results = {}
    for _ in range(args.repeats):
        for name, way in ways.items():
            start = time.process_time()
            results[name] = way()
            seconds[name].append(time.process_time() - start)

    print(f"{args.documents} documents, {num_tokens:,} tokens, window {args.window:,}, one core")
    for name, (in_rows, num_rows) in results.items():
        speed = num_tokens / statistics.median(seconds[name])
        if name == "repo2agent":
            discarded = num_trained_lost(dataset, tokenizer, args.window)
        else:
            discarded = num_tokens - in_rows
        print(
            f"{name:14} {speed:10,.0f} tokens/s  {num_rows:5} rows  "
            f"{100 * in_rows / (num_rows * args.window):6.2f} % full  {discarded:9,} tokens discarded"
        )
    ratio = statistics.median(seconds["TRL bfd"]) / statistics.median(seconds["repo2agent"])
    print(f"repo2agent / TRL bfd: {ratio:.2f}")

    # At length: the packing alone, whose last rows no longer weigh.
    lengths = [min(length, args.window) for length in drawn_lengths(100_000, args.sigma)]
    start = time.process_time()
    num_rows = sum(1 for _ in best_fit(lengths, args.window))
    elapsed = time.process_time() - start
    print(
        f"packing alone, 100,000 documents: {100 * sum(lengths) / (num_rows * args.window):.2f} % full, "
        f"{sum(lengths) / elapsed / 1e6:,.0f} M tokens/s"
    )


if __name__ == "__main__":
    main()
