"""Results as Markdown: one model, or several side by side.

Several that have been evaluated already, each in its folder:
    python -m trainer.evaluation.table runs/evaluate/raw-repos runs/evaluate/repo2agent
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builder import UserError
from trainer.evaluation.results import read_items, read_results
from trainer.evaluation.types import Item
from trainer.evaluation.uncertainty import paired_difference, verdict

Results = Mapping[str, Any]


def results_page(results: Results) -> str:
    """``results.md``: the measures of one model, what was skipped, and what other programs measure."""
    model, environment, suite = results["model"], results["environment"], results["suite"]
    versions = ", ".join(
        f"{name} {environment[name]}" for name in ("torch", "transformers") if environment[name]
    )
    lines = [
        f"# {model['name']}",
        "",
        f"{model['num_parameters']:,} parameters, revision {model['revision'] or 'unknown'}; "
        f"suite {suite['name']}, seed {suite['seed']}; "
        f"{environment['device']}, {environment['dtype']}; {versions}.",
        "",
        "| measure | unit | value | 95 % interval | items | harness | few-shot | elsewhere |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for measure in results["measures"]:
        source = measure["source"]
        first, *more = source["task"].split("+")
        tasks = f"`{first}`" + (f" and {len(more)} more" if more else "")
        harness = f"{source['harness']} {tasks}, version {source['version']}"
        elsewhere = ", ".join(f"{arm} {value}" for arm, value in (measure["reference"] or {}).items())
        cells = (
            f"{measure['title']} (`{measure['name']}`)",
            f"{measure['unit']}, {measure['better']} is better",
            _number(measure["value"]),
            _interval(measure["interval"]),
            str(measure["num_items"]),
            harness,
            "" if source["num_fewshot"] is None else str(source["num_fewshot"]),
            elsewhere,
        )
        lines.append(_row(cells))
    lines += _lengths([("value", results)])
    for title, entries in (
        ("Notes", [f"`{m['name']}`: {note}" for m in results["measures"] for note in m["notes"]]),
        ("Not measured", [f"`{entry['name']}`: {entry['reason']}" for entry in results["skipped"]]),
        ("Measured by other programs", [_external(entry) for entry in results.get("external", ())]),
    ):
        if entries:
            lines += ["", f"## {title}", "", *(f"- {entry}" for entry in entries)]
    return "\n".join(lines) + "\n"


def comparison(runs: Mapping[str, tuple[Results, Mapping[str, Sequence[Item]]]], seed: int = 0) -> str:
    """Several models side by side: values, and each one's paired difference to the first.

    ``runs`` has by name the results and, by measure, their items. Only a value that is better than every
    other one, with an interval of the difference that does not hold 0, is set in bold. Raises ``UserError``
    where two runs did not measure the same items.
    """
    names = list(runs)
    measures: dict[str, Results] = {}
    for results, _ in runs.values():
        measures |= {entry["name"]: entry for entry in results["measures"] if entry["name"] not in measures}
    lines = [_row(["measure", *names]), "|---" * (len(names) + 1) + "|"]
    differences = []
    for name, measure in measures.items():
        entries = {run: _entry(results, name) for run, (results, _) in runs.items()}
        items = {run: found[name] for run, (_, found) in runs.items() if entries[run] is not None}
        winner = best(items, measure["better"], seed)
        cells = []
        for run, entry in entries.items():
            mark = "**" if run == winner else ""
            cells.append(
                f"{mark}{_number(entry['value'])}{mark} {_interval(entry['interval'])}".strip()
                if entry
                else "–"
            )
        lines.append(_row([f"{measure['title']} ({measure['unit']}, {measure['better']} is better)", *cells]))
        first, *others = items
        for other in others:
            difference = paired_difference(items[other], items[first], seed)
            cells = [measure["title"], f"{other} − {first}", _number(difference[0], signed=True)]
            differences.append(_row([*cells, _interval(difference[1:], signed=True), verdict(difference)]))
    lines += _lengths([(run, results) for run, (results, _) in runs.items()])
    if differences:
        lines += [
            "",
            "| measure | models | difference | 95 % interval, paired | verdict |",
            "|---|---|---|---|---|",
        ]
    return "\n".join(lines + differences) + "\n"


def best(items: Mapping[str, Sequence[Item]], better: str, seed: int = 0) -> str | None:
    """The run that is better than each other one beyond doubt; None where there is none, or only one."""
    for run in items:
        against = [paired_difference(items[run], items[other], seed) for other in items if other != run]
        if against and all(verdict(difference) == better for difference in against):
            return run
    return None


def _lengths(runs: Sequence[tuple[str, Results]]) -> list[str]:
    """A table for each measure that tells files of different length apart."""
    lines = []
    for name, title in {m["name"]: m["title"] for _, results in runs for m in results["measures"]}.items():
        columns = [(_entry(results, name) or {"buckets": ()})["buckets"] for _, results in runs]
        buckets = {(b["above"], b["up_to"]): b["num_items"] for column in columns for b in column}
        if not buckets:
            continue
        lines += ["", f"{title}, by the length of the file:", ""]
        lines += [_row(["tokens", "files", *(run for run, _ in runs)]), "|---" * (len(runs) + 2) + "|"]
        for (above, up_to), num_items in sorted(buckets.items(), key=lambda bucket: bucket[0][0]):
            values = [
                next((_number(b["value"]) for b in column if b["above"] == above), "–") for column in columns
            ]
            length = f"over {above}" if up_to is None else f"{above + 1} to {up_to}"
            lines.append(_row([length, str(num_items), *values]))
    return lines


def _entry(results: Results, name: str) -> Results | None:
    return next((entry for entry in results["measures"] if entry["name"] == name), None)


def _external(entry: Mapping[str, Any]) -> str:
    values = ", ".join(f"{arm} {value}" for arm, value in (entry["reference"] or {}).items())
    return f"[{entry['name']}]({entry['url']}): {entry['run']}" + (f" Elsewhere: {values}." if values else "")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _number(value: float, signed: bool = False) -> str:
    return f"{value:{'+' if signed else ''}.4f}".replace("-", "−")


def _interval(bounds: Sequence[float] | None, signed: bool = False) -> str:
    if bounds is None or bounds[0] != bounds[0]:
        return ""
    return f"[{_number(bounds[0], signed)}, {_number(bounds[1], signed)}]"


def main() -> None:
    folders = sys.argv[1:]
    if not folders or folders[0].startswith("-"):
        sys.exit("usage: python -m trainer.evaluation.table FOLDER [FOLDER …], each with a results.json")
    try:
        runs = {}
        for folder in folders:
            results = read_results(folder)
            items = {measure["name"]: read_items(folder, measure) for measure in results["measures"]}
            runs[Path(folder).name if len({Path(f).name for f in folders}) == len(folders) else folder] = (
                results,
                items,
            )
        print(comparison(runs), end="")
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
