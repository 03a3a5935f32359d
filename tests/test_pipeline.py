"""The whole path, on real packages, with a scripted model: fast, and true of any model."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest

from builder.config import BuildConfig, from_dict
from builder.errors import UserError
from builder.pipeline import Models, reconstruct
from builder.repository import load
from builder.rows import DEFAULT_CONFIGS
from builder.trajectory import replay

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
    for config, generated in (("raw-repos", False), ("repo2agent", True)):
        model = scripted()
        models = Models(model, model)
        result = asyncio.run(reconstruct(load(source("iniconfig")), models, BuildConfig(), [config]))
        assert result.of(config) == full.of(config)
        assert (bool(model.generated), bool(model.scored)) == (generated, False)


def test_every_config_has_rows(scripted) -> None:
    result = rebuild(source("iniconfig"), scripted())
    assert all(result.of(config) for config in DEFAULT_CONFIGS)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"round": 3}, "unknown option round"),
        ({"search": {"rounds": -1}}, "rounds must not be negative"),
        ({"search": {"k": 2}}, "unexpected keyword"),
    ],
)
def test_a_wrong_configuration_is_named(values, word) -> None:
    with pytest.raises(UserError, match=word):
        from_dict(values)


def test_values_as_they_stand_in_yaml_become_a_configuration() -> None:
    config = from_dict({"llm": "http://x", "search": {"rounds": 1}, "loss_roles": ["code"]})
    assert (config.scorer_url, config.generator_url) == ("http://x", "http://x")
    assert (config.search.rounds, config.loss_roles) == (1, ("code",))
