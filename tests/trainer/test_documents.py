"""Rows to ids and labels: the scorer's tokens, each trained once, whatever the window."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from builder import RENDERERS, UserError, encode, render_row
from trainer.documents import IGNORED, load_rows, tokenize_row, tokenize_rows

from .conftest import LOSS_ROLES, TEXTS, byte_level_bpe, make_row, trajectory_row

TOKENIZER = byte_level_bpe()
SAMPLE = str(Path(__file__).parents[2] / "builder")

parts = st.lists(
    st.tuples(st.sampled_from(sorted(TEXTS)), st.text("ab (\n", max_size=60)), min_size=2, max_size=12
)


def test_a_row_becomes_the_tokens_that_the_scorer_sees(tokenizer, bos_tokenizer):
    row = trajectory_row()
    for some in (tokenizer, bos_tokenizer):
        ((ids, _),) = tokenize_row(row, some, max_length=10_000)
        assert ids == [*encode(row["text"], row["spans"], some).ids, some.eos_token_id]


def test_loss_lies_on_the_marked_spans_and_the_eos_only(bos_tokenizer):
    row = trajectory_row()
    ((ids, labels),) = tokenize_row(row, bos_tokenizer, max_length=10_000)
    encoded = encode(row["text"], row["spans"], bos_tokenizer)
    expected = [IGNORED] * len(ids)
    for span, (start, end) in zip(row["spans"], encoded.ranges, strict=True):
        if span["role"] in LOSS_ROLES:
            expected[start:end] = ids[start:end]
    expected[-1] = bos_tokenizer.eos_token_id
    assert encoded.prefix == 1
    assert labels == expected


def test_loss_roles_override_the_rows_own_marks(tokenizer):
    row = trajectory_row()
    ((_, labels),) = tokenize_row(row, tokenizer, max_length=10_000, loss_roles=["code"])
    code = [span for span in row["spans"] if span["role"] == "code"]
    num_code_tokens = sum(
        len(tokenizer(row["text"][span["start"] : span["end"]], add_special_tokens=False)["input_ids"])
        for span in code
    )
    assert sum(label != IGNORED for label in labels) == num_code_tokens + 1  # and the EOS


@pytest.mark.parametrize("renderer", RENDERERS)
def test_rows_are_trained_in_any_form(renderer, bos_tokenizer, monkeypatch):
    (row,) = load_rows(SAMPLE, "repo2agent-search", "train")
    template = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content | trim }}\n{% endfor %}"
    monkeypatch.setattr(bos_tokenizer, "chat_template", template)
    document = render_row(row, renderer, bos_tokenizer)
    ((ids, labels),) = tokenize_row(row, bos_tokenizer, max_length=1_000_000, renderer=renderer)
    assert bos_tokenizer.decode(ids[1:-1]) == document.text.removeprefix(bos_tokenizer.bos_token)
    assert ids[0] == bos_tokenizer.bos_token_id != ids[1]
    trained = bos_tokenizer.decode([label for label in labels[:-1] if label != IGNORED])
    assert trained == "".join(
        document.text[span["start"] : span["end"]] for span in document.spans if span["loss"]
    )
    pieces = tokenize_row(row, bos_tokenizer, max_length=1000, renderer=renderer)
    assert len(pieces) > 1
    assert all(len(ids) <= 1000 for ids, _ in pieces)


def test_a_form_that_there_is_not_is_named(tokenizer):
    (row,) = load_rows(SAMPLE, "repo2agent-search", "train")
    with pytest.raises(UserError, match="no renderer 'xml'; there are tagged, chat, raw, spec-only"):
        tokenize_row(row, tokenizer, max_length=1000, renderer="xml")


@given(parts=parts, max_length=st.integers(8, 64), data=st.data())
@settings(deadline=None, max_examples=150)
def test_cutting_trains_every_token_of_a_document_exactly_once(parts, max_length, data):
    cuts = sorted(data.draw(st.sets(st.integers(2, len(parts)), max_size=4)))
    row = make_row(parts, list(itertools.pairwise(cuts)))
    whole = tokenize_row(row, TOKENIZER, max_length=10_000)
    pieces = tokenize_row(row, TOKENIZER, max_length=max_length)

    assert all(len(ids) == len(labels) <= max_length for ids, labels in pieces)
    trained = [label for _, labels in pieces for label in labels if label != IGNORED]
    assert trained == [label for _, labels in whole for label in labels if label != IGNORED]
    # A label is the token at its own position; the first of a piece could not be predicted.
    for ids, labels in pieces:
        assert all(label in (IGNORED, token) for token, label in zip(ids, labels, strict=True))
        assert labels[0] == IGNORED


def test_a_long_document_is_cut_between_sub_agents_and_goes_on_with_its_preamble(bos_tokenizer):
    row = trajectory_row(num_files=4)
    ids = encode(row["text"], row["spans"], bos_tokenizer)
    preamble, plan = (ids.ids[start:end] for start, end in ids.ranges[:2])
    segment = ids.ranges[4][1] - ids.ranges[2][0]
    head = [ids.ids[0], *preamble, *plan]
    pieces = tokenize_row(row, bos_tokenizer, max_length=len(head) + segment + 3)

    assert len(pieces) == 4
    for number, (piece, labels) in enumerate(pieces):
        assert piece[: len(head)] == head
        first, last = ids.ranges[2 + 3 * number][0], ids.ranges[4 + 3 * number][1]
        assert piece[len(head) : len(head) + segment] == ids.ids[first:last]
        if number:
            assert labels[: len(head)] == [IGNORED] * len(head)


def test_a_file_beyond_the_window_is_cut_after_a_line(tokenizer):
    code = "".join(f"value_{number} = {number}\n" for number in range(200))
    row = make_row([("requirement", TEXTS["requirement"]), ("plan", TEXTS["plan"]), ("code", code)], [(2, 3)])
    pieces = tokenize_row(row, tokenizer, max_length=256)
    assert len(pieces) > 5
    assert all(tokenizer.decode(ids).endswith("\n") for ids, _ in pieces[:-1])


def test_rows_without_loss_are_dropped_and_counted(tokenizer, caplog):
    silent = make_row([("observation", TEXTS["observation"])])
    documents = tokenize_rows(Dataset.from_list([silent, trajectory_row()]), tokenizer, 1024)
    assert documents["row"][:] == [1]
    assert "1 of 2 rows carry no loss" in caplog.text
    with pytest.raises(UserError, match="none of the 1 rows"):
        tokenize_rows(Dataset.from_list([silent]), tokenizer, 1024)


def test_a_dataset_without_spans_gets_one_line(tokenizer):
    with pytest.raises(UserError, match="no column spans") as raised:
        tokenize_rows(Dataset.from_dict({"text": ["x"]}), tokenizer, 1024)
    assert "\n" not in str(raised.value)


def test_a_tokenizer_without_eos_gets_one_line():
    tokenizer = byte_level_bpe()
    tokenizer.eos_token = None
    with pytest.raises(UserError, match="no EOS"):
        tokenize_rows(Dataset.from_list([trajectory_row()]), tokenizer, 1024)


def test_rows_are_those_of_the_folder_as_it_is_now(tmp_path):
    """Not those that were there when it was last read, nor those of another folder with such a card."""

    def build(folder, number):
        (folder / "data").mkdir(parents=True, exist_ok=True)
        config = "- {config_name: raw-repos, data_files: [{split: train, path: data/train-*}]}"
        (folder / "README.md").write_text(f"---\nconfigs:\n{config}\n---\n")
        Dataset.from_list([{"text": str(number)}]).to_parquet(folder / "data/train-0.parquet")
        return load_rows(str(folder), "raw-repos", "train")["text"][0]

    here, there = tmp_path / "here" / "built", tmp_path / "there" / "built"
    assert [build(here, 1), build(there, 2), build(here, 3)] == ["1", "2", "3"]


def test_rows_that_are_not_there_get_one_line(tmp_path):
    for arguments in (
        (str(tmp_path / "none"), None, "train"),
        ("x", None, "train", [f"{tmp_path}/*.parquet"]),
    ):
        with pytest.raises(UserError, match="no rows in") as raised:
            load_rows(*arguments)
        assert "\n" not in str(raised.value)
