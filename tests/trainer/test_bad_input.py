"""A mistake is one line that says what to change, and comes before any weight is loaded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from accelerate.parallelism_config import ParallelismConfig
from datasets import Dataset

from builder import UserError
from trainer.checks import check_launch
from trainer.cpt import make_parser, run

from .conftest import TEXTS, byte_level_bpe, make_row, trajectory_row

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def options(tiny_model, tokenizer, tmp_path, monkeypatch) -> dict[str, object]:
    """Options of a run that would work; the test fails where it comes to loading weights."""
    tiny_model.config.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    Dataset.from_list([trajectory_row()]).to_parquet(tmp_path / "rows.parquet")
    monkeypatch.setattr("trainer.loss.CptTrainer.__init__", lambda *_, **__: pytest.fail("weights loaded"))
    return {
        "model_name_or_path": tmp_path / "model",
        "data_files": tmp_path / "rows.parquet",
        "output_dir": tmp_path / "out",
        "max_length": 256,
    }


def mistake(options: dict[str, object]) -> str:
    """The line that the command prints."""
    command = ["--config", str(ROOT / "configs/cpt/smollm2_cpu.yaml")]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["cpt.py", *command])
        with pytest.raises(SystemExit) as raised:
            run()
    line = str(raised.value.code)
    assert line.startswith("error: ")
    assert "\n" not in line
    return line


def test_without_a_mistake_the_model_is_what_comes_next(options):
    with pytest.raises(pytest.fail.Exception, match="weights loaded"):
        mistake(options)


def test_rows_without_spans(options, tmp_path):
    Dataset.from_dict({"text": ["plain"]}).to_parquet(tmp_path / "plain.parquet")
    line = mistake(options | {"data_files": tmp_path / "plain.parquet"})
    assert "no column spans" in line
    assert "plain_text: true" in line


def test_rows_that_are_all_masked(options, tmp_path):
    Dataset.from_list([make_row([("observation", TEXTS["code"])])]).to_parquet(tmp_path / "silent.parquet")
    assert "none of the 1 rows carries any loss" in mistake(
        options | {"data_files": tmp_path / "silent.parquet"}
    )
    assert "no span has a role of summary" in mistake(options | {"loss_roles": "summary"})


def test_a_window_beyond_the_models(options):
    line = mistake(options | {"max_length": 4096})
    assert "made for 512 positions; set `rope_theta` as well, or lower `max_length`" in line


@pytest.mark.parametrize("streaming", ["false", "true"])
def test_a_tokenizer_without_eos(streaming, options, tmp_path):
    tokenizer = byte_level_bpe()
    tokenizer.eos_token = None
    tokenizer.save_pretrained(tmp_path / "model")
    source = f'{{"a": {{"data_files": ["{options.pop("data_files")}"], "streaming": {streaming}}}}}'
    assert "has no EOS token" in mistake(options | {"sources": source})


def test_sources_that_cannot_be_read(options):
    assert "`data_files` stand beside `sources`" in mistake(options | {"sources": '{"a": {}}'})
    options.pop("data_files")
    assert "source a is empty" in mistake(options | {"sources": '{"a": null}'})
    assert "`sources` is no JSON" in mistake(options | {"sources": "{a}"})


def test_a_checkpoint_that_is_not_there(options, tmp_path):
    line = mistake(options | {"resume_from_checkpoint": tmp_path / "checkpoint-3"})
    assert "is no complete checkpoint" in line


@pytest.mark.parametrize(
    "environment, line",
    [
        (
            {"PARALLELISM_CONFIG_CP_SIZE": "2"},
            r"context parallelism \(cp_size: 2\) drops the boundaries of packed",
        ),
        ({"PARALLELISM_CONFIG_SP_SIZE": "4"}, r"sequence parallelism \(sp_size: 4\)"),
        ({"PARALLELISM_CONFIG_TP_SIZE": "2"}, "set tp_size: 1"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "1"}, "LoRA with FSDP 1"),
        (
            {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_CPU_RAM_EFFICIENT_LOADING": "true"},
            "LoRA with fsdp_cpu_ram_efficient_loading",
        ),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}, "a quantised model cannot be sharded"),
    ],
)
def test_launches_that_would_train_something_else(environment, line):
    command = ["--config", str(ROOT / "configs/cpt/smollm2_cpu.yaml"), "--use_peft", "--load_in_4bit"]
    _, training_args, model_args = make_parser().parse_args_and_config(command)
    check_launch(training_args, model_args, {})
    with pytest.raises(UserError, match=line) as raised:
        check_launch(training_args, model_args, environment)
    assert "\n" not in str(raised.value)


def test_context_parallelism_in_the_training_configuration(options):
    _, training_args, model_args = make_parser().parse_args_and_config(
        ["--config", str(ROOT / "configs/cpt/smollm2_cpu.yaml")]
    )
    training_args.parallelism_config = ParallelismConfig(cp_size=2)
    with pytest.raises(UserError, match="context parallelism"):
        check_launch(training_args, model_args, {})


def test_workers_that_would_lose_the_place_in_the_data(options):
    assert "set it to 0" in mistake(options | {"dataloader_num_workers": 2})
