"""The search over one thought: what it is compared with, how it is rewritten, and when a rewrite is taken.

A rewrite must win by more than the noise, pays for each of its tokens, and may not quote the code. What
the thought gains is counted beyond the best of three controls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from builder.agents import Team, prompt_hash
from builder.llm import ModelError
from builder.search.leakage import LeakageGuard, Overlap
from builder.search.options import SearchOptions
from builder.search.scoring import Score, Scorer, choose_target
from builder.trajectory import Step, Trajectory, encode_texts

CONTROLS = ("none", "outline", "other")


async def rewrites(team: Team, step: Step, round_number: int, options: SearchOptions) -> list[str]:
    """Candidates for the thought ``step``, each drawn with a seed of its own."""
    values = {**team.file_values(step.path), "thought": step.text}
    max_tokens = min(team.options.max_thought_tokens, options.max_thought_tokens)
    return await asyncio.gather(
        *(
            team.ask("rewrite", values, max_tokens, variant=(round_number, candidate))
            for candidate in range(options.candidates)
        )
    )


@dataclass
class _Candidate:
    """A text that may stand as the thought, and what is known of it so far."""

    text: str
    num_tokens: int
    overlap: Overlap | None = None
    refusal: str = ""
    score: Score | None = None


class ThoughtSearch:
    """The search over the thought at ``number``; ``trajectory`` and ``log`` are its results."""

    def __init__(
        self,
        team: Team,
        trajectory: Trajectory,
        number: int,
        scorer: Scorer,
        options: SearchOptions,
        on_call: Callable[[], None],
    ) -> None:
        self.team, self.trajectory, self.number = team, trajectory, number
        self.scorer, self.options, self.on_call = scorer, options, on_call
        self.step = trajectory.steps[number]
        self.log: list[dict[str, Any]] = []
        self._guard = LeakageGuard(team.blueprint, self.step.path)
        self._target = choose_target(
            team.blueprint,
            self.step.path,
            scorer.model.tokenizer,
            options.window_tokens,
            options.num_windows,
        )

    async def run(self, other: str, first_round: asyncio.Future[list[str]] | None) -> dict[str, Any] | None:
        """Search; the thought's entry in the row's ``scores``, or None where it could not be scored.

        ``other`` is the thought of another file; ``first_round`` the rewrites that are under way already.
        """
        if self._target is None:
            self.team.notes.append(f"search {self.step.path}: nothing to score but headers and imports")
            return None
        controls = {
            "none": self._candidate(""),
            "outline": self._candidate(self.team.blueprint.outline_text(self.step.path) + "\n"),
            "other": self._candidate(other),
        }
        if not other:
            del controls["other"]
        first = self._examine(self.step.text)
        await asyncio.gather(*(self._measure(candidate) for candidate in (first, *controls.values())))
        if first.score is None:
            self.team.notes.append(f"search {self.step.path}: could not be scored; left as first written")
            return None
        for name, control in controls.items():
            self._log(-1, name, control, False, "control")
        self._log(0, "first", first, not first.refusal, first.refusal or "as first written")

        current, rounds_accepted = first, 0
        for round_number in range(1, self.options.rounds + 1):
            if round_number == 1 and first_round is not None:
                texts = await first_round
            else:
                texts = await rewrites(self.team, self.step, round_number, self.options)
            winner = await self._round(round_number, texts, current)
            if winner is not None:
                current = winner
                rounds_accepted += 1
                self._put(current.text)
        if current.refusal:
            self.team.notes.append(f"search {self.step.path}: thought taken out, {current.refusal}")
            self._put("")
            return None
        return self._record(controls, first, current, rounds_accepted)

    async def _round(self, number: int, texts: list[str], current: _Candidate) -> _Candidate | None:
        """Score the rewrites of one round; the one to take, if any."""
        tried = [self._examine(text, current.text) for text in texts]
        await asyncio.gather(*(self._measure(candidate) for candidate in tried if not candidate.refusal))
        scored = [candidate for candidate in tried if candidate.score is not None]
        best = min(scored, key=self._objective, default=None)
        # A first thought that leaks has no right to its score: any rewrite that does not leak replaces it.
        bar = float("inf") if current.refusal else self._objective(current) - self._margin
        winner = best if best is not None and self._objective(best) < bar else None
        for place, candidate in enumerate(tried):
            if candidate.score is None:
                reason = candidate.refusal or "could not be scored"
            elif candidate is winner:
                reason = "accepted"
            else:
                reason = "no better than the margin" if candidate is best else "another was better"
            self._log(number, str(place), candidate, candidate is winner, reason)
        return winner

    @property
    def _margin(self) -> float:
        """What the best rewrite of a round must win by, in nats per token."""
        assert self._target is not None
        if self.options.margin is not None:
            return self.options.margin
        return self.scorer.noise.margin(len(self._target.scored), self.options.candidates)

    def _candidate(self, text: str) -> _Candidate:
        num_tokens = len(encode_texts([text], self.scorer.model.tokenizer)[0]) if text else 0
        return _Candidate(text, num_tokens)

    def _examine(self, text: str, current: str | None = None) -> _Candidate:
        """A candidate with its overlap, and with the reason why it may not stand, if there is one."""
        candidate = self._candidate(text)
        candidate.overlap = overlap = self._guard.overlap(text)
        options = self.options
        if not text:
            candidate.refusal = "empty"
        elif text == current:
            candidate.refusal = "equal to the current thought"
        elif candidate.num_tokens > options.max_thought_tokens and current is not None:
            candidate.refusal = f"longer than the cap: {candidate.num_tokens} tokens"
        elif overlap.run > options.max_common_run:
            candidate.refusal = f"quotes the code: a common run of {overlap.run}"
        elif overlap.share > options.max_common_share:
            candidate.refusal = f"quotes the code: {overlap.share:.0%} of its 4-grams"
        elif overlap.echoes > options.max_echoes:
            candidate.refusal = f"quotes the code with other names: {overlap.echoes} stretches"
        elif len(overlap.names) > options.max_body_names:
            candidate.refusal = f"names what only the body holds: {', '.join(sorted(overlap.names))}"
        return candidate

    async def _measure(self, candidate: _Candidate) -> None:
        """Score ``candidate`` in its place; one that cannot be scored keeps no score, with a note."""
        assert self._target is not None
        try:
            candidate.score = await self.scorer.score(
                self._with(candidate.text), self.step.path, self._target
            )
        except ModelError as error:
            self.team.notes.append(f"score {self.step.path}: {error}".replace("\n", " "))
        finally:
            self.on_call()

    def _objective(self, candidate: _Candidate) -> float:
        assert candidate.score is not None
        return candidate.score.nll + self.options.price * candidate.num_tokens

    def _with(self, text: str) -> Trajectory:
        """The trajectory with this thought saying ``text``; an empty one is not rendered."""
        return self._trajectory_with(replace(self.step, text=text))

    def _put(self, text: str) -> None:
        self.step = self.team.grounded(replace(self.step, text=text, prompt=prompt_hash("rewrite")))
        self.trajectory = self._trajectory_with(self.step)

    def _trajectory_with(self, step: Step) -> Trajectory:
        steps = self.trajectory.steps
        return replace(self.trajectory, steps=(*steps[: self.number], step, *steps[self.number + 1 :]))

    def _log(self, round_number: int, name: str, candidate: _Candidate, accepted: bool, reason: str) -> None:
        assert self._target is not None
        score, overlap = candidate.score, candidate.overlap
        self.log.append(
            {
                "path": self.step.path,
                "step": self.number,
                "round": round_number,
                "candidate": name,
                "text": candidate.text,
                "num_thought_tokens": candidate.num_tokens,
                "num_target_tokens": len(self._target.scored),
                "nll": score.nll if score else None,
                "body_nll": score.body_nll if score else None,
                "overlap": overlap.share if overlap else None,
                "accepted": accepted,
                "reason": reason,
            }
        )

    def _record(
        self, controls: dict[str, _Candidate], first: _Candidate, current: _Candidate, rounds_accepted: int
    ) -> dict[str, Any]:
        """The entry in the row's ``scores``."""
        assert self._target is not None and current.score is not None
        scores = {name: controls[name].score if name in controls else None for name in CONTROLS}
        scores["before"] = first.score
        reference = [scores[name].nll for name in CONTROLS if scores[name]]  # type: ignore[union-attr]
        return {
            "step": self.number,
            "num_target_tokens": len(self._target.scored),
            "num_body_tokens": len(self._target.body),
            "num_thought_tokens": current.num_tokens,
            **{f"nll_{name}": score.nll if score else None for name, score in scores.items()},
            "nll": current.score.nll,
            **{f"body_nll_{name}": score.body_nll if score else None for name, score in scores.items()},
            "body_nll": current.score.body_nll,
            "gain": min(reference) - current.score.nll if reference else None,
            "margin": self._margin,
            "rounds_accepted": rounds_accepted,
            "targets": [{"start": start, "end": end} for start, end in current.score.targets],
            "max_input_tokens": self.scorer.max_input_tokens,
            "ids_sha256": current.score.ids_sha256,
        }
