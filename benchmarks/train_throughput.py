"""
Speed and memory of training at 64k tokens, beside plain transformers, and without each part in turn:
    python benchmarks/train_throughput.py --output table.md
    python benchmarks/train_throughput.py --only 'all.*packed' --without compile --steps 3

On a CUDA GPU: random weights of Llama-3-8B's exact shape, (all) all weights trained with AdamW on fp32
masters, as many layers as fit, and (lora) all 32 layers with the adapters of
configs/cpt/llama3_8b_64k_lora_1gpu.yaml; rows packed from documents of the paper's lengths, and rows of one
full document. Without a GPU: the same matrix on a model of some 100,000 weights, which shows that it runs and
says nothing of speed.

Rows, packing, attention, loss and loop are those of ``trainer/cpt.py``; all tokens carry loss, which is the
dearest case of the head. MFU is that of ``trainer/flops.py``. The peer is transformers' ``Trainer`` with
sdpa, checkpointing and full logits, on one document a row, at the largest halving of the window that fits.
Each experiment runs in a process of its own, which may run out of memory or time and cost its line alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

PARTS = ("varlen", "chunked loss", "checkpointing", "compile")
# Tokens: the paper's mean and window, and the spread of benchmarks/packing.py.
MEAN, SIGMA, WINDOW = 12_083, 1.0, 65_536
OUT_OF_MEMORY = "out of memory"


@dataclass(frozen=True)
class Shape:
    """A model and a window."""

    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    vocab_size: int
    window: int
    lora_rank: int
    compile_backend: str = "inductor"


LLAMA_3_8B = Shape(4096, 14_336, 32, 32, 8, 128_256, WINDOW, 64)
# Nothing is compiled to machine code here, which would take minutes; only traced.
MINIATURE = Shape(64, 128, 2, 4, 2, 512, 1024, 4, "aot_eager")


@dataclass(frozen=True)
class Experiment:
    """One line of the table."""

    trained: str  # all or lora
    documents: str  # packed or full
    without: tuple[str, ...] = ()  # of PARTS
    is_whole: bool = False  # what the others of its kind are compared with
    peer: bool = False

    @property
    def name(self) -> str:
        if self.peer:
            return f"{self.trained}, {self.documents}, plain transformers"
        return ", ".join([self.trained, self.documents, *(f"without {part}" for part in self.without)])


def matrix(without: tuple[str, ...] = ()) -> list[Experiment]:
    """Every experiment, the whole before its parts; ``without`` are parts that none has."""
    experiments = []
    for trained in ("all", "lora"):
        for documents in ("full", "packed"):
            whole = Experiment(trained, documents, without, is_whole=True)
            off = [Experiment(trained, documents, (*without, part)) for part in PARTS if part not in without]
            experiments += [whole, *off]
        experiments.append(Experiment(trained, "full", peer=True))
    return experiments


def model_config(shape: Shape) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_kv_heads,
        max_position_embeddings=shape.window,
        rope_parameters={"rope_type": "default", "rope_theta": 8e6},
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
        use_cache=False,
    )


def document_lengths(documents: str, window: int, num_rows: int) -> list[int]:
    """Lengths of documents for at least ``num_rows`` rows; for another window than 64k, in proportion."""
    import numpy as np

    if documents == "full":
        return [window] * num_rows
    draw = np.random.default_rng(0).lognormal(
        np.log(MEAN * window / WINDOW) - SIGMA**2 / 2, SIGMA, 16 * num_rows
    )
    return draw.clip(8, window).astype(int).tolist()


def make_documents(lengths: list[int], vocab_size: int) -> Any:
    """Documents of random ids, all of them with loss, as ``tokenize_rows`` returns them."""
    import numpy as np
    from datasets import Dataset

    draw = np.random.default_rng(0)
    ids = [draw.integers(1, vocab_size, length).astype(np.int32) for length in lengths]
    return Dataset.from_dict({"input_ids": ids, "labels": ids, "length": lengths})


def make_trainer(experiment: Experiment, shape: Shape, num_steps: int, directory: str) -> Any:
    """The trainer of ``experiment`` as ``cpt.py`` makes it, or the peer's."""
    import torch
    from peft import LoraConfig, get_peft_model
    from tokenizers import Tokenizer, models
    from transformers import (
        AutoModelForCausalLM,
        PreTrainedTokenizerFast,
        Trainer,
        TrainingArguments,
        default_data_collator,
    )
    from trl import SFTConfig

    from trainer.attention import choose_attention, register_attention
    from trainer.loss import CptTrainer
    from trainer.mixture import Mixture, StoredDocuments, Weight
    from trainer.stream import PackedStream

    class FullLogits(CptTrainer):
        """The loss of transformers itself, of all logits at once."""

        compute_loss = Trainer.compute_loss

    device = "cuda" if torch.cuda.is_available() else "cpu"
    on = {part: part not in experiment.without for part in PARTS}
    lora = experiment.trained == "lora"
    register_attention()
    attention = choose_attention("auto", shape.window, device, half=device == "cuda")
    if experiment.peer:
        attention = "sdpa"
    elif not on["varlen"]:
        # What else keeps documents apart: a call for each of them, or where that is the rule, a dense mask.
        attention = "per_document" if device == "cuda" else "sdpa"
    dtype = torch.bfloat16 if lora and device == "cuda" else torch.float32
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(
            model_config(shape), dtype=dtype, attn_implementation=attention
        )
    adapters = LoraConfig(
        r=shape.lora_rank,
        lora_alpha=2 * shape.lora_rank,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    options: dict[str, Any] = {
        "output_dir": directory,
        "max_steps": num_steps,
        "per_device_train_batch_size": 1,
        "optim": "adamw_torch_fused",
        "learning_rate": 1e-5,
        "bf16": device == "cuda",
        "use_cpu": device == "cpu",
        "gradient_checkpointing": experiment.peer or on["checkpointing"],
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": 0,
    }
    documents = make_documents(
        document_lengths(experiment.documents, shape.window, num_steps + 1), shape.vocab_size
    )
    if experiment.peer:
        if lora:
            model = get_peft_model(model, adapters)
            model.enable_input_require_grads()
        rows = documents.select_columns(["input_ids", "labels"])
        args = TrainingArguments(**options)
        return Trainer(model=model, args=args, train_dataset=rows, data_collator=default_data_collator)
    if on["compile"]:
        options |= {"torch_compile": True, "torch_compile_backend": shape.compile_backend}
    stream = PackedStream(
        Mixture([StoredDocuments("documents", documents, seed=0)], [Weight.parse(1)]),
        shape.window,
        (num_steps + 1) * shape.window,
    )
    return (CptTrainer if on["chunked loss"] else FullLogits)(
        model=model,
        args=SFTConfig(
            **options,
            max_length=shape.window,
            packing=True,
            packing_strategy="bfd",
            dataset_kwargs={"skip_prepare_dataset": True},
        ),
        train_dataset=stream,
        processing_class=PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer(models.WordLevel({"<eos>": 0}, unk_token="<eos>")),
            eos_token="<eos>",
            pad_token="<eos>",
        ),
        peft_config=adapters if lora else None,
    )


def measure(experiment: Experiment, shape: Shape, num_warmup: int, num_steps: int) -> dict[str, float | None]:
    """Tokens a second over ``num_steps`` steps after ``num_warmup``, the share of the peak, the memory."""
    import torch
    from transformers import TrainerCallback

    from trainer.flops import attention_flops, peak_flops, weight_flops

    cuda = torch.cuda.is_available()

    class Clock(TrainerCallback):
        def __init__(self, trainer: Any):
            self.trainer = trainer
            self.marks: dict[int, tuple[float, int, int]] = {}  # step -> seconds, tokens, squared lengths

        def on_step_end(self, _args: Any, state: Any, *_: Any, **__: Any) -> None:
            if cuda:
                torch.cuda.synchronize()
            step = state.global_step
            tokens, squares = step * shape.window, step * shape.window**2
            if not experiment.peer:
                counts = self.trainer.train_dataset.place(step).counts
                tokens, squares = counts.tokens, counts.squares
            self.marks[step] = time.perf_counter(), tokens, squares

    with tempfile.TemporaryDirectory() as directory:
        trainer = make_trainer(experiment, shape, num_warmup + num_steps, directory)
        flops = weight_flops(trainer.model), attention_flops(trainer.model)
        clock = Clock(trainer)
        trainer.add_callback(clock)
        trainer.train()
    seconds, tokens, squares = (
        after - before
        for before, after in zip(clock.marks[num_warmup], clock.marks[num_warmup + num_steps], strict=True)
    )
    peak = peak_flops(torch.cuda.get_device_name()) if cuda else None
    return {
        "tokens_per_second": tokens / seconds,
        "mfu": (tokens * flops[0] + squares * flops[1]) / seconds / peak if peak else None,
        "peak_memory_gib": torch.cuda.max_memory_allocated() / 2**30
        if cuda
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def run_apart(
    experiment: Experiment, shape: Shape, num_warmup: int, num_steps: int, timeout: float
) -> dict[str, Any]:
    """What ``measure`` finds in a process of its own; ``failure`` says why it found nothing."""
    task = {"experiment": asdict(experiment), "shape": asdict(shape), "steps": [num_warmup, num_steps]}
    command = [sys.executable, str(Path(__file__).resolve()), "--one", json.dumps(task)]
    environment = {"PYTORCH_ALLOC_CONF": "expandable_segments:True", **os.environ}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)
    except subprocess.TimeoutExpired:
        return {"failure": f"over {timeout:g} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode == 0:
        return json.loads(lines[-1])
    print(done.stderr[-3000:], file=sys.stderr)
    if done.returncode < 0:
        return {"failure": f"killed by signal {-done.returncode}"}
    return {"failure": (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1][:120]}


def run_one(task: dict[str, Any]) -> None:
    """In the process of one experiment: print what it found as a line of JSON."""
    import torch

    options = task["experiment"]
    experiment = Experiment(**{**options, "without": tuple(options["without"])})
    try:
        result: dict[str, Any] = dict(measure(experiment, Shape(**task["shape"]), *task["steps"]))
    except torch.OutOfMemoryError:
        result = {"failure": OUT_OF_MEMORY}
    print(json.dumps(result))


def layers_that_fit(shape: Shape, memory: int) -> int:
    """How many layers may be trained whole in ``memory`` bytes, by the estimate of ``--dry_run``."""
    from trainer.dry_run import GIB, memory_estimate, model_without_weights

    for num_layers in range(shape.num_layers, 1, -1):
        model = model_without_weights(model_config(replace(shape, num_layers=num_layers)))
        needed = memory_estimate(model, "float32", shape.window, 1, checkpointing=True, sharded=False)
        # The rest is for what the estimate leaves out: 16-bit copies, tiles of logits, fragmentation.
        if sum(needed.values()) * GIB < 0.85 * memory:
            return num_layers
    return 1


def table(results: list[tuple[Experiment, Shape, dict[str, Any]]]) -> str:
    """The results as Markdown; the last column is the speed as a share of that of all parts together."""
    lines = [
        "| trained | documents | | layers | window | tokens/s | MFU | peak GiB | of all parts |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    whole: dict[tuple[str, str], float] = {}
    for experiment, shape, result in results:
        what = experiment.name.split(", ", 2)[2:] or ["all parts"]
        cells = [
            experiment.trained,
            experiment.documents,
            what[0],
            str(shape.num_layers),
            f"{shape.window:,}",
        ]
        if "failure" in result:
            cells += [result["failure"].replace("|", "/"), "–", "–", "–"]
        else:
            speed, mfu = result["tokens_per_second"], result["mfu"]
            if experiment.is_whole:
                whole[experiment.trained, experiment.documents] = speed
            base = whole.get((experiment.trained, experiment.documents))
            cells += [
                f"{speed:,.0f}",
                "–" if mfu is None else f"{100 * mfu:.1f} %",
                f"{result['peak_memory_gib']:.1f}",
                f"{speed / base:.2f}" if base else "–",
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def describe(num_warmup: int, num_steps: int) -> str:
    """Where and of what this was measured, in one line."""
    import torch
    import transformers

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU ({platform.machine()})"
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    return (
        f"{device}, torch {torch.__version__}, transformers {transformers.__version__}, commit {commit}, "
        f"{num_steps} steps after {num_warmup}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="a regular expression of names, such as 'lora, packed'")
    parser.add_argument(
        "--without", action="append", default=[], choices=PARTS, help="a part that is off everywhere"
    )
    parser.add_argument("--warmup", type=int, default=3, help="steps before the clock runs")
    parser.add_argument("--steps", type=int, default=4, help="steps by the clock")
    parser.add_argument("--layers", type=int, help="with all weights trained; otherwise as many as fit")
    parser.add_argument(
        "--window", type=int, help="tokens of a row, instead of 65,536 (without a GPU: 1,024)"
    )
    parser.add_argument("--timeout", type=float, default=600, help="seconds for each experiment")
    parser.add_argument("--output", type=Path, help="write the table there too, after each experiment")
    parser.add_argument("--list", action="store_true", help="print the names and measure nothing")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(json.loads(args.one))
        return
    experiments = [found for found in matrix(tuple(args.without)) if re.search(args.only, found.name)]
    if not experiments:
        parser.error(f"--only {args.only!r} names none of the experiments that --list shows")
    if args.list:
        print(*(found.name for found in experiments), sep="\n")
        return

    import torch

    cuda = torch.cuda.is_available()
    shape = LLAMA_3_8B if cuda else MINIATURE
    shape = replace(shape, window=args.window or shape.window)
    num_layers = args.layers or shape.num_layers
    if cuda and not args.layers:
        num_layers = layers_that_fit(shape, torch.cuda.get_device_properties(0).total_memory)
    title = describe(args.warmup, args.steps)
    print(title, flush=True)
    results: list[tuple[Experiment, Shape, dict[str, Any]]] = []
    for experiment in experiments:
        tried = replace(shape, num_layers=num_layers) if experiment.trained == "all" else shape
        while True:
            result = run_apart(experiment, tried, args.warmup, args.steps, args.timeout)
            if result.get("failure") != OUT_OF_MEMORY:
                break
            if experiment.peer and tried.window > 1024:
                tried = replace(tried, window=tried.window // 2)
            elif experiment.is_whole and experiment.trained == "all" and num_layers > 1 and not args.layers:
                num_layers -= 1
                tried = replace(tried, num_layers=num_layers)
            else:
                break
        results.append((experiment, tried, result))
        print(f"{experiment.name}: {json.dumps(result)}", flush=True)
        if args.output:
            args.output.parent.mkdir(parents=True, exist_ok=True)
            args.output.write_text(f"{title}\n\n{table(results)}")
    print(table(results))


if __name__ == "__main__":
    main()
