"""The card of a built dataset: what the Hub shows of it, every figure counted in its rows.

Sizes and features stand in the text and in the parquet files' own footers. They are not repeated as
``dataset_info`` in the metadata: ``datasets`` would hold a split against the counts there, and a card that is
older than the rows would keep them from loading.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from builder.errors import UserError
from builder.hub.figures import Contents, contents
from builder.hub.licenses import hub_ids
from builder.report import draw_rounds, rounds_table

CARD, PLOT, OPTIONS, LICENSE = "README.md", "plots/search.png", "build.yaml", "LICENSE.md"
_MAX_OPTIONS = 20_000  # bytes of options that a card shows whole
_MAX_NAMES = 50  # of a kind (languages, licences, reasons) that a card counts one by one
_MARKUP = re.compile(r"[\\`*_\[\]<>|~]")
_LICENSE_TITLE = "# Licences of the files in this dataset\n"


@dataclass(frozen=True)
class _Card:
    text: str
    plot: bytes | None
    license: str | None  # of the file beside it, where the Hub has no id for all licences


def write_card(folder: Path) -> Path:
    """Write the card of the built ``folder``, with its plot and, where one is needed, its licence file.

    Each appears whole or not at all, the card last. The plot is left out where matplotlib is not installed.
    Raises ``UserError`` where there are no rows, or nothing can be written.
    """
    beside = folder / LICENSE
    try:
        card = _made(folder)
        _put(folder / PLOT, card.plot)
        if card.license is not None:
            _put(beside, card.license.encode())
        elif beside.is_file() and beside.read_text("utf-8", "replace").startswith(_LICENSE_TITLE):
            beside.unlink()
        _put(folder / CARD, card.text.encode())
    except OSError as error:
        raise UserError(
            f"{folder}: cannot write the card ({error.strerror or error}); free some space or make the "
            "folder writable, then build again: every answer so far is kept in the store"
        ) from None
    return folder / CARD


def dataset_card(folder: Path) -> str:
    """The text of the card that ``write_card`` writes."""
    return _made(folder).text


def template_path() -> Path:
    """The card's template, ``dataset_card.md``: beside the packages, or where an installation puts it."""
    beside = Path(__file__).parents[2] / "dataset_card.md"
    return beside if beside.exists() else Path(sys.prefix) / "share" / "repo2agent" / "dataset_card.md"


def _made(folder: Path) -> _Card:
    from huggingface_hub import DatasetCard

    found = contents(folder)
    figures = dict(found.statistics)
    repositories, files = figures.pop("licenses"), figures.pop("file_licenses")
    ids = hub_ids({**repositories, **files})
    plot = draw_rounds(found.rounds) if found.rounds.searched else None
    listed = {
        "languages": _table(figures.pop("languages"), figures.pop("language_bytes")),
        "licenses": _table(files, repositories),
        "skipped": _table(figures.pop("skipped")),
        "left_out": _table(found.left_out),
        "rounds": [[_cell(cell) for cell in line] for line in rounds_table(found.rounds)],
        "repositories": [_cells(row) for row in found.repositories],
        "schemas": found.schemas,
        **{name: _cells(figures.pop(name)) for name in ("generators", "scorers", "prompts", "versions")},
    }
    text = DatasetCard.from_template(
        _metadata(found, ids),
        template_path=str(template_path()),
        configs=found.configs,
        splits=found.splits,
        debugging=found.debugging,
        num_in_rounds=found.rounds.num_thoughts,
        plot=PLOT if plot else "",
        options=_options(folder),
        number=_number,
        **listed,
        **figures,
    )
    needed = bool(files or repositories) and ids is None
    return _Card(str(text), plot, _license_file(listed["licenses"]) if needed else None)


def _metadata(found: Contents, ids: list[str] | None) -> Any:
    """The card's YAML, as the Hub's documentation has it."""
    from huggingface_hub import DatasetCardData

    figures = found.statistics
    licensed: dict[str, Any] = {"license": ids}
    if ids is None and figures["licenses"]:
        licensed = {"license": "other", "license_name": "licences-of-the-files", "license_link": LICENSE}
    return DatasetCardData(
        **licensed,
        # Prompts ask for English; the Hub takes "code" for what is no human language.
        language=["en", "code"] if figures["generators"] else ["code"],
        size_categories=[_size_category(figures["num_repositories"])],
        task_categories=["text-generation"],
        tags=["code", "agent-trajectories", "repo2agent"],
        pretty_name="repo2agent trajectories",
        configs=[
            {
                "config_name": config,
                "data_files": [
                    {"split": split.name, "path": f"data/{config}/{split.name}-*.parquet"}
                    for split in found.splits
                    if split.config == config
                ],
                **({"default": True} if config == found.configs[0] else {}),
            }
            for config in found.configs
        ],
    )


def _size_category(number: int) -> str:
    """The Hub's class of ``number`` rows."""
    bounds = ["1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T"]
    for power, (low, high) in enumerate(pairwise(["n", *bounds])):
        if number < 1000 * 10**power:
            return f"{low}<{high}" if low == "n" else f"{low}<n<{high}"
    return "n>1T"


def _options(folder: Path) -> dict[str, Any] | None:
    """The options that the build has left beside its rows: their text where that is short, with a fence."""
    path = folder / OPTIONS
    if path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as file:
        data = file.read(_MAX_OPTIONS + 1)
    if len(data) > _MAX_OPTIONS:
        return {"text": "", "fence": ""}
    text = data.decode("utf-8", "replace").strip()
    longest = max(map(len, re.findall("`+", text)), default=0)
    return {"text": text, "fence": "`" * max(3, longest + 1)}


def _license_file(licenses: list[list[str]]) -> str:
    lines = [
        f"| {' | '.join(cells)} |" for cells in (["licence", "files", "repositories"], ["---"] * 3, *licenses)
    ]
    return (
        f"{_LICENSE_TITLE}\nThe files in this dataset keep the licences of their authors. "
        "The column `files` names\neach file's licence and the copyright lines that go with it.\n\n"
        + "\n".join(lines)
        + "\n"
    )


def _table(*counts: Mapping[str, int]) -> list[list[str]]:
    """Names with their ``counts``, the most frequent first; the last line may stand for many others."""
    names = sorted(
        dict.fromkeys(name for count in counts for name in count),
        key=lambda name: (*(-count.get(name, 0) for count in counts), name),
    )
    lines = [[_cell(name), *(_number(count.get(name, 0)) for count in counts)] for name in names[:_MAX_NAMES]]
    if others := names[_MAX_NAMES:]:
        sums = (sum(count.get(name, 0) for name in others) for count in counts)
        lines.append([f"{_number(len(others))} others", *map(_number, sums)])
    return lines


def _cells(value: Any) -> Any:
    """``_cell`` of all texts in ``value``."""
    if isinstance(value, dict):
        return {name: _cells(part) for name, part in value.items()}
    return [_cells(part) for part in value] if isinstance(value, list) else _cell(value)


def _cell(text: str) -> str:
    """``text`` for a cell of a table: on one line, short, and without markup: it may come from anywhere."""
    line = " ".join(text.split())
    return _MARKUP.sub(r"\\\g<0>", line if len(line) <= 200 else line[:200] + "…")


def _number(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _put(path: Path, data: bytes | None) -> None:
    """Write the file whole or not at all; without ``data``, there is to be none."""
    if data is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    partial.replace(path)
