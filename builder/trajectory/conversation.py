"""A trajectory as a conversation: messages with tool calls, in the form that chat templates take.

The request is the user's; the main agent and its sub-agents are the assistant; what a tool returns is the
contract of a sub-agent, the content of a file, or what is wrong with a draft. User, assistant and tool take
strict turns, with one call a message, since many templates accept nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from builder.trajectory.document import code_pieces
from builder.trajectory.steps import Trajectory

# What the agents can do: name, what it is for, and its arguments.
_TOOLS = {
    "implement": ("Hand a file to a sub-agent; returns the outline that it must keep to.", ("path",)),
    "read": ("Read a file that has been written.", ("path",)),
    "check": ("Check a draft of a file; returns what is wrong with it.", ("path", "content")),
    "write": ("Write a file.", ("path", "content")),
}
_ARGUMENTS = {"path": "Path of the file.", "content": "Content of the file."}
_CALLS = {"delegate": "implement", "read": "read", "draft": "check", "write": "write"}
_REQUEST = "Build this project."  # where nobody has written down what is wanted
_NO_OUTLINE = "(no outline)"
_WRITTEN = "(written)"
_DONE = "All files are written."


@dataclass(frozen=True)
class Part:
    """A stretch of a message: ``pieces`` are texts with their roles, ``step`` is what they belong to.

    ``content`` tells a step's own text from the words and paths around it.
    """

    step: int
    pieces: tuple[tuple[str, str], ...]
    content: bool = True

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.pieces)


@dataclass
class Turn:
    """One message. ``call`` is the tool that an assistant calls, with ``arguments`` by name."""

    role: str  # "user" | "assistant" | "tool"
    parts: list[Part] = field(default_factory=list)
    call: str = ""
    arguments: dict[str, Part] = field(default_factory=dict)


def turns(trajectory: Trajectory) -> list[Turn]:
    """The conversation: begins with a user, then assistant and tool (or nobody) alternate to the end."""
    files = {file.path: file for file in trajectory.repository.files}
    found: list[Turn] = []
    saying: list[Part] = []  # of the assistant's message that is being made

    def call(step: int, **arguments: Part) -> None:
        name = _CALLS[trajectory.steps[step].kind]
        found.append(Turn("assistant", saying.copy(), name, arguments))
        saying.clear()

    def returned(step: int, text: str, role: str, content: bool = True) -> None:
        found.append(Turn("tool", [Part(step, ((text, role),), content)]))

    for number, step in enumerate(trajectory.steps):
        if not found and step.kind != "requirement":
            found.append(Turn("user", [Part(number, ((_REQUEST, "template"),), content=False)]))
        path = Part(number, ((step.path, "call"),), content=False)
        match step.kind:
            case "requirement":
                found.append(Turn("user", [Part(number, ((step.text, step.role),))]))
            case "delegate":
                call(number, path=path)
                following = trajectory.steps[number + 1 : number + 2]
                if not following or following[0].kind != "spec":
                    returned(number, _NO_OUTLINE, "template", content=False)
            case "spec" | "check":
                returned(number, step.text, step.role)
            case "read":
                call(number, path=path)
            case "observation":
                returned(number, files[step.path].content, step.role)
            case "draft":
                call(number, path=path, content=Part(number, ((step.text, step.role),)))
            case "write":
                call(number, path=path, content=Part(number, tuple(code_pieces(files[step.path]))))
                returned(number, _WRITTEN, "template", content=False)
            case "finish":
                pass  # the turn goes back to the main agent
            case _:
                saying.append(Part(number, ((step.text, step.role),)))
    if trajectory.steps:
        saying.append(Part(len(trajectory.steps) - 1, ((_DONE, "call"),), content=False))
        found.append(Turn("assistant", saying))
    return found


def as_messages(
    conversation: list[Turn], text: Callable[[Part], str] = lambda part: part.text
) -> list[dict[str, Any]]:
    """``conversation`` as ``apply_chat_template`` takes it; ``text`` gives the words of each part."""
    messages: list[dict[str, Any]] = []
    for number, turn in enumerate(conversation):
        message: dict[str, Any] = {"role": turn.role, "content": "".join(map(text, turn.parts))}
        if turn.call:
            arguments = {name: text(part) for name, part in turn.arguments.items()}
            function = {"name": turn.call, "arguments": arguments}
            message["tool_calls"] = [{"id": _call_id(number), "type": "function", "function": function}]
        elif turn.role == "tool":
            message |= {"name": conversation[number - 1].call, "tool_call_id": _call_id(number - 1)}
        messages.append(message)
    return messages


def tools() -> list[dict[str, Any]]:
    """What the agents can do, as JSON schemas."""
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": purpose,
                "parameters": {
                    "type": "object",
                    "properties": {
                        argument: {"type": "string", "description": _ARGUMENTS[argument]}
                        for argument in arguments
                    },
                    "required": list(arguments),
                },
            },
        }
        for name, (purpose, arguments) in _TOOLS.items()
    ]


def _call_id(number: int) -> str:
    """Nine letters and digits: Mistral's templates refuse anything else."""
    return f"call{number:05d}"
