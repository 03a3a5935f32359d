"""Reading a row back: what each step says, and the files that its writes leave behind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any


class ReplayError(ValueError):
    """A row whose steps contradict each other or the hashes stored with them."""


def step_texts(
    text: str, spans: Sequence[Mapping[str, Any]], num_steps: int, escaped: Collection[int] = ()
) -> list[str]:
    """For each step, the text of its ``content`` spans, joined; ``escaped`` as in ``Document``."""
    pieces: list[list[str]] = [[] for _ in range(num_steps)]
    for span in spans:
        if span["content"]:
            pieces[span["step"]].append(text[span["start"] : span["end"]])
    texts = ["".join(found) for found in pieces]
    return [json.loads(f'"{found}"') if n in escaped else found for n, found in enumerate(texts)]


def replay(row: Mapping[str, Any]) -> dict[str, str]:
    """Apply the writes of ``row`` in order to an empty directory; path to content.

    Raises ``ReplayError`` where spans do not tile the text or belong to no step, a write differs from its
    file's hash or comes twice, or an observation is not what had been written by then.
    """
    position = 0
    for span in row["spans"]:
        if span["start"] != position or span["end"] <= span["start"]:
            raise ReplayError(f"{row['id']}: spans do not tile the text at character {position}")
        if not 0 <= span["step"] < len(row["steps"]):
            raise ReplayError(f"{row['id']}: the span at character {position} belongs to no step")
        position = span["end"]
    if position != len(row["text"]):
        raise ReplayError(f"{row['id']}: spans end at character {position} of {len(row['text'])}")

    hashes = {file["path"]: file["sha256"] for file in row["files"]}
    written: dict[str, str] = {}
    texts = step_texts(row["text"], row["spans"], len(row["steps"]))
    for number, (step, content) in enumerate(zip(row["steps"], texts, strict=True)):
        path = step["path"]
        where = f"{row['id']}: step {number} ({step['kind']} {path})"
        if step["kind"] == "write":
            if path in written:
                raise ReplayError(f"{where}: written before")
            digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
            if not digest == step["sha256"] == hashes.get(path):
                raise ReplayError(f"{where}: content does not have the hash stored with it")
            written[path] = content
        elif step["kind"] == "observation" and written.get(path) != content:
            raise ReplayError(f"{where}: not what had been written by then")
    return written
