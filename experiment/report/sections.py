"""What stands on the page, section by section: words, a chart, tables. HTML and Markdown are made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiment.report import charts, paper
from experiment.report.compare import mean, winner
from experiment.report.conclusions import Conclusion
from experiment.report.data import FIRST_MEASURE, PLAIN, Arm, Experiment, Measure
from experiment.report.wording import count, duration, interval, listed, many, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CONTROLS = {
    "none": "no thought",
    "outline": "the outline restated",
    "other": "another file’s thought",
    "best": "the best of these for each thought",
}


@dataclass(frozen=True)
class Table:
    """Rows under a header; first cells name their rows. ``bold`` has the (row, column) of what stands out."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    bold: frozenset[tuple[int, int]] = frozenset()

    @property
    def words(self) -> list[bool]:
        """Whether a column holds words, which are read from the left, or else figures."""
        return [any(cell[:1].isalpha() for cell in column) for column in zip(*self.rows, strict=True)]


@dataclass(frozen=True)
class Section:
    """A heading with what follows it. A ``figure`` is described by ``alt`` to those who cannot see it."""

    name: str
    title: str
    text: Sequence[str] = ()
    figure: Figure | None = None
    alt: str = ""
    tables: Sequence[Table] = ()


def sections(experiment: Experiment, found: Sequence[Conclusion]) -> Iterator[Section]:
    """All but the conclusions themselves, in the order of the page."""
    yield _differences(experiment, found)
    yield _measures(experiment)
    yield _curves(experiment)
    yield _tokens(experiment)
    yield _lengths(experiment)
    yield _search(experiment)
    yield _losses(experiment)
    yield _paper(experiment)
    yield _made(experiment)
    yield _skipped(experiment)


def arms_table(experiment: Experiment) -> Table:
    """What each arm is."""
    rows = [[arm.name, arm.title, many(len(arm.runs), "run")] for arm in experiment.arms]
    return Table("The arms", ["arm", "what it was trained on", "runs"], rows)


def _differences(experiment: Experiment, found: Sequence[Conclusion]) -> Section:
    comparisons = [c.comparison for c in found if c.kind == "comparison" and c.comparison is not None]
    figure = charts.differences(comparisons, experiment.conclusive)
    said = [c.text for c in found if c.kind == "comparison"]
    text = "Each pair on the first measure, with its 95 % interval."
    if figure is None:
        text = "No two arms could be compared on the first measure."
    elif experiment.conclusive:
        text += " Filled dots are better, crosses are worse, rings cannot be told."
    else:
        text += " None is judged, since this run is not conclusive."
    return Section("differences", "Pair by pair", [text], figure, " ".join(said))


def _measures(experiment: Experiment) -> Section:
    arms = [arm for arm in experiment.arms if arm.runs]
    if not experiment.measures or not arms:
        return Section("measures", "Every measure", ["Nothing was measured."])
    rows, taken, bold, panels = [], [], set(), []
    for row, measure in enumerate(experiment.measures):
        estimates = {arm.name: mean(arm, measure.name) for arm in arms}
        cells = [interval(found, measure.unit) if found else "–" for found in estimates.values()]
        rows.append([_titled(measure), *cells])
        taken.append([measure.title, *_how(measure)])
        best = winner(experiment, measure.name) if experiment.conclusive else None
        if best:
            bold.add((row, 1 + list(estimates).index(best)))
        panels.append((measure.title, measure.unit, {name: e for name, e in estimates.items() if e}))
    text = [
        "Means with 95 % intervals, over seeds where there are several. "
        + (
            "Bold: better than each other arm, with an interval of the paired difference that keeps clear of "
            "0. Intervals of two arms may overlap all the same, since both are measured on the same items."
            if experiment.conclusive
            else "None is marked as best, since this run is not conclusive."
        )
    ]
    tables = [
        Table("Each arm on each measure", ["measure", *(arm.name for arm in arms)], rows, frozenset(bold)),
        Table("How each measure was taken", ["measure", "name", "items", "source", "notes"], taken),
    ]
    return Section(
        "measures",
        "Every measure",
        text,
        charts.measures(panels),
        "Each measure as a panel with a line for each arm; the values are those of the table below.",
        tables,
    )


def _titled(measure: Measure) -> str:
    first = "the first measure; " if measure.name == FIRST_MEASURE else ""
    return f"{measure.title} ({first}{measure.unit}, {measure.better} is better)"


def _how(measure: Measure) -> list[str]:
    """Its name, how many items it has, by what it was taken, and what is to be known about it."""
    source = measure.source
    parts = [
        " ".join(str(source[key]) for key in ("harness", "task") if source.get(key)),
        f"version {source['version']}" if source.get("version") else "",
        f"{source['num_fewshot']}-shot" if source.get("num_fewshot") is not None else "",
    ]
    source_of = ", ".join(filter(None, parts))
    return [measure.name, f"{len(measure.items):,}", source_of or "–", " ".join(measure.notes) or "–"]


def _curves(experiment: Experiment) -> Section:
    title = "Held-out NLL against tokens trained"
    figure = charts.curves(experiment.arms, "nats per token")
    if figure is None:
        return Section("curves", title, ["It was measured at most once an arm, so that there is no curve."])
    rows = []
    for arm in experiment.arms:
        lines = [run.curve for run in arm.runs if len(run.curve) > 1]
        if lines:
            last = [line[-1]["value"] for line in lines]
            rows.append(
                [
                    arm.name,
                    count(lines[0][-1]["tokens"]),
                    number(float(np.mean([line[0]["value"] for line in lines])), "nats"),
                    number(float(np.mean(last)), "nats"),
                    ", ".join(number(value, "nats") for value in last),
                ]
            )
    several = any(len(arm.runs) > 1 for arm in experiment.arms)
    text = "NLL of held-out code given its dependencies, lower is better."
    if several:
        text += " Thin lines are seeds, thick ones their mean."
    header = ["arm", "tokens", "NLL at first", "NLL in the end", "in the end, seed by seed"]
    table = Table("Where the curves begin and end, means over seeds", header, rows)
    return Section("curves", title, [text], figure, "A line for each arm, named at its end.", [table])


def _tokens(experiment: Experiment) -> Section:
    title = "Tokens of each arm"
    trained = [arm for arm in experiment.arms if arm.trained and arm.runs]
    if not trained:
        return Section("tokens", title, ["No arm was trained."])

    def middle(arm: Arm, value: Callable[[Any], int]) -> int:
        return round(sum(value(run) for run in arm.runs) / len(arm.runs))

    counts = {
        arm.name: (
            middle(arm, lambda run: run.total_tokens),
            middle(arm, lambda run: run.trained_tokens),
            middle(arm, lambda run: run.unique_code_tokens),
        )
        for arm in trained
    }
    rows = [
        [
            arm.name,
            *(count(value) for value in counts[arm.name]),
            f"{100 * counts[arm.name][1] / counts[arm.name][0]:.1f} %" if counts[arm.name][0] else "–",
            count(arm.data.get("tokens")),
            "–" if arm.runs[0].steps is None else count(arm.runs[0].steps),
            "–" if arm.runs[0].epochs is None else f"{arm.runs[0].epochs:.2f}",
        ]
        for arm in trained
    ]
    header = ["arm", "total", "trained", "unique code", "trained share", "in the data", "steps"]
    text = (
        "Arms are compared at equal total tokens. Trained tokens carry loss; unique code tokens are those of "
        "code that was seen at all, counted once. At equal totals, plain code sees each repository more "
        "often than trajectories do."
    )
    table = Table("Tokens by arm, means over seeds", [*header, "epochs"], rows)
    return Section(
        "tokens", title, [text], charts.tokens(counts), "The numbers are those of the table.", [table]
    )


def _lengths(experiment: Experiment) -> Section:
    title = "Length of documents"
    found = {arm.name: arm.data.get("lengths") or [] for arm in experiment.arms}
    found = {name: lengths for name, lengths in found.items() if lengths}
    if not found:
        return Section("lengths", title, ["The lengths of documents were not recorded."])
    documents = {arm.name: arm.data.get("documents") for arm in experiment.arms}
    plain = float(np.mean(found[PLAIN])) if PLAIN in found else None
    rows = []
    for name, values in found.items():
        low, median, high = np.quantile(values, [0.05, 0.5, 0.95])
        average = float(np.mean(values))
        rows.append(
            [
                name,
                count(documents[name] or len(values)),
                *(count(float(value)) for value in (average, low, median, high, max(values))),
                f"{average / plain:.2f}" if plain else "–",
            ]
        )
    text = (
        "A thin line holds 90 % of an arm’s documents, a thick one the middle half; the bar is the median, "
        "the diamond the mean. In the paper a searched trajectory is 2.48 times as long as its repository."
    )
    header = ["arm", "documents", "mean", "5 %", "median", "95 %", "longest", f"mean, times {PLAIN}"]
    table = Table("Tokens of a document, by arm", header, rows)
    return Section(
        "lengths", title, [text], charts.lengths(found), "The numbers are those of the table.", [table]
    )


def _search(experiment: Experiment) -> Section:
    title = "NLL of the code over the rounds of the search"
    rounds = (experiment.search or {}).get("rounds") or []
    if not rounds:
        return Section("search", title, ["No search was recorded, so there are no rounds to show."])
    found = (experiment.search or {}).get("controls") or {}
    controls = {_CONTROLS.get(name, name): nll for name, nll in found.items() if nll is not None}
    walks = {
        "the thoughts": rounds,
        "rewrites taken at random": (experiment.search or {}).get("random") or [],
    }
    lowest = min(controls.items(), key=lambda control: control[1], default=None)
    text = (
        "NLL of the training code after the thoughts as they stood after each round; round 0: the first ones."
    )
    if lowest:
        beyond = lowest[1] - rounds[-1]["nll"]
        side = "below" if beyond > 0 else "above"
        text += (
            f" In the end it lies {number(abs(beyond), 'nats')} nats per token {side} the best control on "
            f"average, {lowest[0]}; no interval is given for that."
        )
    else:
        text += " No controls were recorded."
    rows = [
        *([name, number(nll, "nats")] for name, nll in controls.items()),
        *(
            [f"{name}, round {point['round']}", number(point["nll"], "nats")]
            for name, points in walks.items()
            for point in points
        ),
    ]
    lines = {name: [(point["round"], point["nll"]) for point in points] for name, points in walks.items()}
    figure = charts.search(lines, controls)
    table = Table("NLL of the code after …", ["what stands before it", "NLL (nats per token)"], rows)
    return Section("search", title, [text], figure, "Lines without marks are controls.", [table])


def _losses(experiment: Experiment) -> Section:
    title = "Training loss by role"
    figure = charts.losses(experiment.arms)
    if figure is None:
        return Section("losses", title, ["No training loss by role was recorded."])
    last = {
        arm.name: [run.log[-1].get("losses") or {} for run in arm.runs if run.log] for arm in experiment.arms
    }
    roles = list(dict.fromkeys(role for runs in last.values() for run in runs for role in run))
    rows = [
        [name, *(_mean_loss([run[role] for run in runs if run.get(role) is not None]) for role in roles)]
        for name, runs in last.items()
        if any(runs)
    ]
    text = (
        "Each role has its own panel, since an arm without thoughts has no loss on them. A loss is of the "
        "arm’s own documents: arms cannot be judged by it."
    )
    table = Table("Last training loss (nats per token), means over seeds", ["arm", *roles], rows)
    return Section("losses", title, [text], figure, "A panel for each role, a line for each arm.", [table])


def _mean_loss(values: Sequence[float]) -> str:
    return number(float(np.mean(values)) if values else None, "nats")


def _paper(experiment: Experiment) -> Section:
    same = paper.measured(experiment)
    text = [
        (
            f"Measured here as well: {listed(same)}, in percent."
            if same
            else "None of the paper’s benchmarks was measured here: its values stand alone."
        ),
        "The paper’s numbers and ours cannot be set against each other, since the scales differ as the "
        "second table says; what may be compared is the order of arms within each. The paper gives no "
        "intervals.",
    ]
    header = ["benchmark"]
    for theirs, ours in paper.ARMS.items():
        header += [f"{theirs}, paper", f"{ours}, here"]
    tables = [
        Table("The paper’s table beside ours, in percent", header, paper.rows(experiment)),
        Table("The difference in scale", ["", "paper", "here"], paper.scale(experiment, experiment.corpus)),
    ]
    return Section("paper", "Beside the paper’s own table", text, tables=tables)


def _made(experiment: Experiment) -> Section:
    environment = next(
        (run.environment for arm in experiment.arms for run in arm.runs if run.environment), {}
    )
    corpus = experiment.corpus
    rows = [
        ["experiment", experiment.name],
        ["what this scale shows", experiment.shows],
        ["commit", experiment.commit or "not recorded"],
        ["hardware", experiment.hardware],
        ["model", experiment.model],
        ["seeds", listed(experiment.seeds)],
        *(
            [part.replace("_", "-"), _corpus(corpus[part])]
            for part in ("train", "held_out")
            if corpus.get(part)
        ),
        ["near-duplicate files dropped", count(corpus.get("near_duplicate_files_dropped"))],
        *([name, str(value)] for name, value in sorted(environment.items())),
    ]
    tables = [Table("How it was made", ["what", "value"], rows)]
    text = []
    if experiment.seconds:
        times = [[stage, duration(seconds)] for stage, seconds in experiment.seconds.items()]
        times.append(["together", duration(sum(experiment.seconds.values()))])
        tables.append(Table("How long it took", ["stage", "time"], times))
    else:
        text.append("How long its stages took is not recorded.")
    return Section("made", "How it was made", text, tables=tables)


def _corpus(part: dict[str, int]) -> str:
    return (
        f"{many(part.get('repositories') or 0, 'repository', 'repositories')}, "
        f"{many(part.get('files') or 0, 'file')}, {many(part.get('raw_tokens') or 0, 'token')} as plain code"
    )


def _skipped(experiment: Experiment) -> Section:
    rows = [
        [str(entry.get("arm") or entry.get("stage") or entry.get("name") or "–"), str(entry["reason"])]
        for entry in experiment.skipped
    ]
    measures: dict[tuple[str, str], None] = {}
    for arm in experiment.arms:
        for run in arm.runs:
            measures.update({(str(entry["name"]), str(entry["reason"])): None for entry in run.skipped})
    rows += [list(entry) for entry in measures]
    if not rows:
        return Section("skipped", "What was skipped", ["Nothing was skipped."])
    return Section(
        "skipped", "What was skipped", tables=[Table("What was skipped, and why", ["what", "why"], rows)]
    )
