"""The data of a run: mixed by weight, trained once a pass, shared out over ranks, continued."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, load_dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from builder import UserError
from trainer.documents import tokenize_row
from trainer.mixture import Mixture, StoredDocuments, StreamedDocuments, Weight
from trainer.sources import parse_sources, token_budget
from trainer.stream import PackedStream

from .conftest import byte_level_bpe

TOKENIZER = byte_level_bpe()
WINDOW = 64


def stored(name: str, lengths: list[int], seed: int = 0) -> StoredDocuments:
    """Documents of ``lengths``; each repeats its own number, with the first token masked."""
    ids = [[number] * length for number, length in enumerate(lengths)]
    labels = [[-100, *document[1:]] for document in ids]
    columns = {"input_ids": ids, "labels": labels, "length": lengths}
    return StoredDocuments(name, Dataset.from_dict(columns), seed)


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> list[str]:
    """Parquet files of texts, some of them empty, some longer than the window."""
    directory = tmp_path_factory.mktemp("texts")
    for number in range(3):
        rows = [f"{number} {row} " + "lorem ipsum " * (row * 7 % 11) if row % 4 else "" for row in range(13)]
        Dataset.from_dict({"text": rows}).to_parquet(directory / f"{number}.parquet")
    return sorted(map(str, Path(directory).glob("*.parquet")))


def streamed(name: str, files: list[str]) -> StreamedDocuments:
    rows = load_dataset("parquet", data_files=files, split="train", streaming=True)
    return StreamedDocuments(name, rows, lambda row: tokenize_row(row, TOKENIZER, WINDOW, plain_text=True))


def mixed(files: list[str], weights: tuple[float | str, float | str] = (1, 3), **options) -> PackedStream:
    """A stream over a stored and a streamed source."""
    sources = [stored("code", [3, 17, 40, 5, 64, 1, 22]), streamed("text", files)]
    options = {"budget": 10_000, "accumulation": 3, **options}
    return PackedStream(Mixture(sources, [Weight.parse(weight) for weight in weights]), WINDOW, **options)


def plain(rows) -> list[tuple]:
    return [(row["input_ids"].tolist(), row["labels"].tolist(), row["seq_lengths"]) for row in rows]


@given(lengths=st.lists(st.integers(1, WINDOW), min_size=1, max_size=20), buffer_size=st.integers(1, 8))
@settings(deadline=None, max_examples=30)
def test_a_single_source_is_trained_once_a_pass(lengths, buffer_size):
    stream = PackedStream(
        Mixture([stored("rows", lengths)], [Weight.parse(1)]), WINDOW, 10**6, buffer_size=buffer_size
    )
    rows = iter(stream)
    for number in (1, 2, 3):
        seen: list[int] = []
        while len(seen) < sum(lengths):
            seen += next(rows)["input_ids"].tolist()
        assert sorted(seen) == sorted(n for n, length in enumerate(lengths) for _ in range(length))
        step = stream.place(stream.step)
        assert step.epoch == number
        assert step.counts.tokens == number * sum(lengths)
        assert step.counts.trained == number * sum(length - 1 for length in lengths)
        assert step.counts.squares == number * sum(length**2 for length in lengths)


def test_each_pass_has_an_order_of_its_own_that_the_seed_decides():
    def first(seed: int) -> list[list[int]]:
        source = stored("rows", [1] * 30, seed=seed)
        return [[int(source.next()[0][0]) for _ in range(30)] for _ in range(2)]

    once, again = first(1)
    assert first(1) == [once, again]
    assert once != again != first(2)[0]


@pytest.mark.parametrize("weights", [(1, 3), (12, 88), ("0-40 %: 1, 40-100 %: 3", 2)])
def test_the_mix_is_within_1_percent_of_the_weights(weights):
    # Documents of the two differ in length by far; a step is a row.
    rng = np.random.default_rng(0)
    long, short = (rng.integers(1, most, 400).tolist() for most in (WINDOW, WINDOW // 8))
    parsed = [Weight.parse(weight) for weight in weights]
    steps = 1000
    stream = PackedStream(
        Mixture([stored("long", long), stored("short", short)], parsed), WINDOW, steps * WINDOW
    )
    for _ in itertools.islice(stream, steps):
        pass
    counts = stream.place(steps).counts
    shares = np.array([[weight.at(step / steps) for weight in parsed] for step in range(steps)])
    expected = (shares / shares.sum(1, keepdims=True)).mean(0)
    assert np.abs(np.array(counts.by_source) / counts.tokens - expected).max() < 0.01
    assert sum(counts.by_source) == counts.tokens


def test_a_source_that_is_switched_off_is_drawn_no_more(texts):
    stream = mixed(texts, ("0-50 %: 1, 50-100 %: 0", 1), budget=5_000)
    for _ in itertools.islice(stream, 90):
        pass
    places = [stream.place(step) for step in (29, 30)]
    assert places[1].counts.tokens > 0.9 * 5_000
    assert places[0].mixture["sources"][0] == places[1].mixture["sources"][0]


@pytest.mark.parametrize("num_ranks", [2, 3])
def test_ranks_share_out_the_rows_that_one_rank_has(texts, num_ranks):
    """Whatever the ranks, a step has the same rows, and ranks that wait for each other have like costs."""
    one = plain(itertools.islice(mixed(texts, accumulation=6), 60))
    options = {"accumulation": 6 // num_ranks, "num_ranks": num_ranks}
    ranks = [plain(itertools.islice(mixed(texts, rank=rank, **options), 60)) for rank in range(num_ranks)]
    share = 6 // num_ranks
    for step in range(60 // 6):
        together = [row for rank in ranks for row in rank[step * share : (step + 1) * share]]
        assert sorted(together) == sorted(one[step * 6 : (step + 1) * 6])
        for micro_batch in range(share):
            costs = [sum(n**2 for n in rank[step * share + micro_batch][2]) for rank in ranks]
            others = [sum(n**2 for n in row[2]) for row in one[step * 6 : (step + 1) * 6]]
            # Neighbours in the order of cost: no row of the step lies between them.
            assert sum(min(costs) < other < max(costs) for other in others) <= num_ranks - 2


@given(steps=st.lists(st.integers(0, 25), min_size=2, max_size=2), buffer_size=st.sampled_from([1, 4, 64]))
@settings(deadline=None, max_examples=15)
def test_a_run_continued_twice_sees_what_one_without_a_stop_sees(texts, tmp_path_factory, steps, buffer_size):
    directory = tmp_path_factory.mktemp("place")
    expected = plain(itertools.islice(mixed(texts, buffer_size=buffer_size), 3 * (sum(steps) + 5)))
    seen = []
    step = 0
    for number, more in enumerate([*steps, 5]):
        stream = mixed(texts, buffer_size=buffer_size)
        if number:
            stream.load(directory)
        seen += plain(itertools.islice(stream, 3 * more))
        step += more
        stream.save(directory, step)
    assert seen == expected
    assert stream.place(step).counts.tokens == sum(sum(row[2]) for row in expected)


@given(
    budget=st.integers(200, 3_000),
    rows=st.sampled_from([(1, 1), (3, 1), (2, 2)]),
    weights=st.sampled_from([(1, 3), (1, 0)]),
)
@settings(deadline=None, max_examples=25)
def test_an_exact_run_sees_its_budget_and_not_a_token_more(texts, budget, rows, weights):
    accumulation, num_ranks = rows
    options = {"budget": budget, "accumulation": accumulation, "num_ranks": num_ranks}
    ranks = [mixed(texts, weights, exact=True, rank=rank, **options) for rank in range(num_ranks)]
    seen = [[] for _ in ranks]
    while ranks[0].place(ranks[0].step).counts.tokens < budget:
        for rank, stream in enumerate(ranks):
            seen[rank] += itertools.islice(stream, accumulation)
    counts = ranks[0].place(ranks[0].step).counts
    assert counts.tokens == sum(len(row["input_ids"]) for rows in seen for row in rows)
    # A row has a token at least, so that no rank stands without one.
    assert budget <= counts.tokens < budget + accumulation * num_ranks
    for row in itertools.chain(*seen):
        assert len(row["input_ids"]) == len(row["labels"]) == len(row["roles"]) == sum(row["seq_lengths"]) > 0
    # But for its last step, it is the run that has no such end.
    whole = [mixed(texts, weights, rank=rank, **options) for rank in range(num_ranks)]
    for rank, stream in enumerate(whole):
        expected = plain(itertools.islice(stream, len(seen[rank])))
        assert plain(seen[rank])[:-accumulation] == expected[:-accumulation]
        for (ids, _, _), (all_ids, _, _) in zip(
            plain(seen[rank])[-accumulation:], expected[-accumulation:], strict=True
        ):
            assert ids == all_ids[: len(ids)]


def test_a_place_is_kept_while_the_next_step_is_under_way(texts, tmp_path):
    stream = mixed(texts)
    rows = iter(stream)
    expected = plain(itertools.islice(mixed(texts), 9))
    for _ in range(4):  # the first row of the second step
        next(rows)
    stream.save(tmp_path, 1)
    again = mixed(texts)
    again.load(tmp_path)
    assert plain(itertools.islice(again, 6)) == expected[3:]


def test_ranks_may_change_where_the_global_batch_stays(texts, tmp_path):
    stream = mixed(texts, accumulation=6)
    before = plain(itertools.islice(stream, 12))
    stream.save(tmp_path, 2)
    two = [mixed(texts, accumulation=3, num_ranks=2, rank=rank) for rank in range(2)]
    for rank in two:
        rank.load(tmp_path)
    after = [row for rank in two for row in plain(itertools.islice(rank, 3))]
    assert sorted(before + after) == sorted(plain(itertools.islice(mixed(texts, accumulation=6), 18)))

    with pytest.raises(
        UserError, match="its global batch was 6 rows a step, this run's is 12 rows a step"
    ) as e:
        mixed(texts, accumulation=6, num_ranks=2).load(tmp_path)
    assert "\n" not in str(e.value)


def test_a_place_in_other_data_is_refused(texts, tmp_path):
    mixed(texts).save(tmp_path, 0)
    other = Mixture([stored("code", [3, 3]), streamed("text", texts)], [Weight.parse(1)] * 2)
    with pytest.raises(
        UserError, match="source code was 7 documents, 152 tokens, seed 0, this run's is 2 doc"
    ):
        PackedStream(other, WINDOW, 10_000, accumulation=3).load(tmp_path)
    with pytest.raises(UserError, match="end of its run"):
        mixed(texts).load(tmp_path, max_steps=0)


def test_a_streamed_source_without_loss_gets_one_line(tmp_path):
    Dataset.from_dict({"text": ["", ""]}).to_parquet(tmp_path / "empty.parquet")
    with pytest.raises(UserError, match="source text: no row of it carries any loss"):
        streamed("text", [str(tmp_path / "empty.parquet")]).next()


def test_weights_are_numbers_or_phases():
    weight = Weight.parse("0-80 %: 30, 80-100 %: 10")
    assert [weight.at(progress) for progress in (0, 0.79, 0.8, 1, 1.1)] == [30, 30, 10, 10, 10]
    assert Weight.parse("12").at(0.5) == Weight.parse(12).at(0.5) == 12
    for wrong in ("0-80 %: 30", "0-80 %: 1, 90-100 %: 1", "much", "50-20 %: 1", "-1", "nan"):
        with pytest.raises(UserError, match="weight"):
            Weight.parse(wrong)
    with pytest.raises(UserError, match="no source has a weight above 0 from 50 % of the run on"):
        Mixture([stored("a", [1])], [Weight.parse("0-50 %: 1, 50-100 %: 0")])


@pytest.mark.parametrize(
    "sources, line",
    [
        ({}, "`sources` is empty"),
        ({"a": None}, "source a is empty"),
        (
            {"a": {"dataset_name": "x", "wieght": 1}},
            "source a has no option wieght; there are dataset_name, ",
        ),
        ({"a": {"weight": 1}}, "source a needs either `dataset_name` or `data_files`"),
        ({"a": {"dataset_name": "x", "weight": "all"}}, "weight 'all' is neither a number nor phases"),
    ],
)
def test_a_mistake_in_sources_gets_one_line(sources, line):
    with pytest.raises(UserError, match=line) as raised:
        parse_sources(sources)
    assert "\n" not in str(raised.value)


def test_the_budget_is_in_tokens_steps_or_epochs(texts):
    one = Mixture([stored("rows", [10, 20])], [Weight.parse(1)])
    assert token_budget(one, 500, 7, 2, tokens_a_step=100) == 500
    assert token_budget(one, None, 7, 2, tokens_a_step=100) == 700
    assert token_budget(one, None, -1, 2, tokens_a_step=100) == 60
    with pytest.raises(UserError, match="max_tokens is 0"):
        token_budget(one, 0, -1, 1, 100)
    with pytest.raises(UserError, match="has no epochs; set `max_tokens`"):
        token_budget(Mixture([streamed("text", texts)], [Weight.parse(1)]), None, -1, 1, 100)
