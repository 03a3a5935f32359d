"""Several servers of one model as one, in virtual time: minutes cost nothing."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from types import SimpleNamespace

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import virtually

from builder.errors import UserError
from builder.llm import ModelError, ModelInfo, connect
from builder.llm.calls import PATIENCE, Caller
from builder.llm.openai import OpenAICompatible
from builder.llm.pool import Pool
from builder.llm.usage import Usage

REFUSED = httpx2.ConnectError("connection refused")
RESET = httpx2.ReadError("reset")
HOURS = 10_000.0


def now():
    return asyncio.get_running_loop().time()


def status(code):
    request = httpx2.Request("POST", "http://server")
    response = httpx2.Response(code, json={"error": "no"}, request=request)
    return httpx2.HTTPStatusError(str(code), request=request, response=response)


class Server(OpenAICompatible):
    """Answers ``n`` with ``n`` after ``seconds``; ``fault(n)`` gives what goes wrong instead."""

    def __init__(self, name, seconds=1.0, fault=lambda n: None, info=None, concurrency=8, capacity=1000):
        self.info = info or ModelInfo("model", "1", 100, 200)
        self.weights, self.name, self.usage = "model", name, Usage()
        self.url = f"http://{name}"
        self.seconds, self.fault, self.capacity = seconds, fault, capacity
        self.concurrency = concurrency
        self.given, self.answered = Counter(), Counter()
        self.in_flight = self.most_in_flight = 0

    def opened(self):
        """Another connection to it."""
        engine = Server(self.name, self.seconds, self.fault, self.info, self.concurrency, self.capacity)
        engine.given, engine.answered = self.given, self.answered
        engine.caller = Caller(
            self.url, Usage(), concurrency=self.concurrency, patience=PATIENCE, probe=engine.look
        )
        engine.endpoint = SimpleNamespace(url=self.url, caller=engine.caller, close=engine.look)
        return engine

    async def look(self):
        if self.fault(None) is not None:
            raise self.fault(None)

    async def close(self):
        pass

    async def generate(self, n, **_):
        return await self.caller.call("/generate", lambda: self.ask(n if isinstance(n, int) else "Hello"))

    async def ask(self, n):
        self.given[n] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        assert self.in_flight <= self.concurrency
        try:
            if self.in_flight > self.capacity:
                raise status(429)
            fault = self.fault(n)
            if fault == "stall":
                await asyncio.sleep(HOURS)
            elif fault is not None:
                raise fault
            await asyncio.sleep(self.seconds)
            self.answered[n] += isinstance(n, int)
            return n
        finally:
            self.in_flight -= 1


class Farm:
    """A ``Pool`` of servers that tests can look at."""

    def __init__(self, *servers):
        self.servers = {server.url: server for server in servers}
        self.urls = list(self.servers)
        self.pool = Pool(self.open, self.check, PATIENCE)

    async def open(self, url):
        engine = self.servers[url].opened()
        if self.servers[url].fault(None) is not None:
            await engine.caller.call("/info", engine.look, wait_for_server=False)
        return engine

    async def check(self, engine):
        pass

    async def answers(self, number):
        return await asyncio.gather(*(self.call(n) for n in range(number)))

    async def call(self, n):
        try:
            return await self.pool.generate(n, max_tokens=1)
        except (UserError, ModelError) as error:
            return error

    async def __aenter__(self):
        await self.pool.open(self.urls)
        return self

    async def __aexit__(self, *_):
        await self.pool.close()


def from_second(second, fault, until=HOURS):
    """What goes wrong between two moments, for calls and for questions whether the server is there."""
    return lambda n: fault if second <= now() < until and (n is not None or fault is REFUSED) else None


def shares(farm):
    counts = [sum(server.answered.values()) for server in farm.servers.values()]
    return [count / sum(counts) for count in counts]


@pytest.fixture
def lines(caplog):
    """The warnings so far."""
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("number", [2, 3, 8])
@pytest.mark.parametrize("at_once", [1, 3, 400])
def test_equal_servers_get_equal_shares(number, at_once):
    async def run():
        room = asyncio.Semaphore(at_once)

        async def one(farm, n):
            async with room:
                return await farm.call(n)

        async with Farm(*(Server(f"s{n}") for n in range(number))) as farm:
            assert await asyncio.gather(*(one(farm, n) for n in range(400))) == list(range(400))
            assert shares(farm) == pytest.approx([1 / number] * number, rel=0.03)
            if at_once == 400:
                assert now() == pytest.approx(400 / 8 / number, abs=1)

    virtually(run())


def test_a_slow_server_gets_as_many_calls_as_it_can_answer():
    async def run():
        async with Farm(Server("slow", seconds=4.0), Server("fast")) as farm:
            assert await farm.answers(1000) == list(range(1000))
            assert shares(farm) == pytest.approx([0.2, 0.8], abs=0.02)
            assert now() < 1.05 * 1000 / (8 + 2)

    virtually(run())


def test_a_server_that_takes_fewer_calls_gets_fewer():
    async def run():
        async with Farm(Server("small", concurrency=2), Server("large", concurrency=8)) as farm:
            await farm.answers(1000)
            assert shares(farm) == pytest.approx([0.2, 0.8], abs=0.02)

    virtually(run())


def test_where_there_is_room_in_all_the_largest_share_of_free_places_counts():
    async def run():
        async with Farm(Server("small", concurrency=2), Server("large", concurrency=8)) as farm:
            for _ in range(50):
                await farm.answers(5)
            assert shares(farm) == pytest.approx([0.2, 0.8], abs=0.05)

    virtually(run())


@pytest.mark.parametrize("fault", [REFUSED, RESET, status(503), status(500), "stall"])
def test_a_server_that_dies_is_left_out_with_one_line_and_no_call_is_lost(fault, lines):
    async def run():
        async with Farm(Server("a"), Server("b", fault=from_second(20.5, fault)), Server("c")) as farm:
            assert await farm.answers(3000) == list(range(3000))
            assert sum(farm.servers["http://b"].given.values()) < 700
            return now()

    seconds = virtually(run())
    # It is waited for as if it were alone, but only by the calls that it had.
    assert seconds < {REFUSED: 20 + 2600 / 16 + 5}.get(fault, 500)
    told = [line for line in lines() if "left out" in line]
    assert len(told) == 1 if fault is REFUSED else told
    assert all(line.startswith("http://b: left out (") and "\n" not in line for line in told)


def test_the_calls_of_a_server_that_is_gone_do_not_wait(lines):
    async def run():
        async with Farm(Server("a"), Server("b", fault=from_second(0.5, REFUSED))) as farm:
            assert await farm.answers(16) == list(range(16))
            assert await farm.answers(160) == list(range(160))
            assert now() < 1 + 20 + 2

    virtually(run())
    assert lines() == [
        "http://b: left out (connection refused); others go on, and it is taken in again once it answers"
    ]


def test_a_server_that_comes_back_is_used_again(lines):
    async def run():
        async with Farm(Server("a"), Server("b", fault=from_second(10.5, REFUSED, 60))) as farm:
            assert await farm.answers(2000) == list(range(2000))
            assert sum(farm.servers["http://b"].answered.values()) > 400
            assert now() < 180

    virtually(run())
    left_out, back = lines()
    assert left_out.startswith("http://b: left out")
    assert back == "http://b: answers and is taken in"


def test_a_server_that_comes_back_as_another_model_stays_left_out(lines):
    async def run():
        b = Server("b", fault=from_second(10.5, REFUSED, 60))
        async with Farm(Server("a"), b) as farm:
            asyncio.get_running_loop().call_later(
                30, lambda: setattr(b, "info", ModelInfo("model", "2", 100, 200))
            )
            assert await farm.answers(2000) == list(range(2000))
            assert sum(b.answered.values()) <= 88

    virtually(run())
    assert [line.partition(" (")[0] for line in lines()] == [
        "http://b: left out",
        "still left out: http://a and http://b serve different models",
    ]


@pytest.mark.parametrize("fault", [REFUSED, status(500), "stall"])
def test_when_all_die_all_calls_end_in_one_line(fault):
    async def run():
        servers = [Server(name, fault=from_second(30.5, fault)) for name in "abc"]
        async with Farm(*servers) as farm:
            answers = await farm.answers(5000)
            return [answer for answer in answers if not isinstance(answer, int)], now()

    errors, seconds = virtually(run())
    assert sum(isinstance(error, ModelError) for error in errors) <= (8 if fault == "stall" else 0)
    (line,) = {str(error) for error in errors if isinstance(error, UserError)}
    assert line.startswith("no server of model is left; the last: http://")
    assert "kept" in line
    assert "\n" not in line
    assert seconds < 30 + {"stall": 900}.get(fault, 120)


def test_all_may_be_gone_for_a_while():
    async def run():
        servers = [
            Server(name, fault=from_second(10.5 + n, REFUSED, 60 + 5 * n)) for n, name in enumerate("abc")
        ]
        async with Farm(*servers) as farm:
            assert await farm.answers(2000) == list(range(2000))
            assert min(shares(farm)) > 0.2

    virtually(run())


def test_a_server_that_hangs_from_the_beginning_holds_no_call_for_long():
    async def run():
        async with Farm(Server("a"), Server("b", fault=from_second(0, "stall"))) as farm:
            assert await farm.answers(2000) == list(range(2000))
            assert now() < 2000 / 8 + 70

    virtually(run())


def test_a_call_that_stalls_everywhere_costs_one_call():
    async def run():
        servers = [Server(name, fault=lambda n: "stall" if n == 20 else None) for name in "ab"]
        async with Farm(*servers) as farm:
            answers = await farm.answers(40)
            assert isinstance(answers.pop(20), ModelError)
            assert answers == [n for n in range(40) if n != 20]
            assert now() < 500

    virtually(run())


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), capacities=st.lists(st.integers(1, 10), min_size=2, max_size=4))
def test_faults_and_refusals_change_no_answer(seed, capacities):
    def fault(n):
        dice = random.Random(f"{seed} {n} {now()}")
        return dice.choice([RESET, status(500), REFUSED]) if n is not None and dice.random() < 0.1 else None

    async def run():
        servers = [Server(f"s{n}", fault=fault, capacity=size) for n, size in enumerate(capacities)]
        async with Farm(*servers) as farm:
            assert await farm.answers(150) == list(range(150))

    virtually(run())


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 59)), max_size=30))
def test_calls_that_are_cancelled_leave_their_place_to_others(cancellations):
    async def run():
        async with Farm(Server("a", concurrency=2), Server("b", concurrency=1)) as farm:
            tasks = [asyncio.create_task(farm.call(n)) for n in range(60)]
            for after, n in sorted(cancellations):
                await asyncio.sleep(max(0, after - now()))
                tasks[n].cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            gone = {n for _, n in cancellations}
            assert all(answer == n for n, answer in enumerate(done) if n not in gone)
            assert not farm.pool._waiting

    virtually(run())


def test_a_server_that_is_not_there_at_the_start_is_left_out(lines):
    async def run():
        async with Farm(Server("a"), Server("b", fault=from_second(0, REFUSED, 20))) as farm:
            assert await farm.answers(800) == list(range(800))
            assert sum(farm.servers["http://b"].answered.values()) > 200

    virtually(run())
    assert lines()[0].startswith("http://b: left out (no server answers (connection refused))")


def test_none_that_answers_at_the_start_is_one_line():
    async def run():
        with pytest.raises(
            UserError, match=r"none of 2 servers answers; the first: http://a: no server"
        ) as caught:
            async with Farm(*(Server(name, fault=from_second(0, REFUSED)) for name in "ab")):
                pass
        assert "\n" not in str(caught.value)

    virtually(run())


# Over HTTP


def test_servers_of_different_models_are_refused(fake_tgi):
    async def run():
        async with fake_tgi() as one, fake_tgi() as other, fake_tgi() as third:
            for change in ({"model_sha": "def"}, {"model_id": "x"}, {"max_input_tokens": 99}):
                third.info = {**one.info, **change}
                with pytest.raises(UserError, match="serve different models") as caught:
                    async with connect([one.url, other.url, third.url]):
                        pass
                assert one.url in str(caught.value)
                assert third.url in str(caught.value)

    asyncio.run(run())


def test_each_server_must_score(fake_tgi, tokenizer):
    async def run():
        async with fake_tgi() as one, fake_tgi() as other:
            async with connect([one.url, other.url], tokenizer=tokenizer, scoring=True):
                assert len(one.requests) == len(other.requests) == 1
            other.script = [lambda answer: {**answer, "details": {**answer["details"], "prefill": []}}]
            with pytest.raises(UserError, match=rf"{other.url}.*--enable-prefill-logprobs"):
                async with connect([one.url, other.url], tokenizer=tokenizer, scoring=True):
                    pass

    asyncio.run(run())


def test_answers_are_kept_by_model_and_counted_for_all_servers(fake_tgi, tokenizer, tmp_path):
    chats = [[{"role": "user", "content": str(n)}] for n in range(20)]
    ids = tokenizer("def area(radius):\n    return 3 * radius * radius\n")["input_ids"]
    store = tmp_path / "answers.sqlite"

    async def ask(model):
        answers = await asyncio.gather(
            *(model.generate(chat, max_tokens=5) for chat in chats),
            *(model.score(ids[:n], ids[n:]) for n in range(1, 11)),
        )
        return answers, model.usage

    async def run():
        async with fake_tgi() as one, fake_tgi() as other:
            async with connect([one.url, other.url, one.url], tokenizer=tokenizer, store=store) as model:
                first, usage = await ask(model)
            assert len(one.requests) == len(other.requests) == 15
            async with connect(one.url, tokenizer=tokenizer, store=store) as model:
                again, stored = await ask(model)
            assert len(one.requests) == 15
        assert first == again
        assert (usage.calls, usage.stored, stored.stored) == (30, 0, 30)
        assert (usage.prompt_tokens, usage.generated_tokens) == (20 * 3, 20 * 4)
        assert usage.scored_tokens == 10 * len(ids)

    asyncio.run(run())


def test_an_empty_list_is_one_line():
    async def run():
        with pytest.raises(UserError, match="an empty list"):
            async with connect([]):
                pass

    asyncio.run(run())
