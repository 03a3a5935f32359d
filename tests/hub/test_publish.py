"""Publishing, end to end, against a server that speaks the Hub's HTTP API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder.errors import UserError
from builder.hub import FILES_PER_COMMIT, publish, write_card
from builder.rows import CONFIGS, built_files, features_of

NAME = "user/name"
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")  # the client's own


def command_line(hub_url: str, *arguments: str, token: str = "hf_x") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": hub_url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    command = [Path(sys.executable).with_name("repo2agent"), "publish", *arguments]
    return subprocess.run(
        command, env={**environment, "HF_TOKEN": token}, capture_output=True, text=True, timeout=120
    )


def test_a_built_folder_arrives_whole_private_and_in_one_commit_and_nothing_else_does(
    hub, folder, published
) -> None:
    write_card(folder)
    done = command_line(hub.url, str(folder), NAME)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{hub.url}/datasets/{NAME}"
    assert hub.content(NAME) == published(folder)
    assert len(built_files(folder, "repo2agent-search")) > 2
    repo = hub.repos[NAME]
    assert repo.private
    assert len(repo.commits) == 1
    assert set(hub.puts.values()) == {1}
    assert not [path for path in repo.files if "usage" in path or ".build" in path]


LOAD = """
import json, sys
from datasets import load_dataset

found = {}
for config in sys.argv[2:]:
    splits = load_dataset(sys.argv[1], config, cache_dir="cache")
    found[config] = {name: split.to_list() for name, split in splits.items()}
    for name, rows in load_dataset(sys.argv[1], config, streaming=True).items():
        assert list(rows) == found[config][name], (config, name)
assert load_dataset(sys.argv[1], cache_dir="cache")["train"].to_list() == found[sys.argv[2]]["train"]
assert "builder" not in sys.modules
json.dump(found, open("found.json", "w"))
"""


def test_what_was_pushed_loads_without_this_package_as_what_was_built(hub, folder, tmp_path) -> None:
    from datasets import load_dataset

    write_card(folder)
    publish(folder, NAME)
    chosen = ["repo2agent-search", "raw-repos", "messages", "left-out"]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": "hf_x",
        "HF_HOME": str(tmp_path / "home"),
    }
    place = tmp_path / "elsewhere"
    place.mkdir()
    child = subprocess.run(
        [sys.executable, "-c", LOAD, NAME, *chosen],
        env=environment, cwd=place, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr[-2000:]
    found = json.loads((place / "found.json").read_text())
    for config in chosen:
        for split, rows in found[config].items():
            files = [str(path) for path in built_files(folder, config) if path.name.startswith(split)]
            own = load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "own"), split="train")
            assert own.features == features_of(config)
            assert rows == json.loads(json.dumps(own.to_list()))
    assert {split: len(rows) for split, rows in found["repo2agent-search"].items()} == {"train": 4, "test": 1}


def test_a_second_publish_sends_nothing_and_commits_nothing(hub, folder) -> None:
    write_card(folder)
    publish(folder, NAME)
    hub.puts.clear()
    hub.requests.clear()
    publish(folder, NAME)
    assert len(hub.repos[NAME].commits) == 1
    assert not hub.puts
    assert {line.split()[0] for line in hub.requests} == {"POST", "GET"}
    assert not [line for line in hub.requests if "/commit/" in line or "/preupload/" in line]


def test_commits_hold_a_bounded_number_of_files_and_the_card_comes_last(
    hub, folder, published, monkeypatch
) -> None:
    monkeypatch.setattr(sys.modules[publish.__module__], "FILES_PER_COMMIT", 8)
    write_card(folder)
    publish(folder, NAME)
    commits = hub.repos[NAME].commits
    assert [len(paths) for paths in commits[:-1]] == [8] * (len(commits) - 1)
    assert len(commits) == -(-len(published(folder)) // 8) < len(published(folder)) / 4
    assert commits[-1][-1] == "README.md"
    assert hub.content(NAME) == published(folder)
    assert FILES_PER_COMMIT <= 100  # what the Hub's documentation asks for


@pytest.mark.parametrize("broken", [0, 5, 12])
def test_a_connection_that_breaks_half_way_costs_only_what_was_on_its_way(
    broken, hub, folder, published
) -> None:
    write_card(folder)
    hub.break_puts = lambda number: number >= broken
    with pytest.raises(UserError, match="run it again to go on"):
        publish(folder, NAME)
    assert not hub.repos[NAME].commits
    assert len(hub.objects) == broken
    arrived = set(hub.objects)
    hub.puts.clear()
    hub.break_puts = lambda number: False
    publish(folder, NAME)
    assert hub.content(NAME) == published(folder)
    assert not arrived & set(hub.puts)
    assert set(hub.puts.values()) == {1}
    assert len(hub.repos[NAME].commits) == 1


def test_a_connection_that_breaks_once_is_tried_again(hub, folder, published) -> None:
    write_card(folder)
    hub.break_puts = lambda number: number == 3
    publish(folder, NAME)
    assert hub.content(NAME) == published(folder)
    assert hub.puts.total() == len(set(hub.puts)) + 1


def test_a_commit_whose_answer_is_lost_is_not_made_again(hub, folder, published, monkeypatch) -> None:
    monkeypatch.setattr(sys.modules[publish.__module__], "FILES_PER_COMMIT", 8)
    write_card(folder)
    hub.lose_answers = True
    with pytest.raises(UserError, match="run it again to go on"):
        publish(folder, NAME)
    first = set(hub.repos[NAME].commits[0])
    assert len(hub.repos[NAME].commits) == 1
    hub.lose_answers = False
    publish(folder, NAME)
    assert hub.content(NAME) == published(folder)
    later = [path for paths in hub.repos[NAME].commits[1:] for path in paths]
    assert not first & set(later)
    assert set(hub.puts.values()) == {1}


def test_rows_that_are_gone_here_are_gone_there_in_the_commit_that_brings_the_new(
    hub, folder, published
) -> None:
    write_card(folder)
    publish(folder, NAME)
    hub.repos[NAME].files["notes/mine.md"] = b"written by hand on the Hub"
    for path in built_files(folder, "repo2agent-random"):
        path.unlink()
    last = built_files(folder, "repo2agent-search")[-1]
    last.rename(last.with_name(last.name.replace("00000-of", "00007-of")))
    write_card(folder)
    publish(folder, NAME)
    assert hub.content(NAME) == {**published(folder), "notes/mine.md": b"written by hand on the Hub"}
    assert len(hub.repos[NAME].commits) == 2
    assert hub.repos[NAME].commits[1][-1] == "README.md"


def test_a_dataset_is_public_only_where_that_was_asked_for(hub, folder) -> None:
    write_card(folder)
    publish(folder, "user/open", private=False)
    assert not hub.repos["user/open"].private
    before = len(hub.requests)
    with pytest.raises(UserError, match=r"user/open: is public on the Hub; publish with --public"):
        publish(folder, "user/open")
    assert not [line for line in hub.requests[before:] if "/commit/" in line or "/preupload/" in line]
    publish(folder, NAME)
    assert hub.repos[NAME].private
    publish(folder, NAME, private=False)
    assert not hub.repos[NAME].private


def test_a_card_that_the_hub_does_not_take_is_one_line_and_nothing_is_committed(hub, folder) -> None:
    card = write_card(folder)
    card.write_text(card.read_text().replace("size_categories:\n- n<1K", "size_categories:\n- tiny"))
    with pytest.raises(UserError, match=r"does not take user/name: .*size_categories.*tiny") as caught:
        publish(folder, NAME)
    assert "\n" not in str(caught.value)
    assert not hub.repos[NAME].commits


@pytest.mark.parametrize(
    ("name", "token", "said"),
    [
        (NAME, "hf_wrong", "no account to push user/name with; run `hf auth login` or set HF_TOKEN"),
        (NAME, None, "no account to push user/name with; run `hf auth login` or set HF_TOKEN"),
        ("other/name", "hf_x", "other/name: no right to write there"),
        ("user/a name", "hf_x", "user/a name: not a name that the Hub takes"),
        ("a/b/c", "hf_x", "a/b/c: not a name that the Hub takes"),
    ],
)
def test_whoever_may_not_push_is_told_in_one_line(name, token, said, hub, folder, monkeypatch) -> None:
    write_card(folder)
    monkeypatch.setenv("HF_TOKEN", token or "")
    with pytest.raises(UserError) as caught:
        publish(folder, name)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not hub.repos


def test_one_who_may_read_but_not_write_is_told_so(hub, folder) -> None:
    from hub_server import Repo

    write_card(folder)
    hub.repos["other/name"] = Repo(private=False)
    with pytest.raises(UserError, match=r"other/name: .*publish with --public"):
        publish(folder, "other/name")
    with pytest.raises(UserError, match="other/name: no right to write there"):
        publish(folder, "other/name", private=False)


@pytest.mark.parametrize("token", ["hf_x", ""])
def test_a_hub_that_is_not_there_is_one_line(token, shards) -> None:
    done = command_line("http://127.0.0.1:9", str(shards), NAME, token=token)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("repo2agent: error: http://127.0.0.1:9: the Hub could not be reached")


@pytest.mark.parametrize("linked", ["data/raw-repos", "build.yaml", "README.md", "a shard"])
def test_a_link_is_never_followed(linked, hub, folder, tmp_path) -> None:
    write_card(folder)
    place = built_files(folder, "raw-repos")[0] if linked == "a shard" else folder / linked
    place.rename(tmp_path / "outside")
    place.symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="a link"):
        publish(folder, NAME)
    assert not hub.repos


def test_what_is_not_a_finished_build_is_not_published(hub, folder, tmp_path) -> None:
    with pytest.raises(UserError, match="not a built dataset"):
        publish(tmp_path / "nothing", NAME)
    state = folder / ".build"
    (state / "done").mkdir(parents=True)
    (state / "job.json").write_text("{}")
    (state / "done" / "00000.json").write_text("{}")
    with pytest.raises(UserError, match=r"1 of \? shards are built; run the same `repo2agent build`"):
        publish(folder, NAME)
    (state / "chosen.json").write_text('{"num_shards": 2}')
    with pytest.raises(UserError, match="1 of 2 shards are built; run the same `repo2agent build`"):
        publish(folder, NAME)
    assert not hub.repos
    (state / "done" / "00001.json").write_text("{}")
    publish(folder, NAME)
    assert not any(".build" in name for name in hub.content(NAME))


def test_a_folder_without_a_card_gets_one(hub, folder) -> None:
    publish(folder, NAME)
    assert (folder / "README.md").is_file()
    assert b"config_name: " + CONFIGS[0].encode() in hub.content(NAME)["README.md"]
