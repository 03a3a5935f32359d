"""What each file says by itself, read in this process or in several: tree-sitter holds the GIL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder.errors import UserError
from builder.structure.languages import Facts, reader
from builder.structure.syntax import Unparsed

# Characters below which a pool costs more than it saves: starting one takes as long as reading as many.
MIN_FOR_POOL = 2_000_000
_CHUNKS_PER_WORKER = 8  # large files stand in clusters: shares of one chunk each would be uneven

Source = tuple[str, str]  # (module of the language, text)


def scan_all(sources: Sequence[Source], workers: int) -> list[Facts | None]:
    """The facts of each source in turn, ``None`` for one that could not be parsed within the bounds.

    Raises :class:`UserError` where a worker process dies.
    """
    if workers == 1 or sum(len(text) for _, text in sources) < MIN_FOR_POOL:
        return [_scan(source) for source in sources]
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    # Not forked: the caller may hold threads and locks, which a fork would copy in whatever state they are.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            parts = pool.map(_scan_chunk, _chunks(sources, workers * _CHUNKS_PER_WORKER))
            return [facts for part in parts for facts in part]
    except BrokenProcessPool:
        raise UserError(
            "a worker process died while reading sources; run with 1 worker, and in a script of your own "
            'call from below `if __name__ == "__main__":`'
        ) from None


def _chunks(sources: Sequence[Source], count: int) -> Iterator[Sequence[Source]]:
    size = -(-len(sources) // count)
    return (sources[start : start + size] for start in range(0, len(sources), size))


def _scan_chunk(sources: Sequence[Source]) -> list[Facts | None]:
    return [_scan(source) for source in sources]


def _scan(source: Source) -> Facts | None:
    module, text = source
    try:
        return reader(module).scan(text.encode("utf-8", "surrogatepass"))
    except Unparsed:
        return None
