"""Real source files score as transformers scores them, token by token, whatever serves the model."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from builder.llm import connect
from builder.llm.embedded import embedded_model
from builder.llm.reference import reference_logprobs

STANDARD_LIBRARY = Path(random.__file__).parent
LEFT_OUT = {"site-packages", "test", "tests", "encodings", "lib2to3"}  # the encodings are all alike


def source_files() -> list[str]:
    """Twenty small modules of the standard library."""
    small = (
        path
        for path in sorted(STANDARD_LIBRARY.rglob("*.py"))
        if LEFT_OUT.isdisjoint(path.relative_to(STANDARD_LIBRARY).parts) and 400 < path.stat().st_size < 1100
    )
    return [path.read_text(encoding="utf-8") for path, _ in zip(small, range(20), strict=False)]


@pytest.fixture(scope="module")
def expected(tokenizer):
    """For each file its ids, and what transformers says of all but the first."""
    texts = [tokenizer(source)["input_ids"] for source in source_files()]
    logprobs = asyncio.run(reference_logprobs(embedded_model(), texts))
    return list(zip(texts, logprobs, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("server", ["pocket_url", pytest.param("vllm_url", marks=pytest.mark.vllm)])
def test_twenty_source_files_score_as_transformers_scores_them(server, request, expected):
    url = request.getfixturevalue(server)
    assert len(expected) == 20

    async def score():
        async with connect(url, concurrency=4) as model:
            # The engine refuses a score of other ids than these.
            return await asyncio.gather(*(model.score(ids[:1], ids[1:]) for ids, _ in expected))

    scores = asyncio.run(score())
    for logprobs, (_, theirs) in zip(scores, expected, strict=True):
        assert logprobs == pytest.approx(theirs, abs=1e-3)
