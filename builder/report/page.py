"""``repo2agent report``: the figures of a built dataset as one page, with its charts beside it as PNG."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from tqdm import tqdm

from builder.cache import cache_home
from builder.errors import UserError
from builder.llm import Connection, connect, pocket_server
from builder.report import charts
from builder.report.evidence import Evidence, Interval, Thought, evidence, mean_gain
from builder.report.rescore import rescore, sample_of
from builder.report.rounds import RANDOM, SEARCHED, Point, Rounds
from builder.rows import built_files, read_rows, read_usage
from builder.search import Scorer, SearchOptions

EMBEDDED = "embedded"


@dataclass(frozen=True)
class Rescoring:
    """Which thoughts of a dataset are scored again for a report, and by whom.

    Attributes:
        scorer: URL of the model that chose, or `embedded`: it scores with the whole document as context.
        judge: URL of a model that took no part in the choice, or `embedded`.
        tokenizer: The judge's tokenizer (a path or Hub id), where its model id does not lead to it.
        sample: How many thoughts are scored again at most.
        context_tokens: Longest prompt of the judge, where it is shorter than what it takes.
        window_tokens: As in ``SearchOptions``.
        num_windows: As in ``SearchOptions``.
    """

    scorer: str | None = None
    judge: str | None = None
    tokenizer: str | None = None
    sample: int = 24
    context_tokens: int | None = None
    window_tokens: int = 256
    num_windows: int = 2


@dataclass(frozen=True)
class Chart:
    """A figure with its heading, what it says in words, and the numbers behind it."""

    name: str
    title: str
    text: str
    figure: Any
    table: Sequence[Sequence[str]] = ()


@dataclass
class Report:
    """All that the page shows. ``rescored`` are thoughts by the way in which they were scored again."""

    found: Evidence
    rescored: dict[str, list[Thought]]
    usage: list[dict[str, Any]]

    def gains(self) -> dict[str, Interval]:
        """Gains beyond the best control, by what was scored and how."""
        ways = {
            "searched": mean_gain(self.found.thoughts),
            "searched, on the body alone": mean_gain(self.found.thoughts, body=True),
            "as first written": mean_gain(self.found.thoughts, "first"),
            "accepted at random": mean_gain(self.found.thoughts, "random"),
            **{f"searched, {way}": mean_gain(thoughts) for way, thoughts in self.rescored.items()},
        }
        return {name: interval for name, interval in ways.items() if interval is not None}


def write_report(report: Report, output: Path) -> Path:
    """Write ``index.html`` and a PNG for each chart under ``output``; returns the page's path.

    Raises ``UserError`` where that cannot be done.
    """
    page = output / "index.html"
    try:
        with charts.style():
            output.mkdir(parents=True, exist_ok=True)
            drawn = list(chart_list(report))
            for chart in drawn:
                (output / f"{chart.name}.png").write_bytes(charts.png(chart.figure))
            page.write_text(_render(report, drawn), encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"{output}: cannot write the report ({error.strerror or error})") from None
    return page


def collect(dataset: Path, again: Rescoring | None = None) -> Report:
    """What ``dataset`` shows, with what is to be scored again.

    Raises ``UserError`` where it has no searched rows, or a model cannot be asked.
    """
    again = again or Rescoring()
    rows = list(read_rows(dataset, SEARCHED))
    log = list(read_rows(dataset, "search-log"))
    walked = list(read_rows(dataset, RANDOM)) if built_files(dataset, RANDOM) else []
    ways = {
        "in the whole document": (again.scorer, None, None),
        "under a second model": (again.judge, again.tokenizer, again.context_tokens),
    }
    chosen = sample_of(rows, again.sample)
    windows = SearchOptions(window_tokens=again.window_tokens, num_windows=again.num_windows)

    async def score_again() -> dict[str, list[Thought]]:
        found = {}
        for way, (url, tokenizer, limit) in ways.items():
            if url is not None:
                with tqdm(total=len(chosen), desc=f"scoring {way}", unit="thought") as bar:
                    async with _opened(url, tokenizer) as model:
                        scorer = Scorer(model, limit)
                        found[way] = await rescore(rows, log, scorer, windows, chosen, walked, bar.update)
        return found

    return Report(evidence(rows, log), asyncio.run(score_again()), read_usage(dataset))


@contextlib.asynccontextmanager
async def _opened(url: str, tokenizer: str | None) -> AsyncIterator[Connection]:
    with pocket_server() if url == EMBEDDED else contextlib.nullcontext(url) as address:
        store = cache_home() / "answers.sqlite"
        async with connect(address, store=store, tokenizer=tokenizer, scoring=True) as model:
            yield model


def chart_list(report: Report) -> Iterator[Chart]:
    """The charts that the rows have figures for, in the order of the page."""
    found = report.found
    if found.searched:
        yield Chart(
            "gains",
            "What the thoughts gain",
            "Beyond the best of each thought’s own three controls. What the search gains over acceptance "
            "at random comes from choosing, the rest from rewriting.",
            charts.gains(report.gains()),
            [
                ["", "gain", "95 % interval"],
                *(
                    [name, _signed(interval.mean), f"{_signed(interval.low)} to {_signed(interval.high)}"]
                    for name, interval in report.gains().items()
                ),
            ],
        )
        yield Chart(
            "rounds",
            "NLL of the code and length of thoughts over the rounds",
            "What stands after each round, first thoughts that leak included. Lines without marks: controls.",
            charts.rounds(found),
            rounds_table(found),
        )
    if found.outcomes:
        yield Chart(
            "outcomes",
            "What became of the rewrites",
            "A rewrite is refused unscored where it quotes the code or names what only its body holds; else "
            "it must beat the current thought by more than the noise, and the others of its round.",
            charts.outcomes(found.outcomes),
        )
    if found.lengths:
        raw, longer = (sum(column) / len(found.lengths) for column in zip(*found.lengths, strict=True))
        yield Chart(
            "lengths",
            "Length of documents",
            f"{raw:,.0f} tokens on average as plain code, {longer:,.0f} as trajectory "
            f"({longer / raw:.2f} times).",
            charts.lengths(found),
        )


def rounds_table(found: Evidence | Rounds) -> list[list[str]]:
    """NLL under every control and after every round, on the whole and on the body: a header and rows."""
    points: list[tuple[str, Point]] = [(f"searched, round {point.round}", point) for point in found.searched]
    points += [(f"at random, round {point.round}", point) for point in found.random if point.round]
    names = {"none": "no thought", "outline": "the outline restated", "other": "another file’s thought"}
    names["best"] = "the best of these for each thought"
    return [
        ["the code, given its outline and …", "NLL", "NLL of the body", "tokens of thought", "rewritten"],
        *(
            [names[name], _nll(nll), _nll(found.body_controls.get(name)), "–", "–"]
            for name, nll in found.controls.items()
        ),
        *(
            [
                name,
                _nll(point.nll),
                _nll(point.body_nll),
                f"{point.num_thought_tokens:.0f}",
                str(point.num_accepted),
            ]
            for name, point in points
        ),
    ]


_BEYOND_CONTROLS = {
    "gain": "{} gain beyond the best control",
    "loss": "{} are worse than the best control",
    "no difference": "{} show no gain beyond the best control",
}
_BEYOND_CHANCE = {
    "gain": "Choosing is better than accepting at random",
    "loss": "Choosing is worse than accepting at random",
    "no difference": "Choosing shows no difference from accepting at random",
}


def conclusions(report: Report) -> list[dict[str, str]]:
    """What the figures say, a sentence each, with its verdict: "gain", "loss" or "no difference"."""
    found = report.found
    compared = [("The searched thoughts", _BEYOND_CONTROLS, mean_gain(found.thoughts))]
    if found.random:
        compared.append(("", _BEYOND_CHANCE, mean_gain(found.thoughts, "searched", "random")))
    for way, thoughts in report.rescored.items():
        who = f"{way[0].upper()}{way[1:]}, {len(thoughts)} of them"
        compared.append((who, _BEYOND_CONTROLS, mean_gain(thoughts)))
    return [
        {
            "verdict": interval.verdict,
            "text": f"{words[interval.verdict].format(who)}: {_interval(interval)} nats a token.",
        }
        if interval is not None
        else {"verdict": "no difference", "text": f"{who}: there are no scores to compare."}
        for who, words, interval in compared
    ]


def _cost(report: Report) -> list[tuple[str, str]]:
    found = report.found
    lines = [(name, f"{value:,}") for name, value in found.cost.items()]
    if found.bits_per_thought_token is not None:
        lines.append(
            (
                "bits saved per token of thought, beyond the best control",
                f"{found.bits_per_thought_token:+.3f}",
            )
        )
    if found.margins:
        middle = found.margins[len(found.margins) // 2]
        lines.append(("median margin that a rewrite must win by (nats a token)", f"{middle:.2g}"))
    if report.usage:
        lines.append(
            ("seconds of building, over all starts", f"{sum(run['seconds'] for run in report.usage):,.0f}")
        )
        for end in ("generator", "scorer"):
            counted = [run[end] for run in report.usage if run.get(end)]
            for name in ("prompt_tokens", "generated_tokens", "scored_tokens"):
                if total := sum(usage[name] for usage in counted):
                    lines.append((f"{end}: {name.replace('_', ' ')}", f"{total:,}"))
    return lines


def stylesheet() -> str:
    """The style of a report's page, in light and dark."""
    return (files(__package__) / "report.css").read_text(encoding="utf-8")


def _render(report: Report, drawn: Sequence[Chart]) -> str:
    folder = files(__package__)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((folder / "report.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        style=Markup(stylesheet()),
        found=report.found,
        conclusions=conclusions(report),
        charts=[{**vars(chart), "svg": Markup(charts.svg(chart.figure))} for chart in drawn],
        cost=_cost(report),
    )


def _interval(interval: Interval) -> str:
    return f"{_signed(interval.mean)} [{_signed(interval.low)}, {_signed(interval.high)}]"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _nll(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
