"""What is trained on and what is held out: no repository on both sides, no near copy of a file.

    python -m experiment.split built --configs raw-repos repo2agent-search --output runs/split

Writes ``split.json`` with sizes and what was dropped, and ``exclude.txt``, the files of held-out repositories
that are not to be evaluated because one that is trained on is like them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder import UserError, replay
from builder.repository import SourceFile
from builder.rows import built_files, read_columns
from builder.selection import nearest_copies
from builder.structure import is_code
from experiment.stages import write_whole

TRAIN, HELD_OUT = "train", "test"
REFERENCE = "raw-repos"  # the config that the code is read from


@dataclass(frozen=True)
class Side:
    """One side of the split."""

    repositories: list[str]
    files: dict[str, SourceFile]  # code, by `repository@revision/path`
    raw_tokens: int

    def sizes(self) -> dict[str, int]:
        return {
            "repositories": len(self.repositories),
            "files": len(self.files),
            "raw_tokens": self.raw_tokens,
        }


def check_split(built: Path, configs: Collection[str], near_duplicates: float) -> dict[str, Any]:
    """What ``split.json`` holds.

    ``UserError`` where the two sides share a repository or one of them is empty, or where ``configs`` are not
    made of the same repositories.
    """
    sides = {split: read_side(built, split) for split in (TRAIN, HELD_OUT)}
    train, held_out = sides[TRAIN], sides[HELD_OUT]
    if both := sorted({*train.repositories} & {*held_out.repositories}):
        raise UserError(f"{built}: {both[0]} is trained on and held out; build it anew")
    for config in configs:
        for split, side in sides.items():
            found = sorted(row["repository"] for row in _rows(built, config, split, ["repository"]))
            if found != side.repositories:
                odd = sorted({*found} ^ {*side.repositories})
                raise UserError(
                    f"{built}: {config} and {REFERENCE} differ in their {split} repositories"
                    + (f" ({odd[0]})" if odd else "")
                    + "; arms can only be compared on the same ones"
                )
    names, originals = list(held_out.files), list(train.files)
    nearest = nearest_copies(list(held_out.files.values()), list(train.files.values()), near_duplicates)
    dropped, greatest = [], 0.0
    for name, near in zip(names, nearest, strict=True):
        if near is not None and near[1] >= near_duplicates:
            dropped.append({"file": name, "of": originals[near[0]], "likeness": round(near[1], 4)})
        elif near is not None:
            greatest = max(greatest, near[1])
    if len(dropped) == len(names):
        raise UserError(f"{built}: every held-out file is like one that is trained on; hold out more")
    return {
        "train": train.sizes(),
        "held_out": held_out.sizes(),
        "repositories": {"train": train.repositories, "held_out": held_out.repositories},
        "near_duplicate_files_dropped": len(dropped),
        "near_duplicates": dropped,
        "greatest_likeness_left": round(greatest, 4),
    }


def read_side(built: Path, split: str) -> Side:
    """The repositories of ``split`` and their code."""
    repositories, raw_tokens = [], 0
    files: dict[str, SourceFile] = {}
    columns = ["id", "text", "spans", "steps", "files", "repository", "num_raw_tokens"]
    for row in _rows(built, REFERENCE, split, columns):
        repositories.append(row["repository"])
        raw_tokens += row["num_raw_tokens"]
        contents = replay(row)
        for file in row["files"]:
            if is_code(file["language"]) and not file["boilerplate"]:
                content = contents[file["path"]]
                name = f"{row['id']}/{file['path']}"
                files[name] = SourceFile(
                    file["path"], content, "utf-8", file["num_bytes"], file["original_sha256"]
                )
    if not files:
        where = "test, the share that is held out" if split == HELD_OUT else "test and validation lower"
        raise UserError(f"{built}: no code in its {split} split; build more repositories, or set {where}")
    return Side(sorted(repositories), dict(sorted(files.items())), raw_tokens)


def _rows(built: Path, config: str, split: str, columns: Collection[str]) -> Iterator[dict[str, Any]]:
    files = built_files(built, config)
    if not files:
        raise UserError(f"{built} has no rows of {config}; build them with --configs")
    return read_columns([path for path in files if path.name.startswith(f"{split}-")], columns)


def check_held_out(results: dict[str, Any], split: dict[str, Any]) -> None:
    """Raise ``UserError`` where a file was evaluated that is not held out, or is a near copy."""
    held_out = set(split["repositories"]["held_out"])
    dropped = {copy["file"] for copy in split["near_duplicates"]}
    for measure in results["measures"]:
        if not measure["name"].startswith("reconstruction/"):
            continue
        for item in measure["items"]:
            if item["group"] not in held_out or item["id"] in dropped:
                raise UserError(f"{measure['name']} was taken on {item['id']}, which is not held out")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("built", type=Path, help="a built dataset")
    parser.add_argument(
        "--configs", nargs="+", default=[REFERENCE], help="that must have the same repositories"
    )
    parser.add_argument("--near_duplicates", type=float, default=0.5, help="likeness of a copy")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write to")
    options = parser.parse_args()
    try:
        found = check_split(options.built, options.configs, options.near_duplicates)
    except UserError as error:
        sys.exit(f"error: {error}")
    excluded = "".join(f"{copy['file']}\n" for copy in found["near_duplicates"])
    write_whole(options.output / "exclude.txt", excluded)
    write_whole(options.output / "split.json", json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    print(
        f"train: {found['train']}; held out: {found['held_out']}; "
        f"{len(found['near_duplicates'])} held-out files are near copies and dropped"
    )


if __name__ == "__main__":
    main()
