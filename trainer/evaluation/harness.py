"""Benchmarks of lm-evaluation-harness, by its own task names, few-shots and versions.

The harness measures with the model that is loaded already. What it reports is taken apart into items, so that
intervals and paired comparisons are those of every other measure; their mean must be the harness' own number.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from builder import UserError
from trainer.evaluation.model import EvaluatedModel
from trainer.evaluation.types import Measure, MeasureOptions, Request, Skip

# With our seed 0, all seeds are those that its command line has where none is given.
TASK_SEED = 1234


@dataclass(frozen=True)
class HarnessOptions(MeasureOptions):
    """Tasks or groups of the harness, which make one measure together: the mean over them."""

    tasks: tuple[str, ...]
    title: str = ""
    label: str = ""
    """Names the measure, ``lm-eval/<label>``; unset: its tasks."""
    metric: str | None = None
    """One of the task's own; unset: its first."""
    filter: str | None = None
    unit: str = "accuracy"
    num_fewshot: int | None = None
    """Unset: the task's own."""
    limit: int | None = None
    """Samples of each task."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What tasks are told that make their own data: ``max_seq_lengths``."""
    gen_kwargs: Mapping[str, Any] | None = None
    """Overrides how the task's own answers are generated: ``max_gen_toks``, …"""
    include_path: str | None = None
    """A folder with further tasks, in the harness' own YAML."""
    batch_size: int = 8

    def __post_init__(self) -> None:
        tasks = (self.tasks,) if isinstance(self.tasks, str) else tuple(self.tasks)
        object.__setattr__(self, "tasks", tasks)  # a list in YAML
        if not tasks:
            raise UserError("lm-eval: no `tasks`")

    @property
    def names(self) -> tuple[str, ...]:
        return (f"lm-eval/{self.label or '+'.join(self.tasks)}",)

    def measure(self, evaluated: EvaluatedModel, request: Request) -> list[Measure]:
        longest = max(self.metadata.get("max_seq_lengths", [0]))
        if longest > evaluated.window:
            raise Skip(f"{evaluated.name} reads {evaluated.window} tokens, fewer than {longest}")
        results = self._run(evaluated, request)
        leaves = list(results["samples"])
        samples = {leaf: self._chosen(results["samples"][leaf]) for leaf in leaves}
        metric, filter_name = samples[leaves[0]][0]["metric"], samples[leaves[0]][0]["filter"]
        reported = [results["results"][task].get(f"{metric},{filter_name}") for task in self.tasks]
        items = weighted(samples, reported)
        if items is None:
            raise Skip(f"{metric} of {', '.join(self.tasks)} is not the mean of its samples ({reported})")
        higher = results["higher_is_better"].get(leaves[0], {}).get(metric, True)
        versions = sorted({str(results["versions"].get(task)) for task in self.tasks})
        shots = sorted({results["n-shot"][leaf] for leaf in leaves})
        source = {
            "harness": "lm-eval",
            "task": "+".join(self.tasks),
            "version": ", ".join(versions),
            "num_fewshot": shots[0] if len(shots) == 1 else None,
            "metric": metric,
            "filter": filter_name,
        }
        title = self.title or " + ".join(self.tasks)
        return [Measure(self.names[0], title, self.unit, "higher" if higher else "lower", items, source)]

    def _run(self, evaluated: EvaluatedModel, request: Request) -> Mapping[str, Any]:
        model = harness_model(evaluated, self.batch_size)
        from datasets.exceptions import DatasetsError
        from lm_eval import simple_evaluate

        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        # Tasks that make their own data count its tokens.
        metadata = {"tokenizer": evaluated.path, **self.metadata} if self.metadata else {}
        manager = _task_manager(self.include_path, json.dumps(metadata))
        if unknown := [task for task in self.tasks if task not in manager.all_tasks]:
            raise UserError(
                f"lm-eval has no task {', '.join(unknown)}; `lm-eval ls tasks` lists those that it has"
            )
        limits = [limit for limit in (self.limit, request.limit) if limit is not None]
        try:
            return simple_evaluate(
                model,
                tasks=list(self.tasks),
                num_fewshot=self.num_fewshot,
                limit=min(limits, default=None),
                gen_kwargs=dict(self.gen_kwargs) if self.gen_kwargs else None,
                bootstrap_iters=0,  # intervals are ours
                task_manager=manager,
                random_seed=request.seed,
                numpy_random_seed=TASK_SEED + request.seed,
                torch_random_seed=TASK_SEED + request.seed,
                fewshot_random_seed=TASK_SEED + request.seed,
            )
        # Data that are on the Hub or elsewhere, and packages that only some tasks need.
        except (OSError, LookupError, ImportError, DatasetsError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise Skip(f"{', '.join(self.tasks)} cannot be set up here: {reason[:300]}") from error
        except ValueError as error:
            if "unsafe" in str(error):
                raise Skip(
                    "the harness would run programs without a sandbox; measure `humaneval` instead"
                ) from error
            raise

    def _chosen(self, samples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The samples of one task under the metric and the filter that are wanted."""
        filters = list(dict.fromkeys(sample["filter"] for sample in samples))
        metrics = list(dict.fromkeys(metric for sample in samples for metric in sample["metrics"]))
        wanted = filters[0] if self.filter is None else self.filter
        metric = metrics[0] if self.metric is None else self.metric
        if wanted not in filters or metric not in metrics:
            raise UserError(
                f"{self.names[0]}: no metric {metric} of the filter {wanted}; "
                f"there are {', '.join(metrics)} of {', '.join(filters)}"
            )
        return [
            {
                "doc": sample["doc_id"],
                "value": float(sample[metric]),
                "prompt": sample["prompt_hash"],
                "response": response if isinstance(response := sample["filtered_resps"][0], str) else None,
                "metric": metric,
                "filter": wanted,
            }
            for sample in samples
            if sample["filter"] == wanted
        ]


@cache  # it reads some ten thousand files, which takes seconds
def _task_manager(include_path: str | None, metadata: str) -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=include_path, metadata=json.loads(metadata))


def weighted(
    samples: Mapping[str, Sequence[Mapping[str, Any]]], reported: Sequence[Any]
) -> list[dict[str, Any]] | None:
    """The items of all tasks, weighted so that their mean is that of the numbers ``reported``.

    Some groups count each sample alike, others each task. None where neither gives what was reported: then
    that is no mean of samples, and nothing could be said of its uncertainty.
    """
    if not all(isinstance(value, int | float) for value in reported):
        return None
    for alike in (False, True):
        items = [
            {
                "id": f"{task}/{sample['doc']}",
                "group": f"{task}/{sample['doc']}",
                "value": sample["value"],
                "weight": 1 / len(found) if alike else 1,
                "prompt_sha256": sample["prompt"],
                "response": sample["response"],
            }
            for task, found in samples.items()
            for sample in found
        ]
        total = math.fsum(item["weight"] for item in items)
        mean = math.fsum(item["weight"] * item["value"] for item in items) / total
        if math.isclose(mean, math.fsum(reported) / len(reported), rel_tol=1e-9, abs_tol=1e-12):
            return items
    return None


def harness_model(evaluated: EvaluatedModel, batch_size: int) -> Any:
    """``evaluated`` as the harness takes it."""
    try:
        from lm_eval.models.huggingface import HFLM
    except ImportError:
        raise Skip(
            "lm-evaluation-harness is not installed; run `pip install 'repo2agent[evaluate]'`"
        ) from None
    return HFLM(pretrained=evaluated.model, tokenizer=evaluated.tokenizer, batch_size=batch_size)
