"""Publishing, against a server that speaks the part of the Hub's HTTP API that an upload needs."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from base64 import b64decode
from pathlib import Path

import pytest
from aiohttp import web

SAMPLE = Path(__file__).parents[2] / "builder"


class FakeHub:
    """Takes one dataset: large files by LFS, the rest within the commit."""

    def __init__(self) -> None:
        self.created: dict = {}
        self.objects: dict[str, bytes] = {}
        self.commits: list[dict[str, bytes]] = []
        self.url = ""

    def application(self) -> web.Application:
        application = web.Application(client_max_size=1 << 26)
        repository = "/api/datasets/user/name"
        application.add_routes(
            [
                web.post("/api/repos/create", self.create),
                web.get(repository, self.info),
                web.get(repository + "/revision/{revision}", self.info),
                web.post(repository + "/preupload/main", self.preupload),
                web.post("/datasets/user/name.git/info/lfs/objects/batch", self.batch),
                web.put("/objects/{oid}", self.put),
                web.post("/api/validate-yaml", self.validate),
                web.post(repository + "/commit/main", self.commit),
            ]
        )
        return application

    async def create(self, request: web.Request) -> web.Response:
        self.created = await request.json()
        return web.json_response({"url": f"{self.url}/datasets/user/name"})

    async def info(self, request: web.Request) -> web.Response:
        return web.json_response({"id": "user/name", "sha": "0" * 40, "siblings": [], "private": True})

    async def preupload(self, request: web.Request) -> web.Response:
        files = (await request.json())["files"]
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(".parquet") else "regular",
                "shouldIgnore": False,
                "oid": None,
            }
            for file in files
        ]
        return web.json_response({"files": modes})

    async def batch(self, request: web.Request) -> web.Response:
        objects = [
            {**entry, "actions": {"upload": {"href": f"{self.url}/objects/{entry['oid']}"}}}
            for entry in (await request.json())["objects"]
        ]
        return web.json_response({"transfer": "basic", "objects": objects})

    async def put(self, request: web.Request) -> web.Response:
        data = await request.read()
        assert hashlib.sha256(data).hexdigest() == request.match_info["oid"]
        self.objects[request.match_info["oid"]] = data
        return web.Response()

    async def validate(self, request: web.Request) -> web.Response:
        return web.json_response({"errors": [], "warnings": []})

    async def commit(self, request: web.Request) -> web.Response:
        files = {}
        for line in (await request.text()).splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                files[entry["value"]["path"]] = b64decode(entry["value"]["content"])
            elif entry["key"] == "lfsFile":
                files[entry["value"]["path"]] = self.objects[entry["value"]["oid"]]
        self.commits.append(files)
        return web.json_response(
            {"commitOid": "1" * 40, "commitUrl": f"{self.url}/datasets/user/name/commit/1", "success": True}
        )


async def publish(url: str, *arguments: str, token: str = "hf_x") -> tuple[int | None, str, str]:
    environment = {**os.environ, "HF_ENDPOINT": url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("repo2agent"),
        "publish",
        *arguments,
        env={**environment, "HF_TOKEN": token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()
    return process.returncode, stdout.decode(), stderr.decode()


def test_a_built_folder_arrives_whole_private_and_in_one_commit() -> None:
    async def run() -> FakeHub:
        hub = FakeHub()
        runner = web.AppRunner(hub.application())
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        hub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            status, stdout, stderr = await publish(hub.url, str(SAMPLE), "user/name")
            assert status == 0, stderr
            assert "user/name" in stdout
        finally:
            await runner.cleanup()
        return hub

    hub = asyncio.run(run())
    assert hub.created["visibility"] == "private"
    assert hub.created["type"] == "dataset"
    expected = {
        path.relative_to(SAMPLE).as_posix(): path.read_bytes()
        for path in [SAMPLE / "README.md", *(SAMPLE / "data").rglob("*.parquet")]
    }
    assert hub.commits == [expected]


@pytest.mark.parametrize("token", ["hf_x", ""])
def test_a_hub_that_is_not_there_is_one_line(token, tmp_path) -> None:
    status, _, stderr = asyncio.run(publish("http://127.0.0.1:9", str(SAMPLE), "user/name", token=token))
    assert status == 1
    assert len(stderr.strip().splitlines()) == 1
    assert stderr.startswith("repo2agent: error: http://127.0.0.1:9: the Hub refused user/name")
