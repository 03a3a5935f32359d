"""A suite: which measures are taken, in a YAML file.

::

    name: offline
    defaults:            # options of all measures of a family
      reconstruction: {window: 2048, target_tokens: 1024}
    measures:            # `measure` names the family, the rest are its options
      - {measure: reconstruction, context: dependencies}
    external:            # what other programs measure, with where to find and how to run them
      - {name: HELMET, url: …, run: …, reference: {raw-repos: 60.98}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from builder import UserError
from trainer.evaluation.harness import HarnessOptions
from trainer.evaluation.humaneval import HumanEvalOptions
from trainer.evaluation.reconstruction import ReconstructionOptions
from trainer.evaluation.types import MeasureOptions

FAMILIES: dict[str, type[MeasureOptions]] = {
    "reconstruction": ReconstructionOptions,
    "humaneval": HumanEvalOptions,
    "lm-eval": HarnessOptions,
}


@dataclass(frozen=True)
class External:
    """A benchmark that has its own program."""

    name: str
    url: str
    run: str
    reference: dict[str, float] | None = None


@dataclass(frozen=True)
class Suite:
    name: str
    measures: tuple[MeasureOptions, ...]
    external: tuple[External, ...] = ()


def read_suite(path: str | Path) -> Suite:
    """Read a suite; ``UserError`` names what is wrong in it."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read as a suite: {' '.join(str(error).split())}") from error
    try:
        return _parse(content, Path(path).stem)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _parse(content: Any, name: str) -> Suite:
    content = _mapping(content, "a suite")
    _known(content, ("name", "defaults", "measures", "external"), "a suite")
    defaults = _mapping(content.get("defaults") or {}, "`defaults`")
    _known(defaults, FAMILIES, "`defaults`")
    measures = []
    for entry in content.get("measures") or ():
        options = dict(_mapping(entry, "a measure"))
        family = options.pop("measure", None)
        if family not in FAMILIES:
            raise UserError(f"no measure {family!r}; there are {', '.join(FAMILIES)}")
        measures.append(_options(FAMILIES[family], {**(defaults.get(family) or {}), **options}, family))
    external = [
        _options(External, _mapping(entry, "`external`"), "external")
        for entry in content.get("external") or ()
    ]
    names = [name for measure in measures for name in measure.names]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"{min(twice)} stands in it twice")
    if not measures:
        raise UserError("it has no `measures`")
    return Suite(str(content.get("name") or name), tuple(measures), tuple(external))


def _options(kind: Any, options: Mapping[str, Any], what: str) -> Any:
    _known(options, [field.name for field in fields(kind)], what)
    try:
        return kind(**options)
    except TypeError as error:  # something that has no default is missing, or of another type
        raise UserError(f"{what}: {error}") from None


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UserError(f"{what} must map names to values, and is {value!r}")
    return value


def _known(options: Mapping[str, Any], known: Any, what: str) -> None:
    if unknown := sorted(str(name) for name in options if name not in known):
        raise UserError(f"{what} has no {', '.join(unknown)}; there are {', '.join(known)}")
