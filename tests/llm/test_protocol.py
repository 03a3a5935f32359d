"""The pocket server speaks TGI's protocol: bodies, statuses and error types, checked against its OpenAPI."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

import httpx2
import pytest

from builder.llm.pocket.app import create_app
from builder.llm.pocket.engine import Answer, Counters, Engine

MESSAGES = [{"role": "user", "content": "Count to three."}]


@pytest.fixture(scope="module")
def call(tiny_model):
    """``call(method, path, **options)``: one request to a pocket server with the tiny model."""
    model, tokenizer = tiny_model
    app = create_app(Engine(model, tokenizer), tokenizer, model.config, "tiny", "abc", 128)
    return lambda *arguments, **options: asyncio.run(ask(app, *arguments, **options))


async def ask(app, method, path, **options):
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://pocket") as client:
        return await client.request(method, path, **options)


def test_info_and_models_describe_the_model(call, valid):
    info = call("GET", "/info").json()
    valid("Info", info)
    assert (info["model_id"], info["model_sha"], info["max_total_tokens"]) == ("tiny", "abc", 4096)
    assert call("GET", "/health").status_code == 200
    (model,) = call("GET", "/v1/models").json()["data"]
    valid("ModelInfo", model)


def test_generate_returns_the_prompt_s_own_ids_and_log_probs(call, valid, bytes_tokenizer):
    parameters = {"details": True, "decoder_input_details": True, "max_new_tokens": 1}
    body = {"inputs": "def main(path):\n    return path\n", "parameters": parameters}
    valid("GenerateRequest", body)
    response = call("POST", "/generate", json=body)
    answer = response.json()
    valid("GenerateResponse", answer)
    details = answer["details"]
    assert [token["id"] for token in details["prefill"]] == bytes_tokenizer(body["inputs"])["input_ids"]
    assert details["prefill"][0]["logprob"] is None
    assert all(token["logprob"] < 0 for token in details["prefill"][1:])
    assert len(details["tokens"]) == details["generated_tokens"] == 1


def test_prefill_is_empty_unless_asked_for(call, valid):
    answer = call(
        "POST", "/generate", json={"inputs": "a", "parameters": {"details": True, "max_new_tokens": 3}}
    )
    valid("GenerateResponse", answer.json())
    assert answer.json()["details"]["prefill"] == []
    plain = call("POST", "/generate", json={"inputs": "a", "parameters": {"max_new_tokens": 3}}).json()
    assert set(plain) == {"generated_text"}
    assert call("POST", "/", json={"inputs": "a", "parameters": {"max_new_tokens": 3}}).json() == [plain]


def test_tokenize_gives_ids_and_offsets(call, valid):
    text = "def main(path):  # é"
    tokens = call("POST", "/tokenize", json={"inputs": text}).json()
    valid("TokenizeResponse", tokens)
    assert all(token["text"] == text[token["start"] : token["stop"]] for token in tokens)


def test_chat_applies_the_template_and_counts(call, valid, bytes_tokenizer):
    body = {
        "model": "tgi",
        "messages": MESSAGES,
        "max_tokens": 5,
        "temperature": 0.7,
        "seed": 3,
        "top_p": 0.9,
    }
    valid("ChatRequest", body)
    answer = call("POST", "/v1/chat/completions", json=body).json()
    valid("ChatCompletion", answer)
    prompt = bytes_tokenizer("user: Count to three.\n", add_special_tokens=False)["input_ids"]
    assert answer["usage"]["prompt_tokens"] == len(prompt)
    assert answer["usage"]["completion_tokens"] <= 5
    again = call("POST", "/v1/chat/completions", json=body).json()
    assert again["choices"] == answer["choices"]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/generate", {"inputs": ""}, "`inputs` cannot be empty"),
        ("/generate", {}, "inputs must be of type str"),
        ("/generate", [], "must be of type dict"),
        (
            "/generate",
            {"inputs": "a", "parameters": {"max_new_tokens": 0}},
            "`max_new_tokens` must be strictly",
        ),
        ("/generate", {"inputs": "a", "parameters": {"max_new_tokens": "x"}}, "must be an integer"),
        ("/generate", {"inputs": "a", "parameters": {"temperature": 0}}, "`temperature` must be strictly"),
        ("/generate", {"inputs": "a", "parameters": {"top_p": 2.0}}, "`top_p` must be"),
        ("/generate", {"inputs": "a", "parameters": {"best_of": 2}}, "`best_of` is not supported"),
        ("/generate", {"inputs": "a", "parameters": {"stop": ["a"] * 5}}, "up to 4 stop sequences. Given: 5"),
        ("/generate", {"inputs": "zq" * 5000}, "`inputs` must have less than 4095 tokens"),
        ("/generate", {"inputs": "a", "parameters": {"max_new_tokens": 4096}}, "must be <= 4096"),
        ("/generate", {"inputs": "a", "stream": True}, "does not stream"),
        ("/v1/chat/completions", {"messages": MESSAGES, "stream": True}, "does not stream"),
        ("/v1/chat/completions", {"messages": []}, "`messages` cannot be empty"),
        ("/v1/chat/completions", {"messages": [{"role": "user"}]}, "content must be of type str"),
        ("/v1/chat/completions", {"messages": MESSAGES, "tools": [{}]}, "`tools` is not supported"),
    ],
)
def test_what_tgi_refuses_is_refused_with_its_words(call, valid, path, body, words):
    response = call("POST", path, json=body)
    assert response.status_code == 422
    valid("ErrorResponse", response.json())
    assert response.json()["error_type"] == "validation"
    assert words in response.json()["error"]


def test_other_errors_have_tgi_s_body_too(call, valid):
    for response, status in (
        (call("GET", "/nothing"), 404),
        (call("GET", "/generate"), 405),
        (call("POST", "/generate", content=b"{"), 422),
        (call("POST", "/generate", content=b"x" * 2_000_001), 413),
    ):
        assert response.status_code == status
        valid("ErrorResponse", response.json())


class SlowEngine:
    """Takes jobs and never finishes them by itself."""

    alive = True

    def __init__(self):
        self.counters = Counters()
        self.jobs = []

    def submit(self, job):
        self.jobs.append(job)
        return job.future


@pytest.fixture
def slow(tiny_model):
    model, tokenizer = tiny_model
    engine = SlowEngine()
    return engine, create_app(engine, tokenizer, model.config, "tiny", "abc", 2)


def test_a_full_server_says_so_at_once_and_recovers(slow, valid):
    engine, app = slow
    body = {"inputs": "a", "parameters": {"max_new_tokens": 2}}

    async def scenario():
        waiting = [asyncio.create_task(ask(app, "POST", "/generate", json=body)) for _ in range(2)]
        while len(engine.jobs) < 2:
            await asyncio.sleep(0)
        full = await ask(app, "POST", "/generate", json=body)
        for job in engine.jobs:
            job.future.set_result(Answer([], [5], [-1.0], "length"))
        served = await asyncio.gather(*waiting)
        later = asyncio.create_task(ask(app, "POST", "/generate", json=body))
        while len(engine.jobs) < 3:
            await asyncio.sleep(0)
        engine.jobs[2].future.set_exception(RuntimeError("out of memory"))
        return full, served, await later

    full, served, later = asyncio.run(scenario())
    assert full.status_code == 429
    valid("ErrorResponse", full.json())
    assert full.json() == {"error": "Model is overloaded", "error_type": "overloaded"}
    assert [response.status_code for response in served] == [200, 200]
    assert later.status_code == 424
    assert later.json()["error_type"] == "generation"


def test_a_client_that_leaves_gives_its_job_up(slow):
    engine, app = slow
    messages: asyncio.Queue = asyncio.Queue()
    scope = {"type": "http", "method": "POST", "path": "/generate", "headers": [], "query_string": b""}

    async def send(message):
        pass

    async def scenario():
        messages.put_nowait({"type": "http.request", "body": b'{"inputs": "a"}', "more_body": False})
        request = asyncio.create_task(app(scope, messages.get, send))
        while not engine.jobs:
            await asyncio.sleep(0)
        messages.put_nowait({"type": "http.disconnect"})
        await asyncio.wait_for(request, timeout=10)

    asyncio.run(scenario())
    future: Future[Answer] = engine.jobs[0].future
    assert future.cancelled()
