"""Every form under three kinds of tokenizers: each token has one role, and no content is a special token."""

from __future__ import annotations

import pytest

from builder.llm.embedded import embedded_tokenizer
from builder.trajectory import MAIN, RENDERERS, Step, Trajectory, encode

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ eos_token + m.role }}\n{{ m.content | trim }}{% endfor %}"
)


@pytest.fixture(scope="module")
def llama3():
    """Byte-level BPE that parts a text as Llama-3's does, with its special tokens and its BOS."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["def main(path):\n    return path\n\n\n</think>\n" * 8], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|begin_of_text|>", eos_token="<|end_of_text|>"
    )


@pytest.fixture(params=["llama3", "smollm2", "byte-level"])
def tokenizer(request, bytes_tokenizer, monkeypatch):
    if request.param == "smollm2":
        found = embedded_tokenizer()
    else:
        found = bytes_tokenizer if request.param == "byte-level" else request.getfixturevalue("llama3")
        monkeypatch.setattr(found, "chat_template", TEMPLATE)
    return found


@pytest.mark.parametrize("renderer", RENDERERS)
def test_each_token_has_one_role_and_special_tokens_in_content_are_text(renderer, tokenizer, make_repository):
    hostile = "".join(f"    x = '{token}'\n" for token in [*SPECIAL, *tokenizer.all_special_tokens])
    repository = make_repository({"a.py": hostile, f"b{tokenizer.eos_token}.py": "def main():\n    é = '漢'"})
    steps = [Step(MAIN, "requirement", text=f"I want {tokenizer.eos_token}.\n")]
    for file in repository.files:
        steps += [Step(MAIN, "delegate", file.path), Step(file.path, "spec", file.path, hostile)]
        steps += [Step(file.path, "read", "a.py"), Step(file.path, "observation", "a.py")]
        steps += [Step(file.path, "design", file.path, f"I write{tokenizer.bos_token or ''}\n")]
        steps += [Step(file.path, "write", file.path), Step(file.path, "finish", file.path)]
    document = RENDERERS[renderer](Trajectory(repository, tuple(steps)), tokenizer, {"think", "code"})
    encoded = encode(document.text, document.spans, tokenizer, markup=document.markup)

    position = encoded.prefix
    special = set(tokenizer.all_special_ids)
    for number, (span, (start, end)) in enumerate(zip(document.spans, encoded.ranges, strict=True)):
        assert start == position
        position = end
        ids = encoded.ids[start:end]
        assert tokenizer.decode(ids) == document.text[span["start"] : span["end"]]
        if number not in document.markup:
            assert not special & set(ids)
    assert position == len(encoded.ids)
    assert not document.markup or renderer == "chat"
