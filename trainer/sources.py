"""Where a run's documents come from: one dataset, or several with weights."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from datasets import Dataset

from builder import UserError
from trainer.documents import check_columns, check_tokenizer, load_rows, tokenize_rows, tokenize_with_roles
from trainer.mixture import Mixture, Source, StoredDocuments, StreamedDocuments, Weight
from trainer.packing import PackedRows, pack
from trainer.stream import PackedStream


@dataclass(frozen=True)
class SourceOptions:
    """One of the ``sources`` of a configuration."""

    dataset_name: str = ""
    dataset_config: str | None = None
    revision: str | None = None
    """Of a dataset on the Hub: a branch, a tag, or best a commit, which stays the same."""
    split: str = "train"
    data_files: list[str] | None = None
    """Parquet files, globs too; instead of ``dataset_name``."""
    weight: float | str = 1.0
    """Share of the tokens, in the ratio of all weights: a number, or '0-80 %: 30, 80-100 %: 10'."""
    streaming: bool = False
    """Tokenise as the rows come, in their order, rather than all of them beforehand."""
    plain_text: bool = False
    """Train all of the column ``text``; the rows need not be what `repo2agent build` wrote."""


def parse_sources(sources: Any, single: Any = None) -> dict[str, SourceOptions]:
    """The options of each source, checked; ``UserError`` names what cannot be.

    Without any, the one source that ``single`` describes: ``CptArguments``.
    """
    if sources is None:
        name = "" if single.data_files else single.dataset_name
        return {
            "rows": SourceOptions(
                name,
                single.dataset_config,
                split=single.dataset_train_split,
                data_files=single.data_files,
            )
        }
    if single is not None and single.data_files:
        raise UserError("`data_files` stand beside `sources`; name them in a source of their own")
    if not isinstance(sources, Mapping):
        raise UserError(f"`sources` must map names to options, and is {sources!r}")
    known = [field.name for field in fields(SourceOptions)]
    parsed = {}
    for name, options in sources.items():
        if not isinstance(options, Mapping) or (unknown := set(options) - set(known)):
            what = (
                f"has no option {', '.join(sorted(unknown))}" if isinstance(options, Mapping) else "is empty"
            )
            raise UserError(f"source {name} {what}; there are {', '.join(known)}")
        parsed[name] = SourceOptions(**options)
        if bool(parsed[name].dataset_name) == bool(parsed[name].data_files):
            raise UserError(f"source {name} needs either `dataset_name` or `data_files`")
        Weight.parse(parsed[name].weight)
    if not parsed:
        raise UserError("`sources` is empty; name one, or leave it out and set `dataset_name`")
    return parsed


def open_mixture(
    sources: Mapping[str, SourceOptions],
    tokenizer: Any,
    window: int,
    *,
    seed: int = 0,
    max_rows: int | None = None,
    num_proc: int | None = None,
    **rendering: Any,
) -> Mixture:
    """The documents of all ``sources``, tokenised, or about to be where they are streamed.

    ``rendering`` are ``loss_roles`` and ``renderer``, as ``tokenize_rows`` takes them; ``max_rows`` keeps the
    documents of the first so many packed rows of each source.
    """
    check_tokenizer(tokenizer)
    opened: list[Source] = []
    for name, options in sources.items():
        rows = load_rows(
            options.dataset_name,
            options.dataset_config,
            options.split,
            options.data_files,
            options.streaming,
            options.revision,
        )
        if not options.streaming:
            documents = tokenize_rows(
                rows,
                tokenizer,
                window,
                num_proc=num_proc,
                plain_text=options.plain_text,
                with_roles=True,
                **rendering,
            )
            opened.append(StoredDocuments(name, _packed_first(documents, window, max_rows), seed))
            continue
        check_columns(rows.column_names or list(next(iter(rows), {})), options.plain_text)

        def tokenize(row: Mapping[str, Any], plain_text: bool = options.plain_text) -> list[Any]:
            return tokenize_with_roles(row, tokenizer, window, plain_text=plain_text, **rendering)

        opened.append(StreamedDocuments(name, rows, tokenize))
    return Mixture(opened, [Weight.parse(options.weight) for options in sources.values()])


def _packed_first(documents: Dataset, window: int, max_rows: int | None) -> Dataset:
    """Those of ``documents`` that stand in the first ``max_rows`` rows; logs how they pack."""
    packed = pack(documents, window, max_rows)
    if max_rows is None:
        return documents
    return documents.select(sorted(itertools.chain.from_iterable(packed.numbers)))


def token_budget(
    mixture: Mixture, max_tokens: int | None, max_steps: int, epochs: float, tokens_a_step: int
) -> int:
    """The tokens that a run is to see: ``max_tokens``, else ``max_steps`` full steps, else ``epochs``."""
    if max_tokens is not None:
        if max_tokens <= 0:
            raise UserError(f"max_tokens is {max_tokens}; it is the number of tokens to train on, above 0")
        return max_tokens
    if max_steps > 0:
        return max_steps * tokens_a_step
    source = mixture.sources[0]
    if len(mixture.sources) > 1 or not isinstance(source, StoredDocuments):
        raise UserError(
            "a run over several or streamed sources has no epochs; set `max_tokens` or `max_steps`"
        )
    return round(epochs * source.num_tokens)


def open_stream(args: Any, training_args: Any, tokenizer: Any, window: int) -> PackedStream:
    """The training data of a run, as ``CptArguments`` and ``TrainingArguments`` describe it."""
    mixture = open_mixture(
        parse_sources(args.sources, args),
        tokenizer,
        window,
        seed=training_args.seed if training_args.data_seed is None else training_args.data_seed,
        max_rows=args.max_rows,
        num_proc=training_args.dataset_num_proc,
        loss_roles=args.loss_roles,
        renderer=args.renderer,
    )
    batch = {
        "batch_size": training_args.per_device_train_batch_size,
        "accumulation": training_args.gradient_accumulation_steps,
        "num_ranks": args.dry_run or training_args.world_size,
    }
    tokens_a_step = window * math.prod(batch.values())
    budget = token_budget(
        mixture, args.max_tokens, training_args.max_steps, training_args.num_train_epochs, tokens_a_step
    )
    return PackedStream(
        mixture, window, budget, rank=training_args.process_index, exact=args.exact_tokens, **batch
    )


def open_evaluation(args: Any, training_args: Any, tokenizer: Any, window: int) -> PackedRows | None:
    """The rows to evaluate on during training; None where that was not asked for."""
    if training_args.eval_strategy == "no":
        return None
    if args.data_files:
        raise UserError("`data_files` are all trained on; to evaluate too, give a `dataset_name` with splits")
    documents = tokenize_rows(
        load_rows(args.dataset_name, args.dataset_config, args.dataset_test_split),
        tokenizer,
        window,
        args.loss_roles,
        num_proc=training_args.dataset_num_proc,
        renderer=args.renderer,
        with_roles=True,
    )
    return pack(documents, window)
