"""What every family of measures is given, and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from builder import UserError
from trainer.evaluation.model import EvaluatedModel

Item = Mapping[str, Any]
"""``id``, ``group``, ``value`` and ``weight``, and whatever else is worth knowing of it."""


class Skip(Exception):
    """A measure that cannot be taken here; says why. The others go on."""


@dataclass(frozen=True)
class Request:
    """What the command line asks of all measures alike.

    Attributes:
        seed: Of samples and of intervals.
        limit: At most so many items for each measure.
        dataset_name: The folder with held-out rows, or its Hub id.
        allow_code_execution: Whether programs that the model wrote may run.
    """

    seed: int = 0
    limit: int | None = None
    dataset_name: str | None = None
    allow_code_execution: bool = False

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise UserError(f"limit is {self.limit}; it is the number of items of each measure, above 0")


@dataclass(frozen=True)
class Measure:
    """One number with all that it is the mean of: Σ weight·value / Σ weight over ``items``.

    Attributes:
        better: ``"lower"`` or ``"higher"``.
        source: ``harness``, ``task``, ``version``, ``num_fewshot``: what has to agree for two values to be
            comparable.
        buckets: The same mean over files of some length only, where that says something.
        notes: What a reader of the number should know.
    """

    name: str
    title: str
    unit: str
    better: str
    items: Sequence[Item]
    source: Mapping[str, Any]
    buckets: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class MeasureOptions(ABC):
    """An entry of a suite.

    Attributes:
        reference: Values of the first of its measures from elsewhere, by arm: the paper's.
    """

    reference: dict[str, float] | None = field(default=None)

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of its measures in results, each once only in a suite: ``family/what``."""

    @abstractmethod
    def measure(self, evaluated: EvaluatedModel, request: Request) -> Sequence[Measure]:
        """Take them, in the order of ``names``.

        Raises ``Skip`` where that cannot be done, ``UserError`` for what the user must mend.
        """

    def fingerprint(self, request: Request) -> str:  # noqa: ARG002
        """Tells states of what is measured on, so that a change is measured anew."""
        return ""
