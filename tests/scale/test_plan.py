"""A plan asks no model, counts what a build asks, and leaves it the survey."""

from __future__ import annotations

import asyncio
import json
import math
import re
from dataclasses import dataclass, field, replace

import pytest
from transformers import PreTrainedTokenizerFast

from builder.cli import main
from builder.config import BuildConfig, PlanOptions, PriceOptions, ThroughputOptions
from builder.errors import UserError
from builder.llm import ModelInfo, connect
from builder.pipeline import Models, reconstruct
from builder.repository import load
from builder.rows import BUILDABLE_CONFIGS, DEFAULT_CONFIGS
from builder.scale import DryModel, DryModels, plan
from builder.scale.dry import prose
from builder.scale.estimate import Estimate
from builder.search import SearchOptions
from builder.structure import analyze
from tests.scale.conftest import NUM_PROJECTS, write_project

COUNTERS = ("calls", "prompt_tokens", "generated_tokens", "scored_tokens")


@dataclass
class Recording:
    """A model whose answers are kept, by what was asked."""

    model: object
    answers: dict = field(default_factory=dict)
    allowed: int = 0

    def __getattr__(self, name):
        return getattr(self.model, name)

    async def generate(self, messages, **options):
        answer = await self.model.generate(messages, **options)
        self.answers[repr((messages, sorted(options.items())))] = answer
        self.allowed += options["max_tokens"]
        return answer

    def answer_share(self, tokenizer) -> float:
        texts = [answer for answer in self.answers.values() if isinstance(answer, str)]
        return sum(len(tokenizer(text)["input_ids"]) for text in texts) / self.allowed

    async def score(self, context, target):
        answer = await self.model.score(context, target)
        self.answers[repr((list(context), list(target)))] = answer
        return answer


@dataclass
class Repeating(DryModel):
    """Counts as a dry model does, and answers as another one did."""

    answers: dict = field(default_factory=dict)

    async def generate(self, messages, **options):
        await super().generate(messages, **options)
        return self.answers[repr((messages, sorted(options.items())))]

    async def score(self, context, target):
        await super().score(context, target)
        return self.answers[repr((list(context), list(target)))]


@pytest.fixture
def config(server, tokenizer_directory, tmp_path) -> BuildConfig:
    return BuildConfig(
        llm=server,
        tokenizer=str(tokenizer_directory),
        store=str(tmp_path / "answers.sqlite"),
        search=SearchOptions(rounds=2, margin=1e-4),
    )


@pytest.fixture
def dry(bytes_tokenizer) -> DryModel:
    return DryModel(ModelInfo("dry", "", 4000, 4000), bytes_tokenizer, 0.25)


def sums(needs):
    return {name: sum(getattr(need, name) for need in needs.values()) for name in COUNTERS}


def test_a_dry_run_counts_what_a_server_is_asked(config, dry, blueprint) -> None:
    """The same calls; with the same answers the same tokens; with answers as long, nearly as many."""

    async def run():
        async with connect(config.llm, tokenizer=config.tokenizer) as connection:
            recording = Recording(connection)
            models = Models(recording, recording)
            await reconstruct(blueprint, models, config, DEFAULT_CONFIGS)
        alike = replace(dry, answer_share=recording.answer_share(dry.tokenizer))
        _, prose_only = await DryModels(alike, alike).rehearse(blueprint, config, DEFAULT_CONFIGS)
        again = Repeating(dry.info, dry.tokenizer, dry.answer_share, answers=recording.answers)
        _, repeated = await DryModels(again, again).rehearse(blueprint, config, DEFAULT_CONFIGS)
        return connection.usage, sums(prose_only), sums(repeated)

    usage, prose_only, repeated = asyncio.run(run())
    calls = usage.calls - usage.stored
    assert calls == prose_only["calls"] == repeated["calls"]
    assert repeated["prompt_tokens"] == usage.prompt_tokens
    assert repeated["scored_tokens"] == usage.scored_tokens
    assert prose_only["prompt_tokens"] == pytest.approx(usage.prompt_tokens, rel=0.1)
    assert prose_only["scored_tokens"] == pytest.approx(usage.scored_tokens, rel=0.1)


def test_calls_are_told_apart_by_what_they_are_for(config, dry, blueprint) -> None:
    _, needs = asyncio.run(DryModels(dry, dry).rehearse(blueprint, config, DEFAULT_CONFIGS))
    # Two files with code, one of which reads the other; for each three controls and two rounds of two.
    assert {name: need.calls for name, need in needs.items()} == {
        "requirement": 1,
        "overview": 1,
        "purpose": 2,
        "design": 2,
        "need": 1,
        "rewrite": 8,
        "score first": 2,
        "score control": 6,
        "score candidate": 8,
    }
    for name, need in needs.items():
        assert (need.scored_tokens > 0) == name.startswith("score")
        assert (need.prompt_tokens > 0) == (need.generated_tokens > 0) == (need.scored_tokens == 0)


def test_a_chat_template_counts(dry, blueprint, config) -> None:
    templated = PreTrainedTokenizerFast(tokenizer_object=dry.tokenizer.backend_tokenizer)
    templated.chat_template = "{% for m in messages %}{{ 'abc: ' + m['content'] }}{% endfor %}"
    plain, with_template = (
        asyncio.run(
            DryModels(DryModel(dry.info, tokenizer, 0.25), dry).rehearse(blueprint, config, ["repo2agent"])
        )[1]["requirement"].prompt_tokens
        for tokenizer in (dry.tokenizer, templated)
    )
    assert with_template > plain


@pytest.mark.parametrize("num_tokens", [2, 24, 160])
def test_prose_is_as_long_as_it_should_be_and_the_same_for_a_seed(num_tokens, bytes_tokenizer) -> None:
    texts = [prose(num_tokens, seed, bytes_tokenizer) for seed in range(10)]
    lengths = [len(bytes_tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    longest_word = 14
    assert all(num_tokens <= length <= num_tokens + longest_word for length in lengths)
    assert texts == [prose(num_tokens, seed, bytes_tokenizer) for seed in range(10)]


def test_a_plan_of_all_is_exact_and_asks_no_model(config, dry, projects, tmp_path) -> None:
    forecast = plan([str(projects / "*")], config, PlanOptions(sample=NUM_PROJECTS, answer_share=0.25))
    total = dict.fromkeys(COUNTERS, 0)
    for project in sorted(projects.iterdir()):
        _, needs = asyncio.run(DryModels(dry, dry).rehearse(analyze(load(project)), config, DEFAULT_CONFIGS))
        total = {name: value + sums(needs)[name] for name, value in total.items()}
    assert {name: one.total for name, one in forecast.needs[""].items()} == total
    assert all(one.half_width == 0 for need in forecast.needs.values() for one in need.values())
    assert set(forecast.disk) == set(DEFAULT_CONFIGS)
    assert not (tmp_path / "answers.sqlite").exists()


def test_a_sample_says_what_a_plan_of_all_says_within_its_interval(config, projects) -> None:
    options = {"answer_share": 0.25, "throughput": ThroughputOptions(3600, 3600, 3600)}
    priced = BuildConfig(**{**vars(config), "prices": PriceOptions(1, 2, 3)})
    whole = plan([str(projects / "*")], priced, PlanOptions(sample=NUM_PROJECTS, **options))
    part = plan([str(projects / "*")], priced, PlanOptions(sample=8, **options))
    assert part.num_sampled == 8
    for name in COUNTERS:
        assert part.needs[""][name].half_width > 0
        assert abs(part.needs[""][name].total / whole.needs[""][name].total - 1) < 0.2
    tokens = {name: whole.needs[""][name].total for name in COUNTERS[1:]}
    assert whole.gpu_hours.total == pytest.approx(sum(tokens.values()) / 3600 / 3600)
    price = tokens["prompt_tokens"] + 2 * tokens["generated_tokens"] + 3 * tokens["scored_tokens"]
    assert whole.cost.total == pytest.approx(price / 1e6)
    purposes = [one for name, one in whole.needs.items() if name]
    for name in COUNTERS:
        assert whole.needs[""][name].total == pytest.approx(sum(one[name].total for one in purposes))


def test_what_every_repository_asks_once_is_known(config, projects) -> None:
    forecast = plan([str(projects / "*")], config, PlanOptions(sample=6))
    for purpose in ("requirement", "overview"):
        calls = forecast.needs[purpose]["calls"]
        assert calls.total == pytest.approx(NUM_PROJECTS)
        assert calls.half_width == pytest.approx(0, abs=1e-6)


def test_the_same_seed_gives_the_same_plan(config, projects) -> None:
    texts = {plan([str(projects / "*")], config, PlanOptions(sample=4)).as_text() for _ in range(2)}
    assert len(texts) == 1


def test_an_interval_without_end_is_json_too(config, projects) -> None:
    forecast = replace(plan([str(projects / "*")], config, PlanOptions()), cost=Estimate(1.0, math.inf))
    plain = json.dumps(forecast.as_json(), allow_nan=False)
    assert json.loads(plain)["cost"] == {"total": 1.0, "low": 0.0, "high": None}


def test_a_part_of_the_sources_is_enough_and_says_so(config, projects) -> None:
    forecast = plan([str(projects / "*")], config, PlanOptions(sample=6, survey=12))
    assert (forecast.num_sources, forecast.num_surveyed) == (NUM_PROJECTS, 12)
    assert forecast.chosen["repositories"].total == NUM_PROJECTS
    assert forecast.chosen["num_files"].half_width > 0
    assert f"{NUM_PROJECTS} sources, 12 of them looked at" in forecast.as_text()


def test_every_config_can_be_planned(config, projects) -> None:
    every = BuildConfig(**{**vars(config), "configs": BUILDABLE_CONFIGS})
    forecast = plan([str(projects / "project0001")], every, PlanOptions())
    assert {"draft", "debug", "rewrite_debug"} <= set(forecast.needs)


def test_what_is_left_out_is_counted_by_reason(config, tmp_path) -> None:
    for number in range(3):
        write_project(tmp_path / "sources", number)
    (tmp_path / "sources" / "nothing").mkdir()
    forecast = plan([str(tmp_path / "sources" / "*")], config, PlanOptions())
    assert {reason: one.total for reason, one in forecast.left_out.items()} == {"unreadable": 1}
    assert "left out: unreadable" in forecast.as_text()


def test_a_build_goes_on_with_the_survey(arguments, tmp_path, capsys) -> None:
    command = arguments(tmp_path)
    main(["plan", *command[1:], "--sample=4"])
    first = capsys.readouterr().out
    assert re.search(r"^all +[\d,]+ ± \d+%", first, re.MULTILINE)
    assert "--throughput.prompt" in first
    main(["plan", *command[1:], "--sample=4", "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert shown["needs"]["all"]["calls"]["low"] <= shown["needs"]["all"]["calls"]["total"]
    surveyed = {path: path.stat().st_mtime_ns for path in (tmp_path / "built/.build/survey").iterdir()}
    assert surveyed
    main(command)
    assert surveyed == {
        path: path.stat().st_mtime_ns for path in (tmp_path / "built/.build/survey").iterdir()
    }


def test_a_tokenizer_stands_for_a_server_that_is_not_there_yet(config, projects) -> None:
    away = BuildConfig(**{**vars(config), "llm": "http://127.0.0.1:9"})
    forecast = plan([str(projects / "project0001")], away, PlanOptions())
    assert any("no server answers at http://127.0.0.1:9" in words for words in forecast.assumptions)
    with pytest.raises(UserError, match="its tokenizer alone is enough to plan"):
        plan([str(projects / "project0001")], BuildConfig(llm="http://127.0.0.1:9"), PlanOptions())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sample": 1}, "sample must be at least 2"),
        ({"survey": 0}, "survey must be at least 2"),
        ({"answer_share": 0}, "answer_share must be above 0"),
        ({"throughput": ThroughputOptions(prompt=0)}, "throughput.prompt must be above 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, words) -> None:
    with pytest.raises(UserError, match=words):
        PlanOptions(**options)
