"""What a file says of itself in the comments at its top: its licence, and whose copyright it is."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

from builder.repository.license import canonical, identified

_MAX_HEAD = 8_000  # characters, in which a licence header ends
_MAX_LINES, _MAX_LINE = 20, 200  # of attribution

_BLOCKS = {
    "/*": "*/", "<!--": "-->", '"""': '"""', "'''": "'''", "(*": "*)", "{-": "-}", "{#": "#}", "--[[": "]]",
    "=begin": "=end", "<#": "#>",
}  # fmt: skip
_LINE_COMMENTS = ("#", "//", "--", ";", "%", "..", "!", '"', "dnl ", "REM ", "@REM ")
_BEFORE_COMMENTS = ("<?", "<!DOCTYPE", "'use strict'", '"use strict"', "@echo off", "declare(strict_types")
_MARKERS = " \t#/*;%!\"'-"

_SPDX = re.compile(r"SPDX-License-Identifier:[ \t]*(.{0,250})")
# The short notices that the licences themselves ask for at the top of a file.
_NOTICES = {
    "Apache-2.0": r"under the (?:terms of the )?apache license,? version 2\.0",
    "BSL-1.0": r"distributed under the boost software license,? version 1\.0",
    "EPL-2.0": r"under the terms of the eclipse public license (?:v\. ?)?2\.0",
    "MIT": r"(?:licensed|released|distributed|available) under (?:the terms of )?(?:the )?mit license",
    "MPL-2.0": r"subject to the terms of the mozilla public license,? v\. ?2\.0",
}
_NOTICE_OF = {name: re.compile(pattern) for name, pattern in _NOTICES.items()}
_GNU = re.compile(
    r"(?:modify|redistribute|this (?:software|file|program|code|library|module) is licensed)[^.]{0,60}"
    r"under the terms (?:and conditions )?of the gnu (lesser |library |affero )?general public license"
    r"(.{0,250})"
)
_FAMILIES = {"lesser": "LGPL", "library": "LGPL", "affero": "AGPL", "": "GPL"}
# Where the short licences begin and end that authors put whole into their files.
_WHOLE = re.compile(
    r"(?:Permission is hereby granted|Permission to use, copy, modify|Redistribution and use in source)"
    r".{200,3000}?(?:DEALINGS IN THE SOFTWARE|SUCH DAMAGE|PERFORMANCE OF THIS SOFTWARE)\.",
    re.IGNORECASE,
)

_TAGGED = re.compile(r"SPDX-(?:File|Snippet)CopyrightText:\s*(.+)")
_SIGN = r"(?:\(c\)|©|&copy;)"
_YEAR = r"(?:19|20)\d\d"
_COPYRIGHT = re.compile(
    rf"(?:portions |parts )?(?:copyright\W{{0,6}}{_SIGN}?|{_SIGN}\s*(?:copyright)?)\W{{0,4}}{_YEAR}"
    rf"|(?:copyright\W{{0,6}}{_SIGN}|©)\s*[^\W\d_]"
    rf"|copyright (?:by |the )?(?-i:[A-Z]).{{0,100}}"
    rf"(?:{_YEAR}|\b(?:authors|contributors|developers|team|inc|ltd|llc|gmbh|foundation)\b)",
    re.IGNORECASE,
)
_BLANK = re.compile(r"[\[<{(](?:yyyy|year|name|fullname|insert|\d*\s*owner)|\byear\b|\byyyy\b", re.IGNORECASE)


def leading_comments(text: str) -> list[str]:
    """The comments before any code, without their markers; lines in a row, or one block, are one."""
    comments: list[list[str]] = [[]]
    closing = ""
    for line in text[:_MAX_HEAD].splitlines():
        line = line.strip()
        if not closing:
            opening = next((mark for mark in _BLOCKS if line.startswith(mark)), "")
            if opening:
                line, closing = line[len(opening) :], _BLOCKS[opening]
            elif not line or line.startswith(_BEFORE_COMMENTS):
                comments.append([])
                continue
            elif not line.startswith(_LINE_COMMENTS):
                break
        body, found, _ = line.partition(closing) if closing else (line, "", "")
        comments[-1].append(_bare(body))
        if found:
            closing = ""
    return ["\n".join(lines) for lines in comments if lines]


def stated_license(comments: Iterable[str]) -> str | None:
    """The SPDX expression that ``comments`` state; ``""`` for one that cannot be read, ``None`` for none."""
    comments = list(comments)
    if tags := [match[1] for comment in comments for match in _SPDX.finditer(comment)]:
        return all_of(canonical(re.sub(r"[^\w.+)]+$", "", tag)) for tag in tags)
    found = sorted({name for comment in comments for name in _licenses_in(comment)})
    return all_of(found) if found else None


def all_of(expressions: Iterable[str]) -> str:
    """``A AND B``: which of them apply is not for us to choose. ``""`` where one of them is unknown."""
    parts = list(dict.fromkeys(expressions))
    if "" in parts:
        return ""
    return canonical(
        " AND ".join(f"({part})" if len(parts) > 1 and " OR " in part else part for part in parts)
    )


def copyrights(lines: Iterable[str]) -> tuple[str, ...]:
    """Those of ``lines`` that name whose copyright it is, each once, bounded in number and length."""
    found: dict[str, None] = {}
    for line in lines:
        line = " ".join(_bare(line[: 2 * _MAX_LINE]).split())
        if tagged := _TAGGED.search(line):
            line = tagged[1]
        elif not _COPYRIGHT.match(line) or _BLANK.search(line):
            continue
        found[line[:_MAX_LINE]] = None
        if len(found) == _MAX_LINES:
            break
    return tuple(found)


def _bare(line: str) -> str:
    return re.sub(r"^(?:dnl|@?REM) ", "", line).strip(_MARKERS).removeprefix("..").lstrip()


def _licenses_in(comment: str) -> Iterator[str]:
    flat = " ".join(comment.split())
    folded = flat.lower()
    if "licen" not in folded and "permission" not in folded and "redistribution" not in folded:
        return
    yield from (name for name, notice in _NOTICE_OF.items() if notice.search(folded))
    for family, rest in _GNU.findall(folded):
        if version := re.search(r"version ([1-3](?:\.\d)?)", rest):
            number = version[1] if "." in version[1] else f"{version[1]}.0"
            later = "or-later" if "any later version" in rest else "only"
            if name := canonical(f"{_FAMILIES[family.strip()]}-{number}-{later}"):
                yield name
    if (whole := _WHOLE.search(flat)) and (name := _identified(whole[0])):
        yield name


# The same header stands in every file of a project.
_identified = functools.lru_cache(maxsize=256)(identified)
