"""A document that is written and tokenised as far as it is needed, for trajectories that differ late."""

from __future__ import annotations

from typing import Any

from builder.trajectory.document import Document, Renderer, add_plans, shown
from builder.trajectory.encoding import Encoded, encode_texts, prefix_ids
from builder.trajectory.steps import Step, Trajectory


class Growing:
    """What ``render`` and ``encode`` give, up to a step: from what is common with the last trajectory on.

    A search renders one repository again for each candidate, and all that changes is one thought and what
    comes after it. What it gives is valid until it is asked again.
    """

    def __init__(self, tokenizer: Any, memo: dict[str, list[int]] | None = None) -> None:
        self._tokenizer = tokenizer
        self._memo = {} if memo is None else memo
        self._renderer: Renderer | None = None
        self._shown: list[str] = []
        self._steps: tuple[Step, ...] = ()  # that have been written
        self._bounds: list[tuple[int, int]] = []  # spans and segments after each of them
        self._encoded = Encoded([], [], 0)

    def upto(self, trajectory: Trajectory, number: int) -> tuple[Document, Encoded]:
        """The document of ``trajectory`` up to the end of its step ``number``.

        Of the segments, only the last one has its plan lines.
        """
        renderer = self._unwound(trajectory, number)
        written = len(renderer.out.pieces)
        for step in range(len(self._steps), number + 1):
            renderer.add(step)
            self._bounds.append((len(renderer.out.spans), len(renderer.segments)))
        self._steps = trajectory.steps[: number + 1]
        self._encode(renderer.out.pieces[written:])
        own = renderer.segments[-1:]
        agent = trajectory.steps[number].agent
        add_plans(own, renderer.plan, [step for step in self._own(agent) if step.kind == "read"])
        document = Document("", renderer.out.spans, renderer.segments, renderer.preamble)
        return document, self._encoded

    def _own(self, agent: str) -> list[Step]:
        """The last steps, back to where ``agent`` was called."""
        first = len(self._steps)
        while first and self._steps[first - 1].agent == agent:
            first -= 1
        return list(self._steps[first:])

    def _unwound(self, trajectory: Trajectory, number: int) -> Renderer:
        """The renderer, back where ``trajectory`` up to step ``number`` parts from what has been written."""
        texts = shown(trajectory)
        renderer = self._renderer
        common = self._common(trajectory.steps[: number + 1])
        # Beyond the first sub-agent nothing but spans and segments has to be taken back.
        same = renderer is not None and renderer.trajectory.repository is trajectory.repository
        if (
            renderer is None
            or not same
            or texts != self._shown
            or not (common and self._bounds[common - 1][1])
        ):
            self._renderer = renderer = Renderer(trajectory)
            self._shown, self._steps, self._bounds = texts, (), []
            prefix = prefix_ids(self._tokenizer)
            self._encoded = Encoded(list(prefix), [], len(prefix))
            return renderer
        renderer.trajectory = trajectory
        spans, segments = self._bounds[common - 1]
        out, encoded = renderer.out, self._encoded
        del out.spans[spans:], out.pieces[spans:], renderer.segments[segments:]
        del encoded.ranges[spans:], self._bounds[common:]
        out.length = out.spans[-1]["end"]
        del encoded.ids[encoded.ranges[-1][1] :]
        self._steps = self._steps[:common]
        return renderer

    def _common(self, steps: tuple[Step, ...]) -> int:
        """How many of the written steps are the first ones of ``steps``."""
        number = min(len(self._steps), len(steps))
        if self._steps[:number] == steps[:number]:  # mostly the same objects, which takes no time
            return number
        return next(n for n in range(number) if self._steps[n] != steps[n])

    def _encode(self, texts: list[str]) -> None:
        missing = [text for text in dict.fromkeys(texts) if text not in self._memo]
        self._memo.update(zip(missing, encode_texts(missing, self._tokenizer), strict=True))
        ids, ranges = self._encoded.ids, self._encoded.ranges
        for text in texts:
            found = self._memo[text]
            ranges.append((len(ids), len(ids) + len(found)))
            ids += found
