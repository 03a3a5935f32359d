"""A build against a server that cannot score ends before it begins, in one line."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from builder import embedded_model


def test_a_server_without_prefill_log_probs_is_refused_in_one_line(fake_tgi, tmp_path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "a.py").write_text("A = 1\n")

    async def build() -> tuple[int | None, str]:
        async with fake_tgi() as fake:
            honest = fake.generate
            fake.generate = lambda body: {
                **honest(body),
                "details": {**honest(body)["details"], "prefill": []},
            }
            process = await asyncio.create_subprocess_exec(
                Path(sys.executable).with_name("repo2agent"),
                "build",
                tmp_path / "project",
                "--llm",
                fake.url,
                "--tokenizer",
                embedded_model(),
                "--store",
                tmp_path / "store.sqlite",
                "--output",
                tmp_path / "out",
                stderr=asyncio.subprocess.PIPE,
            )
            _, stderr = await process.communicate()
            return process.returncode, stderr.decode()

    status, stderr = asyncio.run(build())
    assert status == 1
    assert len(stderr.strip().splitlines()) == 1
    assert stderr.startswith("repo2agent: error: ")
    assert "--enable-prefill-logprobs" in stderr
    assert not (tmp_path / "out" / "data").exists()  # only the survey, which another start goes on with
