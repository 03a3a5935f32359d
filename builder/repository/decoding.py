"""Bytes to text and back, with the encoding on record."""

from __future__ import annotations

import codecs
import re

_BOMS = {
    "utf-8-sig": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
}
# Control characters that no Latin-1 text holds (tab, newlines, form feed and escape are left).
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def decode(data: bytes) -> tuple[str, str] | None:
    """Text and the name of its encoding, or ``None`` where ``data`` is binary. Newlines stay as they are.

    ``utf-8-sig``, ``utf-16-le`` and ``utf-16-be`` stood behind a byte-order mark, which the text lacks;
    ``latin-1`` is the fallback for what is not UTF-8.
    """
    for encoding, bom in _BOMS.items():
        if data.startswith(bom):
            return _strict(data[len(bom) :], encoding.removesuffix("-sig"), encoding)
    if b"\0" in data:
        return None
    if (text := _strict(data, "utf-8", "utf-8")) or _CONTROLS.search(data):
        return text
    return data.decode("latin-1"), "latin-1"


def encode(text: str, encoding: str) -> bytes:
    """The bytes that :func:`decode` read as ``text`` in ``encoding``."""
    return _BOMS.get(encoding, b"") + text.encode(encoding.removesuffix("-sig"))


def _strict(data: bytes, codec: str, name: str) -> tuple[str, str] | None:
    try:
        text = data.decode(codec)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else (text, name)
