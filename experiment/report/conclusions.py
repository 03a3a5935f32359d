"""What an experiment shows, in sentences that say no more than its figures do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from experiment.report.compare import FEW, TOKEN_TOLERANCE, Comparison, compare, pairs
from experiment.report.data import FIRST_MEASURE, METHOD, PLAIN, Arm, Experiment, read
from experiment.report.wording import count, interval, listed, many, percent

FIRST_WORDS = "the NLL of held-out code given its dependencies"


@dataclass(frozen=True)
class Conclusion:
    """A sentence or two of one ``kind``, in this order:

    - "headline": the method beside plain code on the first measure; ``verdict`` is "win", "loss",
      "undecided", "not comparable", or "machinery" of a run that is too small to show anything;
    - "compared" and "measured": what was compared, and on what;
    - "qualification": what the headline must not be taken for;
    - "comparison": two arms; ``verdict`` as in ``Comparison``, or "not judged" where nothing is conclusive;
    - "caution": what holds for all of it.
    """

    kind: str
    text: str
    verdict: str = ""
    comparison: Comparison | None = None


def conclusions(experiment: Mapping[str, Any]) -> list[Conclusion]:
    """What ``experiment`` (``experiment.json``) shows. Raises ``UserError`` where it cannot be read."""
    return list(conclude(read(experiment)))


def conclude(experiment: Experiment) -> Iterator[Conclusion]:
    """The same of an experiment that has been read."""
    method = experiment.method()
    arm = method.name if method else METHOD
    compared = [compare(experiment, *pair, FIRST_MEASURE) for pair in pairs(experiment)]
    found = {(comparison.arm, comparison.other): comparison for comparison in compared}
    decisive = found.get((arm, PLAIN)) or compare(experiment, arm, PLAIN, FIRST_MEASURE)
    headline = _headline(experiment, decisive)
    yield headline
    yield Conclusion("compared", _compared(experiment))
    yield Conclusion("measured", _measured(experiment, decisive))
    if headline.verdict == "win":
        yield from _qualifications(arm, found)
    for comparison in compared:
        yield _comparison(experiment, comparison)
    for text in _cautions(experiment, compared):
        yield Conclusion("caution", text)


def _headline(experiment: Experiment, decisive: Comparison) -> Conclusion:
    if not experiment.conclusive:
        text = (
            f"This run shows the machinery only; whether the method helps it cannot tell. {experiment.shows}"
        )
        return Conclusion("headline", text, "machinery", decisive)
    found, arm = decisive.difference, decisive.arm
    if found is None or decisive.measure is None:
        text = f"The method cannot be compared with {PLAIN}: {decisive.obstacle}."
        return Conclusion("headline", text, "not comparable", decisive)
    where = f"On these {many(found.num_groups, 'repository', 'repositories')}, t" if found.by_file else "T"
    once = " in the one training run that each had" if found.num_seeds == 1 else ""
    amount = f"{interval(found, decisive.measure.unit, signed=True)} {decisive.measure.unit}"
    what = f"{FIRST_WORDS} is {{}} than after {PLAIN}{once}: {amount} (95 % interval)."
    words = {
        "better": ("win", f"{where}he method wins: after {arm}, {what.format('lower')}"),
        "worse": ("loss", f"{where}he method loses: after {arm}, {what.format('higher')}"),
        "undecided": (
            "undecided",
            f"Undecided: whether {arm} or {PLAIN} is better cannot be told. {FIRST_WORDS[0].upper()}"
            f"{FIRST_WORDS[1:]} differs by {amount}, and this 95 % interval holds 0.",
        ),
    }
    verdict, text = words[decisive.verdict]
    return Conclusion("headline", f"{text} {experiment.shows}", verdict, decisive)


def _compared(experiment: Experiment) -> str:
    arms = [arm for arm in experiment.arms if arm.runs]
    trained = [arm for arm in arms if arm.trained]
    untrained = [arm.name for arm in arms if not arm.trained]
    if not trained:
        return f"Nothing was trained: there is only {listed(untrained) or 'no arm at all'}."
    totals = sorted(run.total_tokens for arm in trained for run in arm.runs)
    amount = (
        f"{count(totals[0])} tokens each"
        if totals[0] == totals[-1]
        else f"{count(totals[0])} to {count(totals[-1])} tokens each"
    )
    seeds = sorted({run.seed for arm in trained for run in arm.runs})
    text = (
        f"{many(len(trained), 'arm')} of {experiment.model}, trained on {amount}: "
        f"{listed([arm.name for arm in trained])}; "
        f"{'seed' if len(seeds) == 1 else 'seeds'} {listed(seeds)}."
    )
    return text + (f" Beside them the untrained model, {listed(untrained)}." if untrained else "")


def _measured(experiment: Experiment, decisive: Comparison) -> str:
    held_out = experiment.corpus.get("held_out") or {}
    text = (
        f"On {many(held_out['repositories'], 'held-out repository', 'held-out repositories')} with "
        f"{many(held_out.get('files') or 0, 'file')}. "
        if held_out.get("repositories")
        else "How many repositories were held out is not recorded. "
    )
    if dropped := experiment.corpus.get("near_duplicate_files_dropped"):
        text += (
            f"{many(dropped, 'held-out file')} too like a file of the training set {_was(dropped)} left out. "
        )
    if (measure := decisive.measure) is None:
        return f"{text}The first measure, {FIRST_WORDS}, was not taken of both."
    return (
        f"{text}The first measure is {FIRST_WORDS}, as plain code: the mean over "
        f"{many(len(measure.items), 'file')} in {measure.unit}, where {measure.better} is better."
    )


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _qualifications(arm: str, found: Mapping[tuple[str, str], Comparison]) -> Iterator[Conclusion]:
    """What else than thoughts may have brought a win."""
    for other, cause in (
        ("spec-only", "that it comes from the thoughts, and not from structure and order alone"),
        ("repo2agent-random", "that it comes from choosing among rewrites, and not from rewriting alone"),
        ("base", "that training improved on the untrained model at all"),
    ):
        comparison = found.get((arm, other))
        if comparison is None:
            text = f"Without a comparison with {other}, nothing shows {cause}."
        elif comparison.verdict != "better":
            text = f"The comparison with {other} does not show {cause}."
        else:
            continue
        yield Conclusion("qualification", text)


def _comparison(experiment: Experiment, comparison: Comparison) -> Conclusion:
    arm, other, verdict = comparison.arm, comparison.other, comparison.verdict
    if comparison.difference is None or comparison.measure is None:
        text = f"{arm} and {other} are not comparable: {comparison.obstacle}."
        return Conclusion("comparison", text, verdict, comparison)
    unit = comparison.measure.unit
    amount = f"{interval(comparison.difference, unit, signed=True)} {unit}"
    if not experiment.conclusive:
        text = f"{arm} less {other}: {amount}; not judged, since this run is not conclusive."
        return Conclusion("comparison", text, "not judged", comparison)
    words = {
        "better": f"{arm} is better than {other}: {amount}.",
        "worse": f"{arm} is worse than {other}: {amount}.",
        "undecided": f"Whether {arm} is better or worse than {other} cannot be told: {amount}.",
    }
    return Conclusion("comparison", words[verdict], verdict, comparison)


def _cautions(experiment: Experiment, compared: list[Comparison]) -> Iterator[str]:
    trained = [arm for arm in experiment.arms if arm.trained and arm.runs]
    if len(trained) > 1:
        yield _tokens(trained)
    seeds = {run.seed for arm in trained for run in arm.runs}
    if len(seeds) == 1:
        yield (
            f"Every arm was trained once (seed {seeds.pop()}): how much results vary between seeds is "
            "unknown, and no interval holds that variation."
        )
    elif seeds:
        yield f"Intervals are over {len(seeds)} seeds and over repositories, both drawn anew."
    differences = [comparison.difference for comparison in compared if comparison.difference]
    if any(difference.by_file for difference in differences):
        yield (
            f"With fewer than {FEW} held-out repositories, files are drawn anew instead: these intervals "
            "speak of these repositories only."
        )
    if differences and experiment.conclusive:
        yield (
            f"{many(len(differences), 'comparison was', 'comparisons were')} made, each at 95 % with no "
            f"correction for their number: if no arm differed from any other, {0.05 * len(differences):.1f} "
            "of them would still be called better or worse on average. The headline rests on one of them, "
            "which was fixed beforehand."
        )


def _tokens(trained: list[Arm]) -> str:
    """Whether the arms saw as many tokens, seed by seed; those that lie apart from the others are named."""
    by_seed: dict[int, dict[str, int]] = {}
    for arm in trained:
        for run in arm.runs:
            by_seed.setdefault(run.seed, {})[arm.name] = run.total_tokens
    spread = 0.0
    odd: dict[str, int] = {}
    for totals in by_seed.values():
        ordered = sorted(totals.values())
        spread = max(spread, (ordered[-1] - ordered[0]) / max(1, ordered[-1]))
        middle = ordered[len(ordered) // 2]
        for name, total in totals.items():
            if len(totals) == 2 or abs(total - middle) > TOKEN_TOLERANCE * max(total, middle):
                odd.setdefault(name, total)
    if not spread:
        return "Total tokens of the trained arms are equal."
    if spread <= TOKEN_TOLERANCE:
        return f"Total tokens of the trained arms agree within {percent(spread)}."
    text = f"Total tokens of the trained arms differ by up to {percent(spread)}, more than the 0.5 % allowed"
    if not odd:
        return f"{text}; arms that lie further apart are not compared."
    named = listed([f"{name} ({total:,})" for name, total in odd.items()])
    return f"{text}: {named} {_is(len(odd))} not comparable with arms that saw another number."
