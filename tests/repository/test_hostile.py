"""Trees made to do harm: each ends in a recorded skip or a clear error, soon, and nothing outside is read."""

from __future__ import annotations

import io
import os
import tarfile
import time
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import UserError
from builder.repository import Limits, Repository, load
from builder.repository.directory import Directory


@pytest.fixture(autouse=True)
def bounded():
    """No test here may take long, however hostile what it reads."""
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < 20


def reasons(repository: Repository) -> dict[str, str]:
    return {file.path: file.reason for file in repository.skipped}


def test_a_hundred_megabytes_on_one_line(tmp_path):
    root = tmp_path / "p"
    root.mkdir()
    (root / "a.py").write_text("A = 1\n")
    (root / "line.py").write_bytes(b"x" * 100_000_000)
    with tarfile.open(tmp_path / "p.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(root, "p")
    for source in (root, tmp_path / "p.tar.gz"):
        repository = load(source)
        assert [file.path for file in repository.files] == ["a.py"]
        assert reasons(repository) == {"line.py": "larger than 1000000 bytes"}


def test_links_in_circles_and_to_the_outside(tmp_path):
    (tmp_path / "secret.py").write_text("SECRET = 1\n")
    root = tmp_path / "p"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "c.py").write_text("C = 1\n")
    targets = {"x": "y", "y": "x", "a/b/up": "../..", "self": "self", "etc": "/etc", "up.py": "../secret.py"}
    for name, target in targets.items():
        (root / name).symlink_to(target)
    repository = load(root)
    assert [file.path for file in repository.files] == ["a/b/c.py"]
    assert reasons(repository) == dict.fromkeys(targets, "symbolic link")


def test_file_that_becomes_a_link_while_it_is_read(tmp_path):
    root = tmp_path / "p"
    root.mkdir()
    (tmp_path / "secret.py").write_text("SECRET = 1\n")
    (root / "a.py").write_text("A = 1\n")
    (entry,) = Directory(str(root)).entries(Limits())
    (root / "a.py").unlink()
    (root / "a.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(OSError):
        entry.read(100)


def test_device(tmp_path):
    (tmp_path / "a.py").write_text("A = 1\n")
    try:
        os.mknod(tmp_path / "zero.py", 0o20666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices are made by root only")
    assert reasons(load(tmp_path)) == {"zero.py": "device"}


def test_names_that_differ_in_case_are_two_files(tmp_path):
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("Mod.py", "A = 1\n")
        out.writestr("mod.py", "B = 1\n")
    assert [(file.path, file.content) for file in load(archive).files] == [
        ("Mod.py", "A = 1\n"),
        ("mod.py", "B = 1\n"),
    ]


def test_zip_bomb_of_many_small_members_ends_at_the_total(tmp_path):
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        for number in range(200):
            out.writestr(f"{number:03}.txt", b"0" * 900_000)
    repository = load(archive, Limits(max_total_bytes=5_000_000))
    assert len(repository.files) == 6
    assert set(reasons(repository).values()) == {"beyond the first 5000000 bytes"}


def test_a_thousand_folders_within_the_longest_path(tmp_path):
    deep = "/".join(["d"] * 1_000)
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("a.py", "A = 1\n")
        out.writestr(f"{deep}/b.py", "B = 1\n")
        out.writestr(f"{'e' * 5_000}.py", "C = 1\n")
    repository = load(archive)
    assert [file.path for file in repository.files] == ["a.py", f"{deep}/b.py"]
    assert list(reasons(repository).values()) == ["path longer than 4096 characters"]


_NAMES = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=20),
    st.sampled_from(["../x", "/etc/x", "a/../../x", "a//b", "./a", "C:\\x", "a/", "..", "pyproject.toml",
                     "setup.cfg", "package.json", "LICENSE", "PKG-INFO", ".gitattributes", "a.py", "a/b.js"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(_NAMES, st.binary(max_size=200), max_size=6), st.booleans())
def test_whatever_an_archive_holds_stays_inside(tmp_path_factory, members, as_tar):
    path = tmp_path_factory.mktemp("fuzz") / "x.archive"
    if as_tar:
        with tarfile.open(path, "w") as tar:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    try:
        repository = load(path)
    except UserError as error:
        assert "\n" not in str(error)
        return
    for file in repository.files:
        assert ".." not in file.path.split("/") and not file.path.startswith("/")
        assert file.path.isprintable() or "\n" not in file.path


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_are_no_archive(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "x.tar.gz"
    path.write_bytes(data)
    with pytest.raises(UserError):
        load(path)
