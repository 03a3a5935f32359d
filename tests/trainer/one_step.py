"""One optimizer step of the real training loop in float64, on any number of ranks; keeps its gradient.

    python -m torch.distributed.run --nproc_per_node 2 -m tests.trainer.one_step 1 2 gradient.pt

The arguments are rows a rank, accumulated batches, and the file to write. Also kept is the evaluation loss on
the same rows before the step.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import SFTConfig

from trainer.attention import register_attention
from trainer.documents import tokenize_rows
from trainer.loss import CptTrainer
from trainer.mixture import Mixture, StoredDocuments, Weight
from trainer.packing import pack
from trainer.stream import PackedStream

from .conftest import byte_level_bpe, make_row, random_llama


class KeepGradient(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model, **kwargs):
        self.gradient = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def one_step(
    batch_size: int, accumulation: int, directory: Path, eval_batch_size: int = 1
) -> tuple[torch.Tensor, float]:
    """The gradient over four packed rows that differ in documents, lengths and masks; the loss before it."""
    register_attention()
    tokenizer = byte_level_bpe()
    rows = [
        make_row([("observation", "x = 1\n" * n), ("code", "y = 2\n" * (12 - 2 * n))]) for n in range(1, 6)
    ]
    documents = tokenize_rows(Dataset.from_list(rows), tokenizer, 256)
    stream = PackedStream(
        Mixture([StoredDocuments("rows", documents, seed=0)], [Weight.parse(1)]),
        window=98,  # documents of 67, 61, 55, 49 and 43 tokens: four rows, whatever their order
        budget=4 * 98,
        batch_size=batch_size,
        accumulation=accumulation,
        rank=int(os.environ.get("RANK", "0")),
        num_ranks=int(os.environ.get("WORLD_SIZE", "1")),
    )
    model = random_llama(tokenizer).double()
    model.set_attn_implementation("per_document")
    keep = KeepGradient()
    trainer = CptTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(directory),
            max_length=98,
            packing=True,
            dataset_kwargs={"skip_prepare_dataset": True},
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            max_steps=1,
            max_grad_norm=0.0,
            per_device_train_batch_size=batch_size,
            per_device_eval_batch_size=eval_batch_size,
            gradient_accumulation_steps=accumulation,
        ),
        train_dataset=stream,
        eval_dataset=pack(documents, 98),
        processing_class=tokenizer,
        callbacks=[keep],
    )
    loss = trainer.evaluate()["eval_loss"]
    trainer.train()
    return keep.gradient, loss


if __name__ == "__main__":
    batch_size, accumulation, path = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    result = one_step(batch_size, accumulation, path.parent)
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        torch.save(result, path)
