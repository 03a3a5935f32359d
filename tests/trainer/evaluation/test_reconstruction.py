"""What is scored is exactly the code, in exactly the context that is named, and within the window."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from builder import UserError
from trainer.documents import load_rows
from trainer.evaluation import Request, Skip, nll
from trainer.evaluation.reconstruction import TITLES, ReconstructionOptions, choose_files, heading

from .conftest import CODE, CODE_PATHS, NUM_REPOSITORIES


def measured(evaluated, held_out, context: str, limit: int | None = None, **options):
    options = {"window": 4096, "target_tokens": 1024, **options}
    request = Request(dataset_name=str(held_out), limit=limit)
    (measure,) = ReconstructionOptions(context=context, **options).measure(evaluated, request)
    return measure


def tokens(evaluated, *texts: str) -> list[int]:
    """The ids of ``texts``, each alone."""
    return [
        token
        for text in texts
        for token in evaluated.tokenizer(text, add_special_tokens=False, split_special_tokens=True)[
            "input_ids"
        ]
    ]


@torch.no_grad()
def mean_nll(evaluated, context: list[int], target: list[int], skip: range = range(0)) -> float:
    """Of ``target`` after BOS and ``context``, by one plain pass; ``skip`` does not count."""
    context = [evaluated.tokenizer.bos_token_id, *context]
    logprobs = evaluated.model(torch.tensor([context + target])).logits[0].double().log_softmax(-1)
    values = [
        -logprobs[len(context) + place - 1, token] for place, token in enumerate(target) if place not in skip
    ]
    return float(sum(values) / len(values))


def content(number: int, path: str) -> str:
    return CODE[path] + (f"\n\nSIZE = {number}\n" if path == "area.py" else "")


def test_each_context_is_the_one_that_is_named(evaluated, held_out):
    texts = load_rows(str(held_out), "repo2agent", "test")["text"]
    for context in TITLES:
        values = {item["id"]: item["value"] for item in measured(evaluated, held_out, context).items}
        for number in range(NUM_REPOSITORIES):
            for path, dependencies in (("area.py", []), ("report.py", ["area.py", "names.py"])):
                if context == "trajectory":
                    # Spans are tokenised apart; the tiny tokenizer merges nothing across their boundaries.
                    row = load_rows(str(held_out), "repo2agent", "test")[number]
                    step = next(
                        n for n, s in enumerate(row["steps"]) if s["kind"] == "write" and s["path"] == path
                    )
                    before = [
                        texts[number][span["start"] : span["end"]]
                        for span in row["spans"]
                        if span["step"] < step or (span["step"] == step and not span["content"])
                    ]
                    before = before[:-1]  # the tag that closes
                else:
                    shown = dependencies if context == "dependencies" else []
                    before = [part for d in shown for part in (heading(d), content(number, d), "\n")]
                    before.append(heading(path))
                target = tokens(evaluated, content(number, path))
                expected = mean_nll(evaluated, tokens(evaluated, *before), target)
                assert values[f"local/made-{number}@1/{path}"] == pytest.approx(expected, rel=1e-5)


def test_the_same_code_is_scored_in_every_context_and_nothing_else(evaluated, held_out):
    targets = {}
    for context in TITLES:
        measure = measured(evaluated, held_out, context)
        targets[context] = [
            (item["id"], item["group"], item["weight"], item["length"]) for item in measure.items
        ]
        names = Counter(item["id"].rpartition("/")[2] for item in measure.items)
        assert names == dict.fromkeys(CODE_PATHS, NUM_REPOSITORIES)
    assert targets["nothing"] == targets["dependencies"] == targets["trajectory"]


def test_redacted_spans_do_not_count(evaluated, held_out):
    (item,) = (
        item
        for item in measured(evaluated, held_out, "nothing").items
        if item["id"] == "local/made-0@1/names.py"
    )
    start = CODE["names.py"].index("'placeholder")
    before, redacted = CODE["names.py"][:start], CODE["names.py"][start:-1]
    pieces = [tokens(evaluated, text) for text in (before, redacted, "\n")]
    skip = range(len(pieces[0]), len(pieces[0]) + len(pieces[1]))
    assert item["weight"] == len(pieces[0]) + len(pieces[2])
    expected = mean_nll(
        evaluated,
        tokens(evaluated, heading("names.py")),
        [token for piece in pieces for token in piece],
        skip,
    )
    assert item["value"] == pytest.approx(expected, rel=1e-5)


def test_nothing_longer_than_the_window_is_read_and_the_end_of_the_context_stays(
    evaluated, held_out, monkeypatch
):
    read = []
    whole = nll._batch_nll

    def recording(model, passages, chunk):
        read.extend(passages)
        return whole(model, passages, chunk)

    monkeypatch.setattr(nll, "_batch_nll", recording)
    for context in TITLES:
        read.clear()
        measure = measured(evaluated, held_out, context, window=96, target_tokens=32)
        assert max(len(passage.ids) for passage in read) <= 96
        assert {i["weight"] for i in measure.items if not i["id"].endswith("names.py")} == {32}
        assert all(item["length"] > 32 for item in measure.items)
    # What no longer fits is the beginning of the dependencies; BOS and what stands next to the code remain.
    read.clear()
    measured(evaluated, held_out, "dependencies", window=96, target_tokens=32)
    shown = [part for path in ("area.py", "names.py") for part in (heading(path), content(0, path), "\n")]
    before = tokens(evaluated, *shown, heading("report.py"))
    target = tokens(evaluated, content(0, "report.py"))[:32]
    expected = [evaluated.tokenizer.bos_token_id, *before[-(96 - 32 - 1) :], *target]
    assert expected in [list(passage.ids) for passage in read]


@pytest.mark.parametrize("chunk", [32, 200, 100_000])
def test_neither_chunks_nor_batches_change_a_value(evaluated, held_out, monkeypatch, chunk):
    """From many passages at once, padded, down to one passage in many parts."""
    expected = measured(evaluated, held_out, "dependencies", limit=4).items
    monkeypatch.setitem(nll._CHUNK, "cpu", chunk)
    found = measured(evaluated, held_out, "dependencies", limit=4).items
    assert [item["id"] for item in found] == [item["id"] for item in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["value"] == pytest.approx(other["value"], rel=1e-5)


def test_a_limit_takes_files_from_as_many_repositories_as_it_can(held_out):
    rows = load_rows(str(held_out), "repo2agent", "test")
    every = choose_files(rows)
    assert len(every) == NUM_REPOSITORIES * len(CODE_PATHS)
    few = choose_files(rows, NUM_REPOSITORIES)
    assert sorted(file.row for file in few) == list(range(NUM_REPOSITORIES))
    assert set(few) <= set(choose_files(rows, NUM_REPOSITORIES + 2)) <= set(every)
    # Whatever the arm whose rows are read: the same files.
    raw = choose_files(load_rows(str(held_out), "raw-repos", "test"), NUM_REPOSITORIES)
    assert [(file.row, file.path) for file in raw] == [(file.row, file.path) for file in few]


def test_plain_rows_have_no_trajectory(evaluated, held_out):
    with pytest.raises(Skip, match="raw-repos"):
        measured(evaluated, held_out, "trajectory", dataset_config="raw-repos")
    by_raw = measured(evaluated, held_out, "dependencies", dataset_config="raw-repos").items
    assert by_raw == measured(evaluated, held_out, "dependencies").items


def test_a_window_beyond_the_models_is_cut_to_it_and_must_hold_the_target(evaluated, held_out):
    wide = measured(evaluated, held_out, "dependencies", window=100_000)
    assert wide.items == measured(evaluated, held_out, "dependencies").items
    with pytest.raises(UserError, match="4096"):
        measured(evaluated, held_out, "dependencies", window=100_000, target_tokens=4000)


def test_a_file_that_is_to_be_left_out_is(evaluated, held_out, tmp_path):
    everything = measured(evaluated, held_out, "dependencies")
    name = everything.items[0]["id"]
    listed = tmp_path / "exclude.txt"
    listed.write_text(f"{name}\n")
    rest = measured(evaluated, held_out, "dependencies", exclude=str(listed))
    assert [item["id"] for item in rest.items] == [item["id"] for item in everything.items[1:]]
    # What was measured with another list is measured anew.
    options, request = ReconstructionOptions(exclude=str(listed)), Request(dataset_name=str(held_out))
    before = options.fingerprint(request)
    listed.write_text("")
    assert options.fingerprint(request) != before
    with pytest.raises(UserError, match=r"`exclude` .*nowhere.txt: No such file"):
        measured(evaluated, held_out, "nothing", exclude=str(tmp_path / "nowhere.txt"))
