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
# What is no comment stands in the group. Names come first, being most of what there is. Strings end with
# their line: were one to span lines, as in triple quotes, a line removed at its edge would turn all that
# follows inside out (likeness 0.33 instead of 0.70). What stands on its further lines counts as words.
_WORD = rb"[A-Za-z_$\x80-\xff][\w$\x80-\xff]*+|\d[\w.]*+"
_STRING = rb"""\"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?"""
_WITH_HASH = re.compile(rb"(%s|%s|[^\s\w,;#])|#[^\n]*+" % (_WORD, _STRING))
_WITH_SLASHES = re.compile(
    rb"(%s|%s|[^\s\w,;/]|/(?![/*]))|//[^\n]*+|/\*.*?(?:\*/|\Z)" % (_WORD, _STRING), re.DOTALL
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
_OTHER, _QUOTED, _NUMBER, _NAME = range(4)
_KINDS = [  # of tokens, by their first byte
    _QUOTED if chr(byte) in "\"'"
    else _NUMBER if chr(byte) in "0123456789"
    else _NAME if byte >= 0x80 or chr(byte).isalpha() or chr(byte) in "_$"
    else _OTHER
    for byte in range(256)
]  # fmt: skip
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
    kinds = np.array(_KINDS, np.uint8)[np.fromiter(map(itemgetter(0), words), np.uint8, size)]
    names = np.flatnonzero(kinds == _NAME)
    names = names[~np.isin(hashes[names], _KEYWORDS)]
    codes = hashes + np.uint64(1 << 32)
    codes[kinds == _QUOTED] = _QUOTED
    codes[kinds == _NUMBER] = _NUMBER
    codes[names] = np.uint64(1 << 33) + _distances(hashes)[names]
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
