"""The client against a TGI that misbehaves: retried, refused in one line, or a score that is right."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from builder.errors import UserError
from builder.llm import ModelError, connect
from builder.llm.calls import GARBLED

TEXT = "def area(radius):\n    return 3 * radius * radius\n"
MESSAGES = [{"role": "user", "content": "hello"}]
OVERLOADED = (429, {"error": "Model is overloaded", "error_type": "overloaded"})


def with_fake(fake_tgi, scenario, **options):
    """Run ``scenario(fake, connection)`` with a fake server and little patience."""

    async def run():
        async with fake_tgi() as fake:
            options.setdefault("tokenizer", fake.tokenizer)
            options.setdefault("patience", 0.02)
            async with connect(fake.url, **options) as connection:
                return await scenario(fake, connection)

    return asyncio.run(run())


def halves(tokenizer):
    ids = tokenizer(TEXT)["input_ids"]
    return ids[:8], ids[8:]


def test_what_the_fake_says_is_tgi_s_protocol(fake_tgi, valid, tokenizer):
    async def scenario(fake, connection):
        await connection.score(*halves(tokenizer))
        await connection.generate(MESSAGES, max_tokens=5)
        valid("Info", fake.info)
        (_, scored, _), (_, chatted, _) = fake.requests
        valid("GenerateRequest", scored)
        valid("GenerateResponse", fake.generate(scored))
        valid("ChatRequest", chatted)
        valid("ChatCompletion", fake.chat(chatted))
        assert scored["parameters"]["decoder_input_details"] is True
        assert scored["parameters"]["details"] is True
        assert scored["parameters"]["max_new_tokens"] == 1

    with_fake(fake_tgi, scenario)


def test_scores_are_those_of_the_target(fake_tgi, tokenizer):
    context, target = halves(tokenizer)

    async def scenario(fake, connection):
        assert connection.info.model_id == "fake"
        assert connection.info.revision == "abc"
        assert await connection.score(context, []) == []
        ids = [*context, *target]
        expected = [fake.logprob(ids, at) for at in range(len(context), len(ids))]
        assert await connection.score(context, target) == expected

    with_fake(fake_tgi, scenario, scoring=True)


def test_text_and_counts_come_from_the_chat_route(fake_tgi):
    async def scenario(fake, connection):
        text = await connection.generate(MESSAGES, max_tokens=7, temperature=0.5, seed=9)
        (path, body, _) = fake.requests[0]
        assert path == "/v1/chat/completions"
        assert (body["max_tokens"], body["temperature"], body["seed"]) == (7, 0.5, 9)
        assert connection.usage.prompt_tokens == 3
        assert connection.usage.generated_tokens == 4
        return text

    assert with_fake(fake_tgi, scenario) == "answer to hello"


@pytest.mark.parametrize(
    "fault",
    [
        OVERLOADED,
        (500, {"error": "Incomplete generation", "error_type": "incomplete_generation"}),
        (503, "warming up"),
        (200, '{"generated_text": "x", "deta'),
        (200, "<html>"),
        (200, "[]"),
        "reset",
    ],
    ids=["429", "500", "503", "cut off", "garbage", "empty list", "reset"],
)
def test_a_passing_fault_is_not_seen(fake_tgi, tokenizer, fault):
    async def scenario(fake, connection):
        fake.script = [fault, fault]
        scores = await connection.score(*halves(tokenizer))
        fake.script = [fault, fault]
        text = await connection.generate(MESSAGES, max_tokens=5)
        assert len(fake.requests) == 6
        assert connection.usage.failed == 0
        assert scores[0] == fake.logprob(tokenizer(TEXT)["input_ids"], 8)
        return text

    text = with_fake(fake_tgi, scenario)
    assert text == "answer to hello"


@pytest.mark.parametrize("fault", [OVERLOADED, (500, "down"), (200, "garbage"), "reset"])
def test_a_lasting_fault_costs_one_call(fake_tgi, tokenizer, fault):
    async def scenario(fake, connection):
        fake.script = [fault] * 100
        with pytest.raises(ModelError, match=r"^/generate: "):
            await connection.score(*halves(tokenizer))
        assert 1 < len(fake.requests) < 100
        fake.script = []
        assert connection.usage.failed == 1
        assert await connection.score(*halves(tokenizer))

    with_fake(fake_tgi, scenario)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_bad_request_is_asked_once(fake_tgi, tokenizer, status):
    async def scenario(fake, connection):
        for ask in (
            lambda: connection.score(*halves(tokenizer)),
            lambda: connection.generate(MESSAGES, max_tokens=5),
        ):
            fake.script = [(status, {"error": "too much", "error_type": "validation"})]
            with pytest.raises(ModelError, match="too much"):
                await ask()
        assert len(fake.requests) == 2

    with_fake(fake_tgi, scenario)


def test_a_refusal_is_passed_on_in_the_server_s_words_and_not_repeated(fake_tgi, tokenizer):
    words = "Input validation error: `inputs` must have less than 9 tokens. Given: 12"

    async def scenario(fake, connection):
        for ask in (
            lambda: connection.score(*halves(tokenizer)),
            lambda: connection.generate(MESSAGES, max_tokens=5),
        ):
            fake.script = [(422, {"error": words, "error_type": "validation"})]
            with pytest.raises(ModelError, match="less than 9 tokens"):
                await ask()
        assert len(fake.requests) == 2

    with_fake(fake_tgi, scenario)


def without_prefill(answer):
    answer["details"]["prefill"] = []
    return answer


def with_logprob(value):
    def change(answer):
        answer["details"]["prefill"][12]["logprob"] = value
        return answer

    return change


def with_other_id(answer):
    answer["details"]["prefill"][5]["id"] += 1
    return answer


def without_last(answer):
    answer["details"]["prefill"].pop()
    return answer


def test_a_server_without_prefill_log_probs_is_refused_by_the_flag_s_name(fake_tgi, tokenizer):
    async def scenario(fake, connection):
        fake.script = [without_prefill]
        with pytest.raises(UserError, match="--enable-prefill-logprobs"):
            await connection.score(*halves(tokenizer))

    with_fake(fake_tgi, scenario)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_logprob(None), "log-prob 4 of the target is None"),
        (with_logprob(float("nan")), "log-prob 4 of the target is nan"),
        (with_other_id, "part at position 5"),
        (without_last, "part at position"),
    ],
    ids=["null", "nan", "other id", "one short"],
)
def test_a_score_that_is_not_of_these_ids_is_no_score(fake_tgi, tokenizer, change, words):
    async def scenario(fake, connection):
        fake.script = [change] * 20
        with pytest.raises(ModelError, match=words):
            await connection.score(*halves(tokenizer))
        assert len(fake.requests) <= GARBLED

    with_fake(fake_tgi, scenario)


def test_ids_that_the_text_does_not_give_back_are_no_score(fake_tgi, tokenizer):
    apart = [tokenizer(text)["input_ids"] for text in ("ret", "urn")]

    async def scenario(fake, connection):
        with pytest.raises(ModelError, match="position 0"):
            await connection.score(*apart)

    with_fake(fake_tgi, scenario)


def test_the_tokenizer_s_own_prefix_is_asked_for_and_not_sent(fake_tgi, bytes_tokenizer):
    ids = bytes_tokenizer(TEXT)["input_ids"]

    async def scenario(fake, connection):
        fake.tokenizer = bytes_tokenizer
        await connection.score(ids[:4], ids[4:])
        assert fake.requests[0][1]["inputs"] == TEXT
        with pytest.raises(ModelError, match="prefix"):
            await connection.score(ids[1:4], ids[4:])

    with_fake(fake_tgi, scenario, tokenizer=bytes_tokenizer)


def test_scores_are_checked_before_work_begins(fake_tgi):
    async def run(change):
        async with fake_tgi() as fake:
            fake.script = [change] * 20
            async with connect(fake.url, tokenizer=fake.tokenizer, scoring=True, patience=0.02):
                pass

    for change, words in ((without_prefill, "--enable-prefill-logprobs"), (with_other_id, "cannot score")):
        with pytest.raises(UserError, match=words):
            asyncio.run(run(change))


def test_nobody_there_is_one_line(fake_tgi):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    async def run(url):
        async with connect(url):
            pass

    with pytest.raises(UserError, match=r"no server answers \(connection refused\)") as caught:
        asyncio.run(run(f"http://127.0.0.1:{port}"))
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="http://host:port"):
        asyncio.run(run("localhost:80"))


def test_an_openai_compatible_server_generates_but_does_not_score(fake_tgi, tokenizer):
    async def run():
        async with fake_tgi() as fake:
            fake.info = None
            async with connect(f"{fake.url}/v1", tokenizer=tokenizer, patience=0.02) as connection:
                assert connection.info.model_id == "open/model"
                assert connection.info.revision == ""
                assert connection.info.max_total_tokens == 2048
                await connection.generate(MESSAGES, max_tokens=5)
                assert fake.requests[0][1]["model"] == "open/model"
                assert not connection.capabilities.scores
                with pytest.raises(UserError, match="gives no log-probs of a prompt; name TGI"):
                    await connection.score(*halves(tokenizer))
                assert len(fake.requests) == 1
            # Told before a tokenizer is looked for.
            with pytest.raises(UserError, match="gives no log-probs of a prompt; name TGI"):
                async with connect(fake.url, scoring=True):
                    pass

    asyncio.run(run())


def test_a_server_that_is_neither_is_refused(fake_tgi):
    async def run():
        async with fake_tgi() as fake:
            fake.get = lambda path: asyncio.sleep(0, "hello")
            async with connect(fake.url):
                pass

    with pytest.raises(UserError, match=r"neither TGI .* nor an OpenAI-compatible server"):
        asyncio.run(run())


def test_a_key_goes_to_its_server_and_the_hub_s_token_nowhere(fake_tgi, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_hub")

    async def scenario(fake, connection):
        await connection.generate(MESSAGES, max_tokens=5)
        return {name.lower(): value for name, value in fake.requests[0][2].items()}["authorization"]

    assert with_fake(fake_tgi, scenario) == ""
    assert with_fake(fake_tgi, scenario, api_key="sesame") == "Bearer sesame"
    assert os.environ["HF_TOKEN"] == "hf_of_the_hub"


def test_no_more_requests_at_once_than_the_server_takes(fake_tgi):
    async def scenario(fake, connection):
        seen, most, gate = 0, 0, asyncio.Event()
        honest = fake._post

        async def counted(request):
            nonlocal seen, most
            seen += 1
            most = max(most, seen)
            if seen == 4:
                gate.set()
            await gate.wait()
            response = await honest(request)
            seen -= 1
            return response

        fake.handler = counted
        calls = [{"role": "user", "content": str(n)} for n in range(12)]
        await asyncio.gather(*(connection.generate([call], max_tokens=5) for call in calls))
        return most

    assert with_fake(fake_tgi, scenario, concurrency=64) == 4
