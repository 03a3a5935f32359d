"""The report as one HTML page that asks for nothing, and as Markdown with the same tables."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from builder import UserError
from builder.report import chart_style, stylesheet
from experiment.report.charts import inline
from experiment.report.conclusions import Conclusion, conclude
from experiment.report.data import Experiment, read
from experiment.report.sections import Section, arms_table, sections

# What may mean something in Markdown, or in the HTML that it may hold.
_MARKED = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")
_STANDING = {
    "win": "The method wins",
    "loss": "The method loses",
    "undecided": "Undecided",
    "not comparable": "Not comparable",
    "machinery": "Machinery only",
}


def write_report(experiment: Mapping[str, Any], folder: Path) -> None:
    """Write ``index.html`` and ``report.md`` of ``experiment`` (``experiment.json``) under ``folder``.

    Raises ``UserError`` where it cannot be read or the files cannot be written.
    """
    found = read(experiment)
    said = list(conclude(found))
    try:
        with chart_style(), _as_they_are():
            shown = list(sections(found, said))
            page = _render("report.html.jinja", found, said, shown, autoescape=True)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.html").write_text(page, encoding="utf-8", newline="\n")
        markdown = _render("report.md.jinja", found, said, shown, autoescape=False)
        (folder / "report.md").write_text(markdown, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"{folder}: cannot write the report ({error.strerror or error})") from None


@contextlib.contextmanager
def _as_they_are() -> Iterator[None]:
    """Charts drawn within take words for words, though they have dollars or rare signs in them."""
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the page's own fonts have it
        yield


def _render(
    template: str,
    experiment: Experiment,
    said: Sequence[Conclusion],
    shown: Sequence[Section],
    autoescape: bool,
) -> str:
    folder = files(__package__)
    environment = Environment(
        autoescape=autoescape, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["md"] = _markdown
    environment.filters["chart"] = _chart
    return environment.from_string((folder / template).read_text(encoding="utf-8")).render(
        style=Markup(stylesheet() + (folder / "report.css").read_text(encoding="utf-8")),
        experiment=experiment,
        headline=said[0],
        standing=_standing(said[0]),
        compared=[c for c in said if c.kind in ("compared", "measured")],
        qualifications=[c for c in said if c.kind == "qualification"],
        arms=arms_table(experiment),
        comparisons=_by_baseline(said),
        cautions=[c for c in said if c.kind == "caution"],
        sections=shown,
    )


def _standing(headline: Conclusion) -> str:
    """The headline in a few words, no stronger than it is."""
    found = headline.comparison.difference if headline.comparison else None
    words = _STANDING[headline.verdict]
    if found is not None and found.num_seeds == 1 and headline.verdict in ("win", "loss"):
        return f"In one run each, {words[0].lower()}{words[1:]}"
    return words


def _by_baseline(said: Sequence[Conclusion]) -> dict[str, list[Conclusion]]:
    """The comparisons by the arm that others are held against."""
    found: dict[str, list[Conclusion]] = {}
    for conclusion in said:
        if conclusion.kind == "comparison" and conclusion.comparison is not None:
            found.setdefault(conclusion.comparison.other, []).append(conclusion)
    return found


def _chart(section: Section) -> Markup:
    assert section.figure is not None
    return Markup(inline(section.figure, section.name, section.title, section.alt))


def _markdown(text: object) -> str:
    """``text`` as Markdown that shows it as it is, on one line."""
    return _MARKED.sub(r"\\\1", " ".join(str(text).split()))
