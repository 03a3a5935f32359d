"""npm packages against a registry on loopback."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import json
import tarfile
import threading
from urllib.parse import unquote

import pytest

from builder.errors import FatalError, UserError
from builder.repository import fingerprint, load, npm, package

SCRIPT = b"throw new Error('it was run')\n"


def tarball(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def sha512(data: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()


class Registry:
    """What a registry serves: ``answers`` by path; ``asked`` says what was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.url = ""

    def publish(self, name: str, version: str, data: bytes, **dist: str) -> None:
        self.answers[f"/files/{name}.tgz"] = data
        dist = {"tarball": f"{self.url}/files/{name}.tgz", "integrity": sha512(data)} | dist
        dist = {key: value for key, value in dist.items() if value}
        self.answers[f"/{name}"] = json.dumps({"versions": {version: {"dist": dist}}}).encode()


@pytest.fixture
def registry(tmp_path, monkeypatch):
    made = Registry()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = unquote(self.path)
            made.asked.append(self.path)
            data = made.answers.get(path)
            self.send_response(200 if data is not None else 404)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    made.publish("demo", "1.0.0", tarball({"index.js": SCRIPT}))
    made.publish("@scope/demo", "2.0.0-beta.1", tarball({"lib/a.js": b"1\n"}))
    monkeypatch.setenv("npm_config_registry", made.url + "/")
    monkeypatch.setenv("NPM_CONFIG_USERCONFIG", str(tmp_path / "npmrc"))
    monkeypatch.setenv("REPO2AGENT_CACHE", str(tmp_path / "cache"))
    yield made
    server.shutdown()
    server.server_close()


def test_release_is_read_and_not_run(registry):
    repository = load("pkg:npm/demo@1.0.0")
    assert {file.path: file.content for file in repository.files} == {"index.js": SCRIPT.decode()}
    assert (repository.identity, repository.revision) == ("pkg:npm/demo", "1.0.0")


def test_scoped_release_asks_for_the_scope_as_one_name(registry):
    repository = load("pkg:npm/%40scope/demo@2.0.0-beta.1")
    assert repository.identity == "pkg:npm/%40scope/demo"
    assert registry.asked[0] == "/@scope%2Fdemo"


def test_pinned_release_comes_from_the_cache_the_second_time(registry):
    digest = hashlib.sha256(registry.answers["/files/demo.tgz"]).hexdigest()
    url = f"pkg:npm/demo@1.0.0?checksum=sha256:{digest}"
    first = load(url)
    registry.answers.clear()
    assert load(url) == first
    assert fingerprint(url) == url


def test_registry_of_the_users_configuration(registry, tmp_path, monkeypatch):
    monkeypatch.delenv("npm_config_registry")
    (tmp_path / "npmrc").write_text(
        "fund=false\nregistry = http://127.0.0.1:9/\n@scope:registry=" + registry.url
    )
    assert load("pkg:npm/%40scope/demo@2.0.0-beta.1").revision == "2.0.0-beta.1"
    (tmp_path / "npmrc").write_text(f"registry={registry.url}\n")
    assert load("pkg:npm/demo@1.0.0").revision == "1.0.0"


def test_tarball_of_the_public_registry_comes_from_the_mirror_in_use(registry):
    data = tarball({"a.js": b"1\n"})
    registry.publish("old", "1.0.0", data, tarball=f"{npm._PUBLIC}/files/old.tgz")
    assert [file.path for file in load("pkg:npm/old@1.0.0").files] == ["a.js"]


@pytest.mark.parametrize(
    "dist",
    [
        {"integrity": sha512(b"other")},
        {"integrity": "", "shasum": "0" * 40},
        {"integrity": f"sha1-{base64.b64encode(b'0' * 20).decode()} {sha512(b'other')}"},
    ],
)
def test_other_bytes_than_the_registry_states_are_refused(registry, dist):
    registry.publish("bad", "1.0.0", tarball({"a.js": b"1\n"}), **dist)
    with pytest.raises(UserError, match="checksum mismatch"):
        load("pkg:npm/bad@1.0.0")


def test_old_release_is_checked_by_its_sha1(registry):
    data = tarball({"a.js": b"1\n"})
    registry.publish("old", "1.0.0", data, integrity="", shasum=hashlib.sha1(data).hexdigest())
    assert load("pkg:npm/old@1.0.0").files


def test_pin_is_checked_besides_the_registrys_hash(registry):
    with pytest.raises(UserError, match=f"expected sha256:{'0' * 64}, got sha256:"):
        load(f"pkg:npm/demo@1.0.0?checksum=sha256:{'0' * 64}")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("pkg:npm/demo", "no version"),
        ("pkg:npm/demo@^1.0.0", "not one exact version"),
        ("pkg:npm/demo@9.9.9", "no such version"),
        ("pkg:npm/absent@1.0.0", "no such version"),
        ("pkg:npm/a/b@1.0.0", "not the name of an npm package"),
        ("pkg:npm/%2e%2e@1.0.0", "not the name of an npm package|not a package URL"),
        ("pkg:npm/broken@1.0.0", "could not be read"),
        ("pkg:npm/unhashed@1.0.0", "states no hash"),
        ("pkg:npm/nowhere@1.0.0", "could not be read"),
    ],
)
def test_mistakes_end_in_one_line(registry, url, message, monkeypatch):
    monkeypatch.setattr(package, "PAUSE", 0.0)
    registry.answers["/broken"] = b"{"
    registry.publish("unhashed", "1.0.0", b"", integrity="")
    registry.publish("nowhere", "1.0.0", b"", tarball="http://127.0.0.1:9/x.tgz")
    with pytest.raises(UserError, match=message) as caught:
        load(url)
    assert "\n" not in str(caught.value)


def test_a_registry_that_does_not_answer_is_no_fault_of_the_package(registry, monkeypatch):
    monkeypatch.setattr(package, "PAUSE", 0.0)
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    with pytest.raises(FatalError, match="does not answer") as caught:
        load("pkg:npm/demo@1.0.0")
    assert "\n" not in str(caught.value)
