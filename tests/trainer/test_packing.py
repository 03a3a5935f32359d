"""Documents to rows: nothing lost, little wasted, and from wherever it was interrupted."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from trainer.documents import IGNORED, tokenize_rows
from trainer.packing import Packer, best_fit, pack

from .conftest import TEXTS, make_row, trajectory_row

WINDOW = 65_536
lengths_of_documents = st.lists(st.integers(1, 50), max_size=80)


def paper_lengths(num_documents: int, sigma: float, seed: int = 0) -> list[int]:
    """Lognormal with the paper's mean of 12,083 tokens; what is longer than the window comes in pieces."""
    drawn = np.random.default_rng(seed).lognormal(np.log(12_083) - sigma**2 / 2, sigma, num_documents)
    pieces = []
    for length in np.maximum(16, drawn).astype(int).tolist():
        pieces += [WINDOW] * (length // WINDOW) + [length % WINDOW] * bool(length % WINDOW)
    return pieces


@given(lengths=lengths_of_documents, buffer_size=st.integers(1, 20))
def test_every_document_stands_in_exactly_one_row_that_holds_it(lengths, buffer_size):
    rows = list(best_fit(lengths, 50, buffer_size))
    assert sorted(number for row in rows for number in row) == list(range(len(lengths)))
    assert all(0 < sum(lengths[number] for number in row) <= 50 for row in rows)


@given(lengths=lengths_of_documents, buffer_size=st.integers(1, 20))
def test_no_document_waits_for_ever(lengths, buffer_size):
    # Each row takes the oldest: a document is passed by no more rows than documents stood before it.
    for number_of_row, row in enumerate(best_fit(lengths, 50, buffer_size)):
        assert number_of_row <= min(row)


@given(lengths=lengths_of_documents)
def test_what_waits_cannot_be_added_to_the_row_before(lengths):
    packer: Packer[int] = Packer(50)
    for length in lengths:
        packer.add(length, length)
    while row := packer.row():
        assert all(sum(row) + length > 50 for length in packer.documents)


@given(lengths=lengths_of_documents, cut=st.integers(0, 30))
def test_a_packer_filled_from_what_waited_goes_on_as_if_nothing_had_been(lengths, cut):
    packer: Packer[tuple[int, int]] = Packer(50)
    for document in enumerate(lengths):
        packer.add(document, document[1])
    for _ in range(cut):
        packer.row()
    again: Packer[tuple[int, int]] = Packer(50)
    for document in packer.documents:
        again.add(document, document[1])
    while row := packer.row():
        assert again.row() == row
    assert again.row() == []


@pytest.mark.parametrize("sigma", [0.8, 1.0, 1.5])
def test_rows_of_the_papers_documents_are_full(sigma):
    lengths = paper_lengths(5_000, sigma)
    rows = list(best_fit(lengths, WINDOW))
    assert sum(lengths) / (len(rows) * WINDOW) >= 0.995


def test_a_document_beyond_the_window_is_an_error_rather_than_cut():
    with pytest.raises(ValueError, match="51 tokens does not fit into a window of 50"):
        list(best_fit([3, 51], 50))


def test_rows_hold_the_documents_tokens_labels_and_boundaries(tokenizer, caplog):
    caplog.set_level(logging.INFO, "trainer")
    # A document of many files goes over several windows, so continuations are among what is packed.
    documents = tokenize_rows(
        Dataset.from_list([trajectory_row(n) for n in (1, 9, 1, 2, 3, 1)]), tokenizer, 256
    )
    packed = pack(documents, 256)
    unpacked = []
    for row in packed:
        assert len(row["input_ids"]) == len(row["labels"]) == sum(row["seq_lengths"]) <= 256
        ends = np.cumsum(row["seq_lengths"])[:-1]
        ids, labels = (np.split(row[name], ends) for name in ("input_ids", "labels"))
        unpacked += [(i.tolist(), j.tolist()) for i, j in zip(ids, labels, strict=True)]
    assert len(packed) < len(documents) > 6
    assert sorted(unpacked) == sorted((row["input_ids"], row["labels"]) for row in documents)

    num_tokens = sum(len(ids) for ids, _ in unpacked)
    num_trained = sum(label != IGNORED for _, labels in unpacked for label in labels)
    assert f"{100 * (1 - num_tokens / (256 * len(packed))):.2f} % padding" in caplog.text
    assert f"{100 * num_trained / num_tokens:.1f} % of the tokens trained" in caplog.text
    assert len(pack(documents, 256, max_rows=2)) == 2


def test_each_token_of_long_and_short_documents_is_trained_once_an_epoch(tokenizer):
    """From rows to packed windows: what carries loss in the documents, and nothing else, carries it once."""
    rows = [trajectory_row(n) for n in (1, 12, 3)]
    rows.append(make_row([("requirement", TEXTS["requirement"]), ("plan", "a\n"), ("code", "x = 1\n" * 300)]))
    whole = tokenize_rows(Dataset.from_list(rows), tokenizer, 10_000)
    packed = pack(tokenize_rows(Dataset.from_list(rows), tokenizer, 256), 256)
    expected = sorted(label for row in whole for label in row["labels"] if label != IGNORED)
    assert sorted(label for row in packed for label in row["labels"] if label != IGNORED) == expected
