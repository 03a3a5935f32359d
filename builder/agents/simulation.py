"""The simulated team: a main agent plans, a sub-agent a file thinks, reads and writes.

Reads and writes are real, so the thoughts of different files do not wait for each other: after the
requirement, every call of a repository that can run does.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from builder.agents.grounding import unknown_share
from builder.agents.leakage import STRICTEST, LeakageGuard
from builder.agents.prompts import excerpt, messages, prompt_hash
from builder.agents.summaries import folders, overview, tree
from builder.llm import Model, ModelError, asking_for
from builder.structure import Blueprint
from builder.trajectory import MAIN, Step, Trajectory, clean

_MAX_DRAWS = 3  # of a thought that has seen the body
_MAX_NAMES = 12  # in each part of a plan entry: the specification and the reads have them all


@dataclass(frozen=True)
class AgentOptions:
    """How the agents write.

    Attributes:
        temperature: Sampling temperature of every generation; 0 is greedy.
        sees: What a design thought and its rewrites are written from: `outline`, or `body` (hindsight: the
            file itself is shown, and what quotes it or names what only it holds is not taken).
        max_thought_tokens: Longest design thought, in tokens of the generator.
        max_draft_tokens: Longest draft that is checked for defects, in tokens of the generator.
        max_read_chars: What a sub-agent may read in all, in characters; dependencies beyond are not read.
        max_prompt_chars: Bound on what a prompt takes over from the repository, in characters.
    """

    temperature: float = 0.7
    sees: str = "outline"
    max_thought_tokens: int = 160
    max_draft_tokens: int = 400
    max_read_chars: int = 24_000
    max_prompt_chars: int = 4_000

    def __post_init__(self) -> None:
        if self.sees not in ("outline", "body"):
            raise ValueError(f"sees must be outline or body, not {self.sees}")
        for name in ("max_thought_tokens", "max_draft_tokens", "max_prompt_chars"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


def call_seed(*parts: object) -> int:
    """A positive 31-bit seed, from what the call is for: no call depends on the order of the others."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big") % (2**31 - 1) + 1


def whole_sentences(text: str) -> str:
    """``text`` without the sentence that the token limit cut off, unless that is most of it."""
    end = max(text.rfind(mark) for mark in (".\n", "!\n", "?\n", ". ", "! ", "? ", ":\n"))
    return text[: end + 1] + "\n" if end + 1 > len(text) // 2 else text


@dataclass
class Team:
    """One repository's agents, talking to one generator. ``notes`` collects calls that failed.

    ``on_call`` is told after each call, for progress.
    """

    blueprint: Blueprint
    generator: Model
    options: AgentOptions
    seed: int
    on_call: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.notes: list[str] = []
        self.requirement = ""
        self.purposes: dict[str, str] = {}
        self.places = {path: place for place, path in enumerate(self.blueprint.order)}

    def with_own_notes(self) -> Team:
        """The same team with a notebook of its own, for work whose notes belong to one row only."""
        team = copy.copy(self)
        team.notes = []
        return team

    async def simulate(self) -> Trajectory:
        """The whole trajectory, before any search."""
        paths = self.blueprint.order
        requirement = await self._requirement()
        self.requirement = requirement.text
        planned = {path: asyncio.ensure_future(self._plan_entry(path)) for path in paths}
        overview, work = await asyncio.gather(
            self._overview(planned),
            asyncio.gather(*(self._sub_agent(path, planned[path]) for path in paths)),
        )
        entries = [await planned[path] for path in paths]
        steps = [step for step in (requirement, overview, *entries) if step.text]
        for path, thoughts in zip(paths, work, strict=True):
            steps += self._implement(path, thoughts)
        return Trajectory(self.blueprint.repository, tuple(steps))

    def structure(self) -> Trajectory:
        """The trajectory without a word of anybody's: what ``spec-only`` rows hold. Asks for nothing."""
        steps = [step for path in self.blueprint.order for step in self._implement(path, {})]
        return Trajectory(self.blueprint.repository, tuple(steps))

    def num_calls(self) -> int:
        """How many calls ``simulate`` makes at most, but for folders that have to be summed up in parts."""
        thinking = self._thinking()
        summed_up = 0 if self._outlines_fit() else len(folders(thinking))
        draws = _MAX_DRAWS if self.options.sees == "body" else 1
        return 2 + summed_up + (1 + draws) * len(thinking) + sum(bool(self.reads(path)) for path in thinking)

    def thinks_about(self, path: str) -> bool:
        """Files with an outline are thought about; others (documents, data, empty files) are copied."""
        return bool(self.blueprint.outlines.get(path))

    def reads(self, path: str) -> tuple[str, ...]:
        """What the sub-agent for ``path`` reads: direct dependencies written by then, within the budget."""
        chosen, room = [], self.options.max_read_chars
        for other in self.blueprint.dependencies_of(path):
            size = len(self.blueprint.repository.file(other).content)
            if self.places[other] < self.places[path] and size <= room:
                chosen.append(other)
                room -= size
        return tuple(chosen)

    async def ask(self, prompt: str, values: Mapping[str, str], max_tokens: int, variant: object = 0) -> str:
        """One generation, cleaned and without the sentence that the limit cut off; else as ``generate``."""
        return whole_sentences(clean(await self.generate(prompt, values, max_tokens, variant)))

    async def generate(
        self, prompt: str, values: Mapping[str, str], max_tokens: int, variant: object = 0
    ) -> str:
        """One generation as the model gave it; ``""`` (and a note) where the call failed for good.

        ``variant`` tells calls with the same prompt about the same file apart.
        """
        path = values.get("path", "")
        seed = call_seed(self.seed, self.blueprint.repository.identity, prompt, path, variant)
        try:
            with asking_for(prompt):
                return await self.generator.generate(
                    messages(prompt, **values),
                    max_tokens=max_tokens,
                    temperature=self.options.temperature,
                    seed=seed,
                )
        except ModelError as error:
            self.notes.append(f"{prompt} {path}: {error}".replace("\n", " "))
            return ""
        finally:
            self.on_call()

    def file_values(self, path: str) -> dict[str, str]:
        """What the prompts about one file are filled with; nothing of it comes from code bodies."""
        budget = self.options.max_prompt_chars
        dependencies = [
            f"{other}:\n{self.blueprint.outline_text(other)}"
            for other in self.blueprint.dependencies_of(path)
            if self.thinks_about(other)
        ]
        return {
            "requirement": self.requirement,
            "path": path,
            "purpose": self.purposes.get(path, "").strip() or "part of this project.",
            "outline": excerpt(self.blueprint.outline_text(path), budget // 2),
            "dependencies": excerpt("\n\n".join(dependencies), budget // 4),
        }

    async def _requirement(self) -> Step:
        readme = next((f.content for f in self.blueprint.repository.files if _is_readme(f.path)), "")
        budget = self.options.max_prompt_chars
        values = {
            "tree": excerpt(tree(self.blueprint.order, budget // 4), budget // 4),
            "readme": excerpt(readme, budget // 2),
        }
        text = await self.ask("requirement", values, 200)
        return Step(MAIN, "requirement", text=text, prompt=prompt_hash("requirement"))

    async def _overview(self, planned: Mapping[str, Awaitable[Step]]) -> Step:
        """From the outlines, or where they do not fit, from the purposes of files, summed up by folders."""
        budget = self.options.max_prompt_chars

        async def purpose(path: str) -> str:
            await planned[path]
            return self.purposes.get(path, "")

        async def summarise(place: str, contents: str, number: int) -> str:
            values = {"requirement": self.requirement, "path": place, "contents": contents}
            return await self.ask("folder", values, 80, number)

        if self._outlines_fit():
            parts = self._outlines()
        else:
            purposes = {path: purpose(path) for path in self._thinking()}
            parts = await overview(purposes, summarise, budget // 2)
        values = {
            "requirement": self.requirement,
            "tree": excerpt(tree(self.blueprint.order, budget // 4), budget // 4),
            "outlines": excerpt("\n".join(parts), budget // 2),
        }
        text = await self.ask("overview", values, 200)
        return Step(MAIN, "plan", text=text, prompt=prompt_hash("overview"))

    async def _plan_entry(self, path: str) -> Step:
        """Purpose is generated; what the file builds on and offers is taken from the graph and outline."""
        parts = [f"- {path}"]
        prompt = ""
        if self.thinks_about(path):
            answer = await self.ask("purpose", self.file_values(path), 60)
            self.purposes[path] = purpose = " ".join(answer.split())
            parts += [f": {purpose}"] if purpose else []
            prompt = prompt_hash("purpose")
        if reads := self.reads(path):
            parts.append(f" Builds on {_listed(reads)}.")
        offers = [entry.name for entry in self.blueprint.outlines.get(path, ()) if entry.depth == 0]
        if offers:
            parts.append(f" Offers {_listed(offers)}.")
        return Step(MAIN, "plan", path, clean("".join(parts)), prompt=prompt)

    def _thinking(self) -> list[str]:
        return [path for path in self.blueprint.order if self.thinks_about(path)]

    def _outlines(self) -> list[str]:
        return [f"{path}:\n{self.blueprint.outline_text(path)}" for path in self._thinking()]

    def _outlines_fit(self) -> bool:
        return sum(map(len, self._outlines())) <= self.options.max_prompt_chars // 2

    async def _sub_agent(self, path: str, planned: Awaitable[Step]) -> dict[str, str]:
        """The thoughts of one sub-agent, once its file is planned: ``need`` (if it reads) and ``design``."""
        await planned
        if not self.thinks_about(path):
            return {}
        values = self.file_values(path)
        calls = [self._design(path, values)]
        if reads := self.reads(path):
            calls.append(self.ask("need", {**values, "dependencies": ", ".join(reads)}, 80))
        return dict(zip(("design", "need"), await asyncio.gather(*calls), strict=False))

    async def _design(self, path: str, values: Mapping[str, str]) -> str:
        """The first design thought. One that has seen the body is drawn again where it gives that away."""
        limit = self.options.max_thought_tokens
        if self.options.sees == "outline":
            return await self.ask("design", values, limit)
        values = self._hindsight(path)
        guard = LeakageGuard(self.blueprint, path)
        refusal = ""
        for attempt in range(_MAX_DRAWS):
            text = await self.ask("design_body", values, limit, attempt)
            refusal = STRICTEST.refusal(guard.overlap(text))
            if not refusal:
                return text
        self.notes.append(f"design {path}: no thought in {_MAX_DRAWS}, the last one {refusal}")
        return ""

    def rewriting(self, step: Step) -> tuple[str, dict[str, str]]:
        """The prompt by which the design thought ``step`` is rewritten, and its values but the thought."""
        if step.sees == "body":
            return "rewrite_body", self._hindsight(step.path)
        return "rewrite", self.file_values(step.path)

    def _hindsight(self, path: str) -> dict[str, str]:
        code = self.blueprint.repository.file(path).content
        return {**self.file_values(path), "code": excerpt(code, self.options.max_prompt_chars)}

    def _implement(self, path: str, thoughts: dict[str, str]) -> list[Step]:
        """The steps from the main agent's call to the sub-agent's return."""
        steps = [Step(MAIN, "delegate", path)]
        if outline := self.blueprint.outline_text(path):
            steps.append(Step(path, "spec", path, outline + "\n"))
        if need := thoughts.get("need"):
            steps.append(self._thought(path, "need", need))
        for other in self.reads(path):
            steps += [Step(path, "read", other), Step(path, "observation", other)]
        if design := thoughts.get("design"):
            steps.append(self._thought(path, "design", design))
        return [*steps, Step(path, "write", path), Step(path, "finish", path)]

    def _thought(self, path: str, kind: str, text: str) -> Step:
        hindsight = kind == "design" and self.options.sees == "body"
        prompt = prompt_hash("design_body" if hindsight else kind)
        sees = "body" if hindsight else "outline"
        return self.grounded(Step(path, kind, path, text, sees=sees, prompt=prompt))

    def grounded(self, step: Step) -> Step:
        """``step`` with its share of unknown names, measured against its file and dependencies."""
        return replace(step, unknown_names=unknown_share(step.text, step.path, self.blueprint))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


def _is_readme(path: str) -> bool:
    return "/" not in path and path.lower().startswith("readme")
