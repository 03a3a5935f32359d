"""
Continual pre-training on trajectories.

The miniature, on two CPU cores in about a minute and a half, with the embedded model:
    accelerate launch trainer/cpt.py --config configs/cpt/smollm2_cpu.yaml

What the paper's run would be, without weights or GPUs:
    python trainer/cpt.py --config configs/cpt/llama3_8b_64k.yaml --dry_run 8

On rows built elsewhere, with any option overridden:
    accelerate launch trainer/cpt.py --config configs/cpt/smollm2_cpu.yaml \\
        --data_files runs/demo/*.parquet --max_steps 4 --output_dir runs/short

The paper's run, on 8 GPUs:
    accelerate launch --config_file configs/accelerate/fsdp2_8gpu.yaml trainer/cpt.py \\
        --config configs/cpt/llama3_8b_64k.yaml

Stopped, by SIGTERM or worse, a run goes on exactly where its last checkpoint was: with
    --resume_from_checkpoint last

Options are those of `CptArguments` below, TRL's `ModelConfig` (LoRA with `--use_peft`) and TRL's
`SFTConfig`, that is, all of transformers' `TrainingArguments`; `max_length` is the window.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Read when torch is loaded. Threads that wait by spinning halve the speed of a CPU that others use too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "20000")


@dataclass
class CptArguments:
    """What to train on. Rows come from ``dataset_name``, or from parquet files where those are given."""

    dataset_name: str = field(
        default="./builder",
        metadata={"help": "Path or Hub id, as `load_dataset` takes it. With `sources`: to evaluate on."},
    )
    dataset_config: str | None = field(
        default="repo2agent-search", metadata={"help": "Arm: raw-repos, repo2agent or repo2agent-search."}
    )
    dataset_train_split: str = field(default="train", metadata={"help": "Split to train on."})
    dataset_test_split: str = field(
        default="validation", metadata={"help": "Split to evaluate on, with `eval_strategy`."}
    )
    data_files: list[str] | None = field(
        default=None, metadata={"help": "Parquet files of rows, globs too; instead of `dataset_name`."}
    )
    loss_roles: list[str] | None = field(
        default=None, metadata={"help": "Roles that carry loss; unset: what the rows themselves mark."}
    )
    renderer: str | None = field(
        default=None,
        metadata={"help": "Form of the documents: tagged, chat, raw or spec-only; unset: as the rows are."},
    )
    sources: dict[str, Any] | str | None = field(
        default=None,
        metadata={
            "help": "Several datasets to mix, instead of `dataset_name`: name -> options of "
            "`trainer.sources.SourceOptions`, among them a weight, which may change along the run: "
            "'0-80 %%: 30, 80-100 %%: 10'. Weights are in tokens."
        },
    )
    max_tokens: int | None = field(
        default=None, metadata={"help": "Stop with the step in which so many tokens have been seen."}
    )
    exact_tokens: bool = field(
        default=False, metadata={"help": "Cut the last step so that `max_tokens` are seen and no more."}
    )
    max_rows: int | None = field(
        default=None, metadata={"help": "Train on the first so many packed rows only, for a trial."}
    )
    rope_theta: float | None = field(
        default=None, metadata={"help": "Base of the rotary embedding, to go beyond the model's window."}
    )
    dry_run: int | None = field(
        default=None,
        metadata={"help": "Load no weights: say what the run would be on so many GPUs, sharded if several."},
    )
    dry_run_speed: float = field(
        default=2770.0, metadata={"help": "Tokens/s and GPU to reckon with; ProLong's, 8B at 64k on H100."}
    )

    def __post_init__(self) -> None:
        if isinstance(self.sources, str):  # from the command line
            try:
                self.sources = json.loads(self.sources)
            except ValueError as error:
                raise ValueError(f"`sources` is no JSON: {error}") from None


def make_parser() -> Any:
    from trl import ModelConfig, SFTConfig, TrlParser

    dataclass_types: list[Any] = [CptArguments, SFTConfig, ModelConfig]
    return TrlParser(dataclass_types)


def main(args: CptArguments, training_args: Any, model_args: Any) -> None:
    from trl import get_peft_config, get_quantization_config

    from builder import UserError
    from trainer.attention import choose_attention, register_attention
    from trainer.card import model_card
    from trainer.checkpoint import find_checkpoint
    from trainer.checks import check_launch
    from trainer.dry_run import model_without_weights, report
    from trainer.loss import CptTrainer, training_summary
    from trainer.model import check_rope, load_config_and_tokenizer, model_path, window_kwargs
    from trainer.sources import open_evaluation, open_stream

    # Documents
    check_launch(training_args, model_args)
    window = training_args.max_length
    if window is None:
        raise UserError("`max_length` is the window and must be set")
    path = model_path(model_args.model_name_or_path)
    hub = {"revision": model_args.model_revision, "trust_remote_code": training_args.trust_remote_code}
    model_config, tokenizer = load_config_and_tokenizer(path, **hub)
    window_options = window_kwargs(model_config, window, args.rope_theta)
    # One process works, the others read its cache.
    with training_args.main_process_first(desc="tokenizing and packing"):
        stream = open_stream(args, training_args, tokenizer, window)
        evaluated = open_evaluation(args, training_args, tokenizer, window)
    if args.dry_run is not None:
        lines = report(
            model_without_weights(model_config, get_peft_config(model_args)),
            stream,
            training_args,
            dtype=model_args.dtype,
            num_gpus=args.dry_run,
            sharded=args.dry_run > 1 and not model_args.use_peft,
            speed=args.dry_run_speed,
        )
        print(lines)
        return
    if training_args.max_steps <= 0:
        training_args.max_steps = stream.budget  # more than there can be: the budget ends the run
    checkpoint = find_checkpoint(training_args.resume_from_checkpoint, training_args.output_dir)
    if checkpoint is not None:
        stream.load(checkpoint, training_args.max_steps)

    # Model
    register_attention()
    training_args.model_init_kwargs = {
        **hub,
        **window_options,
        **(training_args.model_init_kwargs or {}),
        "dtype": model_args.dtype,
        "device_map": None,  # TRL's default spreads the model over every visible GPU, under FSDP too
        "attn_implementation": choose_attention(
            model_args.attn_implementation or "auto",
            window,
            training_args.device.type,
            half=training_args.bf16 or training_args.fp16 or model_args.dtype in ("bfloat16", "float16"),
        ),
    }

    # Trainer. Rows are packed already; `packing` tells TRL to hand over the documents' boundaries.
    training_args.packing = True
    training_args.packing_strategy = "bfd"
    training_args.dataset_kwargs = {"skip_prepare_dataset": True}
    trainer = CptTrainer(
        model=path,
        args=training_args,
        train_dataset=stream,
        eval_dataset=evaluated,
        processing_class=tokenizer,
        quantization_config=get_quantization_config(model_args),
        peft_config=get_peft_config(model_args),
        card=lambda trainer, name: model_card(trainer, args, model_args, name),
    )
    if args.rope_theta is not None:
        check_rope(trainer.model, args.rope_theta)

    # Train
    trainer.train(resume_from_checkpoint=checkpoint)
    if trainer.run_control.interrupted:
        trainer.accelerator.print(
            f"interrupted after step {trainer.state.global_step}; go on with --resume_from_checkpoint last"
        )
        sys.exit(128 + signal.SIGTERM)

    # Save
    if trainer.is_fsdp_enabled:
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    trainer.save_model(training_args.output_dir)
    trainer.create_model_card()
    if trainer.is_world_process_zero():
        summary = json.dumps(training_summary(trainer), indent=2)
        Path(training_args.output_dir, "metrics.json").write_text(summary + "\n")
    trainer.accelerator.print(f"model, card and metrics.json saved to {training_args.output_dir}")

    # Push
    if training_args.push_to_hub:
        trainer.accelerator.print(f"pushed to {trainer.push_to_hub()}")
    # The launcher ends all ranks when one fails, which must not happen to the one that is still saving.
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()


def run() -> None:
    """Parse the command line and train; a user's mistake is one line and exit status 1."""
    from builder import UserError
    from trainer.model import use_all_cores

    logging.basicConfig(format="%(message)s")
    # TRL sets it by its old name whatever is given; older transformers have no other.
    warnings.filterwarnings("ignore", "`(is_)?gradient_checkpointing` is deprecated", FutureWarning)
    try:
        try:
            args, training_args, model_args = make_parser().parse_args_and_config()
        except (OSError, ValueError) as error:
            raise UserError(str(error)) from None
        if training_args.process_index == 0:
            logging.getLogger("trainer").setLevel(logging.INFO)
        if training_args.device.type == "cpu":
            use_all_cores()  # `accelerate launch` leaves each process one thread
        main(args, training_args, model_args)
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    # A script's own folder comes first on the path, where `evaluate.py` and its like would hide packages
    # of the same name; the project's root belongs there instead.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    run()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        # All is saved. A thread of gloo that is still there when the interpreter takes itself down aborts the
        # process now and then ("terminate called without an active exception"): it goes without that.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
