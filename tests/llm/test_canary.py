"""Scores are compared with transformers' before work begins, wherever the same weights lie here."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest

from builder.errors import UserError
from builder.llm import canary, connect
from builder.llm.canary import Tolerance
from builder.llm.reference import reference_logprobs
from builder.llm.weights import local_weights, revision_of

# What a TGI says where the pocket server says that it has compared itself.
TGI = {"router": "text-generation-router"}


def off_by(nats):
    """Changes an answer's log-probs: some are up, some are down."""

    def change(answer):
        for at, token in enumerate(answer["details"]["prefill"][1:]):
            token["logprob"] = min(-1e-6, token["logprob"] + (nats if at % 2 else -nats))
        return answer

    return change


@pytest.fixture
def start(tiny_url, proxy, tmp_path, bytes_tokenizer):
    """``start(change, **info)``: connect to score through a proxy; the store outlives it."""

    def go(change=None, **info):
        async def inner():
            async with proxy(tiny_url, info) as between:
                between.script = [change] if change else []
                store = tmp_path / "answers.sqlite"
                async with connect(between.url, scoring=True, store=store, tokenizer=bytes_tokenizer):
                    return len(between.requests)

        return asyncio.run(inner())

    return go


@pytest.fixture
def no_model(monkeypatch):
    async def load(directory, texts):
        pytest.fail("a model was loaded")

    return lambda: monkeypatch.setattr(canary, "reference_logprobs", load)


@pytest.mark.slow
def test_scores_that_are_not_transformers_own_are_refused_at_each_start(start, no_model):
    assert start(**TGI) == 1
    no_model()  # what transformers computed is in the store now
    assert start(**TGI) == 1
    with pytest.raises(
        UserError, match=r"otherwise than transformers .* start it without --quantize"
    ) as caught:
        start(off_by(2.0), **TGI)
    assert "\n" not in str(caught.value)
    start(off_by(0.01), **TGI, model_dtype="torch.bfloat16")
    with pytest.raises(UserError, match="otherwise than transformers"):
        start(off_by(0.01), **TGI, model_dtype="torch.float32")


def test_a_server_that_has_compared_itself_is_not_compared_again(start, no_model):
    no_model()
    assert start() == 1


def test_a_model_too_large_for_the_memory_is_not_loaded(start, no_model, monkeypatch):
    no_model()
    monkeypatch.setattr(canary, "can_compute", lambda directory: False)
    assert start(**TGI) == 1


def test_weights_that_are_not_here_are_not_fetched(start, no_model):
    no_model()
    assert start(**TGI, model_id="user/model-that-is-not-here", model_sha="abc") == 1
    assert local_weights("user/model-that-is-not-here") is None
    assert local_weights("/no such place") is None


@pytest.mark.parametrize("values", [[0.5] * 999, [0.0] * 999], ids=["positive", "all zero"])
def test_scores_that_are_no_log_probs_are_refused(start, values):
    def change(answer):
        for token, value in zip(answer["details"]["prefill"][1:], values, strict=False):
            token["logprob"] = value
        return answer

    with pytest.raises(UserError, match="no log-probs"):
        start(change)


def test_the_tolerance_follows_from_the_number_format():
    assert Tolerance.of("float32").largest == 1e-3
    assert Tolerance.of("float32").mean < Tolerance.of("float16").mean < Tolerance.of("bfloat16").mean
    assert Tolerance.of("") == Tolerance.of("bfloat16")


@pytest.mark.slow
def test_what_transformers_cannot_load_gives_no_reference(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert asyncio.run(reference_logprobs(tmp_path, [[1, 2, 3]])) is None


def test_other_weights_in_the_same_place_are_another_revision(tiny_directory, tmp_path):
    model = shutil.copytree(tiny_directory, tmp_path / "model")
    assert revision_of(str(model)) == revision_of(str(tiny_directory)) != ""
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert revision_of(str(model)) != revision_of(str(tiny_directory))
    assert revision_of("user/model") == ""


def test_weights_in_the_hub_s_cache_go_by_their_commit(tiny_directory, tmp_path, monkeypatch):
    commit = "0123456789" * 4
    repository = tmp_path / "models--user--model"
    snapshot = repository / "snapshots" / commit
    shutil.copytree(tiny_directory, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert local_weights("user/model") == local_weights("user/model", commit) == snapshot
    assert local_weights("user/model", "f" * 40) is None
    assert revision_of(str(snapshot)) == commit
    assert json.loads((snapshot / "config.json").read_text())["model_type"] == "llama"
