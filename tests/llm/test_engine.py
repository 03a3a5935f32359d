"""The pocket server's engine on a tiny random model: exact, and blind to the company a request keeps."""

from __future__ import annotations

import random
from concurrent.futures import wait

import pytest
import torch

from builder.llm.pocket.attention import KeyValues
from builder.llm.pocket.engine import BLOCK, Engine, Job
from builder.llm.pocket.sampling import Sampler, Sampling


@pytest.fixture(scope="module")
def engine(tiny_model):
    return Engine(*tiny_model)


def prompt(length, seed=0):
    return random.Random(seed).choices(range(2, 400), k=length)


def score(ids):
    return Job(list(ids), 1, prefill_details=True)


def text(ids, seed, length=24):
    return Job(list(ids), length, Sampling(temperature=0.9, top_p=0.95, seed=seed))


def run(engine, *jobs):
    futures = [engine.submit(job) for job in jobs]
    return [future.result(timeout=60) for future in futures]


@pytest.mark.parametrize("length", [1, 2, 5, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 700])
def test_scores_are_those_of_one_plain_forward_pass(engine, tiny_directory, length):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_directory, dtype=torch.float32).eval()
    ids = prompt(length, seed=length)
    with torch.inference_mode():
        logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = [float(logprobs[at, token]) for at, token in enumerate(ids[1:])]
    (answer,) = run(engine, score(ids))
    assert answer.prefill[0] is None
    assert answer.prefill[1:] == pytest.approx(expected, abs=1e-4)
    assert answer.tokens == [int(logprobs[-1].argmax())]


def test_greedy_text_is_that_of_transformers(engine, tiny_directory):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_directory, dtype=torch.float32).eval()
    ids = prompt(200)
    expected = model.generate(torch.tensor([ids]), max_new_tokens=30, do_sample=False)[0, len(ids) :].tolist()
    (answer,) = run(engine, Job(ids, 30))
    assert answer.tokens == expected


def test_an_answer_is_the_same_to_the_last_bit_in_any_company(tiny_model, engine):
    jobs = [text(prompt(30 + 41 * n, n), seed=n, length=10 + 3 * n) for n in range(11)]
    jobs += [score(prompt(170 + 50 * n, n)) for n in range(5)]
    alone = [
        run(Engine(*tiny_model), Job(job.ids, job.max_new_tokens, job.sampling, job.prefill_details))
        for job in jobs
    ]
    assert [[answer] for answer in run(engine, *jobs)] == alone


def test_a_score_does_not_depend_on_the_cache(tiny_model):
    shared = prompt(400)
    texts = [shared + prompt(100, n) for n in (1, 2)] + [shared[:300] + prompt(200, 3), shared]
    cold = [run(Engine(*tiny_model, cached_tokens=0), score(ids)) for ids in texts]
    engine = Engine(*tiny_model)
    assert [run(engine, score(ids)) for ids in texts] == cold
    assert [run(engine, score(ids)) for ids in reversed(texts)] == cold[::-1]
    tiny = Engine(*tiny_model, cached_tokens=2 * BLOCK)  # evicts in between
    assert [run(tiny, score(ids)) for ids in texts] == cold


def test_a_shared_context_is_computed_once(tiny_model):
    engine = Engine(*tiny_model)
    context, target = prompt(5 * BLOCK), prompt(100, 9)
    for n in range(7):
        run(engine, score([*context, *prompt(40, n), *target]))
    assert engine.counters.prefill_asked == 7 * 780
    assert engine.counters.prefill_computed == 780 + 6 * 140


def test_candidates_of_one_prompt_share_its_prefill(tiny_model):
    engine = Engine(*tiny_model)
    answers = run(engine, *[text(prompt(3 * BLOCK), seed) for seed in range(3)])
    assert len({tuple(answer.tokens) for answer in answers}) == 3
    # Two of three blocks: the last one gives the next token's logits and is always computed.
    assert engine.counters.prefill_computed == 3 * BLOCK + 2 * BLOCK


def test_a_cancelled_request_frees_its_slot(tiny_model):
    engine = Engine(*tiny_model, slots=2)
    endless = [engine.submit(text(prompt(20, n), seed=n, length=900)) for n in range(4)]
    for future in endless:
        assert future.cancel()
    (answer,) = run(engine, text(prompt(10), seed=1, length=5))
    assert len(answer.tokens) <= 5
    assert engine.counters.generated < 4 * 900


def test_a_failing_job_fails_alone(engine):
    broken = engine.submit(score([10**9]))
    assert wait([broken], timeout=60).done
    assert broken.exception() is not None
    assert run(engine, score(prompt(10)))[0].prefill[0] is None


def test_keys_and_values_come_back_from_a_copy():
    cache, again = KeyValues(1), KeyValues(1)
    keys = torch.randn(2, 700, 8)
    for start in range(0, 700, 100):
        cache.write(0, keys[:, start : start + 100], keys[:, start : start + 100])
        cache.advance(100)
    again.copy_in(cache.copy_out(0, 300))
    found, _ = again.write(0, keys[:, 300:], keys[:, 300:])
    assert torch.equal(found, keys)


class Letters:
    """Decodes token n to the n-th letter."""

    def decode(self, tokens, **_):
        return "".join(chr(ord("a") + token) for token in tokens)


def peaked(token, size=26):
    logits = torch.zeros(size)
    logits[token] = 50.0
    return logits


def test_text_ends_at_its_end_token_a_stop_sequence_or_its_length():
    def finish(letters, **options):
        sampler = Sampler(Sampling(**options), 4, Letters(), frozenset({25}))
        for letter in letters:
            assert sampler.finish is None
            sampler.draw(peaked(ord(letter) - ord("a")))
        return sampler.finish

    assert finish("abz") == "eos_token"
    assert finish("abcd") == "length"
    assert finish("abc", stop=("bc", "x")) == "stop_sequence"
    assert finish("acb", stop=("bc",)) is None


def test_sampling_follows_seed_and_truncation():
    logits = torch.linspace(0, 3, 26)

    def draw(count=40, **options):
        sampler = Sampler(Sampling(temperature=1.0, **options), count, Letters(), frozenset())
        for _ in range(count):
            sampler.draw(logits)
        return sampler.tokens

    assert draw(seed=3) == draw(seed=3)
    assert draw(seed=3) != draw(seed=4)
    assert set(draw(top_k=2)) == {24, 25}
    assert set(draw(top_p=1e-6)) == {25}
