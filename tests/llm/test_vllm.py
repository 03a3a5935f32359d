"""What is vLLM's own: its request, its name, and the set-ups whose scores are known to be wrong."""

from __future__ import annotations

import asyncio
import logging

import pytest

from builder.errors import UserError
from builder.llm import ModelError, connect

MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture
def ids(tokenizer):
    return tokenizer("def area(radius):\n    return 3 * radius * radius\n")["input_ids"]


@pytest.fixture
def run(fake_vllm):
    """``run(scenario, prepare)``: ``scenario(fake, connection)`` after ``prepare(fake)``."""

    def go(scenario, prepare=lambda fake: None, **options):
        async def inner():
            async with fake_vllm() as fake:
                prepare(fake)
                options.setdefault("tokenizer", fake.tokenizer)
                async with connect(fake.url, patience=0.02, **options) as connection:
                    return await scenario(fake, connection)

        return asyncio.run(inner())

    return go


async def nothing(fake, connection):
    pass


def test_the_very_ids_are_sent_and_nothing_is_generated_for_a_score(run, ids):
    async def scenario(fake, connection):
        expected = [fake.logprob(ids, at) for at in range(4, len(ids))]
        assert await connection.score(ids[:4], ids[4:]) == expected
        (path, body, _) = fake.requests[0]
        assert path == "/v1/completions"
        assert body["prompt"] == ids
        assert (body["model"], body["prompt_logprobs"], body["max_tokens"]) == ("fake/model", 0, 1)

    run(scenario)


def test_the_name_covers_what_scores_depend_on_once_one_was_had(run):
    async def scenario(fake, connection):
        assert connection.engine_name == "vllm-0.32.0-cdc97abe"
        assert (connection.info.model_id, connection.info.max_total_tokens) == ("fake/model", 4096)

    run(scenario, scoring=True)

    async def before(fake, connection):
        assert connection.engine_name == "vllm 0.32.0"

    run(before)


def test_the_tokenizer_and_the_revision_are_those_of_the_weights(run, tiny_directory, bytes_tokenizer):
    def served_by_another_name(fake):
        fake.card |= {"id": "my-model", "root": str(tiny_directory)}

    async def scenario(fake, connection):
        assert connection.info.model_id == "my-model"
        assert len(connection.info.revision) == 12
        assert connection.tokenizer.get_vocab() == bytes_tokenizer.get_vocab()

    run(scenario, served_by_another_name, tokenizer=None)


def test_speculation_is_refused_where_scores_are_wanted(run):
    def speculates(fake):
        fake.metrics += 'vllm:spec_decode_num_drafts_total{engine="0"} 0.0\n'

    with pytest.raises(UserError, match="start it without --speculative-config") as caught:
        run(nothing, speculates, scoring=True)
    assert "\n" not in str(caught.value)

    async def writes(fake, connection):
        assert await connection.generate(MESSAGES, max_tokens=3) == "answer to hello"

    run(writes, speculates)


def test_prefix_caching_is_warned_of(run, caplog):
    def caches(fake):
        fake.metrics = fake.metrics.replace('caching="False"', 'caching="True"')

    with caplog.at_level(logging.WARNING, "builder"):
        run(nothing, scoring=True)
        assert caplog.messages == []
        run(nothing, caches, scoring=True)
    (message,) = caplog.messages
    assert "--no-enable-prefix-caching" in message


def test_a_server_without_metrics_is_taken_at_its_word(run):
    def silent(fake):
        fake.metrics = None

    run(nothing, silent, scoring=True)


def test_an_older_server_that_does_not_repeat_the_ids_is_checked_by_its_keys(run, ids):
    def older(answer):
        del answer["choices"][0]["prompt_token_ids"]
        return answer

    def of_another(answer):
        entry = older(answer)["choices"][0]["prompt_logprobs"][5]
        entry[str(ids[5] + 1)] = entry.pop(str(ids[5]))
        return answer

    async def scenario(fake, connection):
        fake.script = [older, of_another]
        assert len(await connection.score(ids[:4], ids[4:])) == len(ids) - 4
        with pytest.raises(ModelError, match="position 5"):
            await connection.score(ids[:3], ids[3:])

    run(scenario)


def test_minus_infinity_in_its_json_disguise_is_no_score(run, ids):
    def impossible(answer):
        answer["choices"][0]["prompt_logprobs"][6][str(ids[6])]["logprob"] = -9999.0
        return answer

    async def scenario(fake, connection):
        fake.script = [impossible] * 20
        with pytest.raises(ModelError, match="log-prob 2 of the target is None"):
            await connection.score(ids[:4], ids[4:])

    run(scenario)
