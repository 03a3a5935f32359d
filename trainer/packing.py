"""Documents to rows of the window, best fit first, with their boundaries kept."""

from __future__ import annotations

import logging

from datasets import Dataset
from trl import pack_dataset

logger = logging.getLogger(__name__)


def pack(dataset: Dataset, window: int, num_proc: int | None = None) -> Dataset:
    """Pack ``dataset`` (as ``tokenize_rows`` returns it) into rows of at most ``window`` tokens.

    Returns ``input_ids``, ``labels`` and ``seq_lengths``, the lengths of the documents in each row, from
    which TRL's collator derives positions and ``cu_seq_lens``.
    """
    longest = max(dataset["length"])
    if longest > window:
        # TRL's packing would throw the rest away without a word.
        raise ValueError(f"a document of {longest} tokens does not fit into a window of {window}")
    packed = pack_dataset(
        dataset.select_columns(["input_ids", "labels"]),
        window,
        strategy="bfd",
        map_kwargs={"num_proc": num_proc, "desc": "Packing"},
    )
    num_tokens = sum(dataset["length"])
    assert sum(map(sum, packed["seq_lengths"])) == num_tokens
    logger.info(
        "%s tokens in %s documents packed into %s rows of %s: %.1f %% full",
        f"{num_tokens:,}",
        f"{len(dataset):,}",
        f"{len(packed):,}",
        f"{window:,}",
        100 * num_tokens / (len(packed) * window),
    )
    return packed
