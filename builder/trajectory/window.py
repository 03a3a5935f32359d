"""The window rule: which part of a document stands before a token when the whole does not fit.

The requirement and the plan lines that matter stay in front, then as much as fits of what came last,
from the beginning of a sub-agent's work where possible. Where even that work does not fit, its
specification stays in front too: no file is ever scored without its outline in sight.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import islice
from operator import itemgetter

from builder.trajectory.document import Document, Range, Segment
from builder.trajectory.encoding import Encoded

TokenRange = tuple[int, int]


def token_range(document: Document, encoded: Encoded, chars: Range) -> TokenRange:
    """The tokens of the spans that lie within ``chars``; ``chars`` begins and ends at span boundaries."""
    first, last = (
        bisect_left(document.spans, chars[edge], key=itemgetter("start")) for edge in ("start", "end")
    )
    if first == last:
        return (0, 0)
    return (encoded.ranges[first][0], encoded.ranges[last - 1][1])


def context_ranges(document: Document, encoded: Encoded, upto: int, limit: int) -> list[TokenRange]:
    """Token ranges, together at most ``limit`` long, that stand before token ``upto``.

    One range, ``(0, upto)``, where that fits. ``ValueError`` where not even one token does.
    """
    if upto <= limit:
        return [(0, upto)]
    segments = document.segments

    def start_of(segment: Segment) -> int:
        return encoded.ranges[bisect_left(document.spans, segment["start"], key=itemgetter("start"))][0]

    own = bisect_right(segments, upto - 1, key=start_of) - 1
    head = [(0, encoded.prefix), token_range(document, encoded, document.preamble)]
    if own >= 0:
        head += [token_range(document, encoded, lines) for lines in document.segments[own]["plan"]]
    # What is about to be written needs its own thought and specification more than a long preamble.
    head = _fitting(head, limit // 2)
    earliest = upto - (limit - _length(head))
    first = bisect_left(segments, earliest, hi=own + 1, key=start_of)
    start = start_of(segments[first]) if first <= own else None
    if start is None:
        # The file's own work does not fit: its specification stays, what was read first is lost.
        contract = _contract(document, encoded, segments[own], upto) if own >= 0 else []
        head = _fitting([(0, encoded.prefix), *contract, *head[1:]], limit * 3 // 4)
        earliest = upto - (limit - _length(head))
        span = bisect_left(encoded.ranges, earliest, key=itemgetter(0))
        inside = span < len(encoded.ranges) and encoded.ranges[span][0] < upto
        start = encoded.ranges[span][0] if inside else earliest
    if earliest >= upto:
        raise ValueError(f"a window of {limit} tokens leaves no room for context")
    return _merge([*head, (start, upto)])


def _contract(document: Document, encoded: Encoded, segment: Segment, upto: int) -> list[TokenRange]:
    """The specification of the file that ``segment`` is about, as far as it stands before ``upto``."""
    first = bisect_left(document.spans, segment["start"], key=itemgetter("start"))
    found = []
    for span, tokens in islice(zip(document.spans, encoded.ranges, strict=True), first, None):
        if tokens[0] >= upto:
            break
        if span["role"] == "spec":
            found.append(tokens)
    return found


def _fitting(ranges: Sequence[TokenRange], room: int) -> list[TokenRange]:
    """As many of ``ranges``, from the first on, as have room together."""
    fitting: list[TokenRange] = []
    for tokens in ranges:
        if _length([*fitting, tokens]) > room:
            break
        fitting.append(tokens)
    return fitting


def take(ids: Sequence[int], ranges: Sequence[TokenRange]) -> list[int]:
    """The ids within ``ranges``, joined."""
    return [token for start, end in ranges for token in ids[start:end]]


def _length(ranges: Sequence[TokenRange]) -> int:
    return sum(end - start for start, end in ranges)


def _merge(ranges: Sequence[TokenRange]) -> list[TokenRange]:
    """Drop empty ranges and join adjacent or overlapping ones; the order is that of the text."""
    merged: list[TokenRange] = []
    for start, end in sorted(ranges):
        if start == end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
