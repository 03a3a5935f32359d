"""A Hub on loopback: the part of its HTTP API that publishing and reading a dataset needs.

What it takes and answers is what ``huggingface_hub`` sends and reads, and what the Hub's documentation says.
It keeps what was put into it in memory, and can break a connection where a test wants it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import threading
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import yaml
from aiohttp import web

TOKEN = "hf_x"  # of the account `user`
_PAGE = 7  # entries of a tree in one answer: few, so that every client turns pages

# https://huggingface.co/docs/hub/repositories-licenses
LICENSES = set(
    """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0
    bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc
    cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0
    cc-by-nc-4.0
    cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
    cdla-sharing-1.0
    cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1
    agpl-3.0
    gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl openrail++
    osl-3.0 postgresql
    ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license llama2 gemma unknown other
    """.split()  # noqa: SIM905
)
_SIZES = ["n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B"]
SIZES = {*_SIZES, "10B<n<100B", "100B<n<1T", "n>1T", "other"}
TASKS = {"text-generation", "fill-mask", "question-answering", "summarization", "translation", "other"}


def card_errors(content: str) -> list[str]:
    """What the Hub's documentation has against the metadata of a dataset card."""
    block = re.match(r"^(\s*---(?:\r\n|\r|\n))([\S\s]*?)((?:\r\n|\r|\n)---[ \t]*(\r\n|\n|$))", content)
    try:
        data = yaml.safe_load(block[2]) if block else None
    except yaml.YAMLError as error:
        return [f"not YAML: {error}"]
    if not isinstance(data, dict):
        return ["no metadata"]
    errors = []

    def each(name: str, holds: Callable[[Any], Any]) -> None:
        value = data.get(name, [])
        for part in value if isinstance(value, list) else [value]:
            if not (isinstance(part, str) and holds(part)):
                errors.append(f'"{name}" does not take {part!r}')

    each("license", LICENSES.__contains__)
    each("language", lambda part: re.fullmatch("[a-z]{2,3}|code|multilingual", part))
    each("size_categories", SIZES.__contains__)
    each("task_categories", TASKS.__contains__)
    each("tags", bool)
    if "other" in (
        [data.get("license")] if isinstance(data.get("license"), str) else data.get("license", [])
    ):
        if not re.fullmatch(r"[a-z0-9.-]+", str(data.get("license_name", ""))):
            errors.append('"license_name" must name a licence that is "other"')
        if not re.fullmatch(r"LICENSE(\.md)?|https?://\S+", str(data.get("license_link", "LICENSE"))):
            errors.append('"license_link" must be LICENSE, LICENSE.md or a URL')
    if not isinstance(data.get("pretty_name", ""), str):
        errors.append('"pretty_name" must be a string')
    return errors + _config_errors(data.get("configs", []))


def _config_errors(configs: Any) -> list[str]:
    if not isinstance(configs, list) or not all(isinstance(config, dict) for config in configs):
        return ['"configs" must be a list of mappings']
    errors = []
    names = [config.get("config_name") for config in configs]
    for name in names:
        if not isinstance(name, str) or not name or re.search(r'[<>:/\\|?*"]', name):
            errors.append(f'"config_name" does not take {name!r}')
    if len({str(name) for name in names}) < len(names):
        errors.append('"config_name" must be unique')
    if sum(config.get("default") is True for config in configs) > 1:
        errors.append("only one config can be the default")
    for config in configs:
        files = config.get("data_files", [])
        for part in files if isinstance(files, list) else [files]:
            path = part.get("path") if isinstance(part, dict) else part
            split = part.get("split") if isinstance(part, dict) else "train"
            if not re.fullmatch(r"\w+(\.\w+)*", str(split)):
                errors.append(f'"split" does not take {split!r}')
            for one in path if isinstance(path, list) else [path]:
                if not isinstance(one, str) or PurePosixPath(one).is_absolute() or ".." in one:
                    errors.append(f'"path" does not take {one!r}')
    return errors


@dataclass
class Repo:
    """One dataset: its files by path (the SHA-256 of an object in LFS, or bytes), and its history."""

    private: bool
    files: dict[str, str | bytes] = field(default_factory=lambda: {".gitattributes": b"*.parquet lfs\n"})
    commits: list[list[str]] = field(default_factory=list)

    @property
    def sha(self) -> str:
        return hashlib.sha1(f"{len(self.commits)}".encode()).hexdigest()


class HubServer:
    """Serves until ``close``. What has happened stands in ``repos``, ``objects``, ``puts`` and ``requests``.

    ``break_puts`` tells of the n-th PUT (from 0) of an object whether its connection breaks half-way;
    ``lose_answers`` breaks the connection of every commit after it has been made.
    """

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.puts: Counter[str] = Counter()
        self.requests: list[str] = []
        self.break_puts: Callable[[int], bool] = lambda number: False
        self.lose_answers = False
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()

    def content(self, name: str) -> dict[str, bytes]:
        """The files of a dataset, but for the one that the Hub itself lays down."""
        files = {path: self._bytes(entry) for path, entry in self.repos[name].files.items()}
        del files[".gitattributes"]
        return files

    def close(self) -> None:
        async def stop() -> None:
            await self._runner.cleanup()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self, started: threading.Event) -> None:
        self._loop.run_until_complete(self._start())
        started.set()
        self._loop.run_forever()

    async def _start(self) -> None:
        application = web.Application(client_max_size=1 << 28, middlewares=[self._count])
        dataset = "/api/datasets/{user}/{name}"
        application.add_routes(
            [
                web.post("/api/repos/create", self._create),
                web.post("/api/validate-yaml", self._validate),
                web.get(dataset, self._info),
                web.get(dataset + "/revision/{revision}", self._info),
                web.put(dataset + "/settings", self._settings),
                web.post(dataset + "/preupload/{revision}", self._preupload),
                web.post(dataset + "/commit/{revision}", self._commit),
                web.get(dataset + "/tree/{revision}", self._tree),
                web.get(dataset + "/tree/{revision}/{path:.*}", self._tree),
                web.post("/datasets/{user}/{name}.git/info/lfs/objects/batch", self._batch),
                web.put("/objects/{oid}", self._put),
                web.post("/objects/{oid}/verify", self._verify),
                web.get("/datasets/{user}/{name}/resolve/{revision}/{path:.*}", self._resolve),
            ]
        )
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    @web.middleware
    async def _count(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        return await handler(request)

    def _bytes(self, entry: str | bytes) -> bytes:
        return self.objects[entry] if isinstance(entry, str) else entry

    def _account(self, request: web.Request) -> str | None:
        return "user" if request.headers.get("Authorization") == f"Bearer {TOKEN}" else None

    def _repo(self, request: web.Request, *, write: bool = False) -> Repo:
        """The dataset that a request is about; as on the Hub, what may not be seen is not there."""
        user, account = request.match_info["user"], self._account(request)
        repo = self.repos.get(f"{user}/{request.match_info['name']}")
        if repo is None or (repo.private and account != user):
            headers = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            raise (web.HTTPNotFound if account else web.HTTPUnauthorized)(headers=headers)
        if write and account != user:
            raise web.HTTPForbidden(headers={"X-Error-Message": "no write access"})
        return repo

    async def _create(self, request: web.Request) -> web.Response:
        wanted, account = await request.json(), self._account(request)
        if account is None:
            message = "Invalid username or password."
            return web.json_response({"error": message}, status=401, headers={"X-Error-Message": message})
        user = wanted["organization"] or account
        name = f"{user}/{wanted['name']}"
        url = f"{self.url}/datasets/{name}"
        if user != account:
            message = f'You don\'t have the rights to create a dataset under the namespace "{user}"'
            return web.json_response({"error": message}, status=403, headers={"X-Error-Message": message})
        if name in self.repos:
            return web.json_response(
                {"error": "You already created this dataset repo", "url": url}, status=409
            )
        assert wanted["type"] == "dataset"
        self.repos[name] = Repo(private=wanted.get("visibility") == "private")
        return web.json_response({"url": url})

    async def _settings(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        private = wanted.get("private", wanted.get("visibility") == "private")
        self._repo(request, write=True).private = private
        return web.json_response({"private": private})

    async def _info(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        name = f"{request.match_info['user']}/{request.match_info['name']}"
        return web.json_response(
            {
                "id": name,
                "sha": repo.sha,
                "private": repo.private,
                "siblings": [{"rfilename": path} for path in repo.files],
                "tags": [],
            }
        )

    async def _validate(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert body["repoType"] == "dataset"
        errors = [{"message": message} for message in card_errors(body["content"])]
        return web.json_response({"errors": errors, "warnings": []}, status=400 if errors else 200)

    async def _preupload(self, request: web.Request) -> web.Response:
        repo = self._repo(request, write=True)
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith((".parquet", ".png")) else "regular",
                "shouldIgnore": False,
                "oid": _oid(repo.files.get(file["path"])),
            }
            for file in (await request.json())["files"]
        ]
        return web.json_response({"files": files})

    async def _batch(self, request: web.Request) -> web.Response:
        self._repo(request, write=True)
        wanted = await request.json()
        assert wanted["operation"] == "upload"
        assert wanted["hash_algo"] == "sha256"
        objects = []
        for entry in wanted["objects"]:
            href = f"{self.url}/objects/{entry['oid']}"
            actions = {"upload": {"href": href}, "verify": {"href": f"{href}/verify"}}
            objects.append(entry if entry["oid"] in self.objects else {**entry, "actions": actions})
        return web.json_response({"transfer": "basic", "objects": objects})

    async def _put(self, request: web.Request) -> web.Response:
        oid = request.match_info["oid"]
        number = self.puts.total()
        self.puts[oid] += 1
        if self.break_puts(number):
            await request.content.read(1)
            _abort(request)
        data = await request.read()
        if hashlib.sha256(data).hexdigest() != oid:
            return web.json_response({"error": "not the bytes of this hash"}, status=400)
        self.objects[oid] = data
        return web.Response()

    async def _verify(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        assert wanted["oid"] == request.match_info["oid"]
        held = self.objects.get(wanted["oid"], b"")
        return web.Response(status=200 if len(held) == wanted["size"] else 404)

    async def _commit(self, request: web.Request) -> web.Response:
        repo = self._repo(request, write=True)
        lines = [json.loads(line) for line in (await request.text()).splitlines()]
        assert lines[0]["key"] == "header"
        assert lines[0]["value"]["summary"]
        files = dict(repo.files)
        for key, value in ((line["key"], line["value"]) for line in lines[1:]):
            if key == "file":
                files[value["path"]] = b64decode(value["content"])
            elif key == "lfsFile":
                held = self.objects.get(value["oid"])
                if held is None or len(held) != value["size"]:
                    return web.json_response({"error": "LFS object is not there"}, status=400)
                files[value["path"]] = value["oid"]
            else:
                assert key == "deletedFile"
                if files.pop(value["path"], None) is None:
                    message = "A file with this name doesn't exist"
                    return web.json_response({"error": message}, status=404)
        card = files.get("README.md")
        if errors := card_errors(self._bytes(card).decode()) if card else []:
            return web.json_response({"error": "; ".join(errors)}, status=400)
        repo.files = files
        repo.commits.append([line["value"]["path"] for line in lines[1:]])
        if self.lose_answers:
            _abort(request)
        url = (
            f"{self.url}/datasets/{request.match_info['user']}/{request.match_info['name']}/commit/{repo.sha}"
        )
        return web.json_response({"commitOid": repo.sha, "commitUrl": url, "success": True})

    async def _tree(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        _at(repo, request.match_info["revision"])
        folder = PurePosixPath(request.match_info.get("path", ""))
        recursive = request.query.get("recursive", "").lower() in ("true", "1")
        entries: dict[str, dict[str, Any]] = {}
        for path, entry in sorted(repo.files.items()):
            place = PurePosixPath(path)
            if folder not in place.parents:
                continue
            for parent in reversed(place.parents):
                if folder in parent.parents:
                    entries.setdefault(str(parent), _folder(str(parent)))
            entries[path] = self._file(path, entry)
        if not entries and folder.parts:
            raise web.HTTPNotFound(headers={"X-Error-Code": "EntryNotFound"})
        listed = [
            entry for path, entry in entries.items() if recursive or PurePosixPath(path).parent == folder
        ]
        start = int(request.query.get("cursor", 0))
        headers = {}
        if start + _PAGE < len(listed):
            following = request.url.update_query(cursor=str(start + _PAGE))
            headers["Link"] = f'<{following}>; rel="next"'
        return web.json_response(listed[start : start + _PAGE], headers=headers)

    def _file(self, path: str, entry: str | bytes) -> dict[str, Any]:
        size = len(self._bytes(entry))
        if isinstance(entry, bytes):
            return {"type": "file", "path": path, "size": size, "oid": _oid(entry)}
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{entry}\nsize {size}\n".encode()
        lfs = {"oid": entry, "size": size, "pointerSize": len(pointer)}
        return {"type": "file", "path": path, "size": size, "oid": _oid(pointer), "lfs": lfs}

    async def _resolve(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        _at(repo, request.match_info["revision"])
        entry = repo.files.get(request.match_info["path"])
        if entry is None:
            raise web.HTTPNotFound(headers={"X-Error-Code": "EntryNotFound"})
        data = self._bytes(entry)
        headers = {"ETag": f'"{_oid(entry)}"', "X-Repo-Commit": repo.sha, "Accept-Ranges": "bytes"}
        if (wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))) is None:
            return web.Response(body=data, headers=headers)
        start, end = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        return web.Response(body=data[start : end + 1], status=206, headers=headers)


def _oid(entry: str | bytes | None) -> str | None:
    """What a file goes by: its SHA-256 in LFS, else its name in git."""
    return hashlib.sha1(b"blob %d\0" % len(entry) + entry).hexdigest() if isinstance(entry, bytes) else entry


def _at(repo: Repo, revision: str) -> None:
    if revision not in ("main", repo.sha):
        raise web.HTTPNotFound(headers={"X-Error-Code": "RevisionNotFound"})


def _folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(path.encode()).hexdigest()}


def _abort(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()
    raise ConnectionResetError
