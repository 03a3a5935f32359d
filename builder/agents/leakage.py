"""The leakage guard: a thought that quotes its target lowers the NLL for nothing and is rejected.

What counts as quoting is measured against the body alone. The outline, the imports and the files that
the sub-agent reads are on the page already; restating them is no leak (and wins nothing, see controls).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from builder.structure import Blueprint

_TOKEN = re.compile(r"\w+|[^\w\s]")
_IDENTIFIER = re.compile(r"\b(?:[A-Za-z]\w*_\w+|_\w+|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|[A-Z]{2,}\w*)\b")
_NGRAM = 4
# Code with other names is still code: words count as one, marks of code (not of prose) as they are.
_SHAPE = 8
_MARKS = frozenset("=()[]{}+-*/%<>!&|^~;@\\")
_MIN_MARKS = 3  # in a stretch of that length; a call that is named in prose has two
_PROSE = frozenset("`'\",.:?")


@dataclass(frozen=True)
class Overlap:
    """What a thought has in common with the body of its file.

    ``run`` is the longest common run of words and punctuation, ``share`` the share of the thought's
    4-grams found in the body, ``names`` the identifiers that it can know only from the body, and
    ``echoes`` the number of stretches of code that stand in the body with other names.
    """

    run: int
    share: float
    names: frozenset[str]
    echoes: int


@dataclass(frozen=True)
class Limits:
    """How much a thought may have in common with the body of its file, measure by measure of ``Overlap``."""

    max_common_run: int = 8
    max_common_share: float = 0.1
    max_body_names: int = 3
    max_echoes: int = 0

    def refusal(self, overlap: Overlap) -> str:
        """Why a thought with that overlap may not stand; ``""`` where it may."""
        if overlap.run > self.max_common_run:
            return f"quotes the code: a common run of {overlap.run}"
        if overlap.share > self.max_common_share:
            return f"quotes the code: {overlap.share:.0%} of its 4-grams"
        if overlap.echoes > self.max_echoes:
            return f"quotes the code with other names: {overlap.echoes} stretches"
        if len(overlap.names) > self.max_body_names:
            return f"names what only the body holds: {', '.join(sorted(overlap.names))}"
        return ""

    def of(self, sees: str) -> Limits:
        """These limits for a thought written under the policy ``sees``: one that saw the body gets no more
        than the strictest."""
        if sees != "body":
            return self
        return Limits(*(min(own, most) for own, most in zip(astuple(self), astuple(STRICTEST), strict=True)))


STRICTEST = Limits(max_common_run=5, max_common_share=0.05, max_body_names=0, max_echoes=0)


class LeakageGuard:
    """Measures thoughts against the body of one file.

    ``page`` is what the sub-agent has before it beside the outline and its dependencies: names in it may be
    named. Quoting is quoting wherever the code has been seen.
    """

    def __init__(self, blueprint: Blueprint, path: str, page: Sequence[str] = ()) -> None:
        repository = blueprint.repository
        outline = blueprint.outlines.get(path, ())
        shown = blueprint.header_lines.get(path, frozenset()).union(*(e.signature_lines for e in outline))
        lines = repository.file(path).content.split("\n")
        body = "\n".join(text for number, text in enumerate(lines, 1) if number not in shown)
        shown_texts = [text for number, text in enumerate(lines, 1) if number in shown]
        shown_texts += [blueprint.outline_text(path), path, *page]
        shown_texts += [repository.file(other).content for other in blueprint.dependencies_of(path)]
        self._body = _TOKEN.findall(body)
        self._matcher = SequenceMatcher(autojunk=False)
        self._matcher.set_seq2(self._body)
        self._ngrams = set(_ngrams(self._body))
        self._shapes = set(_shapes(self._body))
        known = frozenset().union(*map(_words, shown_texts))
        self._names = set(_IDENTIFIER.findall(body)) - known

    def overlap(self, thought: str) -> Overlap:
        """How much of the body ``thought`` repeats."""
        tokens = _TOKEN.findall(thought)
        self._matcher.set_seq1(tokens)
        run = self._matcher.find_longest_match().size
        ngrams = _ngrams(tokens)
        share = sum(ngram in self._ngrams for ngram in ngrams) / len(ngrams) if ngrams else 0.0
        names = frozenset(self._names & set(re.findall(r"\w+", thought)))
        echoes = sum(shape in self._shapes for shape in _shapes(tokens))
        return Overlap(run, share, names, echoes)


@lru_cache(maxsize=256)  # what many files build on is asked for once for each of them
def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


def _ngrams(tokens: list[str], length: int = _NGRAM) -> list[tuple[str, ...]]:
    return [tuple(tokens[start : start + length]) for start in range(len(tokens) - length + 1)]


def _shapes(tokens: list[str]) -> list[tuple[str, ...]]:
    """The stretches that look like code, whatever its names."""
    plain = ["w" if re.match(r"\w", token) else token for token in tokens if token not in _PROSE]
    shapes = _ngrams(plain, _SHAPE)
    return [shape for shape in shapes if sum(token in _MARKS for token in shape) >= _MIN_MARKS]
