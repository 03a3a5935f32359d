"""Rows to labelled token ids, cut to the window: what TRL's ``SFTTrainer`` takes as it is.

A document longer than the window is cut where its row allows. Each continuation starts with the row's
preamble and the plan lines of its segment, without loss, so that every token of the document is
trained once and only once, and never without knowing what is being built.
"""

from __future__ import annotations

import inspect
import logging
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, List, Value, load_dataset, load_dataset_builder
from datasets.exceptions import DatasetsError
from datasets.packaged_modules.parquet.parquet import Parquet

from builder import Encoded, UserError, encode, render_row

logger = logging.getLogger(__name__)

IGNORED = -100

# The roles whose evaluation loss is told apart; a token's role is its number here, from 1 on, or 0.
ROLES = ("requirement", "plan", "think", "call", "code")

FEATURES = Features(
    {
        "input_ids": List(Value("int32")),
        "labels": List(Value("int32")),  # IGNORED where there is no loss
        "length": Value("int32"),
        "num_trained": Value("int32"),  # how many of them carry loss
        "row": Value("int64"),  # of the dataset given; a long document becomes several with the same number
    }
)

FEATURES_WITH_ROLES = Features({**FEATURES, "roles": List(Value("int8"))})

Piece = tuple[list[int], list[int]]


def load_rows(
    name: str,
    config: str | None,
    split: str,
    data_files: list[str] | None = None,
    streaming: bool = False,
    revision: str | None = None,
) -> Any:
    """The rows of ``split``: of ``name`` (a path or Hub id) and ``config``, or of parquet ``data_files``.

    Raises ``UserError`` where there are none.
    """
    try:
        if data_files:
            return load_dataset("parquet", data_files=data_files, split="train", streaming=streaming)
        if (Path(name) / "README.md").is_file():
            # `datasets` would name its cache by the folder's name and its card alone: rows that were built
            # anew, or those of another folder, would be taken for the ones that it has read before.
            builder = load_dataset_builder(name, config)
            if isinstance(builder, Parquet):
                files = {key: list(found) for key, found in builder.config.data_files.items()}
                return load_dataset("parquet", data_files=files, split=split, streaming=streaming)
        return load_dataset(name, config, split=split, streaming=streaming, revision=revision)
    except (OSError, ValueError, DatasetsError) as error:
        place = ", ".join(data_files) if data_files else f"{name} ({config or 'default'}, {split})"
        raise UserError(
            f"no rows in {place}: {str(error).splitlines()[0]}; build some with `repo2agent build`"
        ) from error


def tokenize_rows(
    dataset: Dataset,
    tokenizer: Any,
    max_length: int,
    loss_roles: Collection[str] | None = None,
    num_proc: int | None = None,
    renderer: str | None = None,
    plain_text: bool = False,
    with_roles: bool = False,
) -> Dataset:
    """Tokenise ``dataset`` (``text``, ``spans`` and, for cutting, ``segments`` and ``preamble``).

    With ``renderer``, one of builder's, in that form instead of the one that the rows have. Rows of
    ``plain_text`` need no more than ``text``.

    Returns ``FEATURES``, or ``FEATURES_WITH_ROLES`` if asked to: documents or their continuations, no longer
    than ``max_length`` tokens, labels in place (the trainer shifts them). Loss lies on the spans that the row
    marks, or on those whose role is in ``loss_roles``. What carries no loss at all is dropped, and the number
    is logged. The result is cached by ``datasets``.

    Raises ``UserError`` for a dataset without spans, a tokenizer without EOS, and where nothing is left.
    """
    check_columns(dataset.column_names, plain_text)
    check_tokenizer(tokenizer)
    pieces = dataset.map(
        _tokenize_batch,
        batched=True,
        batch_size=16,
        with_indices=True,
        remove_columns=dataset.column_names,
        features=FEATURES_WITH_ROLES if with_roles else FEATURES,
        num_proc=num_proc,
        fn_kwargs={
            "tokenizer": tokenizer,
            "max_length": max_length,
            "loss_roles": sorted(loss_roles) if loss_roles is not None else None,
            "renderer": renderer,
            "plain_text": plain_text,
            "with_roles": with_roles,
            "code": _code(),
        },
        desc="Tokenizing",
    )
    num_dropped = len(dataset) - len(set(pieces["row"]))
    if num_dropped:
        logger.warning("%d of %d rows carry no loss and are dropped", num_dropped, len(dataset))
    if not len(pieces):
        raise UserError(
            f"none of the {len(dataset)} rows carries any loss"
            + (f": no span has a role of {', '.join(sorted(loss_roles))}" if loss_roles else "")
        )
    return pieces


def check_tokenizer(tokenizer: Any) -> None:
    """Raise ``UserError`` where ``tokenizer`` has nothing to end a document with."""
    if tokenizer.eos_token_id is None:
        raise UserError(
            f"{tokenizer.name_or_path} has no EOS token to end documents with; set its `eos_token`"
        )


def check_columns(columns: Sequence[str], plain_text: bool) -> None:
    """Raise ``UserError`` where rows with ``columns`` are nothing to train on."""
    missing = ({"text"} if plain_text else {"text", "spans"}) - set(columns)
    if missing:
        raise UserError(
            f"the dataset has no column {' and '.join(sorted(missing))} "
            f"(it has {', '.join(columns) or 'none'}); "
            "train on rows that `repo2agent build` wrote, or on texts as a source with `plain_text: true`"
        )


def _code() -> str:
    """What decides the tokens, for the cache's key: ``datasets`` looks at a function's name, not its code."""
    rendering = sorted(Path(inspect.getfile(encode)).parent.glob("*.py"))
    return "".join(path.read_text(encoding="utf-8") for path in (Path(__file__), *rendering))


def _tokenize_batch(
    batch: Mapping[str, list[Any]],
    indices: list[int],
    code: str,  # noqa: ARG001
    with_roles: bool,
    **options: Any,
) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in (FEATURES_WITH_ROLES if with_roles else FEATURES)}
    for position, index in enumerate(indices):
        row = {name: values[position] for name, values in batch.items()}
        for input_ids, labels, roles in tokenize_with_roles(row, **options):
            columns["input_ids"].append(input_ids)
            columns["labels"].append(labels)
            columns["length"].append(len(input_ids))
            columns["num_trained"].append(len(labels) - labels.count(IGNORED))
            columns["row"].append(index)
            if with_roles:
                columns["roles"].append(roles)
    return columns


def tokenize_row(
    row: Mapping[str, Any],
    tokenizer: Any,
    max_length: int,
    loss_roles: Collection[str] | None = None,
    renderer: str | None = None,
    plain_text: bool = False,
) -> list[Piece]:
    """``(input_ids, labels)`` of one row: one pair where it fits into ``max_length`` tokens, else several.

    A row of ``plain_text`` is trained as a whole, whatever the roles and the renderer. An EOS ends the
    document, with loss. The very first token never has any: nothing precedes it.
    """
    options = (tokenizer, max_length, loss_roles, renderer, plain_text)
    return [(ids, labels) for ids, labels, _ in tokenize_with_roles(row, *options)]


def tokenize_with_roles(
    row: Mapping[str, Any],
    tokenizer: Any,
    max_length: int,
    loss_roles: Collection[str] | None = None,
    renderer: str | None = None,
    plain_text: bool = False,
) -> list[tuple[list[int], list[int], list[int]]]:
    """``tokenize_row`` with the role of each token, as ``ROLES`` numbers them."""
    markup: Collection[int] = ()
    if plain_text:
        text = row["text"] or ""
        row = {"text": text, "spans": [{"start": 0, "end": len(text), "role": "text", "loss": True}]}
        loss_roles = renderer = None
    if renderer is not None:
        document = render_row(row, renderer, tokenizer, loss_roles)
        row, markup = vars(document), document.markup
    encoded = encode(row["text"], row["spans"], tokenizer, markup=markup)
    ids = [*encoded.ids, tokenizer.eos_token_id]
    labels = [IGNORED] * len(ids)
    roles = [0] * len(ids)
    for span, (start, end) in zip(row["spans"], encoded.ranges, strict=True):
        if span["role"] in ROLES:
            roles[start:end] = [ROLES.index(span["role"]) + 1] * (end - start)
        if span["loss"] if loss_roles is None else span["role"] in loss_roles:
            labels[start:end] = ids[start:end]
    labels[0] = IGNORED
    if not _has_loss(labels):
        return []
    labels[-1] = ids[-1]
    if len(ids) <= max_length:
        return [(ids, labels, roles)]

    cutter = _Cutter(row, encoded, ids, tokenizer, max_length)
    pieces = []
    start = 0
    while start < len(ids):
        head = cutter.head(start)
        end = cutter.cut(start, start + max_length - len(head))
        if _has_loss(labels[start:end]):
            unread = [IGNORED] * len(head), [0] * len(head)
            pieces.append(
                (head + ids[start:end], unread[0] + labels[start:end], unread[1] + roles[start:end])
            )
        start = end
    return pieces


def _has_loss(labels: Sequence[int]) -> bool:
    return any(label != IGNORED for label in labels)


class _Cutter:
    """Where one document may be cut, in tokens, and what stands before the text that follows a cut."""

    def __init__(
        self, row: Mapping[str, Any], encoded: Encoded, ids: list[int], tokenizer: Any, max_length: int
    ):
        self._span_starts = [span["start"] for span in row["spans"]]
        self._ranges = encoded.ranges
        self._ids = ids
        self._prefix = (0, encoded.prefix)
        self._preamble = self._tokens(row.get("preamble") or {"start": 0, "end": 0})
        self._segments = row.get("segments") or []
        self._max_length = max_length
        decoded = {token: tokenizer.decode([token]) for token in set(ids)}
        self._segment_starts = [self._tokens(segment)[0] for segment in self._segments]
        self._boundaries = (
            self._segment_starts,
            [start for start, _ in encoded.ranges],
            [position + 1 for position, token in enumerate(ids) if "\n" in decoded[token]],
        )

    def _tokens(self, chars: Mapping[str, int]) -> tuple[int, int]:
        first, last = (bisect_left(self._span_starts, chars[name]) for name in ("start", "end"))
        return (self._ranges[first][0], self._ranges[last - 1][1]) if first < last else (0, 0)

    def head(self, start: int) -> list[int]:
        """Ids that stand before token ``start`` once the document has been cut there."""
        if start == 0:
            return []
        ranges = [self._prefix, self._preamble]
        segment = bisect_right(self._segment_starts, start) - 1
        if segment >= 0:
            ranges += [self._tokens(lines) for lines in self._segments[segment]["plan"]]
        # The scorer's window rule: what is repeated never takes more than half of the window.
        while len(ranges) > 1 and sum(end - begin for begin, end in ranges) > self._max_length // 2:
            ranges.pop()
        ranges.sort()  # what matters most was given first; it is read in the order of the text
        # Without anything in front, the first token could not be predicted, and so not be trained.
        return [token for begin, end in ranges for token in self._ids[begin:end]] or [self._ids[start - 1]]

    def cut(self, start: int, limit: int) -> int:
        """The end of the piece that begins at token ``start`` and may reach ``limit``.

        Before a segment where there is one, else before a span, else after a line; the last two only in
        the second half, so that a tag alone does not become a document.
        """
        if limit >= len(self._ids):
            return len(self._ids)
        earliest = start
        for boundaries in self._boundaries:
            last = bisect_right(boundaries, limit) - 1
            if last >= 0 and boundaries[last] > earliest:
                return boundaries[last]
            earliest = (start + limit) // 2
        return limit
