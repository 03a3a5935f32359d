"""A row for reading, in the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from builder.errors import UserError
from builder.rows.columns import main_config
from builder.rows.statistics import debugging, statistics
from builder.rows.write import CONFIGS, built_files, read_rows

_STYLES = {
    "requirement": "cyan",
    "plan": "cyan",
    "call": "magenta",
    "think": "yellow",
    "code": "green",
}
_HIDDEN = "dim"  # carries no loss
_MAX_LINES = 12
# What makes a terminal act, or show a text in another order than it has: a file could hide what follows it.
_ACTING = re.compile(
    "\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)


def find_row(dataset: Path, config: str, number: int) -> dict[str, Any]:
    """Row ``number`` of ``config``, counted from 0 over all splits; ``UserError`` where there is none."""
    row = next(islice(read_rows(dataset, config), max(number, 0), None), None)
    if row is None:
        raise UserError(
            f"{dataset}: no row {number}; {config} has {sum(1 for _ in read_rows(dataset, config))}"
        )
    return row


def inspect_row(dataset: Path, config: str, number: int, full: bool, console: Console | None = None) -> None:
    """Print row ``number``: what carries loss in colour, what does not dimmed, thoughts with their scores.

    Contents of files are cut to a few lines unless ``full``.
    """
    console = console or Console(highlight=False, soft_wrap=True)
    row = find_row(dataset, config, number)
    console.print(
        f"[bold]{escape(row['id'])}[/bold]  {row['num_files']} files, {row['num_tokens']} tokens "
        f"({row['num_loss_tokens']} carry loss), {row['num_raw_tokens']} as plain code, licence "
        f"{row['license'] or 'unknown'}",
    )
    legend = Text("colours: ")
    for role, style in _STYLES.items():
        legend.append(f"{role} ", style)
    legend.append("no loss", _HIDDEN)
    console.print(legend)

    scores = {score["step"]: score for score in row["scores"]}
    speaker = None
    for span in row["spans"]:
        step = row["steps"][span["step"]]
        if step["agent"] != speaker:
            speaker = step["agent"]
            name = "main agent" if speaker == "main" else f"sub-agent for {speaker}"
            console.rule(Text(name, "bold"), align="left")
        text = _visible(row["text"][span["start"] : span["end"]])
        if span["content"] and step["kind"] in ("observation", "draft", "write") and not full:
            text = _shorten(text)
        console.print(Text(text, _STYLES.get(span["role"], "") if span["loss"] else _HIDDEN), end="")
        if step["kind"] in ("design", "debug") and span["content"] and span["step"] in scores:
            console.print(Text(describe_score(scores[span["step"]]), "bold blue"))
    for note in row["notes"]:
        console.print(Text(f"note: {_visible(note)}", "red"))


def print_summary(dataset: Path, trained: Path | None = None, console: Console | None = None) -> None:
    """Print the figures of a built dataset, and of a model trained on it by ``trainer/cpt.py``."""
    console = console or Console(highlight=False)
    figures = statistics(read_rows(dataset, main_config(dataset) or CONFIGS[0]))
    table = Table(box=SIMPLE, show_header=False)
    for name, column in (
        ("repositories", "num_repositories"),
        ("files", "num_files"),
        ("tokens as plain code", "num_raw_tokens"),
        ("tokens as trajectories", "num_tokens"),
        ("tokens that carry loss", "num_loss_tokens"),
        ("trajectory to plain code", "token_ratio"),
    ):
        table.add_row(name, _figure(figures[column]))
    table.add_row("thoughts searched, rewritten", f"{figures['num_thoughts']}, {figures['num_rewritten']}")
    for name, column in (
        ("no thought", "nll_none"),
        ("the outline restated", "nll_outline"),
        ("another file's thought", "nll_other"),
        ("the first thought", "nll_before"),
        ("the searched thought", "nll"),
    ):
        table.add_row(f"NLL of the code after {name}", _figure(figures[column]))
    for config in CONFIGS:
        if config.endswith("-debug") and built_files(dataset, config):
            found = debugging(read_rows(dataset, config))
            kinds = ", ".join(f"{count} {kind}" for kind, count in found["defects"].items())
            table.add_row(f"{config}: drafts with defects", _figure(found["num_drafts"]))
            table.add_row("defects thought about", kinds or "–")
            table.add_row("share that the real file resolves", _figure(found["resolved"]))
    if trained is not None:
        metrics = _metrics(trained)
        for name, column in (("first", "loss_first_pass"), ("last", "loss_last_pass")):
            table.add_row(f"training loss, {name} pass over the same rows", _figure(metrics.get(column)))
        table.add_row("model", str(trained))
    table.add_row("dataset", str(dataset))
    console.print(table)


def _metrics(trained: Path) -> dict[str, Any]:
    path = trained / "metrics.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(f"{path}: no training figures; give the folder that trainer/cpt.py wrote") from None


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"


def describe_score(score: Mapping[str, Any]) -> str:
    """The score of one thought beside its controls, in one line."""

    figure = {name: _figure(value) for name, value in score.items() if "nll" in name or name == "gain"}
    return (
        f"NLL of the code {figure['nll']} (first thought {figure['nll_before']}; no thought "
        f"{figure['nll_none']}, outline {figure['nll_outline']}, another file's thought "
        f"{figure['nll_other']}); gain beyond the best control {figure['gain']}; rewritten in "
        f"{score['rounds_accepted']} rounds"
    )


def _visible(text: str) -> str:
    return _ACTING.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _shorten(text: str) -> str:
    lines = text.splitlines(keepends=True)
    if len(lines) <= _MAX_LINES:
        return text
    return "".join(lines[:_MAX_LINES]) + f"… {len(lines) - _MAX_LINES} more lines (--full shows them)\n"
