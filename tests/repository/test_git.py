"""Git URLs against repositories made here, hostile ones among them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from builder.errors import UserError
from builder.repository import fingerprint, identify, load
from builder.repository.git import Git


def git(root: Path, *command: str) -> str:
    settings = [
        "-c",
        "user.name=n",
        "-c",
        "user.email=e",
        "-c",
        "init.defaultBranch=main",
        "-c",
        "core.hooksPath=",
    ]
    return subprocess.run(
        ["git", *settings, *command], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(root: Path, files: dict[str, str], *, tag: str = "") -> str:
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "m", "--no-verify")
    if tag:
        git(root, "tag", "-a", tag, "-m", "t")
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path, monkeypatch):
    monkeypatch.setenv("REPO2AGENT_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "origin"
    root.mkdir()
    git(root, "init", "-q")
    return root


def contents(repository) -> dict[str, str]:
    return {file.path: file.content for file in repository.files}


def test_every_way_to_name_a_revision(origin):
    first = commit(origin, {"a.py": "A = 1\n"}, tag="v1")
    second = commit(origin, {"a.py": "A = 2\n", "b/c.py": "C = 1\n"})
    url = f"git+file://{origin}"
    for wanted, revision, text in (
        ("@v1", first, "A = 1\n"),
        (f"@{first}", first, "A = 1\n"),  # an ancestor: no branch ends there
        ("@main", second, "A = 2\n"),
        ("@refs/heads/main", second, "A = 2\n"),
        ("", second, "A = 2\n"),
    ):
        repository = load(url + wanted)
        assert (repository.revision, contents(repository)["a.py"]) == (revision, text)
        assert repository.identity == identify(url + wanted) == "local/origin"
    assert fingerprint(f"{url}@v1") == fingerprint(f"{url}@{first}") != fingerprint(url)


def test_a_fetched_commit_is_not_fetched_again(origin):
    revision = commit(origin, {"a.py": "A = 1\n"})
    first = load(f"git+file://{origin}@{revision}")
    origin.rename(origin.with_name("gone"))
    assert load(f"git+file://{origin}@{revision}") == first


def test_server_that_refuses_a_commit_by_its_hash(origin, monkeypatch):
    old = commit(origin, {"a.py": "A = 1\n"})
    commit(origin, {"a.py": "A = 2\n"})
    # The first version of the protocol gives out no commit at which no branch ends.
    command = Git._command
    monkeypatch.setattr(Git, "_command", lambda self, *rest: command(self, "-c", "protocol.version=0", *rest))
    assert contents(load(f"git+file://{origin}@{old}")) == {"a.py": "A = 1\n"}
    with pytest.raises(UserError, match="could not be read"):
        load(f"git+file://{origin}@{'0' * 40}")


def test_hostile_repository_is_read_as_it_was_committed(origin, tmp_path):
    ran = tmp_path / "ran"
    (tmp_path / "secret.py").write_text("SECRET = 1\n")
    (origin / "link.py").symlink_to(tmp_path / "secret.py")
    (origin / "folder").symlink_to("/etc")
    program = f"sh -c 'touch {ran}; cat'"
    git(origin, "config", "filter.evil.smudge", program)
    git(origin, "config", "filter.evil.clean", "cat")
    for name in (
        "post-checkout",
        "post-merge",
        "reference-transaction",
        "pre-receive",
        "update",
        "post-update",
    ):
        hook = origin / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
        hook.chmod(0o755)
    commit(
        origin,
        {
            ".gitattributes": "*.py filter=evil export-subst\nhidden.py export-ignore\n",
            "a.py": "A = '$Format:%H$'\n",
            "hidden.py": "H = 1\n",
            ".gitmodules": '[submodule "s"]\n\tpath = s\n\turl = ext::sh -c "touch ran"\n',
        },
    )
    git(origin, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},s")
    git(origin, "commit", "-q", "-m", "submodule", "--no-verify")
    ran.unlink(missing_ok=True)
    repository = load(f"git+file://{origin}@main")
    assert contents(repository)["a.py"] == "A = '$Format:%H$'\n"
    assert "hidden.py" in contents(repository)
    assert {file.path: file.reason for file in repository.skipped} == {
        "link.py": "symbolic link",
        "folder": "symbolic link",
        "s": "git submodule",
    }
    assert not ran.exists()


def test_the_users_own_configuration_runs_nothing(origin, tmp_path, monkeypatch):
    commit(origin, {"a.py": "A = 1\n"})
    ran = tmp_path / "ran"
    config = tmp_path / "config"
    config.write_text(
        f"[core]\n\tfsmonitor = touch {ran}\n\thooksPath = {tmp_path}\n[alias]\n\tfetch = !touch {ran}\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_SSH_COMMAND", f"touch {ran}")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert contents(load(f"git+file://{origin}@main")) == {"a.py": "A = 1\n"}
    assert not ran.exists()


def test_names_that_git_allows_and_we_do_not(origin):
    commit(origin, {"a.py": "A = 1\n"})
    blob = git(origin, "hash-object", "-w", "a.py")
    tree = (
        subprocess.run(
            ["git", "mktree", "-z"],
            cwd=origin,
            input=f"100644 blob {blob}\ta\\b.py\0".encode() + f"100644 blob {blob}\tok.py\0".encode(),
            capture_output=True,
            check=True,
        )
        .stdout.decode()
        .strip()
    )
    revision = git(origin, "commit-tree", tree, "-m", "m")
    git(origin, "branch", "odd", revision)
    repository = load(f"git+file://{origin}@odd")
    assert list(contents(repository)) == ["ok.py"]
    assert {file.path: file.reason for file in repository.skipped} == {"a\\b.py": "backslash in name"}


def test_credentials_stay_out_of_identity_fingerprint_and_messages(tmp_path):
    url = "git+https://user:t0ken@127.0.0.1:9/owner/name.git@main"
    source = Git(url, tmp_path)
    assert source.identity == "127.0.0.1/owner/name"
    with pytest.raises(UserError, match="could not be read") as caught:
        load(url, cache=tmp_path)
    assert "t0ken" not in str(caught.value) and "user" not in str(caught.value)
    assert not any("t0ken" in part for part in source._command("fetch", source.address))
    assert "t0ken" not in " ".join(str(path) for path in tmp_path.rglob("*"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("git+ext://sh -c touch", "not the URL of a git repository"),
        ("git+http://host/owner/name", "not the URL of a git repository"),
        ("git+https:///owner/name", "not the URL of a git repository"),
        ("git+ssh://-oProxyCommand=touch/name", "not the URL of a git repository"),
        ("git+https://host/", "not the URL of a git repository"),
        ("git+https://host/owner/name@", "not a revision"),
        ("git+https://host/owner/name@--upload-pack=touch", "not a revision"),
        ("git+https://host/owner/name@a:b", "not a revision"),
        ("git+file:///nowhere/at/all@main", "could not be read"),
    ],
)
def test_mistakes_end_in_one_line(url, message, tmp_path):
    with pytest.raises(UserError, match=message) as caught:
        load(url, cache=tmp_path)
    assert "\n" not in str(caught.value)


def test_unknown_revision_says_what_to_do(origin):
    commit(origin, {"a.py": "A = 1\n"})
    with pytest.raises(UserError, match=r"no branch or tag 'v9'.*full hash"):
        load(f"git+file://{origin}@v9")


def test_too_large_a_repository_is_given_up(origin, monkeypatch):
    revision = commit(origin, {f"{number}.txt": os.urandom(50_000).hex() for number in range(40)})
    monkeypatch.setattr("builder.repository.git._MAX_FETCH", 10_000)
    with pytest.raises(UserError, match="larger than 10000 bytes"):
        load(f"git+file://{origin}@{revision}")
