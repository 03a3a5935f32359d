"""What decides an experiment: one YAML file, any part of which the command line may override."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from builder import UserError

BASE, GENERAL, RAW = "base", "general", "raw-repos"
# What each arm is trained on, in words. From the third on, the key is a config of the built dataset.
ARMS = {
    BASE: "the model as it came, not trained",
    GENERAL: "general text alone",
    RAW: "the same repositories as plain code",
    "spec-only": "trajectories with outlines and reads, without anybody's words",
    "repo2agent": "trajectories as first written",
    "repo2agent-random": "trajectories with as many rewrites, taken at random",
    "repo2agent-search": "trajectories after the search",
    "repo2agent-search-debug": "searched trajectories with drafts that were checked and mended",
}
# What the evaluation reads of held-out repositories, whatever the arms.
EVALUATED = (RAW, "repo2agent", "spec-only")
SEARCHED = "repo2agent-search"


@dataclass(frozen=True)
class CorpusOptions:
    """The repositories of the experiment.

    Attributes:
        repositories: Sources as `repo2agent build` takes them.
        build_config: A YAML file of `repo2agent build` to begin with.
        build: Options of `repo2agent build` that stand above that file; `test` is the share held out.
        built: A dataset that was built before, instead of `repositories`.
        near_duplicates: Likeness from which a held-out file counts as a copy of one that is trained on, and
            is not evaluated.
    """

    repositories: tuple[str, ...] = ()
    build_config: str | None = None
    build: dict[str, Any] = field(default_factory=dict)
    built: str | None = None
    near_duplicates: float = 0.5

    def __post_init__(self) -> None:
        if bool(self.repositories) == bool(self.built):
            raise ValueError("corpus needs either `repositories` to build from or a dataset that is `built`")
        if not 0 < self.near_duplicates <= 1:
            raise ValueError(
                f"corpus.near_duplicates must be above 0 and at most 1, not {self.near_duplicates}"
            )


@dataclass(frozen=True)
class TextOptions:
    """General text: all of what the arm `general` reads, and a share of what the others do.

    Attributes:
        packages: Packages whose documentation is read, as data.
        suffixes: How names of documentation end.
        share: Of the tokens of every arm that has repositories.
        sources: Sources of `trainer/cpt.py` instead of packages, name to options; weights among themselves.
    """

    packages: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = (".rst", ".md", ".txt")
    share: float = 0.0
    sources: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError(f"text.share must be at least 0 and below 1, not {self.share}")
        if self.share and not (self.packages or self.sources):
            raise ValueError("text.share is above 0, but text has neither `packages` nor `sources`")
        if self.packages and self.sources:
            raise ValueError("text has both `packages` and `sources`; give one of them")


@dataclass(frozen=True)
class TrainingOptions:
    """How every arm is trained.

    Attributes:
        tokens: That each arm sees, on the token.
        config: A YAML file of `trainer/cpt.py` to begin with.
        options: Options of `trainer/cpt.py` that stand above that file.
        checkpoints: How many states under way are kept and evaluated, for the curve.
        launcher: A YAML file of `accelerate launch`.
    """

    tokens: int
    config: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    checkpoints: int = 1
    launcher: str = "configs/accelerate/single.yaml"

    def __post_init__(self) -> None:
        if self.tokens < 1 or self.checkpoints < 0:
            raise ValueError("training.tokens must be above 0, and training.checkpoints not below")


@dataclass(frozen=True)
class EvaluationOptions:
    """How every model is evaluated.

    Attributes:
        suites: The measures: YAML files of `trainer/evaluate.py`, of which all are taken.
        curve: The measure that is followed along the training.
        limit: Most items of a measure.
        allow_code_execution: Whether programs that models write may run, in a limited process.
    """

    suites: tuple[str, ...]
    curve: str = "reconstruction/dependencies"
    limit: int | None = None
    allow_code_execution: bool = False


@dataclass(frozen=True)
class ExperimentConfig:
    """The paper's comparison at one scale.

    Attributes:
        name: Of this scale.
        shows: What it can show and what not, in a sentence for the page.
        model: The model that all arms start from: a path, a Hub id, or `embedded`.
        corpus: The repositories.
        training: How every arm is trained.
        evaluation: How every model is evaluated.
        conclusive: Whether differences mean anything at this scale.
        arms: Which of the arms.
        seeds: Of the order of the data; every arm is trained once with each.
        text: General text.
        jobs: Trainings and evaluations at once.
        seconds: About how long a stage of each kind takes, for the time that is left.
    """

    name: str
    shows: str
    model: str
    corpus: CorpusOptions
    training: TrainingOptions
    evaluation: EvaluationOptions
    conclusive: bool = False
    arms: tuple[str, ...] = tuple(ARMS)
    seeds: tuple[int, ...] = (0,)
    text: TextOptions = field(default_factory=TextOptions)
    jobs: int = 1
    seconds: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if unknown := [arm for arm in self.arms if arm not in ARMS]:
            raise ValueError(f"unknown arm {', '.join(unknown)}; there are {', '.join(ARMS)}")
        if BASE not in self.arms or len(set(self.arms)) < 2:
            raise ValueError(f"arms must have {BASE} and at least one that is trained")
        if len(set(self.arms)) != len(self.arms) or len(set(self.seeds)) != len(self.seeds) or not self.seeds:
            raise ValueError("arms and seeds must be there, each once")
        if GENERAL in self.arms and not (self.text.packages or self.text.sources):
            raise ValueError(f"the arm {GENERAL} needs text: give `text.packages` or `text.sources`")
        if self.jobs < 1:
            raise ValueError(f"jobs must be at least 1, not {self.jobs}")

    @property
    def trained(self) -> list[str]:
        """The arms that are trained, in the order of ``ARMS``."""
        return [arm for arm in ARMS if arm in self.arms and arm != BASE]

    @property
    def from_repositories(self) -> list[str]:
        """The trained arms that are configs of the built dataset."""
        return [arm for arm in self.trained if arm != GENERAL]

    @property
    def built_configs(self) -> list[str]:
        """What is to be built: of the arms, for the evaluation, and the search's log where there is one."""
        wanted = {*self.from_repositories, *EVALUATED}
        log = ["search-log"] if any(name.startswith(SEARCHED) for name in wanted) else []
        return [name for name in ARMS if name in wanted] + log


def merged(path: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """The options in the YAML file ``path``, with ``options`` in their place."""
    if path is None:
        return dict(options)
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; name a YAML file of options") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is no YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no options by name")
    return over(found, options)


def over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """``below`` with what ``above`` says in its place, name by name at every depth."""
    both = dict(below)
    for name, value in above.items():
        old = both.get(name)
        both[name] = over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both
