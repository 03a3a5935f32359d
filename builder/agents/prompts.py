"""Prompt templates: Markdown files with a system and a user part, known by the hash of their content."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from string import Template

from builder.llm import Message

_FOLDER = files(__package__) / "prompts"
# The delimiters of chat templates in use. A server recognises them anywhere in a message, so a repository
# that contains them could otherwise speak as somebody else. One space within a delimiter makes it plain text.
_DELIMITERS = (
    r"<(?=[|｜])|[|｜](?=>)",  # <|im_start|>, <|user|>, <|channel|>, <|turn>, <｜User｜>: most families
    r"<(?=/?[A-Za-z]+[_:]\w*>)",  # <start_of_turn>, <tool_call>, <fim_prefix>, <extra_id_0>, <seed:bos>
    r"<(?=/?(?:s|unk|pad|mask|bos|eos|cls|sep|sop|eop|eod|eoh|eom|eoa|PRE|SUF|MID|EOT)>)",
    r"<(?=/?(?:think|thought|role|用户|AI|tools?|filename|reponame|unused\d+|image|video|audio)>)",
    r"\[(?=/?g?[A-Z][A-Z_]+(?:_\d+)?\])",  # [INST], [/INST], [TOOL_CALLS], [CLS], [gMASK], [UNUSED_TOKEN_1]
    r"\[(?=\|\w+\|\])",  # [|user|], [|endofturn|]
    r"\](?=~!?b[\[\]])|\[(?=e~\[)",  # ]~b], ]~!b[, [e~[
    r"<(?=<?/?SYS>)",  # <<SYS>>, <</SYS>>
)
_DELIMITER = re.compile("|".join(_DELIMITERS))


@cache
def _read(name: str) -> str:
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8")


def prompt_hash(name: str) -> str:
    """The first 12 hex digits of the SHA-256 of the template."""
    return hashlib.sha256(_read(name).encode()).hexdigest()[:12]


@cache
def prompts_hash() -> str:
    """One hash over all templates: what a row's ``prompts`` column holds."""
    names = sorted(
        entry.name.removesuffix(".md") for entry in _FOLDER.iterdir() if entry.name.endswith(".md")
    )
    joined = "".join(f"{name}:{prompt_hash(name)}\n" for name in names)
    return hashlib.sha256(joined.encode()).hexdigest()[:12]


def quote(text: str) -> str:
    """``text`` with the chat templates' own delimiters split, so that it is data to any server."""
    return _DELIMITER.sub(r"\g<0> ", text)


def excerpt(text: str, max_chars: int) -> str:
    """The beginning of ``text``, cut at a line end where one is near, marked where it was cut."""
    if len(text) <= max_chars:
        return text
    cut = text.rfind("\n", max_chars // 2, max_chars)
    return text[: cut if cut > 0 else max_chars].rstrip() + "\n…"


def messages(name: str, **values: str) -> list[Message]:
    """The template ``name`` filled with ``values``, as a system and a user message."""
    system, _, user = _read(name).partition("\n---\n")
    filled = {key: quote(value.strip()) or "(nothing)" for key, value in values.items()}
    return [
        {"role": "system", "content": system.strip()},
        {"role": "user", "content": Template(user).substitute(filled).strip()},
    ]
