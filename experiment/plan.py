"""The stages of an experiment: build, split, count, train each arm with each seed, evaluate, collect."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import yaml

from builder import UserError
from experiment.config import ARMS, BASE, GENERAL, ExperimentConfig, merged, over
from experiment.stages import LIBRARIES, ROOT, Stage
from experiment.training import drop_finished_checkpoints, keep_for_evaluation

REPOSITORIES, TEXT = "repositories", "text"  # sources of a training
# What the experiment itself decides, whatever the options say.
_DECIDED = ("dataset_name", "dataset_config", "data_files", "max_rows", "max_steps", "output_dir")


def plan(config: ExperimentConfig) -> list[Stage]:
    """The stages of ``config``, each after what it needs."""
    built, before = _dataset(config)
    split = _split(config, built, before)
    text = _text(config)
    options = _training_options(config)
    runs = {
        (arm, seed): _cpt(config, options, arm, seed, built, text)
        for arm in config.trained
        for seed in config.seeds
    }
    sources = [stage for stage in (split, text) if stage is not None]
    count = _count(config, runs, sources)
    trained = {}
    steps = _checkpoint_steps(config, options)
    for (arm, seed), settings in runs.items():
        needs = [split, *([text] if text is not None and _uses_text(config, arm) else [])]
        trained[arm, seed] = _train(config, arm, seed, settings, needs, [count], steps)

    suite = _suite(config, split)
    curve = {**suite, "measures": [_followed(suite, config.evaluation.curve)], "external": []}
    evaluations = [_evaluate(config, BASE, config.model, suite, built, [split])]
    manifest: list[dict[str, Any]] = [
        {"arm": BASE, "seed": config.seeds[0], "train": None, "evaluate": evaluations[0].ref(), "curve": []}
    ]
    for (arm, seed), train in trained.items():
        name = f"{arm} seed {seed}"
        final = _evaluate(config, name, train.ref("model"), suite, built, [split, train])
        points = []
        for step in steps:
            place = train.ref(f"model/checkpoint-{step}")
            stage = _evaluate(config, f"{name} step {step}", place, curve, built, [split, train])
            evaluations.append(stage)
            points.append({"step": step, "evaluate": stage.ref()})
        evaluations.append(final)
        manifest.append(
            {"arm": arm, "seed": seed, "train": train.ref(), "evaluate": final.ref(), "curve": points}
        )
    collect = _collect(config, built, split, count, manifest, [count, *trained.values(), *evaluations])
    first = [*before, *sources, count, evaluations[0]]
    return [*first, *_in_turn(trained, evaluations[1:]), collect]


def _in_turn(trained: dict[tuple[str, int], Stage], evaluations: list[Stage]) -> list[Stage]:
    """Each training, then the evaluations of its model: what goes wrong is seen early."""
    stages = []
    for train in trained.values():
        stages += [train, *(stage for stage in evaluations if train in stage.needs)]
    return stages


def _dataset(config: ExperimentConfig) -> tuple[str, list[Stage]]:
    """Where the built dataset is, and the stage that builds it."""
    corpus = config.corpus
    if corpus.built:
        if not (Path(corpus.built) / "data").is_dir():
            raise UserError(f"{corpus.built} is no built dataset; make one with `repo2agent build --output`")
        return corpus.built, []
    options = {**merged(corpus.build_config, corpus.build), "configs": config.built_configs}
    command = ["{python}", "-m", "builder.cli", "build", *corpus.repositories]
    command += ["--config", "{here}/build.yaml", "--output", "{here}/dataset"]
    stage = Stage(
        kind="build",
        name="build",
        commands=[command],
        product="dataset/README.md",
        code=["builder/**/*.py", "builder/**/*.md"],
        files={"build.yaml": _yaml(options)},
        inputs={
            source: _fingerprint(Path(source)) for source in corpus.repositories if Path(source).exists()
        },
    )
    return stage.ref("dataset"), [stage]


def _split(config: ExperimentConfig, built: str, before: list[Stage]) -> Stage:
    configs = [name for name in config.built_configs if name in ARMS]
    command = ["{python}", "-m", "experiment.split", built, "--configs", *configs]
    command += ["--near_duplicates", str(config.corpus.near_duplicates), "--output", "{here}"]
    return Stage(
        kind="split",
        name="split",
        commands=[command],
        product="split.json",
        code=["experiment/split.py", "builder/selection/*.py"],
        inputs={"built": None if before else _fingerprint(Path(built) / "data")},
        needs=before,
    )


def _text(config: ExperimentConfig) -> Stage | None:
    if not config.text.packages:
        return None
    command = ["{python}", "-m", "experiment.texts", *config.text.packages]
    command += ["--suffixes", *config.text.suffixes, "--output", "{here}/texts.parquet"]
    return Stage(
        kind="text",
        name="text",
        commands=[command],
        product="texts.parquet",
        code=["experiment/texts.py", "builder/repository/*.py"],
    )


def _training_options(config: ExperimentConfig) -> dict[str, Any]:
    options = merged(config.training.config, config.training.options)
    return {name: value for name, value in options.items() if name not in (*_DECIDED, "sources")}


def _cpt(
    config: ExperimentConfig, options: dict[str, Any], arm: str, seed: int, built: str, text: Stage | None
) -> dict[str, Any]:
    """The configuration of `trainer/cpt.py` for one run."""
    texts = dict(config.text.sources)
    if text is not None:
        texts = {TEXT: {"data_files": [text.ref("texts.parquet")], "plain_text": True}}
    sources: dict[str, Any] = {}
    share = 1.0
    if arm != GENERAL:
        share = config.text.share
        rows = {"dataset_name": built, "dataset_config": arm, "split": "train"}
        sources[REPOSITORIES] = {**rows, "weight": round(1 - share, 6)}
    if share:
        total = sum(float(source.get("weight", 1)) for source in texts.values())
        for name, source in texts.items():
            sources[name] = {**source, "weight": round(share * float(source.get("weight", 1)) / total, 6)}
    steps = _checkpoint_steps(config, options)
    return {
        "report_to": "none",
        **options,
        "model_name_or_path": config.model,
        "sources": sources,
        "max_tokens": config.training.tokens,
        "exact_tokens": True,
        "seed": seed,
        "logging_steps": 1,
        "save_strategy": "steps",
        "save_steps": steps[0] if steps else options.get("save_steps", _num_steps(config, options) + 1),
        "save_total_limit": None if steps else options.get("save_total_limit"),
        "resume_from_checkpoint": "last",
    }


def _uses_text(config: ExperimentConfig, arm: str) -> bool:
    return arm == GENERAL or config.text.share > 0


def _num_steps(config: ExperimentConfig, options: dict[str, Any]) -> int:
    """The fewest steps that the tokens can take: all rows full."""
    try:
        rows = options.get("per_device_train_batch_size", 8) * options.get("gradient_accumulation_steps", 1)
        return math.ceil(config.training.tokens / (options["max_length"] * rows * _num_ranks(config)))
    except KeyError:
        raise UserError("training needs `max_length`, the window, among its options") from None


def _num_ranks(config: ExperimentConfig) -> int:
    return int(merged(config.training.launcher, {}).get("num_processes", 1))


def _checkpoint_steps(config: ExperimentConfig, options: dict[str, Any]) -> list[int]:
    """The steps whose models are kept for the curve: as many as asked for, evenly, where there are enough."""
    number, last = config.training.checkpoints, _num_steps(config, options)
    every = -(-last // (number + 1))
    return [every * n for n in range(1, number + 1) if every * n < last]


def _count(config: ExperimentConfig, runs: dict[tuple[str, int], Any], needs: list[Stage]) -> Stage:
    names = [f"{arm}-{seed}" for arm, seed in runs]
    described = [next(iter(settings["sources"])) for settings in runs.values()]
    files = {f"{name}.yaml": _yaml(settings) for name, settings in zip(names, runs.values(), strict=True)}
    command = ["{python}", "-m", "experiment.counts", *(f"{{here}}/{name}" for name in files)]
    command += ["--names", *names, "--sources", *described]
    command += ["--ranks", str(_num_ranks(config)), "--output", "{here}/counts.json"]
    return Stage(
        kind="count",
        name="count",
        commands=[command],
        product="counts.json",
        code=["experiment/counts.py", "trainer/*.py", "builder/trajectory/*.py"],
        files=files,
        inputs={"model": _model_inputs(config.model)},
        needs=needs,
    )


def _train(
    config: ExperimentConfig,
    arm: str,
    seed: int,
    settings: dict[str, Any],
    needs: list[Stage],
    follows: list[Stage],
    steps: list[int],
) -> Stage:
    launch = ["{python}", "-m", "accelerate.commands.launch", "--config_file", config.training.launcher]
    script = ["trainer/cpt.py", "--config", "{here}/cpt.yaml", "--output_dir", "{here}/model"]
    return Stage(
        kind="train",
        name=f"train {arm} seed {seed}",
        commands=[[*launch, *script]],
        product="model/metrics.json",
        code=[*_TRAINING, "builder/trajectory/*.py"],
        files={"cpt.yaml": _yaml(settings)},
        inputs={"model": _model_inputs(config.model), "launcher": merged(config.training.launcher, {})},
        libraries=LIBRARIES,
        needs=needs,
        follows=follows,
        once=True,
        before=lambda folder: drop_finished_checkpoints(folder / "model", config.training.tokens),
        after=lambda folder: keep_for_evaluation(folder / "model", steps),
    )


# All of the trainer but what evaluates finished models.
_TRAINING = tuple(
    f"trainer/{path.name}" for path in sorted((ROOT / "trainer").glob("*.py")) if path.name != "evaluate.py"
)


def _evaluate(
    config: ExperimentConfig, name: str, model: str, suite: dict[str, Any], built: str, needs: list[Stage]
) -> Stage:
    options = config.evaluation
    command = ["{python}", "trainer/evaluate.py", "--model_name_or_path", model]
    command += ["--suite", "{here}/suite.yaml", "--dataset_name", built, "--output_dir", "{here}"]
    if options.limit is not None:
        command += ["--limit", str(options.limit)]
    if options.allow_code_execution:
        command += ["--allow-code-execution"]
    return Stage(
        kind="evaluate",
        name=f"evaluate {name}",
        commands=[command],
        product="results.json",
        code=["trainer/**/*.py", "builder/trajectory/*.py"],
        files={"suite.yaml": _yaml(suite)},
        inputs={"model": _model_inputs(model)},
        libraries=LIBRARIES,
        needs=needs,
    )


def _suite(config: ExperimentConfig, split: Stage) -> dict[str, Any]:
    """The suite, without the files that are like one that is trained on."""
    suite: dict[str, Any] = {"name": config.name, "measures": [], "external": []}
    for path in config.evaluation.suites:
        part = merged(path, {})
        if not isinstance(part.get("measures"), list):
            raise UserError(f"{path} is no suite: it has no list of `measures`")
        lists = {name: [*suite[name], *part.get(name, [])] for name in ("measures", "external")}
        suite = over(suite, {**part, **lists, "name": config.name})
    return over(suite, {"defaults": {"reconstruction": {"exclude": split.ref("exclude.txt")}}})


def _followed(suite: dict[str, Any], name: str) -> Any:
    """The measure of ``suite`` that the curve follows."""
    for measure in suite["measures"]:
        if f"{measure.get('measure')}/{measure.get('context')}" == name:
            return measure
    raise UserError(f"evaluation.suites have no measure {name} for the curve to follow")


def _collect(
    config: ExperimentConfig,
    built: str,
    split: Stage,
    count: Stage,
    runs: list[dict[str, Any]],
    needs: list[Stage],
) -> Stage:
    left_out = [
        {"arm": arm, "reason": "not asked for at this scale"} for arm in ARMS if arm not in config.arms
    ]
    manifest = {
        "name": config.name,
        "shows": config.shows,
        "conclusive": config.conclusive,
        "model": config.model,
        "seeds": list(config.seeds),
        "curve": config.evaluation.curve,
        "commit": commit(),
        "built": built,
        "split": split.ref("split.json"),
        "counts": count.ref("counts.json"),
        "runs": runs,
        "stages": {stage.name: stage.ref() for stage in [*split.needs, split, *needs]},
        "skipped": left_out,
    }
    return Stage(
        kind="collect",
        name="collect",
        commands=[["{python}", "-m", "experiment.collect", "{here}/manifest.json", "--output", "{here}"]],
        product="report/index.html",
        code=["experiment/**/*", "builder/report/*"],
        files={"manifest.json": json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"},
        needs=[split, *needs],
    )


def commit() -> str | None:
    """The commit of this working tree, with a mark where it was changed since; None without git."""
    import subprocess

    def git(*arguments: str) -> str | None:
        found = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return found.stdout.strip() if found.returncode == 0 else None

    try:
        head = git("rev-parse", "--short=12", "HEAD")
        return head and head + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except OSError:
        return None


def _model_inputs(model: str) -> Any:
    """What tells one model from another under the same name: the sizes of its files, where it is a folder."""
    folder = Path(model)
    return _fingerprint(folder) if not model.startswith("{") and folder.is_dir() else model


def _fingerprint(folder: Path) -> str:
    """A hash of the names, sizes, first and last bytes of the files in ``folder``, or of that one file.

    Parquet ends with what describes all the rest, and weights begin with it; whole, they would take minutes.
    """
    found = hashlib.sha256()
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        size = path.stat().st_size
        found.update(f"{path.relative_to(folder).as_posix()} {size}\0".encode())
        with path.open("rb") as file:
            found.update(file.read(1 << 16))
            file.seek(max(0, size - (1 << 16)))
            found.update(file.read())
    return found.hexdigest()[:16]


def _yaml(options: dict[str, Any]) -> str:
    plain = json.loads(json.dumps(options))  # tuples are lists to YAML
    return yaml.safe_dump(plain, sort_keys=True, allow_unicode=True, width=110)
