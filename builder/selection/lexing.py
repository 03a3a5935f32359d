"""Code as tokens that survive another layout and other names, for telling copies."""

from __future__ import annotations

import re
import zlib
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HASH_COMMENTS = {"Python", "Ruby"}  # of the languages whose structure is read; PHP knows both kinds
# Each alternative ends at the end of the text at the latest and is never tried twice: no quadratic time.
_STRING = rb"""[rbfuRBFU]{0,2}(?:"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?)"""
_REST = rb"[A-Za-z_$\x80-\xff][\w$\x80-\xff]*+|\d[\w.]*+|[^\s\w,;]"
_WITH_HASH = re.compile(
    rb"#[^\n]*+|([rbfuRBFU]{0,2}(?:\"{3}.*?(?:\"{3}|\Z)|'{3}.*?(?:'{3}|\Z))|%s|%s)" % (_STRING, _REST),
    re.DOTALL,
)
_WITH_SLASHES = re.compile(
    rb"//[^\n]*+|/\*.*?(?:\*/|\Z)|(`(?:[^`\\]|\\.)*+`?|%s|%s)" % (_STRING, _REST), re.DOTALL
)
# Words with a meaning of their own in one of the languages; all others are names that a copy may change.
_KEYWORDS = (
    b"and as assert async await break case catch class const continue def default defer defined del delete "
    b"do elif else elsif end ensure enum except export extends extern false finally fn for foreach from "
    b"func function global go goto if impl implements import in instanceof interface internal is lambda "
    b"let loop match mod module mut namespace new nil none not null object of or package pass private "
    b"protected pub public raise readonly ref require rescue return self static struct super switch "
    b"template then this throw throws true try type typedef typeof union unless until use using val var "
    b"virtual void when where while with yield "
).split()
_NAME, _STRING_CODE, _NUMBER_CODE = 1, 2, 3
_REACH = 32  # tokens back in which a name is known again


def token_codes(text: str, language: str) -> NDArray[np.uint64]:
    """A number for each token: of a name, how far back it last stood; of a string or number, its kind.

    Comments, layout, commas and semicolons have none. So a text and its copy in another style, with all names
    changed, have the same numbers nearly everywhere.
    """
    import numpy as np

    pattern = _WITH_HASH if language in _HASH_COMMENTS else _WITH_SLASHES
    words = list(filter(None, pattern.findall(text.encode("utf-8", "surrogatepass"))))
    size = len(words)
    hashes = np.fromiter(map(zlib.crc32, words), np.uint64, size)
    last = np.fromiter(map(itemgetter(-1), words), np.uint8, size)
    first = np.fromiter(map(itemgetter(0), words), np.uint8, size)
    codes = hashes + np.uint64(1 << 32)  # operators, keywords
    quoted = np.isin(last, np.frombuffer(b"\"'`", np.uint8))
    quoted |= np.isin(first, np.frombuffer(b"\"'`", np.uint8))
    numbers = (first >= ord("0")) & (first <= ord("9")) & ~quoted
    is_letter = (first >= 0x80) | np.isin(first, _letters()) & ~quoted
    names = is_letter & ~quoted & ~np.isin(hashes, _keywords())
    codes[quoted] = _STRING_CODE
    codes[numbers] = _NUMBER_CODE
    codes[names] = np.uint64(1 << 34) + _distances(hashes)[names]
    return codes


def _distances(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """How many tokens back each last stood; 0 where that is far or never."""
    import numpy as np

    order = np.argsort(hashes, kind="stable")
    again = hashes[order[1:]] == hashes[order[:-1]]
    distances = np.zeros(len(hashes), np.int64)
    distances[order[1:][again]] = (order[1:] - order[:-1])[again]
    distances[distances > _REACH] = 0
    return distances.astype(np.uint64)


def _letters() -> NDArray[np.uint8]:
    import numpy as np

    return np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$", np.uint8)


def _keywords() -> NDArray[np.uint64]:
    import numpy as np

    return np.array([zlib.crc32(word) for word in _KEYWORDS], np.uint64)


def shingles(codes: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    """A hash of each run of ``length`` codes."""
    import numpy as np

    count = max(len(codes) - length + 1, 0)
    hashes = np.zeros(count, np.uint64)
    for start in range(length):
        hashes = (hashes ^ codes[start : start + count]) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    return hashes
