"""Which checkpoint a run goes on from."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from builder import UserError
from trainer.stream import FILE

logger = logging.getLogger(__name__)


def find_checkpoint(asked: str | None, output_dir: str) -> str | None:
    """The checkpoint that ``resume_from_checkpoint`` names: a path, or ``last`` for the newest complete one.

    ``last`` begins anew where ``output_dir`` has none. What a killed run left half written is passed over.
    Raises ``UserError`` for a path that is no complete checkpoint.
    """
    if asked is None:
        return None
    if asked == "last":
        found = [path for path in Path(output_dir).glob("checkpoint-*") if path.name[11:].isdigit()]
        for path in sorted(found, key=lambda path: int(path.name[11:]), reverse=True):
            if _complete(path):
                logger.info("going on from %s", path)
                return str(path)
            logger.warning("%s is incomplete and passed over", path)
        logger.info("no checkpoint in %s: beginning anew", output_dir)
        return None
    if not _complete(Path(asked)):
        raise UserError(f"{asked} is no complete checkpoint of this script; give another, or `last`")
    return asked


def _complete(directory: Path) -> bool:
    # trainer_state.json is written last, when all else is there.
    try:
        json.loads((directory / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (directory / FILE).is_file()
