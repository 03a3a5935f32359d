"""What reaches the loss: documents apart, masked tokens without effect, the mean over trained tokens.

All of it on the path that ``cpt.py`` takes: rows tokenised, packed, collated by TRL, through the registered
attention.
"""

from __future__ import annotations

import functools
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    ProgressCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
)
from trl import SFTConfig

from builder import UserError, encode
from trainer import attention
from trainer.attention import choose_attention, register_attention
from trainer.documents import IGNORED, ROLES, tokenize_rows
from trainer.loss import CptTrainer
from trainer.mixture import Mixture, StoredDocuments, Weight
from trainer.model import check_rope, window_kwargs
from trainer.packing import pack
from trainer.stream import PackedStream
from trainer.validation import RankShare

from .conftest import make_row, trajectory_row
from .one_step import one_step

ROOT = Path(__file__).resolve().parents[2]
WINDOW = 256

register_attention()


def make_trainer(model, tokenizer, packed, tmp_path, **options) -> CptTrainer:
    """The trainer as ``cpt.py`` makes it, on a CPU, in the model's own precision."""
    args = SFTConfig(
        output_dir=str(tmp_path),
        max_length=WINDOW,
        packing=True,
        dataset_kwargs={"skip_prepare_dataset": True},
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        per_device_train_batch_size=1,
        save_strategy="no",
        **{"disable_tqdm": True, **options},
    )
    return CptTrainer(model=model, args=args, train_dataset=packed, processing_class=tokenizer)


def documents_of(tokenizer, *num_files: int) -> Dataset:
    return tokenize_rows(Dataset.from_list([trajectory_row(n) for n in num_files]), tokenizer, WINDOW)


def collate(trainer: CptTrainer, rows: list[dict]) -> dict[str, torch.Tensor]:
    return trainer.data_collator(rows)


def gradient(trainer: CptTrainer, batches: list[dict]) -> torch.Tensor:
    """The gradient of one optimizer step over ``batches``, as the trainer accumulates it."""
    model = trainer.model
    model.zero_grad()
    trainer.current_gradient_accumulation_steps = len(batches)
    num_items = trainer._get_num_items_in_batch(batches, torch.device("cpu"))
    for batch in batches:
        trainer.compute_loss(model, dict(batch), num_items_in_batch=num_items).backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def relative_error(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return ((actual - expected).norm() / expected.norm()).item()


@pytest.fixture(params=["per_document", "varlen", "sdpa", "eager"])
def attentive_model(request, tiny_model, monkeypatch):
    """The tiny model with each attention; ``varlen`` with a stand-in for the CUDA kernel."""
    monkeypatch.setattr(attention, "_varlen_kernel", lambda: _varlen_reference)
    tiny_model.set_attn_implementation(request.param)
    return tiny_model.double()


def _varlen_reference(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, window_size, scale, enable_gqa):
    assert (cu_seq_q is cu_seq_k, window_size, enable_gqa) == (True, (-1, 0), True)
    assert max_q == max_k == cu_seq_q.diff().max()
    sdpa = functools.partial(
        torch.nn.functional.scaled_dot_product_attention, is_causal=True, scale=scale, enable_gqa=True
    )
    outputs = []
    for start, end in itertools.pairwise(cu_seq_q.tolist()):
        states = [states[start:end].transpose(0, 1)[None] for states in (query, key, value)]  # [1, H, T, D]
        outputs.append(sdpa(*states)[0].transpose(0, 1))
    return torch.cat(outputs)


def test_changing_document_1_leaves_later_documents_untouched(attentive_model, tokenizer, tmp_path):
    packed = pack(documents_of(tokenizer, 1, 1, 1), 3 * WINDOW)
    trainer = make_trainer(attentive_model, tokenizer, packed, tmp_path)
    batch = collate(trainer, list(packed))
    first = packed[0]["seq_lengths"][0]
    changed = dict(batch, input_ids=batch["input_ids"].clone())
    changed["input_ids"][0, :first] = changed["input_ids"][0, :first].flip(0)

    inputs = [{name: value for name, value in some.items() if name != "labels"} for some in (batch, changed)]
    with torch.no_grad():
        before, after = (attentive_model.eval()(**some).logits for some in inputs)
    assert len(packed[0]["seq_lengths"]) == 3
    assert not torch.equal(before[:, :first], after[:, :first])
    assert torch.equal(before[:, first:], after[:, first:])


def test_packed_gradient_is_that_of_documents_one_at_a_time(attentive_model, tokenizer, tmp_path):
    documents = documents_of(tokenizer, 1, 2, 1)
    packed = pack(documents, 3 * WINDOW)
    assert (len(documents), len(packed)) == (3, 1)
    trainer = make_trainer(attentive_model, tokenizer, packed, tmp_path)
    together = gradient(trainer, [collate(trainer, [row]) for row in packed])
    singles = [{"input_ids": row["input_ids"], "labels": row["labels"]} for row in documents]
    apart = gradient(trainer, [collate(trainer, [row]) for row in singles])
    assert relative_error(together, apart) < 1e-6


def test_packed_loss_is_the_token_mean(tiny_model, tokenizer, tmp_path):
    documents = documents_of(tokenizer, 1, 2, 1)
    packed = pack(documents, 3 * WINDOW)
    trainer = make_trainer(tiny_model.double(), tokenizer, packed, tmp_path)
    total, count = 0.0, 0
    for row in documents:
        ids, labels = torch.tensor([row["input_ids"]]), torch.tensor(row["labels"])
        with torch.no_grad():
            log_probs = tiny_model(ids).logits[0, :-1].log_softmax(-1)
        trained = labels[1:] != IGNORED
        total -= log_probs[trained, labels[1:][trained]].sum().item()
        count += int(trained.sum())
    loss = trainer.compute_loss(tiny_model, collate(trainer, list(packed)))
    assert loss.item() == pytest.approx(total / count, rel=1e-6)


def test_evaluation_sees_documents_apart_too(tiny_model, tokenizer, tmp_path):
    packed = pack(documents_of(tokenizer, 1, 2, 1), 3 * WINDOW)
    trainer = make_trainer(tiny_model.double(), tokenizer, packed, tmp_path)
    loss = trainer.compute_loss(tiny_model, collate(trainer, list(packed))).item()
    assert trainer.evaluate(packed)["eval_loss"] == pytest.approx(loss, rel=1e-6)


def test_evaluation_tells_roles_apart(tiny_model, tokenizer, tmp_path):
    rows = Dataset.from_list([trajectory_row(n) for n in (1, 2, 9)])
    documents = tokenize_rows(rows, tokenizer, WINDOW, with_roles=True)
    trainer = make_trainer(
        tiny_model.double(), tokenizer, pack(documents, WINDOW), tmp_path, per_device_eval_batch_size=2
    )
    metrics = trainer.evaluate(pack(documents, WINDOW))
    total = 0.0
    for role in ("requirement", "plan", "think", "code"):
        # The same pieces, with loss on one role alone. The EOS is of none.
        number = ROLES.index(role) + 1
        masked = documents.map(
            lambda row, number=number: {
                "labels": [
                    label if role == number else IGNORED
                    for label, role in zip(row["labels"], row["roles"], strict=True)
                ]
            }
        )
        alone = trainer.evaluate(pack(masked, WINDOW))
        assert metrics[f"eval_loss_{role}"] == pytest.approx(alone["eval_loss"], rel=1e-9)
        total += alone["eval_trained_tokens"]
    assert total + 3 == metrics["eval_trained_tokens"]


def test_accumulating_4_batches_is_a_batch_of_4(tiny_model, tokenizer, tmp_path):
    # One document of every length, so that the share of trained tokens differs from row to row.
    documents = tokenize_rows(
        Dataset.from_list(
            [
                make_row([("observation", "x = 1\n" * n), ("code", "y = 2\n" * (9 - 2 * n))])
                for n in range(1, 5)
            ]
        ),
        tokenizer,
        WINDOW,
    )
    trainer = make_trainer(tiny_model.double(), tokenizer, pack(documents, WINDOW), tmp_path)
    rows = [{"input_ids": row["input_ids"], "labels": row["labels"]} for row in documents]
    accumulated = gradient(trainer, [collate(trainer, [row]) for row in rows])
    at_once = gradient(trainer, [collate(trainer, rows)])
    assert len({sum(label != IGNORED for label in row["labels"]) for row in rows}) == 4
    assert relative_error(accumulated, at_once) < 1e-6


def test_labels_of_masked_tokens_do_not_matter(tiny_model, tokenizer, tmp_path):
    row = trajectory_row()
    encoded = encode(row["text"], row["spans"], tokenizer)
    trained = torch.zeros(len(encoded.ids) + 1, dtype=torch.bool)
    trained[-1] = True
    for span, (start, end) in zip(row["spans"], encoded.ranges, strict=True):
        trained[start:end] = span["loss"]
    trained[0] = False  # nothing predicts the first token
    packed = pack(tokenize_rows(Dataset.from_list([row]), tokenizer, WINDOW), WINDOW)
    trainer = make_trainer(tiny_model.double(), tokenizer, packed, tmp_path)
    batch = collate(trainer, list(packed))
    loss = trainer.compute_loss(tiny_model, dict(batch)).item()

    with torch.no_grad():
        log_probs = tiny_model(batch["input_ids"]).logits[0, :-1].log_softmax(-1)
    for seed in (0, 1):
        noise = torch.randint(len(tokenizer), trained.shape, generator=torch.Generator().manual_seed(seed))
        labels = torch.where(trained, batch["input_ids"][0], noise)[1:]
        nll = -log_probs.gather(-1, labels[:, None])[:, 0]
        assert nll[trained[1:]].mean().item() == pytest.approx(loss, rel=1e-6)


def test_the_last_token_of_an_observation_predicts_but_is_not_predicted(tiny_model, tokenizer, tmp_path):
    """The gradient with respect to what the model says *at* masked positions is nought."""
    packed = pack(documents_of(tokenizer, 1), WINDOW)
    trainer = make_trainer(tiny_model, tokenizer, packed, tmp_path)
    batch = collate(trainer, list(packed))
    hidden = []

    def keep(module, inputs, output):
        output.retain_grad()
        hidden.append(output)

    tiny_model.model.norm.register_forward_hook(keep)
    trainer.compute_loss(tiny_model, batch).backward()
    predicted = batch["labels"][0, 1:] != IGNORED
    has_gradient = hidden[0].grad[0, :-1].abs().sum(-1) > 0
    assert torch.equal(has_gradient, predicted)


def test_generation_from_a_cache_is_that_of_plain_sdpa(tiny_model, tokenizer):
    prompts = tokenizer(["def add(a, b):", "The"], return_tensors="pt", padding=True, padding_side="left")
    outputs = []
    for name in ("sdpa", "per_document"):
        tiny_model.set_attn_implementation(name)
        outputs.append(tiny_model.eval().generate(**prompts, max_new_tokens=8, do_sample=False))
    assert torch.equal(*outputs)


def test_dense_masks_over_a_long_window_are_refused():
    assert choose_attention("auto", 65_536, "cpu", half=False) == "per_document"
    assert choose_attention("sdpa", 1024, "cpu", half=False) == "sdpa"
    with pytest.raises(UserError, match="dense 65536 x 65536 mask"):
        choose_attention("sdpa", 65_536, "cuda", half=True)
    with pytest.raises(UserError, match="nonsense is unknown"):
        choose_attention("nonsense", 1024, "cpu", half=False)


def test_rope_theta_takes_effect_and_a_long_window_asks_for_it(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path)
    config = tiny_model.config
    with pytest.raises(UserError, match="set `rope_theta`"):
        window_kwargs(config, 4096, None)
    assert window_kwargs(config, 512, None) == {}
    model = AutoModelForCausalLM.from_pretrained(tmp_path, **window_kwargs(config, 4096, 8e6))
    check_rope(model, 8e6)
    assert model.config.max_position_embeddings == 4096
    with pytest.raises(RuntimeError, match="did not take effect"):
        check_rope(tiny_model, 8e6)


@pytest.fixture
def model_directory(tiny_model, tokenizer, tmp_path) -> Path:
    directory = tmp_path / "model"
    tiny_model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def run_cpt(launcher: list[str], timeout: float = 300, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *launcher, "trainer/cpt.py", "--config", "configs/cpt/smollm2_cpu.yaml"]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout)


def test_cpt_trains_saves_and_the_model_loads(model_directory, tmp_path):
    Dataset.from_list([trajectory_row(n) for n in (1, 2, 3, 4)]).to_parquet(tmp_path / "rows.parquet")
    finished = run_cpt(
        ["-m", "accelerate.commands.launch", "--cpu"],
        data_files=tmp_path / "rows.parquet",
        model_name_or_path=model_directory,
        output_dir=tmp_path / "out",
        max_length=WINDOW,
        max_steps=12,
        learning_rate=0.01,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["num_steps"] == 12
    assert metrics["loss_last_quarter"] < metrics["loss_first_quarter"]
    assert 0 < metrics["num_trained_tokens"] < metrics["num_tokens"]
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert model.generate(**tokenizer("def", return_tensors="pt"), max_new_tokens=4).shape[1] > 1
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"| tokens seen | {metrics['num_tokens']:,} in" in card
    assert "`rows.parquet`" in card
    assert str(tmp_path) not in card
    # Nobody can act on the warning: TRL itself gives the old name.
    assert "gradient_checkpointing` is deprecated" not in finished.stderr


def test_cpt_names_a_users_mistake_in_one_line(model_directory, tmp_path):
    Dataset.from_dict({"text": ["no spans here"]}).to_parquet(tmp_path / "plain.parquet")
    finished = run_cpt(
        [],
        data_files=tmp_path / "plain.parquet",
        model_name_or_path=model_directory,
        output_dir=tmp_path / "out",
        max_length=WINDOW,
    )
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].startswith("error: the dataset has no column spans")
    assert "Traceback" not in finished.stderr


@pytest.mark.slow
def test_accumulation_a_batch_and_ranks_give_one_gradient_and_one_evaluation_loss(tmp_path):
    """The whole loop, in float64, on four rows that differ in documents, lengths and masks."""
    expected, loss = one_step(batch_size=4, accumulation=1, directory=tmp_path)
    accumulated, loss_of_batches = one_step(1, 4, tmp_path, eval_batch_size=3)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    step = ["-m", "tests.trainer.one_step", "1", "2", str(tmp_path / "ranks.pt")]
    finished = subprocess.run(
        [sys.executable, *launcher, *step], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    over_ranks, loss_of_ranks = torch.load(tmp_path / "ranks.pt")

    assert relative_error(accumulated, expected) < 1e-6
    assert relative_error(over_ranks, expected) < 1e-6
    assert loss_of_batches == pytest.approx(loss, rel=1e-12)
    assert loss_of_ranks == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("num_rows", [1, 4, 5])
@pytest.mark.parametrize("num_ranks", [1, 2, 3])
def test_ranks_evaluate_each_row_once_and_equally_many(num_rows, num_ranks):
    rows = [{"labels": np.array([-100, number])} for number in range(num_rows)]
    shares = [RankShare(rows, rank, num_ranks) for rank in range(num_ranks)]
    counted = [share[n]["labels"][1] for share in shares for n in range(len(share))]
    assert sorted(label for label in counted if label != IGNORED) == list(range(num_rows))
    assert len({len(share) for share in shares}) == 1


@pytest.mark.parametrize("max_tokens", [1, 1000, 1500])
def test_a_run_ends_with_the_step_that_reaches_its_budget(max_tokens, tiny_model, tokenizer, tmp_path):
    documents = documents_of(tokenizer, 1, 2, 3)
    stream = PackedStream(
        Mixture([StoredDocuments("rows", documents, seed=0)], [Weight.parse(1)]), WINDOW, max_tokens
    )
    trainer = make_trainer(tiny_model, tokenizer, stream, tmp_path, max_steps=max_tokens, logging_steps=1)
    trainer.train()
    seen = [entry["num_tokens"] for entry in trainer.state.log_history if "loss" in entry]
    assert ([0, *seen][-2]) < max_tokens <= seen[-1]
    assert seen[-1] == stream.place(trainer.state.global_step).counts.tokens


def test_training_tells_the_loss_of_each_role_apart(tiny_model, tokenizer, tmp_path):
    """They are those of an evaluation on the same rows, and the whole loss lies between them."""
    rows = Dataset.from_list([trajectory_row(n) for n in (1, 2)])
    documents = tokenize_rows(rows, tokenizer, WINDOW, with_roles=True)
    mixture = Mixture([StoredDocuments("rows", documents, seed=0)], [Weight.parse(1)])
    stream = PackedStream(mixture, WINDOW, 10**6, accumulation=2)
    options = {"max_steps": 1, "gradient_accumulation_steps": 2, "logging_steps": 1, "learning_rate": 0.0}
    trainer = make_trainer(tiny_model, tokenizer, stream, tmp_path, **options)
    trainer.train()
    logged = next(entry for entry in trainer.state.log_history if "loss" in entry)
    assert stream.place(1).counts.tokens == sum(documents["length"])  # both documents, each once
    evaluated = trainer.evaluate(pack(documents, WINDOW))
    names = {name for name in logged if name.startswith("loss_")}
    assert names == {"loss_requirement", "loss_plan", "loss_think", "loss_code"}
    for name in names:
        assert logged[name] == pytest.approx(evaluated[f"eval_{name}"], rel=1e-5)
    assert min(logged[name] for name in names) < logged["loss"] < max(logged[name] for name in names)


class BarWatch(TrainerCallback):
    """What the progress bar showed after each step: its place and its total."""

    def __init__(self, handler):
        self.progress = next(
            callback for callback in handler.callbacks if isinstance(callback, ProgressCallback)
        )
        self.seen = []

    def on_step_end(self, *args, **kwargs):
        self.seen.append((self.progress.training_bar.n, self.progress.training_bar.total))


@pytest.mark.parametrize("max_tokens, max_steps", [(1000, 1000), (None, 3)])
def test_progress_is_in_tokens_where_they_end_the_run_and_in_steps_otherwise(
    max_tokens, max_steps, tiny_model, tokenizer, tmp_path
):
    mixture = Mixture([StoredDocuments("rows", documents_of(tokenizer, 1, 2, 3), seed=0)], [Weight.parse(1)])
    stream = PackedStream(mixture, WINDOW, max_tokens or max_steps * WINDOW)
    options = {"max_steps": max_steps, "logging_steps": 1, "disable_tqdm": False}
    trainer = make_trainer(tiny_model, tokenizer, stream, tmp_path, **options)
    watch = BarWatch(trainer.callback_handler)
    trainer.add_callback(watch)
    trainer.train()
    if max_tokens is None:
        assert watch.seen == [(1, 3), (2, 3), (3, 3)]
        return
    tokens = [entry["num_tokens"] for entry in trainer.state.log_history if "loss" in entry]
    assert watch.seen == [(min(number, max_tokens), max_tokens) for number in tokens]
    assert watch.seen[-1] == (max_tokens, max_tokens)


def test_progress_goes_on_where_a_resumed_run_does(tiny_model, tokenizer, tmp_path):
    documents = documents_of(tokenizer, 1, 2, 3)
    first, second = (
        PackedStream(Mixture([StoredDocuments("rows", documents, seed=0)], [Weight.parse(1)]), WINDOW, 2000)
        for _ in range(2)
    )
    next(iter(first))
    first.save(tmp_path, 1)
    second.load(tmp_path)
    trainer = make_trainer(tiny_model, tokenizer, second, tmp_path, max_steps=2000, disable_tqdm=False)
    bar = BarWatch(trainer.callback_handler).progress
    state = TrainerState(global_step=1, is_world_process_zero=True)
    bar.on_train_begin(trainer.args, state, TrainerControl())
    assert bar.training_bar.n == bar.training_bar.initial == first.place(1).counts.tokens > 0
    bar.on_train_end(trainer.args, state, TrainerControl())


@pytest.mark.slow
def test_the_miniature_trains_on_two_processes_is_saved_and_learns(tmp_path):
    """``configs/cpt/smollm2_cpu.yaml``, embedded model and all, over gloo; three steps are two passes."""
    finished = run_cpt(
        ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"],
        timeout=900,
        output_dir=tmp_path / "out",
        max_steps=3,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["num_steps"], metrics["num_passes"]) == (3, 2)
    assert metrics["loss_last"] < metrics["loss_first"]
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert model.generate(**tokenizer("def", return_tensors="pt"), max_new_tokens=4).shape[1] > 1
