"""Rendering through a tokenizer's chat template, with role spans that tile the text.

Templates trim, escape and reorder as they like, so they never see a file: every part of the conversation
goes in as a mark, and what the template made of the marks tells where each part stands and how it is escaped
there (not at all, or as in a JSON string). Then the parts take the places of their marks. So no content is
changed, and none can act on the template.

A template without tools gets the calls as tags in the assistant's text, and what they return as a user's.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from builder.errors import UserError
from builder.trajectory.conversation import Part, Turn, as_messages, tools, turns
from builder.trajectory.document import Document, Range, Segment, Writer, add_plans, fence_suffix, gap
from builder.trajectory.steps import DEFAULT_LOSS_ROLES, Trajectory

# In front of every template: one that states the date would otherwise give another text every day.
_ANY_DAY = "{% macro strftime_now(form) %}2024-07-26{% endmacro %}{{ '' }}"
_PROBE = "\"é<\n'"  # what the ways to escape differ in


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _ascii(text: str) -> str:
    return json.dumps(text)[1:-1]


def _html_safe(text: str) -> str:
    escaped = _ascii(text)
    return re.sub("[<>&']", lambda match: f"\\u{ord(match[0]):04x}", escaped)


def _plain(text: str) -> str:
    return text


_ESCAPES: tuple[Callable[[str], str], ...] = (_plain, _json, _ascii, _html_safe)
_MARK = re.compile(rf"zQ(\d+)q({'|'.join(re.escape(escape(_PROBE)) for escape in _ESCAPES)})Qz")
_BY_PROBE = {escape(_PROBE): escape for escape in _ESCAPES}


class _Lost(Exception):
    """The template left out, repeated or moved a part, or refused the conversation."""


@dataclass(frozen=True)
class _Place:
    """Where a part stands in what the template gave, mark included, and how it is escaped there."""

    start: int
    end: int
    escape: Callable[[str], str]


def render_chat(
    trajectory: Trajectory, tokenizer: Any, loss_roles: Collection[str] = DEFAULT_LOSS_ROLES
) -> Document:
    """``trajectory`` as a conversation in ``tokenizer``'s chat template.

    The template's own words are of role ``call`` where they belong to an assistant's message, its end
    included, else of role ``template``. Raises ``UserError`` where there is no template, or one that loses
    parts of a conversation.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise UserError(
            f"{tokenizer.name_or_path or type(tokenizer).__name__} has no chat template; "
            "take the tagged renderer or another tokenizer"
        )
    conversation = turns(trajectory)
    suffix = fence_suffix(tuple(part.text for turn in conversation for part in _parts(turn)))
    tagged = [_tagged(turn, suffix) for turn in conversation]
    problem = ""
    # The first that shows everything. Some templates drop what is said before a call, or know no calls.
    for said, template in (
        (conversation, _Template(tokenizer, tools())),
        (_apart(conversation), _Template(tokenizer, tools())),
        (tagged, _Template(tokenizer)),
        (tagged, _Template(tokenizer, listed=True)),
    ):
        try:
            return _Rendering(template, said, trajectory, loss_roles).document()
        except _Lost as error:
            problem = str(error)
    raise UserError(
        f"the chat template of {tokenizer.name_or_path or type(tokenizer).__name__} does not show a "
        f"conversation whole ({problem}); take the tagged renderer or another tokenizer"
    )


def _apart(conversation: list[Turn]) -> list[Turn]:
    """The conversation with what an assistant says before a call in a message of its own."""
    found: list[Turn] = []
    for turn in conversation:
        if turn.call and turn.parts:
            found += [Turn("assistant", turn.parts), replace(turn, parts=[])]
        else:
            found.append(turn)
    return found


def _tagged(turn: Turn, suffix: str) -> Turn:
    """A turn in words: calls as tags, results as said by the user."""
    if not turn.call:
        return replace(turn, role="user" if turn.role == "tool" else turn.role)
    step = turn.arguments["path"].step

    def word(text: str) -> Part:
        return Part(step, ((text, "call"),), content=False)

    path = html.escape(turn.arguments["path"].text)
    parts = [*turn.parts, word(f'<{turn.call}{suffix} path="'), Part(step, ((path, "call"),), content=False)]
    if content := turn.arguments.get("content"):
        end = f"{gap(content.text)}</{turn.call}{suffix}>"
        return Turn("assistant", [*parts, word('">\n'), content, word(end)])
    return Turn("assistant", [*parts, word('" />')])


def _common(first: str, second: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((number for number, (a, b) in pairs if a != b), min(len(first), len(second)))


def _parts(turn: Turn) -> list[Part]:
    """The parts of a message, in the order in which a template has to show them."""
    return [*turn.parts, *turn.arguments.values()]


class _Template:
    """A chat template that is only shown marks."""

    def __init__(
        self, tokenizer: Any, tools: list[dict[str, Any]] | None = None, listed: bool = False
    ) -> None:
        self._tokenizer, self._tools, self._listed = tokenizer, tools, listed
        self._source = _ANY_DAY + tokenizer.get_chat_template(tools=tools)
        self._shapes: dict[tuple[object, ...], tuple[str, str]] = {}

    def apply(self, conversation: list[Turn], prompt: bool = False) -> tuple[str, list[_Place]]:
        """What the template makes of ``conversation``, and where in it each part stands."""
        parts = [part for turn in conversation for part in _parts(turn)]
        numbers = {id(part): number for number, part in enumerate(parts)}
        messages = as_messages(conversation, lambda part: f"zQ{numbers[id(part)]}q{_PROBE}Qz")
        for message in messages if self._listed else ():
            message["content"] = [{"type": "text", "text": message["content"]}]
        try:
            text = self._tokenizer.apply_chat_template(
                messages,
                tools=self._tools,
                tokenize=False,
                add_generation_prompt=prompt,
                chat_template=self._source,
            )
        except Exception as error:  # templates raise what they like
            raise _Lost(str(error).split("\n")[0]) from None
        found = list(_MARK.finditer(text))
        if [int(match[1]) for match in found] != list(range(len(numbers))):
            raise _Lost(f"{len(numbers)} parts went in, {len(found)} came out, or in another order")
        return text, [_Place(match.start(), match.end(), _BY_PROBE[match[2]]) for match in found]

    def around(self, turn: Turn, is_last: bool) -> tuple[str, str]:
        """What an assistant's message begins with before its first part, and ends with after its last.

        Both are the assistant's own: from the header that a generation starts with to the end of the turn.
        """
        shape = (turn.call, len(turn.parts), len(turn.arguments), is_last)
        if shape not in self._shapes:
            asked = Turn("user", [Part(0, (("", ""),))])
            told = Turn("tool" if turn.call else "user", [Part(0, (("", ""),))])
            header, _ = self.apply([asked], prompt=True)
            text, places = self.apply([asked, turn] if is_last else [asked, turn, told])
            beginning = text[_common(header, text[: places[1].start]) : places[1].start]
            text, places = self.apply([asked, turn])
            self._shapes[shape] = beginning, text[places[-1].end :]
        return self._shapes[shape]


class _Rendering:
    """One conversation in one template; raises :class:`_Lost` where that does not show it whole."""

    def __init__(
        self,
        template: _Template,
        conversation: list[Turn],
        trajectory: Trajectory,
        loss_roles: Collection[str],
    ) -> None:
        self._template, self._turns, self._steps = template, conversation, trajectory.steps
        self._out = Writer(loss_roles)
        self._markup: set[int] = set()
        self._escaped: set[int] = set()

    def document(self) -> Document:
        """The conversation with its parts in their places."""
        text, places = self._template.apply(self._turns)
        remaining = iter(places)
        plan: dict[str, Range] = {}
        starts: dict[int, int] = {}  # of the sub-agents' work: where the main agent's call begins
        preamble = position = step = 0
        ending = ""  # of the message before, where the assistant said it
        for turn in self._turns:
            is_said = turn.role == "assistant"
            beginning, next_ending = (
                self._template.around(turn, turn is self._turns[-1]) if is_said else ("", "")
            )
            for number, part in enumerate(_parts(turn)):
                place = next(remaining)
                words = text[position : place.start]
                position = place.end
                if number == 0:
                    words = self._between(words, ending, beginning, step, part.step)
                    preamble = preamble or (self._out.length if is_said else 0)
                if self._steps[part.step].kind == "delegate":
                    starts.setdefault(part.step, self._out.length)
                self._words(words, "call", part.step)
                written = self._part(part, place)
                step = part.step
                if part.content and self._steps[step].kind == "plan":
                    plan[self._steps[step].path] = written
            ending = next_ending
        self._between(text[position:], ending, "", step, step)
        segments = [
            Segment(start=start, end=end, path=self._steps[number].path, plan=[])
            for (number, start), end in zip(
                starts.items(), [*list(starts.values())[1:], self._out.length], strict=False
            )
        ]
        add_plans(segments, plan, self._steps)
        document = self._out.document(segments, Range(start=0, end=preamble))
        return replace(document, markup=frozenset(self._markup), escaped=frozenset(self._escaped))

    def _between(self, words: str, ending: str, beginning: str, before: int, after: int) -> str:
        """Write what stands between two messages; gives back what the second begins with by itself."""
        said = _common(words, ending)
        own = len(beginning) if words[said:].endswith(beginning) else 0
        self._words(words[:said], "call", before)
        self._words(words[said : len(words) - own], "template", after)
        return words[len(words) - own :]

    def _words(self, words: str, role: str, step: int) -> None:
        if words:
            self._markup.add(len(self._out.spans))
            self._out.add(words, role, step)

    def _part(self, part: Part, place: _Place) -> Range:
        start = self._out.length
        for text, role in part.pieces:
            self._out.add(place.escape(text), role, part.step, part.content)
        if part.content and place.escape is not _plain:
            self._escaped.add(part.step)
        return Range(start=start, end=self._out.length)
