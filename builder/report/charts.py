"""The charts of a report, each as PNG and as SVG that takes the page's own text colour."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from builder.errors import UserError
from builder.report.evidence import OUTCOMES, Evidence, Interval
from builder.report.rounds import RANDOM, SEARCHED, Rounds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Read well on white and on near-black.
BLUE, ORANGE, GREEN, RED, GREY = "#4a7fd0", "#d08a1c", "#3c9a66", "#c9544a", "#8b9099"
INK = "#010203"  # stands for the colour of text until it is known
_NAMES = {
    "none": "no thought",
    "outline": "outline restated",
    "other": "another file's thought",
    "best": "best control",
}
_DASHES = {"none": ":", "outline": "--", "other": "-.", "best": (0, (1, 1))}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Charts are made and saved within; ``UserError`` where matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError as error:
        raise UserError(
            f'a report needs the package {error.name}; run `pip install "repo2agent[report]"`'
        ) from error
    inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    options: dict[Any, Any] = {
        "svg.hashsalt": "repo2agent",
        "svg.fonttype": "none",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        **dict.fromkeys(inked, INK),
    }
    with matplotlib.rc_context(options):
        yield


def draw_rounds(found: Rounds) -> bytes | None:
    """The chart of ``found`` as PNG; None where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    with style():
        return png(rounds(found))


def new_figure(height: float, width: float = 8.2) -> Figure:
    """An empty figure of ``width`` by ``height`` inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def png(figure: Figure) -> bytes:
    """``figure`` on white, 144 dots per inch."""
    return _saved(figure, "png", dpi=144, facecolor="white")


def svg(figure: Figure) -> str:
    """``figure`` without a ground of its own, its text in the colour and the font of the page around it."""
    text = _saved(figure, "svg", transparent=True, metadata={"Date": None}).decode()
    return text[text.index("<svg") :].replace(INK, "currentColor")


def _saved(figure: Figure, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format=kind, bbox_inches="tight", **options)
    return out.getvalue()


def rounds(evidence: Evidence | Rounds) -> Figure:
    """Mean NLL of the code and mean length of thoughts over the rounds (the paper's Figure 3)."""
    figure = new_figure(3.4)
    left, right = figure.subplots(1, 2)
    for label, points, colour in (
        ("searched", evidence.searched, BLUE),
        ("accepted at random", evidence.random, ORANGE),
    ):
        if points:
            at = [point.round for point in points]
            left.plot(at, [point.nll for point in points], "o-", color=colour, label=label)
            right.plot(at, [point.num_thought_tokens for point in points], "o-", color=colour, label=label)
    for name, nll in evidence.controls.items():
        left.axhline(nll, linestyle=_DASHES[name], color=GREY, linewidth=1.2, label=_NAMES[name])
    left.set(xlabel="round", ylabel="NLL of the code (nats a token)")
    longest = max(point.num_thought_tokens for point in (*evidence.searched, *evidence.random))
    right.set(xlabel="round", ylabel="length of a thought (tokens)", ylim=(0, 1.15 * longest or 1))
    for axes in (left, right):
        axes.set_xticks([point.round for point in evidence.searched])
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=9
    )
    return figure


def lengths(evidence: Evidence) -> Figure:
    """How long repositories are as plain code and as trajectories (the paper's Figure 2b)."""
    import numpy
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(2.8)
    axes = figure.subplots()
    both = numpy.array(evidence.lengths, dtype=float).clip(min=1)
    edges = numpy.geomspace(both.min() * 0.9, both.max() * 1.1, 25)
    for column, colour, label in ((0, GREY, "plain code"), (1, BLUE, "trajectory")):
        values = both[:, column]
        axes.hist(
            values, bins=list(edges), color=colour, alpha=0.6, label=f"{label}, mean {values.mean():,.0f}"
        )
        axes.axvline(values.mean(), color=colour, linestyle="--", linewidth=1.4)
    axes.set_xscale("log")
    axes.set(xlabel="tokens of a repository", ylabel="repositories")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=9)
    return figure


def gains(found: Mapping[str, Interval]) -> Figure:
    """Gains beyond the best control with their intervals, by way of scoring."""
    figure = new_figure(0.9 + 0.42 * len(found))
    axes = figure.subplots()
    colours = {"gain": GREEN, "loss": RED, "no difference": GREY}
    for place, interval in enumerate(found.values()):
        axes.plot([interval.low, interval.high], [place, place], color=colours[interval.verdict], linewidth=2)
        axes.plot([interval.mean], [place], "o", color=colours[interval.verdict])
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(found)), list(found))
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_xlabel("gain beyond the best control (nats a token; right of zero is better)")
    return figure


def outcomes(by_config: Mapping[str, Mapping[int, Counter[str]]]) -> Figure:
    """What became of the rewrites of each round, by the role of the thought."""
    names = {SEARCHED: "design thoughts", RANDOM: "at random", "repo2agent-search-debug": "debug thoughts"}
    bars = [
        (names[config], number, counts)
        for config in names
        for number, counts in by_config.get(config, {}).items()
    ]
    total = sum((counts for _, _, counts in bars), Counter[str]())
    reasons = [reason for reason in (*OUTCOMES, "other") if total[reason]]
    figure = new_figure(1.2 + 0.36 * len(bars))
    axes = figure.subplots()
    left = [0.0] * len(bars)
    for reason, colour in zip(reasons, _colours(reasons), strict=True):
        widths = [counts[reason] for _, _, counts in bars]
        axes.barh(range(len(bars)), widths, left=left, color=colour, label=reason, height=0.7)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set_yticks(range(len(bars)), [f"{name}, round {number}" for name, number, _ in bars])
    axes.invert_yaxis()
    axes.set_xlabel("rewrites")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _colours(reasons: Sequence[str]) -> list[str]:
    known = {
        "accepted": GREEN,
        "accepted at random": ORANGE,
        "no better than the margin": GREY,
        "another was better": BLUE,
        "not looked at": "#b9bdc4",
        "quotes the code": RED,
        "quotes the code with other names": "#e08a80",
        "names what only the body holds": "#a0476d",
        "longer than the cap": "#8367b5",
    }
    return [known.get(reason, "#6a7078") for reason in reasons]
