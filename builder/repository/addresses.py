"""E-mail addresses in source code: which of the many things around an ``@`` is somebody's mailbox.

The spans are found here; the Public Suffix List (``publicsuffixlist``, released monthly) says whether one
ends in a domain that anybody can register. The expressions of the well-known detectors are made for prose.
Distinct finds in the 4,886 files with an ``@`` among 16,600 in 13 languages and documents (124 MB):

    =============================  =====  ==================================================================
    ours (with example.com & co.)    758  of those under rare endings, all look like addresses
    datafog 4.9                      957  212 more: ``#{@set.name``, ``!@x.empty``; 13 fewer
    linkify-it-py 2.2                750  79 more, with code in front: ``b"aes256@openssh.com``; 87 fewer
    datatrove 0.10 PIIFormatter     1151  404 more: ``quote@1.0.44``, ``Address=ann@…``; 11 fewer
    =============================  =====  ==================================================================

Addresses among the others' finds that are missed here have no valid form (``john..doe@…``) or belong to a URL
or a git remote. datatrove's and datafog's expressions take 48 and 8 s for a line of 40,000 characters
``a!a!``; presidio and scrubadub bring language models and scikit-learn. Public IP addresses stay: of 30 finds
of datatrove's rule all were versions, section numbers, object identifiers or made-up hosts.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

_WORD = "A-Za-z0-9À-ÖØ-öø-ɏ"  # Latin letters: a script without spaces would run into the address
# Every repetition is bounded: a hostile line costs a constant for each of its characters. An address may
# follow an escape (`"\nme@…"`), whose letter is not part of it; after a slash or another `@` stands a
# version, a host or a handle; `this@Label.x` is Kotlin.
_ADDRESS = re.compile(
    rf"""(?: (?<=\\[nrt]) | (?<=\\u[0-9a-fA-F]{{4}}) | (?<![{_WORD}_.%+@/\\-]) )
    (?! (?:this|super)@ | self\. | (?:git|hg|svn)@[\w.-]{{1,100}}[:/] )
    [{_WORD}_] (?:[{_WORD}_.%+-]{{0,62}}[{_WORD}_+-])?
    @ (?!v?\d+\.\d+\.)
    (?P<domain> (?:[{_WORD}](?:[{_WORD}-]{{0,61}}[{_WORD}])?\.){{1,8}} [A-Za-z]{{2,24}} )
    (?![{_WORD}_(-])""",
    re.VERBOSE,
)
_AT = re.compile(rf"@(?=[{_WORD}])")
_MAX_LOCAL = 64  # characters, says RFC 5321
_LOCAL = "".join(char for char in map(chr, range(0x250)) if re.match(rf"[{_WORD}_.%+-]", char))
_RESERVED = re.compile(r"(?:.*\.)?example\.(?:com|net|org)")  # RFC 2606: nobody's
_USERINFO = re.compile(r"//[^\s/?#@<>()\[\]\"'`]*\Z")
_MAX_USERINFO = 100  # characters


def find_addresses(text: str) -> Iterator[tuple[int, int, str]]:
    """``(start, stop, "email")`` of each address in ``text``; none of them is in a domain for examples."""
    for at in (found.start() for found in _AT.finditer(text)):
        before = text[max(0, at - _MAX_LOCAL) : at]
        start = at - len(before) + len(before.rstrip(_LOCAL))
        # There, or behind the letters of an escape.
        matches = (_ADDRESS.match(text, place) for place in (start, start + 1, start + 5) if place < at)
        match = next(filter(None, matches), None)
        if not match:
            continue
        domain = match["domain"].lower()
        if _RESERVED.fullmatch(domain) or not _suffixes().privatesuffix(domain):
            continue
        # `https://user:password@host`: the host is no mailbox, the password the other rules' matter.
        if not _USERINFO.search(text, max(0, match.start() - _MAX_USERINFO), match.start()):
            yield *match.span(), "email"


@functools.cache
def _suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(only_icann=True, accept_unknown=False)
