"""A server that takes text must find the tokens that the spans give apart, or it cannot score the row."""

from __future__ import annotations

import asyncio
import importlib.util
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.agents import AgentOptions, Team
from builder.repository import load
from builder.structure import analyze
from builder.trajectory import MAIN, Step, Trajectory, encode, render

# How GPT-2 (and SmolLM2) and Llama-3 (and Qwen) part a text before they merge bytes.
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@pytest.fixture(scope="module", params=[GPT2, LLAMA3], ids=["gpt2", "llama3"])
def tokenizer(request):
    """Every piece that the pattern leaves whole is one token, as if all merges had been learnt."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(request.param), behavior="isolated")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="?")


def pieces(tokenizer, text: str) -> list[str]:
    return [piece for piece, _ in tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def parted_joins(tokenizer, document) -> list[str]:
    """The joins of spans at which the text as a whole is parted differently."""
    texts = [document.text[span["start"] : span["end"]] for span in document.spans]
    apart = [pieces(tokenizer, text) for text in texts]
    return [
        f"{left[-20:]!r} | {right[:20]!r}"
        for (left, right), (one, other) in zip(pairwise(texts), pairwise(apart), strict=True)
        if pieces(tokenizer, left + right) != one + other
    ]


@pytest.mark.parametrize("package", ["iniconfig", "pluggy", "tenacity", "jinja2", "click"])
def test_real_packages_have_no_join_that_tokenizers_see_differently(tokenizer, package, scripted) -> None:
    blueprint = analyze(load(Path(importlib.util.find_spec(package).origin).parent))
    answer = "I keep `it`, and (that).\n\nThen the rest:"
    team = Team(blueprint, scripted(answer=lambda messages, seed: answer), AgentOptions(), seed=0)
    assert parted_joins(tokenizer, render(asyncio.run(team.simulate()))) == []


ENDINGS = st.sampled_from(["", "\n", "\n\n", "\r\n", " ", "\t\n", ")\n", ")", "  \n\n", "\r\n\r\n"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.text("ab1_ (){}\n\r\t\"'é", max_size=12), ending=ENDINGS)
def test_no_ending_of_a_file_merges_with_its_closing_tag(tokenizer, make_repository, body, ending) -> None:
    content = "x" + body + ending
    steps = [Step(MAIN, "delegate", "a.py"), Step("a.py", "write", "a.py"), Step("a.py", "finish", "a.py")]
    document = render(Trajectory(make_repository({"a.py": content}), tuple(steps)))
    assert parted_joins(tokenizer, document) == []


def test_the_embedded_tokenizer_agrees_on_a_whole_document(scripted) -> None:
    from transformers import AutoTokenizer

    from builder import embedded_model

    tokenizer = AutoTokenizer.from_pretrained(embedded_model())
    blueprint = analyze(load(Path(importlib.util.find_spec("pluggy").origin).parent))
    team = Team(blueprint, scripted(), AgentOptions(), seed=0)
    document = render(asyncio.run(team.simulate()))
    assert tokenizer(document.text)["input_ids"] == encode(document.text, document.spans, tokenizer).ids
