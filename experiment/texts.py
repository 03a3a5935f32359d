"""General text: the documentation of packages, read as data and never installed or run.

    python -m experiment.texts pkg:pypi/django@5.2.8 --suffixes .txt .rst --output texts.parquet

Packages are fetched as `repo2agent build` fetches them: bounded, their archive held against the hash given,
their licence permissive. A document is a file of prose in a folder of documentation that is no copy of an
earlier one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from builder import UserError
from builder.cache import cache_home
from builder.selection import SelectOptions, read

FOLDERS = {"doc", "docs", "documentation"}
FEWEST_CHARS = 400  # below this it is a pointer to somewhere else


def documents(package: str, suffixes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name and text of each document in ``package``, by path. ``UserError`` where it cannot be used."""
    options = SelectOptions(max_files=100_000, max_bytes=1 << 30)
    repository = read(package, options, cache=cache_home())
    for file in repository.files:
        path = file.path.lower()
        in_place = not FOLDERS.isdisjoint(path.split("/")[:-1])
        if in_place and path.endswith(tuple(suffixes)) and not file.boilerplate:
            text = file.content.strip()
            if len(text) >= FEWEST_CHARS:
                yield f"{repository.identity}/{file.path}", text + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packages", nargs="+", help="package URLs, best with a checksum")
    parser.add_argument("--suffixes", nargs="+", default=[".rst", ".md", ".txt"], help="of documentation")
    parser.add_argument("--output", type=Path, required=True, help="the parquet file to write")
    options = parser.parse_args()
    texts: dict[str, str] = {}  # text -> name: of equal ones the first
    try:
        for package in options.packages:
            before = len(texts)
            for name, text in documents(package, options.suffixes):
                texts.setdefault(text, name)
            print(f"{package.partition('?')[0]}: {len(texts) - before} documents", flush=True)
        if not texts:
            raise UserError(f"no documents that end with {' or '.join(options.suffixes)} in these packages")
    except UserError as error:
        sys.exit(f"error: {error}")

    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({"text": list(texts), "name": list(texts.values())})
    options.output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = options.output.with_suffix(".unfinished")
    parquet.write_table(table, unfinished)
    unfinished.replace(options.output)


if __name__ == "__main__":
    main()
