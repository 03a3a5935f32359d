"""The paper's comparison with one command.

    python -m experiment configs/experiment/tiny.yaml --output runs/experiment/tiny

Any option of the file may be overridden, ``--dry_run`` prints every command of every stage and what is there
already, and ``--until build`` (or split, text, count, train, evaluate) goes no further: what was made on one
machine goes on where its output is carried to. Stopped, by ctrl-C or worse, the same command goes on.
"""

from __future__ import annotations

import fcntl
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from builder import UserError
from experiment.config import ExperimentConfig
from experiment.plan import plan
from experiment.run import Runner
from experiment.stages import Stage, as_shell, shown

KINDS = ("build", "split", "text", "count", "train", "evaluate", "collect")


def main(arguments: list[str] | None = None) -> None:
    """Parse and run; a user's mistake is one line and exit status 1."""
    try:
        config, options = parse(sys.argv[1:] if arguments is None else arguments)
        stages = plan(config)
        output = Path(options.output or f"runs/experiment/{config.name}").absolute()
        if options.until:
            stages = _until(stages, options.until)
        if options.dry_run:
            print_plan(stages, output)
        else:
            run(config, stages, output)
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it was", file=sys.stderr)
        sys.exit(130)


def parse(arguments: Sequence[str]) -> tuple[ExperimentConfig, Any]:
    """The experiment, and the options of this command."""
    from jsonargparse import ArgumentError, ArgumentParser

    parser = ArgumentParser(prog="python -m experiment", description=__doc__, exit_on_error=False)
    parser.add_argument("--config", action="config", help="a YAML file with these options, or its name alone")
    parser.add_argument("--output", type=str | None, default=None, help="default: runs/experiment/NAME")
    parser.add_argument("--dry_run", action="store_true", help="print what would be done")
    parser.add_argument("--until", type=str | None, default=None, help=f"the last kind: {', '.join(KINDS)}")
    parser.add_class_arguments(ExperimentConfig, None)
    given = list(arguments)
    if given and not given[0].startswith("-"):
        given.insert(0, "--config")
    try:
        options = parser.instantiate(parser.parse_args(given))
        config = ExperimentConfig(**{entry.name: options[entry.name] for entry in fields(ExperimentConfig)})
    except (ArgumentError, ValueError) as error:
        raise UserError(" ".join(str(error).split())) from None
    if options.until and options.until not in KINDS:
        raise UserError(f"--until {options.until}: there are {', '.join(KINDS)}")
    return config, options


def run(config: ExperimentConfig, stages: Sequence[Stage], output: Path) -> None:
    """Run ``stages``, and put what the last one wrote where one looks for it."""
    output.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with (output / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{shown(output)} is being worked on by another process; wait for it") from None
        Runner(stages, output, config.jobs, config.seconds).run()
        if stages[-1].kind == "collect":
            publish(stages[-1].folder(output), output)
            print(f"{shown(output)}/report/index.html ({time.monotonic() - began:.0f} s this time)")


def publish(collected: Path, output: Path) -> None:
    """Copy the report and what it was made of from its stage to the top of the output."""
    shutil.copy2(collected / "experiment.json", output / "experiment.json")
    shutil.copytree(collected / "report", output / "report", dirs_exist_ok=True)


def print_plan(stages: Sequence[Stage], output: Path) -> None:
    """Print the commands of each stage, and whether it is finished."""
    for number, stage in enumerate(stages, 1):
        known = stage.done(output)
        state = f"finished, {known['seconds']:.0f} s" if known else "to do"
        if not known and stage.folder(output).is_dir():
            state = "begun"
        print(f"[{number}/{len(stages)}] {stage.name}: {state}")
        for command in stage.filled(output)[0]:
            print(f"    {as_shell(command)}")


def _until(stages: Sequence[Stage], kind: str) -> list[Stage]:
    wanted = KINDS[: KINDS.index(kind) + 1]
    return [stage for stage in stages if stage.kind in wanted]


if __name__ == "__main__":
    main()
