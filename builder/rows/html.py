"""A row as one self-contained page, for reading in a browser.

All that a row holds is hostile: every value is escaped, the page's only style and script are our own and
known by their hash, and its policy lets it ask the network for nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from builder.errors import UserError
from builder.rows.inspect import find_row
from builder.rows.page.conversation import Part, conversation, role_class
from builder.rows.page.graph import draw
from builder.rows.statistics import NLL_COLUMNS, statistics
from builder.rows.write import CONFIGS, built_files, read_rows
from builder.structure import KINDS

_FOLDER = files("builder.rows.page")
_POLICY = (
    "default-src 'none'; style-src '{style}'; script-src '{script}'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_NLL_TITLES = dict(
    zip(
        NLL_COLUMNS,
        ("No thought", "The outline restated", "Another file’s thought", "First thought", "Searched thought"),
        strict=True,
    )
)
_MANY = 4  # sub-agents; more are folded at first
_MOST_SKIPPED, _MOST_NOTES, _MOST_LINKS = 1_000, 200, 12
_MOST_LANGUAGES = 8  # with a colour of their own

# Control characters, lone surrogates, and marks that cannot be seen or reorder what is read
# (Boucher and Anderson, "Trojan Source", 2021).
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069"
    "\ud800-\udfff\ufeff\ufffe\uffff]"
)


def write_html(dataset: Path, config: str, number: int, output: Path) -> Path:
    """Write row ``number`` of ``config`` as a page to ``output``; returns its path.

    The history of thoughts comes from the rows of ``search-log`` with the same id, where they were built:
    those of ``config``, or of the search itself where that has none.
    """
    row = find_row(dataset, config, number)
    if "spans" not in row:
        raise UserError(f"{config} holds no trajectories; choose another config")
    log: list[dict[str, Any]] = []
    if built_files(dataset, "search-log"):
        entries = [entry for entry in read_rows(dataset, "search-log") if entry["id"] == row["id"]]
        own = config if any(entry.get("config") == config for entry in entries) else CONFIGS[0]
        log = [entry for entry in entries if entry.get("config", own) == own]
    text = page(row, log)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"{output}: cannot write the page ({error.strerror or error})") from None
    return output


def page(row: Mapping[str, Any], log: Sequence[Mapping[str, Any]] = ()) -> str:
    """The page of ``row``. The same row and log give the same bytes."""
    style, script = ((_FOLDER / name).read_text(encoding="utf-8").strip() for name in ("page.css", "page.js"))
    parts = conversation(row, log)
    homes = _homes(parts)
    order = list(homes)
    drawing = draw(order, row["dependencies"])
    known = Counter(file["language"] for file in row["files"] if file["language"])
    colours = {name: f"l{place}" for place, (name, _) in enumerate(known.most_common(_MOST_LANGUAGES))}
    return _template().render(
        row=row,
        style=Markup(style),
        script=Markup(script),
        policy=_POLICY.format(style=_hash(style), script=_hash(script)),
        parts=parts,
        homes=homes,
        files={file["path"]: file for file in row["files"]},
        num_agents=sum(bool(part.path) for part in parts),
        many=_MANY,
        drawing=drawing,
        kinds=[kind for kind in KINDS if any(edge.kind == kind for edge in drawing.edges)]
        + sorted({edge.kind for edge in drawing.edges} - set(KINDS)),
        kind_class={kind: f"k{place}" for place, kind in enumerate(KINDS)},
        alone=len(set(order) - {path for e in row["dependencies"] for path in (e["source"], e["target"])}),
        needs=_links(row, "source", "target"),
        needed=_links(row, "target", "source"),
        most_links=_MOST_LINKS,
        languages=known.most_common(_MOST_LANGUAGES),
        colour=lambda path_language: colours.get(path_language, "l-other"),
        roles=_roles(row),
        figures=statistics([row]),
        nlls=_nlls(row),
        gain=_gain(row),
        skipped=row["skipped"][:_MOST_SKIPPED],
        notes=row["notes"][:_MOST_NOTES],
    )


def visible(text: str) -> str:
    """``text`` with what cannot be seen, or hides what is seen, written out: U+202E as ``[U+202E]``."""
    return _INVISIBLE.sub(lambda match: f"[U+{ord(match.group()):04X}]", text.replace("\r\n", "\n"))


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: (
            visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
    )
    environment.filters |= {
        "count": lambda number: f"{number:,}",
        "percent": lambda share: (
            f"{share:.0%}" if share in (0, 1) or 0.005 <= share < 0.995 else f"{share:.1%}"
        ),
        "size": lambda number: f"{number} B" if number < 1000 else f"{number / 1000:,.1f} kB",
        "nll": lambda value: "–" if value is None else f"{value:.3f}",
        "trend": lambda gain: "flat" if abs(gain) < 5e-4 else "up" if gain > 0 else "down",
        "signed": lambda value: (
            "–" if value is None else f"{0.0 if abs(value) < 5e-4 else value:+.3f}".replace("-", "−")
        ),
    }
    return environment.from_string((_FOLDER / "page.html.jinja").read_text(encoding="utf-8"))


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _homes(parts: Sequence[Part]) -> dict[str, str]:
    """Where on the page each file is written, in the order of writing: its sub-agent, or the step itself."""
    homes: dict[str, str] = {}
    for part in parts:
        for message in part.messages:
            if message.kind == "write":
                homes.setdefault(
                    message.path, f"part-{part.number}" if part.path else f"step-{message.number}"
                )
    return homes


def _links(row: Mapping[str, Any], one: str, other: str) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for edge in row["dependencies"]:
        found.setdefault(edge[one], {})[edge[other]] = None
    return {path: list(others) for path, others in found.items()}


def _roles(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How many characters of the text stand under each role, and how many of them carry loss."""
    total, loss = Counter[str](), Counter[str]()
    for span in row["spans"]:
        length = span["end"] - span["start"]
        total[span["role"]] += length
        loss[span["role"]] += length * span["loss"]
    start, found = 0.0, []
    for role, length in total.items():
        share = length / max(1, len(row["text"]))
        found.append(
            {
                "name": role,
                "kind": role_class(role),
                "share": share,
                "start": start,
                "loss": loss[role] / max(1, length),
            }
        )
        start += share
    return found


def _gain(row: Mapping[str, Any]) -> float | None:
    """What the thoughts save beyond the best control, in nats a token, weighted by scored tokens."""
    known = [score for score in row["scores"] if score["gain"] is not None]
    weight = sum(score["num_target_tokens"] for score in known)
    return sum(score["gain"] * score["num_target_tokens"] for score in known) / weight if weight else None


def _nlls(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The mean NLLs of the row's thoughts, on a scale of 0 to 100."""
    figures = statistics([row])
    known = {column: figures[column] for column in NLL_COLUMNS if figures[column] is not None}
    if not known:
        return []
    low, high = min(known.values()), max(known.values())
    return [
        {
            "title": _NLL_TITLES[column],
            "column": column,
            "nll": value,
            "at": round(4 + 92 * (value - low) / (high - low), 2) if high > low else 50.0,
        }
        for column, value in known.items()
    ]
