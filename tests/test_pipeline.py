"""The whole path, on real packages, with a scripted model: fast, and true of any model."""

from __future__ import annotations

import asyncio
import importlib.util
import random
from pathlib import Path

import pytest

from builder.agents import verify_debugging
from builder.config import BuildConfig, from_dict
from builder.errors import UserError
from builder.llm import ModelError
from builder.pipeline import Calls, Models, reconstruct
from builder.repository import load
from builder.rows import BUILDABLE_CONFIGS, DEFAULT_CONFIGS, debugging, problems
from builder.scale import Job
from builder.structure import analyze
from builder.trajectory import from_row, render, replay, turns, without_words
from builder.trajectory.steps import STRUCTURE_KINDS

PACKAGES = ["iniconfig", "pluggy", "tenacity"]


def source(package: str) -> str:
    """Where an installed package's code lies: real code of some thousand lines, without a download."""
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    return str(Path(spec.origin).parent)


def rebuild(path: str, model, **config):
    return asyncio.run(reconstruct(load(path), Models(model, model), BuildConfig(**config)))


@pytest.mark.parametrize("package", PACKAGES)
def test_the_row_of_a_real_package_replays_to_its_files(package, scripted) -> None:
    repository = load(source(package))
    result = rebuild(source(package), scripted(max_input_tokens=4000))
    contents = {file.path: file.content for file in repository.files}
    for config in ("repo2agent-search", "repo2agent", "raw-repos"):
        assert replay(result.rows[config]) == contents
    stored = {f["path"]: f["original_sha256"] for f in result.rows["repo2agent"]["files"]}
    assert stored == {file.path: file.original_sha256 for file in repository.files}


def test_the_same_input_gives_the_same_rows(scripted) -> None:
    first, again = (rebuild(source("iniconfig"), scripted()) for _ in range(2))
    assert first.rows == again.rows
    assert first.log == again.log


def test_rows_tell_of_failed_calls_alike_in_whatever_order_they_fail(scripted) -> None:
    def rows(order):
        model, dice = scripted(max_input_tokens=4000), random.Random(order)

        async def failing(ask, number, *request, **options):
            for _ in range(dice.randrange(40)):
                await asyncio.sleep(0)
            if number % 3 == 0:
                raise ModelError(f"no answer to {number}")
            return await ask(*request, **options)

        honest = model.generate, model.score
        model.generate = lambda messages, **options: failing(honest[0], options["seed"], messages, **options)
        model.score = lambda context, target: failing(honest[1], sum(context) + sum(target), context, target)
        return rebuild(source("tenacity"), model).rows

    first, again = rows(1), rows(2)
    assert len(first["repo2agent-search"]["notes"]) > 10
    assert first == again


def test_the_seed_reaches_every_call(scripted) -> None:
    models = [scripted(answer=lambda messages, seed: f"I think {seed}.") for _ in range(2)]
    first, other = (rebuild(source("iniconfig"), model, seed=seed) for seed, model in enumerate(models))
    assert not {seed for _, seed in models[0].generated} & {seed for _, seed in models[1].generated}
    assert first.rows["repo2agent"]["text"] != other.rows["repo2agent"]["text"]
    assert first.rows["raw-repos"]["text"] == other.rows["raw-repos"]["text"]


def test_no_observation_and_no_spec_ever_carries_loss(scripted) -> None:
    row = rebuild(source("pluggy"), scripted()).rows["repo2agent-search"]
    shown = [s for s in row["spans"] if row["steps"][s["step"]]["kind"] in ("observation", "spec")]
    assert shown
    assert not any(span["loss"] for span in shown)


def test_no_more_is_asked_than_the_wanted_config_needs(scripted) -> None:
    full = rebuild(source("iniconfig"), scripted())
    for config, generated in (("raw-repos", False), ("spec-only", False), ("repo2agent", True)):
        model = scripted()
        models = Models(model, model)
        result = asyncio.run(reconstruct(load(source("iniconfig")), models, BuildConfig(), [config]))
        assert result.of(config) == full.of(config)
        assert (bool(model.generated), bool(model.scored)) == (generated, False)


def test_spec_only_is_the_trajectory_without_what_a_model_says(scripted) -> None:
    rows = rebuild(source("pluggy"), scripted()).rows
    assert {step["kind"] for step in rows["spec-only"]["steps"]} == set(STRUCTURE_KINDS)
    document = render(without_words(from_row(rows["repo2agent"])))
    assert document.text == rows["spec-only"]["text"]
    assert rows["spec-only"]["generator"] == ""


def test_every_config_has_rows(scripted) -> None:
    result = rebuild(source("iniconfig"), scripted())
    assert all(result.of(config) for config in DEFAULT_CONFIGS)


DEBUG_CONFIGS = ("repo2agent-debug", "repo2agent-search-debug")
DRAFT = "```python\nfrom .gone import something\n\n\ndef surely_not_there(): ...\n```"


def debugging_model(scripted):
    def answer(messages, seed):
        return DRAFT if "in one code block" in messages[-1]["content"] else f"I think of number {seed}."

    return scripted(answer=answer)


@pytest.mark.parametrize("package", PACKAGES)
def test_rows_with_debugging_replay_and_are_true(package, scripted) -> None:
    repository = load(source(package))
    model = debugging_model(scripted)
    result = asyncio.run(reconstruct(repository, Models(model, model), BuildConfig(), BUILDABLE_CONFIGS))
    blueprint = analyze(repository)
    for config in DEBUG_CONFIGS:
        row = result.rows[config]
        assert replay(row) == {file.path: file.content for file in repository.files}
        assert verify_debugging(row, blueprint) == []
        assert list(problems(row)) == []
        shown = [step for step in turns(from_row(row)) if step.call == "check"]
        assert len(shown) == sum(step["kind"] == "draft" for step in row["steps"])
        debug_steps = {n for n, step in enumerate(row["steps"]) if step["kind"] == "debug"}
        searched = debug_steps if config == "repo2agent-search-debug" else set()
        assert {score["step"] for score in row["scores"]} == searched
        kinds = [step["kind"] for step in row["steps"]]
        assert kinds.count("draft") == kinds.count("check") == kinds.count("design") > 0
        figures = debugging([row])
        assert figures["num_drafts"] == kinds.count("draft")
        assert sum(figures["defects"].values()) == kinds.count("debug")
        assert figures["resolved"] == 1.0  # no real file here imports what is gone


def test_debugging_changes_no_other_row_and_is_the_same_again(scripted) -> None:
    repository = load(source("iniconfig"))

    def rows(wanted):
        model = debugging_model(scripted)
        return asyncio.run(reconstruct(repository, Models(model, model), BuildConfig(), wanted))

    everything, plain = rows(BUILDABLE_CONFIGS), rows(DEFAULT_CONFIGS)
    assert {config: everything.rows.get(config) for config in DEFAULT_CONFIGS} == {
        config: plain.rows.get(config) for config in DEFAULT_CONFIGS
    }
    assert [entry for entry in everything.log if entry["config"] == "repo2agent-search"] == plain.log
    for config in DEBUG_CONFIGS:
        assert rows([config]).of(config) == everything.of(config)
        assert config not in plain.rows


def test_debugging_without_search_scores_nothing_and_calls_are_counted_to_the_end(scripted) -> None:
    model = debugging_model(scripted)
    calls = Calls()
    repository = load(source("iniconfig"))
    asyncio.run(reconstruct(repository, Models(model, model), BuildConfig(), ["repo2agent-debug"], calls))
    assert not model.scored
    assert calls.finished == calls.expected == len(model.generated)


def test_a_config_that_there_is_not_is_named(tmp_path) -> None:
    with pytest.raises(UserError, match="no config repo2agent-debugging; there are repo2agent-search"):
        Job(tmp_path, BuildConfig(configs=("repo2agent-debugging",)))


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"round": 3}, "unknown option round"),
        ({"search": {"rounds": -1}}, "rounds must not be negative"),
        ({"search": {"k": 2}}, "unexpected keyword"),
        ({"llm": []}, "llm: .* neither a URL"),
        ({"scorer": [3]}, "scorer: .* neither a URL"),
    ],
)
def test_a_wrong_configuration_is_named(values, word) -> None:
    with pytest.raises(UserError, match=word):
        from_dict(values)


def test_several_servers_are_kept_busy_together() -> None:
    config = from_dict(
        {"generator": ["http://a", "http://b", "http://c"], "scorer": "http://d", "concurrency": 5}
    )
    assert config.calls_at_once == 15
    assert from_dict({"llm": "http://a", "concurrency": 5}).calls_at_once == 5


def test_values_as_they_stand_in_yaml_become_a_configuration() -> None:
    config = from_dict(
        {"llm": "http://x", "search": {"rounds": 1}, "loss_roles": ["code"], "configs": ["raw-repos"]}
    )
    assert (config.scorer_url, config.generator_url) == ("http://x", "http://x")
    assert (config.search.rounds, config.loss_roles, config.configs) == (1, ("code",), ("raw-repos",))
