"""The card says what was trained and how to do it again, and nothing of the machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from trl import ModelConfig

from trainer.attention import register_attention
from trainer.card import model_card
from trainer.cpt import CptArguments, make_parser
from trainer.loss import CptTrainer
from trainer.sources import open_stream, parse_sources

from .conftest import make_row, trajectory_row

ROOT = Path(__file__).resolve().parents[2]
WINDOW = 256

register_attention()


@pytest.fixture
def command(tmp_path) -> list[str]:
    from datasets import Dataset

    for name, rows in (
        ("trajectories", [trajectory_row(n) for n in (1, 2)]),
        ("text", [make_row([("code", "x = 1\n" * 9)])]),
    ):
        Dataset.from_list(rows).to_parquet(tmp_path / f"{name}.parquet")
    settings = yaml.safe_load((ROOT / "configs/cpt/smollm2_cpu.yaml").read_text())
    for name in ("max_rows", "max_steps", "dataset_name", "dataset_config"):
        del settings[name]
    settings |= {
        "model_name_or_path": "somebody/base-model",
        "output_dir": str(tmp_path / "my-model"),
        "max_length": WINDOW,
        "max_tokens": 700,
        "rope_theta": 8e6,
        "logging_steps": 1,
        "disable_tqdm": True,
        "hub_token": "hf_secret",
        "sources": {
            "trajectories": {
                "data_files": [str(tmp_path / "trajectories.parquet")],
                "weight": "0-50 %: 3, 50-100 %: 1",
            },
            "text": {"data_files": [str(tmp_path / "text.parquet")], "weight": 1},
        },
    }
    path = tmp_path / "cpt.yaml"
    path.write_text(yaml.safe_dump(settings))
    return ["--config", str(path)]


@pytest.fixture
def trained(command, tiny_model, tokenizer):
    """A run to the end of its budget as ``cpt.py`` makes it, and its arguments."""
    args, training_args, model_args = make_parser().parse_args_and_config(command)
    stream = open_stream(args, training_args, tokenizer, WINDOW)
    training_args.max_steps = stream.budget
    training_args.packing = True
    training_args.dataset_kwargs = {"skip_prepare_dataset": True}
    tiny_model.set_attn_implementation("per_document")
    trainer = CptTrainer(
        model=tiny_model,
        args=training_args,
        train_dataset=stream,
        processing_class=tokenizer,
        card=lambda trainer, name: model_card(trainer, args, model_args, name),
    )
    trainer.train()
    return trainer, args, model_args


def test_the_card_counts_what_was_trained(trained, tmp_path):
    trainer, args, _ = trained
    trainer.create_model_card()
    card = ModelCard.load(tmp_path / "my-model" / "README.md")
    assert card.data.base_model == "somebody/base-model"
    assert card.data.library_name == "transformers"
    counts = trainer.train_dataset.place(trainer.state.global_step).counts
    assert counts.tokens >= 700
    assert card.text.lstrip().startswith("# my-model")
    for row in (
        f"| tokens seen | {counts.tokens:,} in {counts.documents:,} documents |",
        f"| tokens with loss | {counts.trained:,} (",
        f"| window | {WINDOW} |",
        "| rotary base | 10000 |",  # of the model as it is, whatever was asked for
        "| attention | `per_document`;",
        "| trained | all weights |",
    ):
        assert row in card.text
    for name, tokens in zip(trainer.train_dataset.names, counts.by_source, strict=True):
        weight = args.sources[name]["weight"]
        share = f"{100 * tokens / counts.tokens:.1f} %"
        assert f"| {name} | `{name}.parquet` | – | – | – | {weight} | {tokens:,} | {share} |" in card.text


def test_the_card_names_no_path_and_no_token(trained, tmp_path):
    trainer, args, model_args = trained
    content = str(model_card(trainer, args, model_args))
    assert str(tmp_path) not in content
    assert "hf_secret" not in content


def test_the_options_on_the_card_are_those_of_the_run(trained, tmp_path, command):
    trainer, args, model_args = trained
    content = str(model_card(trainer, args, model_args))
    options = re.search(r"```yaml\n(.*?)```", content, re.DOTALL)[1]
    (tmp_path / "again.yaml").write_text(options)
    again = make_parser().parse_args_and_config(["--config", str(tmp_path / "again.yaml")])
    before = make_parser().parse_args_and_config(command)
    assert again[0].max_tokens == before[0].max_tokens
    assert again[0].rope_theta == before[0].rope_theta
    for name in ("max_steps", "learning_rate", "max_length", "seed", "bf16", "gradient_checkpointing"):
        assert getattr(again[1], name) == getattr(before[1], name)
    assert again[1].lr_scheduler_type == before[1].lr_scheduler_type
    assert again[2] == before[2]
    assert {name: source.weight for name, source in parse_sources(again[0].sources).items()} == {
        "trajectories": "0-50 %: 3, 50-100 %: 1",
        "text": 1,
    }


def test_datasets_on_the_hub_are_linked_with_their_revision(trained):
    trainer, args, _ = trained
    args = CptArguments(
        sources={
            "a": {"dataset_name": "user/rows", "dataset_config": "raw-repos", "revision": "abc123"},
            "b": {"dataset_name": "user/text", "plain_text": True},
        },
        max_tokens=700,
    )
    model_args = ModelConfig(model_name_or_path="/home/me/models/mine", use_peft=True, lora_r=8)
    card = model_card(trainer, args, model_args)
    assert card.data.datasets == ["user/rows", "user/text"]
    assert card.data.library_name == "peft"
    assert card.data.base_model is None
    assert (
        "| a | [user/rows](https://huggingface.co/datasets/user/rows) | raw-repos | train | abc123 |"
        in card.text
    )
    assert (
        "| b | [user/text](https://huggingface.co/datasets/user/text) | – | train | not pinned |" in card.text
    )
    assert "| trained | LoRA adapters of rank 8 |" in card.text
    assert "/home/me" not in str(card)
