"""What arms read is counted from their data, and must be as much."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from builder import UserError
from experiment.__main__ import parse
from experiment.counts import Seen, check_totals, count_run
from experiment.plan import plan
from experiment.split import check_split
from trainer.documents import ROLES


@pytest.fixture(scope="module")
def counted(built, miniature, tmp_path_factory):
    """``counted(arm, **training)``: the counts of one arm of the miniature on what is built."""
    folder = tmp_path_factory.mktemp("counts")

    def count(arm: str, **training):
        path = miniature(corpus={"built": str(built)}, arms=["base", arm])
        words = [f"--training.{name}={value}" for name, value in training.items()]
        stages = plan(parse([str(path), *words])[0])
        stage = next(stage for stage in stages if stage.kind == "count")
        (name,) = stage.files
        (folder / name).write_text(stage.filled(folder)[1][name])
        return count_run(str(folder / name), "repositories")

    return count


def test_arms_see_the_same_number_of_tokens_to_the_token(counted):
    runs = {arm: counted(arm, tokens=3000)["run"] for arm in ("raw-repos", "repo2agent-search")}
    assert {run["tokens"]["total"] for run in runs.values()} == {3000}
    check_totals({arm: run["tokens"]["total"] for arm, run in runs.items()})
    # Observations and outlines carry no loss, and take room from code.
    for name in ("trained", "unique_code"):
        assert 0 < runs["repo2agent-search"]["tokens"][name] < runs["raw-repos"]["tokens"][name] < 3000


def test_what_a_gpu_is_to_read_is_counted_without_one(counted):
    here = counted("raw-repos", tokens=1000)
    options = '{"max_length": 256, "use_cpu": false, "bf16": true, "optim": "adamw_torch_fused"}'
    assert counted("raw-repos", tokens=1000, options=options) == here


def test_code_that_is_read_again_counts_once(counted, built):
    once = counted("raw-repos", tokens=1000)
    often = counted("raw-repos", tokens=40_000)
    assert often["run"]["epochs"] > 2
    assert often["run"]["tokens"]["unique_code"] > once["run"]["tokens"]["unique_code"]
    # All of it, in whatever pieces.
    assert often["run"]["tokens"]["unique_code"] == often["data"]["unique_code_tokens"]
    trained = check_split(built, ["raw-repos"], 0.5)["repositories"]["train"]
    assert often["data"]["documents"] == len(trained) == len(often["data"]["lengths"])


def test_the_same_code_in_two_documents_counts_once():
    code = ROLES.index("code") + 1
    seen = Seen()
    seen.add(np.array([7, 1, 2, 3, 9, 1, 2, 3]), np.array([0, code, code, code, 1, code, code, code]), [4, 4])
    assert seen.num_tokens == 3
    # Two documents that touch are two stretches.
    seen.add(np.array([1, 2, 3, 4, 5]), np.full(5, code), [3, 2])
    assert seen.num_tokens == 5
    # What the end of a run leaves of a document is nothing new, but another end of it is.
    seen.add(np.array([1, 2]), np.full(2, code), [2])
    assert seen.num_tokens == 5
    seen.add(np.array([1, 2, 8]), np.full(3, code), [3])
    assert seen.num_tokens == 8


def test_arms_that_differ_by_more_than_half_a_percent_are_not_compared():
    check_totals({"a": 10_000, "b": 9_951})
    with pytest.raises(UserError, match="not comparable: a sees 10,000 tokens and b 9,949"):
        check_totals({"a": 10_000, "b": 9_949})


def test_every_arm_is_trained_alike(miniature, built):
    """All but what it reads is the same in every arm's configuration."""
    arms = ["base", "general", "raw-repos", "repo2agent-search"]
    text = {"sources": {"prose": {"data_files": ["prose.parquet"], "plain_text": True}}, "share": 0.25}
    config = parse([str(miniature(corpus={"built": str(built)}, arms=arms, text=text, seeds=[0, 1]))])[0]
    stages = [stage for stage in plan(config) if stage.kind == "train"]
    assert len(stages) == 6
    settings = {stage.name: yaml.safe_load(stage.files["cpt.yaml"]) for stage in stages}
    for seed in (0, 1):
        of_seed = [settings[name] for name in settings if name.endswith(str(seed))]
        rest = [{name: value for name, value in s.items() if name != "sources"} for s in of_seed]
        assert rest[0] == rest[1] == rest[2]
        assert rest[0]["seed"] == seed
    assert {
        name: source["weight"] for name, source in settings["train general seed 0"]["sources"].items()
    } == {"prose": 1.0}
    for arm in ("raw-repos", "repo2agent-search"):
        sources = settings[f"train {arm} seed 1"]["sources"]
        assert sources["repositories"]["dataset_config"] == arm
        assert sources["repositories"]["split"] == "train"
        assert {name: source["weight"] for name, source in sources.items()} == {
            "repositories": 0.75,
            "prose": 0.25,
        }
