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
# Words that can be no name in most of the languages that have them; all others a copy may change.
_KEYWORDS = tuple(
    zlib.crc32(word)
    for word in (
        b"and as assert async await break case catch class const continue def default del delete do elif "
        b"else  elsif end enum except export extends extern false finally fn for foreach from func "
        b"function goto if  impl implements import in instanceof interface is lambda let mut new nil none "
        b"not null or pass  private protected pub public raise readonly return static struct switch this "
        b"throw throws true try  typedef typeof using var void where while with yield "
    ).split()
)
_QUOTES, _LETTERS = list(b"\"'`"), list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$")
_STRING_CODE, _NUMBER_CODE, _OTHER, _NAME = 1, 2, 1 << 32, 1 << 33  # hashes and distances are added
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
    quoted = np.isin(first, _QUOTES) | np.isin(last, _QUOTES)
    numbers = (first >= ord("0")) & (first <= ord("9")) & ~quoted
    names = ((first >= 0x80) | np.isin(first, _LETTERS)) & ~quoted & ~np.isin(hashes, _KEYWORDS)
    codes = hashes + np.uint64(_OTHER)
    codes[quoted] = _STRING_CODE
    codes[numbers] = _NUMBER_CODE
    codes[names] = np.uint64(_NAME) + _distances(hashes)[names]
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


def shingles(codes: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    """A hash of each run of ``length`` codes."""
    import numpy as np

    count = max(len(codes) - length + 1, 0)
    hashes = np.zeros(count, np.uint64)
    for start in range(length):
        hashes = (hashes ^ codes[start : start + count]) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    return hashes
