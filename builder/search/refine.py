"""Search: thoughts are rewritten until the real code becomes more likely.

Greedy coordinate descent. Thoughts are visited in the order of the document, so every decision is made
in the context that the final row has. A rewrite must win by more than the noise, pays for each token,
and may not quote the code; what a thought gains is counted beyond the best of three controls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from builder.agents import Team, prompt_hash
from builder.llm import ModelError
from builder.search.leakage import LeakageGuard, Overlap
from builder.search.scoring import Score, Scorer, Target, choose_target
from builder.trajectory import Step, Trajectory, encode_texts

CONTROLS = ("none", "outline", "other")


@dataclass(frozen=True)
class SearchOptions:
    """How thoughts are searched.

    Attributes:
        candidates: Rewrites drawn for a thought in each round (the paper's k).
        rounds: Rounds of rewriting (the paper's r); 0 scores the thoughts and leaves them.
        price: What each token of a thought costs, in nats per token of code.
        margin: What a rewrite must win by, in nats per token of code: the noise between repeated scores.
        max_thought_tokens: Cap on a thought, in tokens of the scorer; longer rewrites are rejected.
        window_tokens: Length of a scored window of code.
        num_windows: Windows sampled from a file that is longer than all of them together.
        max_common_run: Longest run of words and punctuation that a thought may share with the body.
        max_common_share: Largest share of a thought's 4-grams that may stand in the body.
        max_body_names: How many identifiers a thought may name that stand nowhere but in the body.
    """

    candidates: int = 2
    rounds: int = 3
    price: float = 1e-4
    margin: float = 1e-3
    max_thought_tokens: int = 400
    window_tokens: int = 256
    num_windows: int = 2
    max_common_run: int = 8
    max_common_share: float = 0.1
    max_body_names: int = 3

    def __post_init__(self) -> None:
        for name in ("candidates", "max_thought_tokens", "window_tokens", "num_windows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("rounds", "price", "margin"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, but is {getattr(self, name)}")


@dataclass
class Refined:
    """A trajectory after the search: ``scores`` as in the row schema, ``log`` as in ``search-log``."""

    trajectory: Trajectory
    scores: list[dict[str, Any]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)


async def refine(
    team: Team,
    trajectory: Trajectory,
    scorer: Scorer,
    options: SearchOptions,
    on_call: Callable[[], None] = lambda: None,
) -> Refined:
    """Search over the design thoughts of ``trajectory``. A call that fails costs the thought it was for."""
    refined = Refined(trajectory)
    designs = [number for number, step in enumerate(trajectory.steps) if step.kind == "design"]
    # The first round depends on nothing but the first thoughts: let all its rewrites be written at once.
    first_round = {
        number: asyncio.ensure_future(_rewrites(team, trajectory.steps[number], 1, options))
        for number in designs
        if options.rounds
    }
    try:
        for place, number in enumerate(designs):
            other = trajectory.steps[designs[place - 1]].text if len(designs) > 1 else ""
            search = _ThoughtSearch(team, refined, number, other, scorer, options, on_call)
            await search.run(first_round.get(number))
    finally:
        for task in first_round.values():
            task.cancel()
    return _without_empty_steps(refined)


def _without_empty_steps(refined: Refined) -> Refined:
    """Thoughts that were taken out stand as empty steps while the search runs; now they go for good."""
    kept = [n for n, step in enumerate(refined.trajectory.steps) if step.kind != "design" or step.text]
    place = {number: new for new, number in enumerate(kept)}
    steps = tuple(refined.trajectory.steps[number] for number in kept)
    return Refined(
        replace(refined.trajectory, steps=steps),
        [{**score, "step": place[score["step"]]} for score in refined.scores],
        [{**entry, "step": place.get(entry["step"], -1)} for entry in refined.log],
    )


def num_search_calls(num_thoughts: int, options: SearchOptions) -> int:
    """How many calls ``refine`` makes at most: controls, first score, rewrites and their scores."""
    return num_thoughts * (len(CONTROLS) + 1 + 2 * options.candidates * options.rounds)


async def _rewrites(team: Team, step: Step, round_number: int, options: SearchOptions) -> list[str]:
    values = {**team.file_values(step.path), "thought": step.text}
    max_tokens = min(team.options.max_thought_tokens, options.max_thought_tokens)
    return await asyncio.gather(
        *(
            team.ask("rewrite", values, max_tokens, variant=(round_number, candidate))
            for candidate in range(options.candidates)
        )
    )


class _ThoughtSearch:
    """The search over one thought: scores it and its controls, then rewrites it round by round."""

    def __init__(
        self,
        team: Team,
        refined: Refined,
        number: int,
        other: str,
        scorer: Scorer,
        options: SearchOptions,
        on_call: Callable[[], None],
    ) -> None:
        self.team, self.refined, self.number, self.other = team, refined, number, other
        self.scorer, self.options, self.on_call = scorer, options, on_call
        self.step = refined.trajectory.steps[number]
        self.guard = LeakageGuard(team.blueprint, self.step.path)

    async def run(self, first_round: asyncio.Future[list[str]] | None) -> None:
        path, options = self.step.path, self.options
        target = choose_target(
            self.team.blueprint,
            path,
            self.scorer.model.tokenizer,
            options.window_tokens,
            options.num_windows,
        )
        if target is None:
            self.team.notes.append(f"search {path}: nothing to score but headers and imports")
            return
        self.target: Target = target
        spec = self.team.blueprint.outline_text(path) + "\n"
        texts = {"first": self.step.text, "none": "", "outline": spec, "other": self.other}
        names = [name for name in texts if texts[name] or name == "none"]
        scores = dict(
            zip(names, await asyncio.gather(*(self._score(texts[name]) for name in names)), strict=True)
        )
        before = scores["first"]
        if before is None:
            self.team.notes.append(f"search {path}: its thought could not be scored and was left as written")
            return
        for name in CONTROLS:
            if name in scores:
                self._log(-1, name, texts[name], scores[name], None, False, "control")
        current, rounds_accepted = before, 0
        first_overlap = self.guard.overlap(self.step.text)
        leaked = self._leak(first_overlap)
        self._log(0, "first", self.step.text, before, first_overlap, True, leaked or "as first written")

        for round_number in range(1, options.rounds + 1):
            if round_number == 1 and first_round is not None:
                rewrites = await first_round
            else:
                rewrites = await _rewrites(self.team, self.step, round_number, options)
            overlaps = [self.guard.overlap(text) for text in rewrites]
            refusals = [self._refuse(text, overlap) for text, overlap in zip(rewrites, overlaps, strict=True)]
            rescored = await asyncio.gather(
                *(
                    self._score(text) if not refusal else _none()
                    for text, refusal in zip(rewrites, refusals, strict=True)
                )
            )
            # A thought that leaks has no right to its score: any rewrite that does not leak takes its place.
            bar = float("inf") if leaked else self._objective(self.step.text, current) - options.margin
            values = [
                self._objective(text, score) if score else float("inf")
                for text, score in zip(rewrites, rescored, strict=True)
            ]
            best = min(range(len(values)), key=values.__getitem__)
            for candidate, text in enumerate(rewrites):
                accepted = candidate == best and values[candidate] < bar
                reason = refusals[candidate] or (
                    "could not be scored"
                    if rescored[candidate] is None
                    else "accepted"
                    if accepted
                    else "not better than the margin"
                    if candidate == best
                    else "another was better"
                )
                self._log(
                    round_number,
                    str(candidate),
                    text,
                    rescored[candidate],
                    overlaps[candidate],
                    accepted,
                    reason,
                )
            winner = rescored[best]
            if winner is not None and values[best] < bar:
                self._replace(rewrites[best])
                current, leaked = winner, ""
                rounds_accepted += 1
        if leaked:
            self.team.notes.append(f"search {path}: its thought was taken out, since it {leaked}")
            self._replace("")
        else:
            self._record(scores, current, rounds_accepted)

    async def _score(self, text: str) -> Score | None:
        try:
            return await self.scorer.score(self._with(text), self.step.path, self.target)
        except ModelError as error:
            self.team.notes.append(f"score {self.step.path}: {error}".replace("\n", " "))
            return None
        finally:
            self.on_call()

    def _with(self, text: str) -> Trajectory:
        """The trajectory with this thought saying ``text``, or without it where ``text`` is empty."""
        steps = self.refined.trajectory.steps
        thought = (replace(self.step, text=text),) if text else ()
        return replace(
            self.refined.trajectory, steps=(*steps[: self.number], *thought, *steps[self.number + 1 :])
        )

    def _replace(self, text: str) -> None:
        self.step = self.team.grounded(replace(self.step, text=text, prompt=prompt_hash("rewrite")))
        steps = self.refined.trajectory.steps
        self.refined.trajectory = replace(
            self.refined.trajectory, steps=(*steps[: self.number], self.step, *steps[self.number + 1 :])
        )

    def _num_tokens(self, text: str) -> int:
        return len(encode_texts([text], self.scorer.model.tokenizer)[0]) if text else 0

    def _objective(self, text: str, score: Score) -> float:
        return score.nll + self.options.price * self._num_tokens(text)

    def _leak(self, overlap: Overlap) -> str:
        if overlap.run > self.options.max_common_run:
            return f"quotes the code: a common run of {overlap.run}"
        if overlap.share > self.options.max_common_share:
            return f"quotes the code: {overlap.share:.0%} of its 4-grams"
        if len(overlap.names) > self.options.max_body_names:
            return f"names what only the body holds: {', '.join(sorted(overlap.names))}"
        return ""

    def _refuse(self, text: str, overlap: Overlap) -> str:
        """Why a rewrite is not even scored, or ``""``."""
        if not text:
            return "empty"
        if text == self.step.text:
            return "equal to the current thought"
        if (length := self._num_tokens(text)) > self.options.max_thought_tokens:
            return f"longer than the cap: {length} tokens"
        return self._leak(overlap)

    def _log(
        self,
        round_number: int,
        candidate: str,
        text: str,
        score: Score | None,
        overlap: Overlap | None,
        accepted: bool,
        reason: str,
    ) -> None:
        self.refined.log.append(
            {
                "path": self.step.path,
                "step": self.number,
                "round": round_number,
                "candidate": candidate,
                "text": text,
                "num_thought_tokens": self._num_tokens(text),
                "num_target_tokens": len(self.target.scored),
                "nll": score.nll if score else None,
                "body_nll": score.body_nll if score else None,
                "overlap": overlap.share if overlap else None,
                "accepted": accepted,
                "reason": reason,
            }
        )

    def _record(self, scores: dict[str, Score | None], current: Score, rounds_accepted: int) -> None:
        def nll(name: str) -> tuple[float | None, float | None]:
            score = scores.get(name)
            return (score.nll, score.body_nll) if score else (None, None)

        row: dict[str, Any] = {
            "step": self.number,
            "num_target_tokens": len(self.target.scored),
            "num_body_tokens": len(self.target.body),
            "num_thought_tokens": self._num_tokens(self.step.text),
            "nll": current.nll,
            "body_nll": current.body_nll,
            "rounds_accepted": rounds_accepted,
            "targets": [{"start": start, "end": end} for start, end in current.targets],
            "max_input_tokens": self.scorer.model.info.max_input_tokens,
            "ids_sha256": current.ids_sha256,
        }
        for column, name in (*((name, name) for name in CONTROLS), ("before", "first")):
            row[f"nll_{column}"], row[f"body_nll_{column}"] = nll(name)
        controls = [row[f"nll_{name}"] for name in CONTROLS if row[f"nll_{name}"] is not None]
        row["gain"] = min(controls) - current.nll if controls else None
        self.refined.scores.append(row)


async def _none() -> None:
    return None
