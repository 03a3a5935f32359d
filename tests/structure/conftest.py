"""Shared by the tests of languages: a blueprint from a few texts, its edges, and what any outline must be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from builder.structure import Blueprint, analyze
from builder.structure.languages import Facts


@pytest.fixture
def read(make_repository) -> Callable[[dict[str, str]], Blueprint]:
    """``read({path: content})``: the blueprint."""
    return lambda files: analyze(make_repository(files))


def edges(blueprint: Blueprint, kind: str | None = None) -> set[tuple[str, str]]:
    """The edges, of one kind or of all."""
    return {(edge.source, edge.target) for edge in blueprint.dependencies if kind in (None, edge.kind)}


def assert_outlined(scan: Callable[[bytes], Facts], source: bytes) -> None:
    """Whatever ``source`` is, it is read, and its outline stands within its lines."""
    num_lines = source.count(b"\n") + 1
    for entry in scan(source).outline:
        assert 1 <= entry.start_line <= entry.end_line <= num_lines
        assert all(1 <= line <= entry.end_line for line in entry.signature_lines)
