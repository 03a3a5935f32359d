"""What each arm reads, counted from the data before anything is trained: tokens in all, with loss, of code.

    python -m experiment.counts raw.yaml general.yaml --names raw-repos general --sources repositories text \\
        --output counts.json

The rows of each run are drawn as `trainer/cpt.py` draws them, without a model. Unique code tokens are those
of code that is written in the documents seen, each stretch of it once, however often and wherever it is seen.
Ends with one line where the runs do not agree in their total tokens.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from builder import UserError
from experiment.stages import write_whole

MOST_LENGTHS = 10_000
WHOLE = 1 << 40  # a window that cuts no document
AGREE = 0.005  # of the largest total, by which totals may differ


def count_run(config: str, described: str, ranks: int = 1) -> dict[str, Any]:
    """``{"data": …, "run": …}`` of the run that the file ``config`` describes, on ``ranks`` processes.

    The data are those of its source ``described``. A run that streams is not drawn, and has no "run".
    """
    from transformers import AutoTokenizer

    from trainer.cpt import make_parser
    from trainer.model import model_path
    from trainer.sources import open_stream, parse_sources

    # No model is loaded, whatever the machine that trains.
    anywhere = ["--use_cpu", "true", "--bf16", "false", "--fp16", "false"]
    args, training_args, model_args = make_parser().parse_args_and_config(["--config", config, *anywhere])
    tokenizer = AutoTokenizer.from_pretrained(model_path(model_args.model_name_or_path))
    sources = parse_sources(args.sources, args)
    data = count_data(sources[described], tokenizer, args)
    if any(source.streaming for source in sources.values()):
        return {"data": data, "run": None}
    training_args.gradient_accumulation_steps *= ranks  # the same rows a step, all of them drawn here
    stream = open_stream(args, training_args, tokenizer, training_args.max_length)
    seen = Seen()
    rows = iter(stream)
    counts = stream.place(0).counts
    with tqdm(total=stream.budget, unit="tokens", unit_scale=True, desc=described) as bar:
        while counts.tokens < stream.budget:
            for _ in range(stream.rows_a_step):
                row = next(rows)
                seen.add(row["input_ids"], row["roles"], row["seq_lengths"])
            counts = stream.place(stream.step).counts
            bar.update(min(counts.tokens, stream.budget) - bar.n)
    tokens = counts.by_source[stream.names.index(described)]
    return {
        "data": data,
        "run": {
            "tokens": {"total": counts.tokens, "trained": counts.trained, "unique_code": seen.num_tokens},
            "steps": stream.step,
            "epochs": round(tokens / data["tokens"], 4),
        },
    }


def count_data(source: Any, tokenizer: Any, args: Any) -> dict[str, Any]:
    """Documents of one source, whole: how many, how long, and their tokens."""
    from trainer.documents import load_rows, tokenize_rows

    rows = load_rows(
        source.dataset_name, source.dataset_config, source.split, source.data_files, revision=source.revision
    )
    documents = tokenize_rows(
        rows,
        tokenizer,
        WHOLE,
        args.loss_roles,
        renderer=args.renderer,
        plain_text=source.plain_text,
        with_roles=True,
    )
    seen = Seen()
    for document in documents.select_columns(["input_ids", "roles", "length"]).with_format("numpy"):
        seen.add(document["input_ids"], document["roles"], [int(document["length"])])
    lengths = documents["length"][:]
    return {
        "documents": len(lengths),
        "lengths": sorted(lengths)[:: -(-len(lengths) // MOST_LENGTHS)],
        "tokens": sum(lengths),
        "trained_tokens": sum(documents["num_trained"][:]),
        "unique_code_tokens": seen.num_tokens,
    }


class Seen:
    """The different stretches of code that were seen: each begins and ends with its span or its document."""

    def __init__(self) -> None:
        from trainer.documents import ROLES

        self._code = ROLES.index("code") + 1
        self._stretches: set[bytes] = set()

    def add(self, ids: Any, roles: Any, lengths: list[int]) -> None:
        """Add a row of documents of ``lengths``: ``ids`` and ``roles`` of its tokens."""
        import numpy as np

        is_code = np.asarray(roles) == self._code
        turns = np.flatnonzero(is_code[1:] != is_code[:-1]) + 1
        for run in np.split(np.arange(len(ids)), np.union1d(turns, np.cumsum(lengths)[:-1])):
            if len(run) and is_code[run[0]]:
                self._stretches.add(np.asarray(ids)[run].astype("<i4").tobytes())

    @property
    def num_tokens(self) -> int:
        """Their tokens. The beginning of another, left of it by the end of the run, is nothing new."""
        total, before = 0, b""
        for stretch in sorted(
            self._stretches, reverse=True
        ):  # what begins like another stands right after it
            if not before.startswith(stretch):
                total += len(stretch) // 4
                before = stretch
        return total


def check_totals(totals: dict[str, int]) -> None:
    """Raise ``UserError`` where total tokens, by run, differ by more than half a percent."""
    least, most = min(totals, key=totals.__getitem__), max(totals, key=totals.__getitem__)
    if totals[most] - totals[least] > AGREE * totals[most]:
        raise UserError(
            f"arms are not comparable: {most} sees {totals[most]:,} tokens and {least} {totals[least]:,}; "
            "set exact_tokens, or more tokens or a smaller global batch, until they agree within 0.5 %"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", help="configurations of `trainer/cpt.py`")
    parser.add_argument("--names", nargs="+", required=True, help="of the runs")
    parser.add_argument("--sources", nargs="+", required=True, help="the source of each that is described")
    parser.add_argument("--ranks", type=int, default=1, help="processes that train")
    parser.add_argument("--output", type=Path, required=True, help="the JSON file to write")
    options = parser.parse_args()
    try:
        runs = zip(options.names, options.runs, options.sources, strict=True)
        found = {name: count_run(config, source, options.ranks) for name, config, source in runs}
        drawn = {name: counted["run"] for name, counted in found.items() if counted["run"]}
        if drawn:
            check_totals({name: run["tokens"]["total"] for name, run in drawn.items()})
    except UserError as error:
        sys.exit(f"error: {error}")
    write_whole(options.output, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
