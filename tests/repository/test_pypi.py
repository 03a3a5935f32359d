"""Package URLs against an index made of local files."""

from __future__ import annotations

import hashlib
import io
import tarfile

import pytest

from builder.errors import FatalError, UserError
from builder.repository import fingerprint, load, package


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder with one source distribution, taken for the only place where packages come from."""
    folder = tmp_path / "index"
    folder.mkdir()
    data = b"raise SystemExit('setup.py was run')\n"
    with tarfile.open(folder / "demo-1.0.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("demo-1.0/setup.py")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("REPO2AGENT_CACHE", str(tmp_path / "cache"))
    return folder


def test_release_is_read_and_not_run(index):
    repository = load("pkg:pypi/demo@1.0")
    assert [file.path for file in repository.files] == ["setup.py"]
    assert (repository.identity, repository.revision) == ("pkg:pypi/demo", "1.0")


def test_pinned_release_comes_from_the_cache_the_second_time(index):
    archive = index / "demo-1.0.tar.gz"
    url = f"pkg:pypi/demo@1.0?checksum=sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}"
    first = load(url)
    archive.unlink()
    assert load(url) == first
    assert fingerprint(url) == url


def test_damaged_cache_is_not_believed(index, tmp_path):
    first = load("pkg:pypi/demo@1.0")
    (cached,) = (tmp_path / "cache").rglob("demo-1.0.tar.gz")
    cached.write_bytes(b"damaged")
    assert load("pkg:pypi/demo@1.0") == first


def test_wrong_checksum_names_both(index):
    found = hashlib.sha256((index / "demo-1.0.tar.gz").read_bytes()).hexdigest()
    with pytest.raises(UserError, match=f"expected sha256:{'0' * 64}, got sha256:{found}"):
        load(f"pkg:pypi/demo@1.0?checksum=sha256:{'0' * 64}")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("pkg:pypi/demo", "no version"),
        ("pkg:pypi/demo@2.0", "no source distribution of that version"),
        ("pkg:cargo/demo@1.0", "type 'cargo' are not supported"),
        ("pkg:", "not a package URL"),
        ("pkg:pypi/demo@1.0?checksum=md5:00", "checksum is not sha256"),
        ("pkg:pypi/demo@not a version", "not a version|could not be read"),
    ],
)
def test_mistakes_end_in_one_line(index, url, message):
    with pytest.raises(UserError, match=message) as caught:
        load(url)
    assert "\n" not in str(caught.value)


def test_an_index_that_does_not_answer_is_no_fault_of_the_package(index, monkeypatch):
    monkeypatch.setattr(package, "PAUSE", 0.0)
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(FatalError, match="does not answer") as caught:
        load("pkg:pypi/absent@1.0")
    assert "\n" not in str(caught.value)
