"""The card of a trained model: what it was trained from, on what, how much, and how to do it again."""

from __future__ import annotations

from dataclasses import MISSING, fields
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from trainer.model import EMBEDDED
from trainer.sources import SourceOptions, parse_sources

TEMPLATE = Path(__file__).with_name("model_card.md")
# Options that say where a run was and who may publish it, and those that cpt.py itself sets.
_LEFT_OUT = {
    "output_dir",
    "logging_dir",
    "run_name",
    "project",
    "trackio_space_id",
    "resume_from_checkpoint",
    "dry_run",
    "dry_run_speed",
    "report_to",
    "push_to_hub",
    "hub_model_id",
    "hub_token",
    "hub_private_repo",
    "hub_revision",
    "hub_strategy",
    "hub_always_push",
    "model_init_kwargs",
    "packing",
    "packing_strategy",
    "dataset_kwargs",
    "ignore_data_skip",
    "disable_tqdm",
    "local_rank",
    "debug",
    "pad_to_multiple_of",
    "deepspeed_plugin",
    "distributed_state",
    "accelerator_config",
    "activation_checkpointing",
    "activation_checkpointing_kwargs",
}


def model_card(trainer: Any, args: Any, model_args: Any, model_name: str | None = None) -> ModelCard:
    """The card of ``trainer``'s model as it is now; ``args`` are ``CptArguments``, ``model_args`` TRL's.

    No path of this machine stands in it: what is local is named by its last part.
    """
    stream, training_args = trainer.train_dataset, trainer.args
    counts = stream.place(trainer.state.global_step).counts
    config = trainer.model.config.get_text_config()
    chosen = parse_sources(args.sources, args)
    sources = [
        _source(name, options, tokens)
        for (name, options), tokens in zip(chosen.items(), counts.by_source, strict=True)
    ]
    base = model_args.model_name_or_path
    lora_rank = model_args.lora_r if model_args.use_peft else None
    ids = sorted({options.dataset_name for options in chosen.values() if _on_hub(options.dataset_name)})
    data = ModelCardData(
        base_model=base if _on_hub(base) else None,
        datasets=ids or None,
        library_name="peft" if lora_rank else "transformers",
        pipeline_tag="text-generation",
        tags=["repo2agent", "continual-pre-training", "trl", "code"],
    )
    packages = [f"{name} {version(name)}" for name in ("transformers", "trl", "datasets", "torch")]
    return ModelCard.from_template(
        data,
        template_path=str(TEMPLATE),
        model_name=model_name or Path(training_args.output_dir).name,
        base=_base(base, config, model_args.model_revision),
        lora_rank=lora_rank,
        counts=counts,
        num_steps=trainer.state.global_step,
        rows_a_step=stream.rows_a_step,
        window=stream.window,
        theta=(getattr(config, "rope_parameters", None) or {}).get("rope_theta"),
        attention=config._attn_implementation,
        loss_roles=args.loss_roles,
        losses=_losses(trainer),
        sources=sources,
        num_ranks=training_args.world_size,
        options=_options(args, training_args, model_args, stream.budget),
        versions=", ".join(packages),
        number="{:,}".format,
    )


def _losses(trainer: Any) -> dict[str, float] | None:
    from trainer.loss import training_summary

    logged = any("loss" in entry for entry in trainer.state.log_history)
    return training_summary(trainer) if logged else None


def _on_hub(name: str | None) -> bool:
    if not name or "/" not in name or Path(name).exists():
        return False
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _public(name: str) -> str:
    """``name`` of a model or dataset, without the folders that lead to it on this machine."""
    return name if _on_hub(name) or name == EMBEDDED else Path(name).resolve().name


def _base(name: str, config: Any, revision: str | None) -> str:
    if name == EMBEDDED:
        return "The embedded model (SmolLM2-135M-Instruct)"
    commit = getattr(config, "_commit_hash", None) or revision
    return f"`{_public(name)}`" + (f" at `{commit}`" if _on_hub(name) and commit else "")


def _source(name: str, options: SourceOptions, tokens: int) -> dict[str, Any]:
    if options.data_files:
        dataset = ", ".join(f"`{Path(file).name}`" for file in options.data_files)
    elif _on_hub(options.dataset_name):
        dataset = f"[{options.dataset_name}](https://huggingface.co/datasets/{options.dataset_name})"
    else:
        dataset = f"`{_public(options.dataset_name)}` (local)"
    arm = None if options.data_files else options.dataset_config
    cells = {
        "name": name,
        "dataset": dataset,
        "arm": arm or "–",
        "split": "–" if options.data_files else options.split,
        "revision": options.revision or ("not pinned" if _on_hub(options.dataset_name) else "–"),
        "weight": options.weight,
    }
    return {key: str(cell).replace("|", "\\|") for key, cell in cells.items()} | {"tokens": tokens}


def _options(args: Any, training_args: Any, model_args: Any, budget: int) -> str:
    """What differs from the defaults, as YAML that ``--config`` reads."""
    options: dict[str, Any] = {}
    for group in (model_args, args, training_args):
        for option in fields(group):
            value = getattr(group, option.name, None)
            default = option.default if option.default_factory is MISSING else option.default_factory()
            value = value.value if isinstance(value, Enum) else value
            default = default.value if isinstance(default, Enum) else default
            if option.init and option.name not in _LEFT_OUT and value != default and _plain(value):
                options[option.name] = value
    if options.get("max_steps") == budget:  # set by cpt.py where the budget ends the run
        del options["max_steps"]
    for name in ("model_name_or_path", "dataset_name"):
        if name in options and options[name] != "./builder":
            options[name] = _public(options[name])
    if options.get("data_files"):
        options["data_files"] = [Path(file).name for file in options["data_files"]]
    if isinstance(options.get("sources"), dict):
        options["sources"] = {name: _portable(source) for name, source in options["sources"].items()}
    return yaml.safe_dump(options, sort_keys=False, allow_unicode=True).rstrip()


def _portable(source: dict[str, Any]) -> dict[str, Any]:
    portable = dict(source)
    if portable.get("data_files"):
        portable["data_files"] = [Path(file).name for file in portable["data_files"]]
    if portable.get("dataset_name", "./builder") != "./builder":
        portable["dataset_name"] = _public(portable["dataset_name"])
    return portable


def _plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    return value is None or isinstance(value, str | int | float)
