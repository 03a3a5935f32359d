"""Calls against a server that is overloaded, faulty, slow or dead, in virtual time: minutes cost nothing."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from virtual_time import virtually

from builder.errors import UserError
from builder.llm import ModelError, breaker, connect
from builder.llm.calls import PATIENCE, Caller, Garbled
from builder.llm.pace import Pace
from builder.llm.usage import Usage

URL = "http://server"
TWO_MINUTES = 120.0


def now():
    return asyncio.get_running_loop().time()


def status(code, words="no"):
    request = httpx2.Request("POST", URL)
    response = httpx2.Response(code, json={"error": words}, request=request)
    return httpx2.HTTPStatusError(str(code), request=request, response=response)


REFUSED = httpx2.ConnectError("connection refused")
RESET = httpx2.ReadError("reset")
FAULTS = (status(429), status(500), status(503), RESET, Garbled("cut off"), "stall")


class Server:
    """Answers ``n`` with ``n`` after ``seconds``, except for what ``fault(n, attempt)`` gives or raises."""

    def __init__(self, fault=lambda n, attempt: None, seconds=1.0, capacity=None, **options):
        self.fault = fault
        self.seconds = seconds
        self.capacity = capacity
        self.attempts = Counter()
        self.in_flight = self.most_in_flight = 0
        self.probed = 0
        self.probe_fault = None
        options = {"concurrency": 8, "patience": PATIENCE} | options
        self.caller = Caller(URL, Usage(), probe=self.probe, **options)

    async def probe(self):
        self.probed += 1
        await self.misbehave(self.probe_fault)

    async def misbehave(self, fault):
        if fault == "stall":
            await asyncio.sleep(600)
            raise httpx2.ReadTimeout("")
        if fault is not None:
            raise fault

    async def ask(self, n):
        self.attempts[n] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        pace = self.caller._pace
        assert 1 <= pace.limit <= pace.most
        assert self.in_flight <= pace.in_flight <= pace.most
        try:
            if self.capacity is not None and self.in_flight > self.capacity:
                raise status(429)
            await self.misbehave(self.fault(n, self.attempts[n]))
            await asyncio.sleep(self.seconds)
            return n
        finally:
            self.in_flight -= 1

    async def call(self, n):
        try:
            return await self.caller.call("/generate", lambda: self.ask(n))
        except (ModelError, UserError) as error:
            return error

    async def answers(self, number):
        return await asyncio.gather(*(self.call(n) for n in range(number)))


# Pace


@given(st.integers(-1, 40), st.lists(st.sampled_from(["up", "down", "enter", "leave", "cancel"])))
def test_the_limit_stays_within_bounds_and_places_are_given_in_order(most, steps):
    async def run():
        pace = Pace(most)
        queue, entered, left, tasks = [], [], {}, {}

        async def occupy(n):
            async with pace.turn():
                assert pace.in_flight <= pace.limit
                entered.append(n)
                await left[n].wait()

        for n, step in enumerate(steps):
            if step == "enter":
                left[n] = asyncio.Event()
                tasks[n] = asyncio.create_task(occupy(n))
                queue.append(n)
            elif step == "leave" and entered:
                left[random.Random(n).choice(entered)].set()
            elif step == "cancel" and tasks:
                victim = random.Random(n).choice(list(tasks))
                tasks[victim].cancel()
                await asyncio.gather(tasks[victim], return_exceptions=True)
                queue = [other for other in queue if other != victim or victim in entered]
            elif step == "up":
                pace.succeeded()
            elif step == "down":
                pace.overloaded(pace._halvings)
            for _ in range(4):
                await asyncio.sleep(0)
            assert 1 <= pace.limit <= pace.most == max(1, most)
            assert pace.in_flight == len(entered) - sum(tasks[n].done() for n in entered)
            assert entered == queue[: len(entered)]
            if pace.in_flight < pace.limit:
                assert len(entered) == len(queue)  # nobody waits where there is room
        for event in left.values():
            event.set()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        assert pace.in_flight == 0

    virtually(run())


def test_a_round_trip_of_successes_adds_one_and_one_of_failures_halves_once():
    async def run():
        pace = Pace(16)
        async with pace.turn() as first, pace.turn() as second:
            pace.overloaded(first)
            pace.overloaded(second)
        assert pace.limit == 8
        for expected in (9, 10):
            for _ in range(expected - 2):
                pace.succeeded()
                assert pace.limit == expected - 1
            pace.succeeded()
            assert pace.limit == expected
        for _ in range(1000):
            pace.succeeded()
        assert pace.limit == 16
        for _ in range(10):
            async with pace.turn() as turn:
                pace.overloaded(turn)
        assert pace.limit == 1

    virtually(run())


@settings(max_examples=30)
@given(capacity=st.integers(1, 20), most=st.integers(1, 64))
def test_every_call_of_an_overloaded_server_is_answered(capacity, most):
    server = Server(capacity=capacity, concurrency=most)
    assert virtually(server.answers(200)) == list(range(200))
    assert server.most_in_flight <= most


def test_the_pace_settles_near_what_the_server_takes():
    async def run():
        server = Server(capacity=10, concurrency=128)
        began = now()
        assert await server.answers(2000) == list(range(2000))
        return now() - began, sum(server.attempts.values())

    seconds, attempts = virtually(run())
    assert seconds < 1.6 * 2000 / 10  # of the shortest time there is
    assert attempts < 1.2 * 2000


# Retries


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), share=st.sampled_from([0.0, 0.05, 0.2]))
@example(seed=47, share=0.2)  # stalls of several calls, one after another while the pace is down
@example(seed=56, share=0.2)  # one call that stalls again and again meanwhile
def test_faults_at_a_fifth_of_all_requests_change_no_answer(seed, share):
    def fault(n, attempt):
        dice = random.Random(f"{seed} {n} {attempt}")
        return dice.choice(FAULTS) if n >= 8 and dice.random() < share else None

    async def run():
        server = Server(fault, seconds=0.5)
        first = [await server.call(n) for n in range(8)]
        began = now()
        rest = await asyncio.gather(*(server.call(n) for n in range(8, 150)))
        return first + rest, now() - began

    answers, seconds = virtually(run())
    assert answers == list(range(150))
    assert seconds < 1000


def test_a_stalled_call_is_tried_again_among_others_that_succeed():
    server = Server(lambda n, attempt: "stall" if n == 20 and attempt == 1 else None)

    async def run():
        assert await server.answers(40) == list(range(40))
        return now()

    assert virtually(run()) < breaker.STALL + 20
    assert server.attempts[20] == 2


def test_a_call_that_always_stalls_costs_one_call_and_not_hours():
    server = Server(lambda n, attempt: "stall" if n == 20 else None)

    async def run():
        answers = await server.answers(40)
        assert isinstance(answers.pop(20), ModelError)
        assert answers == [n for n in range(40) if n != 20]
        return now()

    assert virtually(run()) < 500


def test_a_storm_of_429_ends_with_all_answered():
    server = Server(lambda n, attempt: status(429) if now() < 60 else None)
    assert virtually(server.answers(100)) == list(range(100))


@pytest.mark.parametrize("code", [400, 413, 422, 500])
def test_one_bad_request_costs_one_call(code):
    server = Server(lambda n, attempt: status(code, "too much") if n == 3 else None)
    answers = virtually(server.answers(30))
    assert isinstance(answers[3], ModelError)
    assert "too much" in str(answers.pop(3))
    assert answers == [n for n in range(30) if n != 3]


def test_three_bad_requests_alone_do_not_end_a_run():
    async def run():
        server = Server(lambda n, attempt: status(500) if n < 3 else None)
        assert all(isinstance(error, ModelError) for error in await server.answers(3))
        return await server.call(3)

    assert virtually(run()) == 3


def test_bad_requests_never_end_a_run():
    server = Server(lambda n, attempt: status(422) if n < 500 else None)
    answers = virtually(server.answers(501))
    assert all(isinstance(error, ModelError) for error in answers[:500])
    assert answers[500] == 500


# The breaker


def dead(how, healthy=30):
    """A server that dies ``healthy`` seconds in."""
    server = Server()

    def fault(n, attempt):
        if now() < healthy:
            return None
        server.probe_fault = how if how in (REFUSED, "stall") else None
        return how

    server.fault = fault
    return server


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (REFUSED, "connection refused"),
        (RESET, "reset"),
        (status(500, "CUDA error"), "status 500: CUDA error"),
        (status(503, "gone"), "status 503: gone"),
        (status(429, "Model is overloaded"), "status 429: Model is overloaded"),
        (Garbled("cut off"), "cut off"),
        ("stall", "no answer"),
    ],
    ids=["refused", "reset", "500", "503", "429", "garbled", "hangs"],
)
@pytest.mark.parametrize("calls", ["all at once", "one after another"])
def test_a_server_that_dies_ends_all_calls_within_two_minutes_in_one_line(how, words, calls):
    server = dead(how)

    async def run():
        if calls == "all at once":
            answers = await server.answers(2000)
        else:
            answers = []
            while not (answers and isinstance(answers[-1], UserError)):
                answers.append(await server.call(len(answers)))
        return answers, now()

    answers, seconds = virtually(run())
    assert answers[:200] == list(range(200)) if calls == "all at once" else answers[:25] == list(range(25))
    errors = [answer for answer in answers if isinstance(answer, UserError)]
    assert errors
    assert not any(isinstance(answer, ModelError) for answer in answers) or calls == "one after another"
    (line,) = {str(error) for error in errors}
    assert URL in line
    assert words in line
    assert "kept" in line
    assert "\n" not in line
    assert 30 + 60 < seconds < 30 + TWO_MINUTES


@pytest.mark.parametrize("seconds", [0.05, 0.1, 1.0, 3.0])
@pytest.mark.parametrize("concurrency", [1, 2, 8])
def test_whoever_notices_that_a_server_has_died_says_so_in_the_same_words(concurrency, seconds):
    server = Server(lambda n, attempt: REFUSED if now() >= 20 else None, seconds, concurrency=concurrency)
    server.probe_fault = REFUSED
    answers = virtually(server.answers(round(25 * concurrency / seconds)))
    (line,) = {str(answer) for answer in answers if not isinstance(answer, int)}
    assert line.endswith("all answers so far are kept: start again once the server answers")


def test_a_hanging_server_of_which_nothing_is_known_ends_a_run_too():
    server = dead("stall", healthy=0)

    async def run():
        answers = await server.answers(8)
        assert all(isinstance(answer, UserError) for answer in answers)
        return now()

    assert virtually(run()) < TWO_MINUTES


def test_a_slow_server_is_waited_for():
    server = Server(seconds=300.0)
    assert virtually(server.answers(30)) == list(range(30))
    assert server.probed


def test_a_slow_server_with_faults_is_waited_for():
    def fault(n, attempt):
        return RESET if random.Random(f"{n} {attempt}").random() < 0.2 and n > 16 else None

    server = Server(fault, seconds=100.0)
    assert virtually(server.answers(100)) == list(range(100))


def test_a_server_that_starts_again_is_waited_for():
    server = Server(lambda n, attempt: REFUSED if 30 <= now() < 90 else None)
    assert virtually(server.answers(400)) == list(range(400))


def test_a_pause_between_calls_is_no_silence():
    async def run():
        server = Server(lambda n, attempt: RESET if attempt == 1 else None)
        for n in range(20):
            assert await server.call(n) == n
            await asyncio.sleep(1000)
        assert not server.probed
        assert len(asyncio.all_tasks()) == 1

    virtually(run())


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 39)), max_size=20))
def test_calls_that_are_cancelled_leave_their_place_to_others(cancellations):
    async def run():
        server = Server(lambda n, attempt: random.Random(f"{n} {attempt}").choice([None, RESET]))
        tasks = [asyncio.create_task(server.call(n)) for n in range(40)]
        for after, n in sorted(cancellations):
            await asyncio.sleep(max(0, after - now()))
            tasks[n].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        gone = {n for _, n in cancellations}
        assert all(answer == n for n, answer in enumerate(done) if n not in gone)
        assert server.caller._pace.in_flight == 0
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1

    virtually(run())


# Over HTTP


def test_over_http_faults_at_a_fifth_of_all_requests_change_no_answer(
    fake_tgi, monkeypatch, tokenizer, sabotage
):
    monkeypatch.setattr(breaker, "STALL", 0.3)
    ids = tokenizer("def area(radius):\n    return 3 * radius * radius\n")["input_ids"]

    async def run(share):
        async with fake_tgi() as fake:
            honest, attempts = fake.handler, Counter()

            async def faulty(request):
                body = await request.text()
                attempts[body] += 1
                dice = random.Random(f"{body} {attempts[body]}")
                response = await honest(request)
                if sum(attempts.values()) <= 20 or dice.random() >= share:
                    return response
                return await sabotage(
                    dice.choice([429, 500, "reset", "stall", "truncated", "null"]), request, response
                )

            fake.handler = faulty
            async with connect(fake.url, tokenizer=tokenizer, patience=6) as model:
                known = [await model.score(ids[:1], ids[1 : 2 + n % 8]) for n in range(10)]
                chats = [[{"role": "user", "content": str(n)}] for n in range(80)]
                known += [await model.generate(chat, max_tokens=5) for chat in chats[:10]]
                return known + await asyncio.gather(
                    *(model.generate(chat, max_tokens=5) for chat in chats),
                    *(model.score(ids[:n], ids[n:]) for n in range(1, len(ids))),
                ), sum(attempts.values())

    calm, asked = asyncio.run(run(0.0))
    faulty, asked_more = asyncio.run(run(0.2))
    assert faulty == calm
    assert asked_more > asked


def test_over_http_a_dead_server_ends_a_run_and_what_was_answered_is_kept(fake_tgi, tmp_path):
    async def run():
        async with fake_tgi() as fake:
            options = {"tokenizer": fake.tokenizer, "patience": 0.3, "store": tmp_path / "answers.sqlite"}
            chats = [[{"role": "user", "content": str(n)}] for n in range(20)]
            async with connect(fake.url, **options) as model:
                for chat in chats[:5]:
                    await model.generate(chat, max_tokens=5)
                fake.script = [(503, "gone")] * 10_000
                ends = await asyncio.gather(
                    *(model.generate(chat, max_tokens=5) for chat in chats), return_exceptions=True
                )
                assert len({str(end) for end in ends[5:]}) == 1
                assert all(isinstance(end, UserError) for end in ends[5:])
                assert str(ends[5]).startswith(f"{fake.url}: no call has succeeded for ")
            fake.script, fake.requests = [], []
            async with connect(fake.url, **options) as model:
                assert ends[:5] == [await model.generate(chat, max_tokens=5) for chat in chats[:5]]
            assert not fake.requests

    asyncio.run(run())
