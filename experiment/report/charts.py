"""The charts of an experiment. Each arm has its own dashes and marks, not only its colour, on all of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import escape

from builder.report import INK, chart_svg, new_figure
from experiment.report.compare import Comparison
from experiment.report.data import Arm, Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 6.6
MOST_POINTS = 80  # of a line; longer logs are shown as means of neighbours
_KNOWN = (
    *("base", "general", "raw-repos", "spec-only"),
    *("repo2agent", "repo2agent-random", "repo2agent-search", "repo2agent-search-debug"),
)
NUM_COLOURS = len(_KNOWN)
_DASHES: tuple[Any, ...] = (
    *((0, (1, 1.5)), (0, (6, 2)), "-", (0, (3, 1.5))),
    *((0, (6, 1.5, 1, 1.5)), (0, (1, 3)), "-", (0, (9, 2, 2, 2))),
)
_MARKS = ("x", "s", "o", "^", "D", "v", "*", "P")
_SIZES = (7, 6, 6, 7, 6, 7, 10, 8)
# Stand for colours that the page's style sheet sets, one each for light and dark.
_TOKEN = "#0102{:02x}"
_SOFT = _TOKEN.format(0x40)
_SLOT = re.compile(r"#0102([0-9a-f]{2})")

Points = Sequence[tuple[float, float]]


def place(arm: str, arms: Sequence[str]) -> int:
    """The number of an arm's colour, dash and mark; those that the project does not know take free ones."""
    if arm in _KNOWN:
        return _KNOWN.index(arm)
    free = [number for number, name in enumerate(_KNOWN) if name not in arms] or list(range(NUM_COLOURS))
    return free[[name for name in arms if name not in _KNOWN].index(arm) % len(free)]


def inline(figure: Figure, name: str, title: str, description: str) -> str:
    """``figure`` as SVG for the page: named for those who cannot see it, its colours left to the style sheet.

    Ids begin with ``name``, so that several such charts fit on one page.
    """
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", chart_svg(figure), flags=re.DOTALL)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = _SLOT.sub(lambda found: _variable(int(found[1], 16)), text)
    head = (
        f'<svg role="img" aria-labelledby="{name}-title {name}-desc" '
        f'style="min-width:{figure.get_figwidth() * 4.6:.0f}rem" '
    )
    said = (
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
    )
    opening, body = text.split(">", 1)
    return f"{opening.replace('<svg ', head, 1)}>{said}{body}"


def _variable(slot: int) -> str:
    return "var(--soft)" if slot == 0x40 else f"var(--arm-{slot - 0x10})"


def differences(comparisons: Sequence[Comparison], judged: bool) -> Figure | None:
    """Differences with their intervals, one line each; marked by verdict where they are ``judged``."""
    shown = [(c, c.difference) for c in comparisons if c.difference is not None and c.measure is not None]
    if not shown:
        return None
    figure = new_figure(0.9 + 0.27 * len(shown), WIDTH)
    axes = figure.subplots()
    marks = {"better": ("o", "full"), "worse": ("X", "full"), "undecided": ("o", "none")}
    for row, (comparison, found) in enumerate(shown):
        mark, fill = marks[comparison.verdict if judged else "undecided"]
        axes.plot([found.low, found.high], [row, row], color=INK, linewidth=1.4)
        axes.plot(found.value, row, mark, color=INK, fillstyle=fill, markersize=7, linestyle="")
    axes.axvline(0, color=_SOFT, linewidth=1, linestyle="--")
    axes.set_yticks(range(len(shown)), [f"{_clean(c.arm)} − {_clean(c.other)}" for c, _ in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    unit, better = shown[0][0].measure.unit, shown[0][0].measure.better  # type: ignore[union-attr]
    side = "left" if better == "lower" else "right"
    axes.set_xlabel(f"difference ({_clean(unit)}); {side} of 0 the first of both is better", loc="right")
    axes.locator_params(axis="x", nbins=5)
    return figure


def measures(found: Sequence[tuple[str, str, Mapping[str, Estimate]]]) -> Figure | None:
    """Each (title, unit, estimates by arm) as a panel of its own: arms with their intervals."""
    found = [panel for panel in found if panel[2]]
    if not found:
        return None
    names = list(dict.fromkeys(name for _, _, estimates in found for name in estimates))
    rows = -(-len(found) // 2)
    figure = new_figure(rows * (1.05 + 0.23 * len(names)), WIDTH)
    figure.get_layout_engine().set(hspace=0.06)  # type: ignore[union-attr, call-arg]
    panels = figure.subplots(rows, 2, sharey=True, squeeze=False).flat
    for axes, (title, unit, estimates) in zip(panels, found, strict=False):
        for row, name in enumerate(names):
            if (estimate := estimates.get(name)) is not None:
                slot = place(name, names)
                axes.plot([estimate.low, estimate.high], [row, row], color=_colour(slot), linewidth=2)
                axes.plot(estimate.value, row, _MARKS[slot], color=_colour(slot), markersize=_SIZES[slot])
        axes.set_title(_folded(title, 38), fontsize=9)
        axes.set_xlabel(_clean(unit), fontsize=9)
        axes.set_yticks(range(len(names)), [_clean(name) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.locator_params(axis="x", nbins=4)
    for axes in list(figure.axes)[len(found) :]:
        axes.remove()
    return figure


def curves(arms: Sequence[Arm], unit: str) -> Figure | None:
    """Held-out NLL against tokens trained: a thin line for each seed, a thick one for their mean."""
    lines = {arm.name: [_points(run.curve, "value") for run in arm.runs] for arm in arms if arm.trained}
    lines = {name: [points for points in runs if len(points) > 1] for name, runs in lines.items()}
    lines = {name: runs for name, runs in lines.items() if runs}
    if not lines:
        return None
    figure = new_figure(3.6, WIDTH)
    axes = figure.subplots()
    ends = []
    for name, runs in lines.items():
        slot = place(name, list(lines))
        for points in runs if len(runs) > 1 else ():
            axes.plot(*zip(*points, strict=True), color=_colour(slot), linewidth=0.7, alpha=0.6)
        middle = mean_curve(runs)
        axes.plot(*zip(*middle, strict=True), _MARKS[slot], **_line(slot), linewidth=2.2)
        ends.append((name, middle[-1]))
    _name_ends(axes, ends)
    axes.set(xlabel="tokens trained", ylabel=f"held-out NLL ({_clean(unit)})")
    axes.xaxis.set_major_formatter(_short_count())
    return figure


def mean_curve(runs: Sequence[Points]) -> list[tuple[float, float]]:
    """The mean of several curves at every place of any, as far as all go; else the longest of them."""
    first, last = max(points[0][0] for points in runs), min(points[-1][0] for points in runs)
    at = sorted({x for points in runs for x, _ in points if first <= x <= last})
    if not at:
        longest: Points = max(runs, key=len)
        return list(longest)
    values = [np.interp(at, [x for x, _ in points], [y for _, y in points]) for points in runs]
    return list(zip(at, np.mean(values, axis=0).tolist(), strict=True))


def tokens(found: Mapping[str, tuple[int, int, int]]) -> Figure | None:
    """Total, trained and unique-code tokens of each arm, as bars with their numbers."""
    if not found:
        return None
    figure = new_figure(0.9 + 0.55 * len(found), WIDTH)
    axes = figure.subplots()
    kinds = (("total", "", 0), ("trained (with loss)", "////", 1), ("unique code", "....", 2))
    most = max(max(counts) for counts in found.values()) or 1
    for label, hatch, number in kinds:
        values = [counts[number] for counts in found.values()]
        rows = [row + 0.27 * (number - 1) for row in range(len(values))]
        axes.barh(
            rows, values, 0.25, facecolor="none", edgecolor=INK, hatch=hatch, linewidth=0.8, label=label
        )
        for row, value in zip(rows, values, strict=True):
            axes.text(value + 0.01 * most, row, f"{value:,}", va="center", fontsize=8)
    axes.set_yticks(range(len(found)), [_clean(name) for name in found])
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_xlim(0, 1.16 * most)
    axes.set_xlabel("tokens")
    axes.xaxis.set_major_formatter(_short_count())
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def lengths(found: Mapping[str, Sequence[int]]) -> Figure | None:
    """How long the documents of each arm are: 5 to 95 %, the middle half, median and mean."""
    found = {name: values for name, values in found.items() if values}
    if not found:
        return None
    figure = new_figure(0.95 + 0.3 * len(found), WIDTH)
    axes = figure.subplots()
    for row, (name, values) in enumerate(found.items()):
        slot = place(name, list(found))
        low, quarter, median, upper, high = np.quantile(np.maximum(values, 1), [0.05, 0.25, 0.5, 0.75, 0.95])
        axes.plot([low, high], [row, row], color=_colour(slot), linewidth=1)
        axes.plot([quarter, upper], [row, row], color=_colour(slot), linewidth=5, solid_capstyle="butt")
        axes.plot(median, row, "|", color=INK, markersize=13, markeredgewidth=1.6)
        axes.plot(np.mean(values), row, "D", color=INK, markersize=4.5)
    axes.set_xscale("log")
    axes.set_yticks(range(len(found)), [_clean(name) for name in found])
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_xlabel("tokens of a document")
    _log_counts(axes)
    return figure


def search(walks: Mapping[str, Points], controls: Mapping[str, float]) -> Figure | None:
    """NLL of the code over the rounds, a line for each of ``walks``, beside the controls; all are named."""
    walks = {name: points for name, points in walks.items() if points}
    if not walks:
        return None
    figure = new_figure(3.0, WIDTH)
    axes = figure.subplots()
    ends = []
    for (name, points), arm in zip(walks.items(), ("repo2agent-search", "repo2agent-random"), strict=False):
        look = _line(_KNOWN.index(arm)) | {"markevery": None}
        axes.plot(*zip(*points, strict=True), _MARKS[_KNOWN.index(arm)], **look, linewidth=2.2)
        ends.append((name, points[-1]))
    right = max(points[-1][0] for points in walks.values())
    dashes: tuple[Any, ...] = (":", "--", "-.", (0, (1, 1)))
    for number, (name, nll) in enumerate(controls.items()):
        axes.axhline(nll, linestyle=dashes[number % 4], color=_SOFT, linewidth=1.2)
        ends.append((name, (right, nll)))
    _name_ends(axes, ends)
    axes.set(xlabel="round", ylabel="NLL of the code (nats per token)")
    axes.set_xticks(sorted({at for points in walks.values() for at, _ in points}))
    return figure


def losses(arms: Sequence[Arm]) -> Figure | None:
    """Training loss by role, a panel each: the mean over seeds."""
    found: dict[str, dict[str, list[list[tuple[float, float]]]]] = {}
    for arm in arms:
        for run in arm.runs:
            for role in dict.fromkeys(role for entry in run.log for role in entry.get("losses") or {}):
                log = [{"tokens": e["tokens"], "loss": (e.get("losses") or {}).get(role)} for e in run.log]
                if points := _points(log, "loss"):
                    found.setdefault(role, {}).setdefault(arm.name, []).append(points)
    if not found:
        return None
    names = [arm.name for arm in arms if any(arm.name in by_arm for by_arm in found.values())]
    rows = -(-len(found) // 2)
    figure = new_figure(rows * 2.1 + 0.25 * -(-len(names) // 3), WIDTH)
    panels = figure.subplots(rows, 2, squeeze=False).flat
    handles: dict[str, Any] = {}
    for axes, (role, by_arm) in zip(panels, found.items(), strict=False):
        for name, runs in by_arm.items():
            slot = place(name, names)
            points = thinned(mean_curve(runs))
            (handles[name],) = axes.plot(
                *zip(*points, strict=True), _MARKS[slot], **_line(slot), linewidth=1.6
            )
        axes.set_title(_clean(role), fontsize=9)
        axes.set_xlabel("tokens trained", fontsize=9)
        axes.xaxis.set_major_formatter(_short_count())
        axes.locator_params(axis="x", nbins=5)
    for axes in list(figure.axes)[len(found) :]:
        axes.remove()
    figure.supylabel("loss (nats per token)", fontsize=10)
    shown = [name for name in names if name in handles]
    figure.legend(
        [handles[name] for name in shown],
        [_clean(name) for name in shown],
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=9,
        handlelength=3.5,
    )
    return figure


def thinned(points: Points) -> list[tuple[float, float]]:
    """At most ``MOST_POINTS`` means of neighbours."""
    if len(points) <= MOST_POINTS:
        return list(points)
    return [
        (float(np.mean([x for x, _ in part])), float(np.mean([y for _, y in part])))
        for part in np.array_split(np.array(points), MOST_POINTS)
    ]


def _points(entries: Sequence[Mapping[str, Any]], value: str) -> list[tuple[float, float]]:
    """The finite values of ``entries`` by tokens."""
    found = [(entry["tokens"], entry[value]) for entry in entries if entry.get(value) is not None]
    return sorted((at, y) for at, y in found if math.isfinite(y))


def _colour(slot: int) -> str:
    return _TOKEN.format(0x10 + slot)


def _line(slot: int) -> dict[str, Any]:
    return {
        "color": _colour(slot),
        "linestyle": _DASHES[slot],
        "markersize": _SIZES[slot],
        "markevery": [-1],
        "clip_on": False,
    }


def _name_ends(axes: Axes, ends: Sequence[tuple[str, tuple[float, float]]]) -> None:
    """Each line's name beside its last point, far enough apart to be read."""
    low, high = axes.get_ylim()
    ordered = sorted(ends, key=lambda end: end[1][1])
    heights = _apart([y for _, (_, y) in ordered], (high - low) / 17)
    axes.set_ylim(min([low, *heights]), max([high, *heights]))
    right = max(x for _, (x, _) in ends)
    for (name, (x, y)), height in zip(ordered, heights, strict=True):
        axes.annotate(
            _clean(name),
            (x, y),
            (1.04, height),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=9,
            arrowprops={"arrowstyle": "-", "color": _SOFT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3},
            annotation_clip=False,
        )
    axes.set_xlim(right=right)


def _apart(values: Sequence[float], least: float) -> list[float]:
    """Sorted ``values``, moved until they lie ``least`` apart: those that would touch share their mean."""
    groups: list[tuple[float, list[float]]] = []  # where a group's middle lies, its values
    for value in values:
        groups.append((value, [value]))
        while len(groups) > 1:
            (before, some), (after, more) = groups[-2:]
            if after - before >= least * (len(some) + len(more)) / 2:
                break
            together = [*some, *more]
            groups[-2:] = [(sum(together) / len(together), together)]
    return [
        middle + least * (number - (len(members) - 1) / 2)
        for middle, members in groups
        for number in range(len(members))
    ]


def _short_count() -> Callable[[float, Any], str]:
    def short(value: float, _: Any) -> str:
        for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
            if abs(value) >= size:
                return f"{value / size:g}{letter}"
        return f"{value:g}"

    return short


def _log_counts(axes: Axes) -> None:
    """Whole numbers on a logarithmic axis, whatever span it has."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(_short_count())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _clean(text: object, most: int = 40) -> str:
    """``text`` without what XML has no sign for, and no longer than fits beside a chart."""
    clean = "".join(letter if letter.isprintable() else "\ufffd" for letter in str(text))
    return clean if len(clean) <= most else f"{clean[: most - 1]}…"


def _folded(text: str, width: int) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(_clean(text, 3 * width), width)[:3])
