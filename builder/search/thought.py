"""The search over one thought: what it is compared with, how it is rewritten, and when a rewrite is taken.

A rewrite must win by more than the noise, pays for each of its tokens, and may not quote the code. What
the thought gains is counted beyond the best of three controls.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from builder.agents import LeakageGuard, Overlap, Team, prompt_hash
from builder.llm import ModelError, asking_for
from builder.search.budget import Budget
from builder.search.options import SearchOptions
from builder.search.scoring import Score, Scorer, choose_target
from builder.trajectory import Step, Trajectory, encode_texts

CONTROLS = ("none", "outline", "other")


@dataclass(frozen=True)
class Rewriter:
    """How one thought is rewritten: by which prompt, and what that says beside the thought itself."""

    team: Team
    prompt: str
    values: Mapping[str, str]
    variant: str = ""  # tells thoughts about the same file apart

    async def rewrites(self, thought: str, round_number: int, options: SearchOptions) -> list[str]:
        """Candidates for ``thought``, each drawn with a seed of its own."""
        values = {**self.values, "thought": thought}
        max_tokens = min(self.team.options.max_thought_tokens, options.max_thought_tokens)
        own = (self.variant,) if self.variant else ()
        return await asyncio.gather(
            *(
                self.team.ask(self.prompt, values, max_tokens, variant=(*own, round_number, candidate))
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


@dataclass
class _History:
    """How a thought came to stand."""

    controls: dict[str, _Candidate]
    first: _Candidate
    current: _Candidate
    rounds_accepted: int

    @property
    def measured(self) -> list[_Candidate]:
        """What the entry of the row compares, each once."""
        same = self.current is self.first
        return [*self.controls.values(), self.first, *([] if same else [self.current])]


class ThoughtSearch:
    """The search over the thought at ``number``; ``trajectory`` and ``log`` are its results.

    ``page`` is what the sub-agent has before it beside the outline and the files that it read. ``whole`` says
    whether all rounds were made, none left out for the budget.
    """

    def __init__(
        self,
        trajectory: Trajectory,
        number: int,
        rewriter: Rewriter,
        scorer: Scorer,
        budget: Budget,
        on_call: Callable[[], None],
        page: Sequence[str] = (),
    ) -> None:
        self.trajectory, self.number = trajectory, number
        self.team, self.rewriter = rewriter.team, rewriter
        self.scorer, self.budget, self.on_call = scorer, budget, on_call
        self.options = options = budget.options
        self.step = trajectory.steps[number]
        self.log: list[dict[str, Any]] = []
        self.whole = True
        self._history: _History | None = None
        self._guard = LeakageGuard(self.team.blueprint, self.step.path, page)
        self._target = choose_target(
            self.team.blueprint,
            self.step.path,
            scorer.model.tokenizer,
            options.window_tokens,
            options.num_windows,
        )

    async def run(
        self,
        other: str,
        first_round: asyncio.Future[list[str]] | None = None,
        at_random: Collection[int] | None = None,
    ) -> None:
        """Search. ``other`` is the thought of another file; ``first_round`` the rewrites that are under way.

        With ``at_random``, just the rounds that it names take a rewrite, and which one is left to chance.
        """
        first = self._examine(self.step.text)
        current, self._history = await self._search(first, other, first_round, at_random)
        if current.refusal:  # what leaks does not stand, whether it could be scored or not
            self._note(f"thought taken out, {current.refusal}")
            self._put("")
            self._history = None

    async def entry(self, trajectory: Trajectory) -> dict[str, Any] | None:
        """The thought's entry in the ``scores`` of the row of ``trajectory``, None where it has no score.

        Where several thoughts stand before the same code, those searched later may have changed what this
        one was scored with: then it is scored again.
        """
        history = self._history
        if history is not None and self._work(trajectory) != self._work(self.trajectory):
            self.trajectory = trajectory
            for candidate in history.measured:
                candidate.score = None
            await asyncio.gather(*(self._measure(candidate, "again") for candidate in history.measured))
        return None if history is None or history.current.score is None else self._record(history)

    def _work(self, trajectory: Trajectory) -> list[Step]:
        return [step for step in trajectory.steps if step.agent == self.step.agent]

    async def _search(
        self,
        first: _Candidate,
        other: str,
        first_round: asyncio.Future[list[str]] | None,
        at_random: Collection[int] | None,
    ) -> tuple[_Candidate, _History | None]:
        """The thought that comes of ``first``, and how, where it could be scored."""
        if self._target is None:
            self._note("nothing to score but headers and imports")
            return first, None
        if self.budget.spent:
            self.whole = False
            return first, None
        controls = {
            "none": self._candidate(""),
            "outline": self._candidate(self.team.blueprint.outline_text(self.step.path) + "\n"),
            "other": self._candidate(other),
        }
        if not other:
            del controls["other"]
        await asyncio.gather(
            self._measure(first, "first"), *(self._measure(each, "control") for each in controls.values())
        )
        if first.score is None:
            self._note("could not be scored; left as first written")
            return first, None
        for name, control in controls.items():
            self._log(-1, name, control, False, "control")
        self._log(0, "first", first, not first.refusal, first.refusal or "as first written")

        current, rounds_accepted = first, 0
        rounds = range(1, self.options.rounds + 1)
        choose = self._best if at_random is None else self._any
        for round_number in rounds if at_random is None else sorted(at_random):
            if self.budget.spent:
                self.whole = False
                break
            if round_number == 1 and first_round is not None:
                texts = await first_round
            else:
                texts = await self.rewriter.rewrites(self.step.text, round_number, self.options)
            winner = await choose(round_number, texts, current)
            if winner is not None:
                current = winner
                rounds_accepted += 1
                self._put(current.text)
        return current, _History(controls, first, current, rounds_accepted)

    async def _best(self, number: int, texts: list[str], current: _Candidate) -> _Candidate | None:
        """Score the rewrites of one round; the one to take, if any."""
        tried = self._drawn(texts, current)
        await asyncio.gather(*(self._measure(each, "candidate") for each in tried if not each.refusal))
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

    async def _any(self, number: int, texts: list[str], current: _Candidate) -> _Candidate | None:
        """The first rewrite that may stand: they are drawn alike, so that is one at random."""
        tried = self._drawn(texts, current)
        winner = next((candidate for candidate in tried if not candidate.refusal), None)
        if winner is not None:
            await self._measure(winner, "candidate")
            winner = winner if winner.score is not None else None
        for place, candidate in enumerate(tried):
            reason = "accepted at random" if candidate is winner else candidate.refusal or "not looked at"
            self._log(number, str(place), candidate, candidate is winner, reason)
        return winner

    def _drawn(self, texts: list[str], current: _Candidate) -> list[_Candidate]:
        tried = [self._examine(text, current.text) for text in texts]
        self.budget.spend(len(tried), sum(candidate.num_tokens for candidate in tried))
        return tried

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
        if not text:
            candidate.refusal = "empty"
        elif text == current:
            candidate.refusal = "equal to the current thought"
        elif candidate.num_tokens > self.options.max_thought_tokens and current is not None:
            candidate.refusal = f"longer than the cap: {candidate.num_tokens} tokens"
        else:
            candidate.refusal = self.options.limits.of(self.step.sees).refusal(overlap)
        return candidate

    async def _measure(self, candidate: _Candidate, purpose: str) -> None:
        """Score ``candidate`` in its place; one that cannot be scored keeps no score, with a note."""
        assert self._target is not None
        try:
            with asking_for(f"score {purpose}"):
                candidate.score = score = await self.scorer.score(
                    self._with(candidate.text), self.step.path, self._target
                )
            self.budget.spend(0, score.num_prompt_tokens)
        except ModelError as error:
            self.team.notes.append(f"score {self.step.path}: {error}".replace("\n", " "))
        finally:
            self.budget.spend(len(self._target.windows))
            self.on_call()

    def _objective(self, candidate: _Candidate) -> float:
        assert candidate.score is not None
        return candidate.score.nll + self.options.price * candidate.num_tokens

    def _with(self, text: str) -> Trajectory:
        """The trajectory with this thought saying ``text``; an empty one is not rendered."""
        return self._trajectory_with(replace(self.step, text=text))

    def _put(self, text: str) -> None:
        prompt = prompt_hash(self.rewriter.prompt)
        self.step = self.team.grounded(replace(self.step, text=text, prompt=prompt))
        self.trajectory = self._trajectory_with(self.step)

    def _trajectory_with(self, step: Step) -> Trajectory:
        steps = self.trajectory.steps
        return replace(self.trajectory, steps=(*steps[: self.number], step, *steps[self.number + 1 :]))

    def _note(self, words: str) -> None:
        self.team.notes.append(f"search {self.step.path}: {words}")

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
                "num_body_tokens": len(self._target.body),
                "num_prompt_tokens": score.num_prompt_tokens if score else None,
                "nll": score.nll if score else None,
                "body_nll": score.body_nll if score else None,
                "overlap": overlap.share if overlap else None,
                "accepted": accepted,
                "reason": reason,
            }
        )

    def _record(self, history: _History) -> dict[str, Any]:
        """The entry in the row's ``scores``."""
        controls, current = history.controls, history.current
        assert self._target is not None and current.score is not None
        scores = {name: controls[name].score if name in controls else None for name in CONTROLS}
        scores["before"] = history.first.score
        known = [score for name in CONTROLS if (score := scores[name]) is not None]
        gain = _saved(current.score.nll, [score.nll for score in known])
        num_target_tokens = len(self._target.scored)
        return {
            "step": self.number,
            "num_target_tokens": num_target_tokens,
            "num_body_tokens": len(self._target.body),
            "num_thought_tokens": current.num_tokens,
            **{f"nll_{name}": score.nll if score else None for name, score in scores.items()},
            "nll": current.score.nll,
            **{f"body_nll_{name}": score.body_nll if score else None for name, score in scores.items()},
            "body_nll": current.score.body_nll,
            "gain": gain,
            "body_gain": _saved(current.score.body_nll, [score.body_nll for score in known]),
            "bits_per_thought_token": None
            if gain is None or not current.num_tokens
            else gain * num_target_tokens / math.log(2) / current.num_tokens,
            "margin": self._margin,
            "rounds_accepted": history.rounds_accepted,
            "targets": [{"start": start, "end": end} for start, end in current.score.targets],
            "max_input_tokens": self.scorer.max_input_tokens,
            "ids_sha256": current.score.ids_sha256,
        }


def _saved(nll: float | None, controls: Sequence[float | None]) -> float | None:
    """What a thought saves beyond the best control, in nats per token."""
    known = [control for control in controls if control is not None]
    return min(known) - nll if known and nll is not None else None
