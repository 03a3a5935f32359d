"""The command line: fast help with examples, and one clear line for every mistake."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
COMMANDS = ("structure", "build", "plan", "inspect", "serve", "publish")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("repo2agent")
    return subprocess.run(
        [program, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """The error of a failed run: exit status not 0, one line, no trace."""
    assert result.returncode != 0
    lines = result.stderr.strip().splitlines()
    assert "Traceback" not in result.stderr
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("repo2agent: error: ")
    return lines[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command: str) -> None:
    result = run(command, "--help")
    assert result.returncode == 0
    assert f"example: repo2agent {command}" in " ".join(result.stdout.split())


def test_help_costs_little_more_than_starting_python() -> None:
    """Under half a second on an idle machine; held here as a ratio, since machines are shared."""

    def seconds(*command: str) -> float:
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        return time.perf_counter() - start

    program = str(Path(sys.executable).with_name("repo2agent"))
    helps, bare = [], []
    for _ in range(5):
        helps.append(seconds(program, "--help"))
        bare.append(seconds(sys.executable, "-c", "import argparse, asyncio, json"))
    assert statistics.median(helps) < 8 * statistics.median(bare)


def test_a_path_that_does_not_exist(tmp_path) -> None:
    for command in (["structure"], ["build", "--output", str(tmp_path / "out")]):
        assert "no such" in one_line(run(*command, str(tmp_path / "nowhere")))


def test_an_empty_directory_and_one_of_binaries(tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "binaries").mkdir()
    (tmp_path / "binaries" / "a.bin").write_bytes(bytes(range(256)) * 8)
    assert "empty" in one_line(run("build", str(tmp_path / "empty"), "--output", str(tmp_path / "built")))
    assert "binary" in one_line(run("build", str(tmp_path / "binaries"), "--output", str(tmp_path / "built")))


def test_a_server_that_is_not_there(tmp_path) -> None:
    (tmp_path / "a.py").write_text("A = 1\n")
    line = one_line(
        run(
            *("build", str(tmp_path), "--llm", "http://127.0.0.1:9"),
            *("--store", str(tmp_path / "s"), "--output", str(tmp_path / "built")),
        )
    )
    assert "http://127.0.0.1:9" in line


@pytest.mark.parametrize(
    "arguments", [["build"], ["inspect", "nowhere"], ["publish", "nowhere", "user/name"]]
)
def test_what_is_missing_is_named(arguments) -> None:
    one_line(run(*arguments))


def test_options_come_from_a_file_and_the_command_line_overrides_it(tmp_path) -> None:
    (tmp_path / "a.py").write_text("A = 1\n")
    (tmp_path / "structure.yaml").write_text("json: true\n")
    config = str(tmp_path / "structure.yaml")
    assert run("structure", str(tmp_path), "--config", config).stdout.startswith("{")
    (tmp_path / "build.yaml").write_text("seed: 3\nsearch:\n  rounds: 5\n  candidates: 4\n")
    printed = run(
        "build", "x", "--config", str(tmp_path / "build.yaml"), "--search.rounds", "1", "--print_config"
    ).stdout
    values = yaml.safe_load(printed)
    assert (values["seed"], values["search"]["rounds"], values["search"]["candidates"]) == (3, 1, 4)


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "build").glob("*.yaml")), ids=lambda p: p.name)
def test_every_build_configuration_is_valid(path) -> None:
    from builder.config import BuildConfig, from_dict

    values = yaml.safe_load(path.read_text())
    known = {entry.name for entry in fields(BuildConfig)}
    from_dict({name: value for name, value in values.items() if name in known})
    printed = run("build", "x", "--config", str(path), "--print_config")
    parsed = yaml.safe_load(printed.stdout)
    assert {name: parsed[name] for name in ("llm", "generator", "scorer") if name in values} == {
        name: values[name] for name in ("llm", "generator", "scorer") if name in values
    }


def test_servers_are_given_as_a_list_or_one_by_one() -> None:
    urls = ["http://a:80", "http://b:80"]
    for given in (["--llm", json.dumps(urls)], [f"--llm+={url}" for url in urls]):
        printed = run("build", "x", *given, "--print_config").stdout
        assert yaml.safe_load(printed)["llm"] == urls


def test_an_empty_list_of_servers_does_not_start_the_embedded_model(tmp_path) -> None:
    (tmp_path / "a.py").write_text("A = 1\n")
    assert "scorer: [] is neither a URL" in one_line(
        run("build", str(tmp_path), "--scorer=[]", f"--output={tmp_path}/built")
    )


def test_structure_prints_json_with_paths_relative_to_the_root(tmp_path) -> None:
    (tmp_path / "a.py").write_text("import b\n")
    (tmp_path / "b.py").write_text("B = 1\n")
    result = json.loads(run("structure", str(tmp_path), "--json").stdout)
    assert set(result) == {"root", "files", "dependencies", "external", "outlines", "order"}
    assert result["dependencies"] == [{"source": "a.py", "target": "b.py", "kind": "import"}]
    assert result["order"] == ["b.py", "a.py"]


def test_structure_reads_what_is_asked_for(tmp_path) -> None:
    for name in ("a.py", "b.py", "c.md", "d.txt"):
        (tmp_path / name).write_text("A = 1\n")
    result = run("structure", str(tmp_path), "--exclude", "b.*", "--language", "python", "Markdown", "--json")
    skipped = {file["path"]: file["skipped"] for file in json.loads(result.stdout)["files"]}
    assert skipped == {"a.py": None, "b.py": "excluded by b.*", "c.md": None, "d.txt": "another language"}
    wrong = run("structure", str(tmp_path), "--language", "Java")
    assert wrong.returncode == 1 and "no files in that language; there are: Markdown, Python" in wrong.stderr
