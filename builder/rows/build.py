"""A trajectory becomes a row."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from builder.structure import Blueprint
from builder.trajectory import MAIN, Document, Encoded, Step, Trajectory, encode, render, render_raw


@dataclass(frozen=True)
class Provenance:
    """What a row was made with: models as ``id@revision``, prompts as a hash, and the seed."""

    generator: str
    scorer: str
    prompts: str
    seed: int
    version: str


def row_id(blueprint: Blueprint) -> str:
    """``identity@revision`` of the repository."""
    return f"{blueprint.repository.identity}@{blueprint.repository.revision}"


def trajectory_row(
    trajectory: Trajectory,
    blueprint: Blueprint,
    provenance: Provenance,
    tokenizer: Any,
    loss_roles: Collection[str],
    scores: Sequence[dict[str, Any]] = (),
    notes: Sequence[str] = (),
    memo: dict[str, list[int]] | None = None,
) -> dict[str, Any]:
    """The row of a trajectory, as ``FEATURES`` has it. Tokens are counted with ``tokenizer``.

    ``memo`` keeps the ids of texts from one row of a repository to the next (see ``encode``).
    """
    memo = {} if memo is None else memo
    raw = render_raw(raw_trajectory(blueprint))
    num_raw_tokens = len(encode(raw.text, raw.spans, tokenizer, memo).ids)
    document = render(trajectory, loss_roles)
    encoded = encode(document.text, document.spans, tokenizer, memo)
    return _row(trajectory, document, encoded, blueprint, provenance, scores, notes, num_raw_tokens)


def raw_row(
    blueprint: Blueprint,
    provenance: Provenance,
    tokenizer: Any,
    loss_roles: Collection[str],
    memo: dict[str, list[int]] | None = None,
) -> dict[str, Any]:
    """The row of the plain-code baseline: the same files in the same order, and nothing else."""
    trajectory = raw_trajectory(blueprint)
    provenance = replace(provenance, generator="", prompts="")  # nobody wrote anything
    document = render_raw(trajectory, loss_roles)
    encoded = encode(document.text, document.spans, tokenizer, memo)
    return _row(trajectory, document, encoded, blueprint, provenance)


def raw_trajectory(blueprint: Blueprint) -> Trajectory:
    """The writes of every file, in order."""
    writes = tuple(Step(MAIN, "write", path) for path in blueprint.order)
    return Trajectory(blueprint.repository, writes)


def _row(
    trajectory: Trajectory,
    document: Document,
    encoded: Encoded,
    blueprint: Blueprint,
    provenance: Provenance,
    scores: Sequence[dict[str, Any]] = (),
    notes: Sequence[str] = (),
    num_raw_tokens: int | None = None,
) -> dict[str, Any]:
    repository = blueprint.repository
    hashes = {file.path: file.sha256 for file in repository.files}
    lengths = [end - start for start, end in encoded.ranges]
    return {
        "id": row_id(blueprint),
        "text": document.text,
        "spans": document.spans,
        "segments": document.segments,
        "preamble": document.preamble,
        "steps": [
            {
                "agent": step.agent,
                "kind": step.kind,
                "path": step.path,
                "sha256": hashes[step.path] if step.kind in ("observation", "write") else "",
                "sees": step.sees,
                "prompt": step.prompt,
                "unknown_names": step.unknown_names,
                "defect": step.defect,
            }
            for step in trajectory.steps
        ],
        "scores": list(scores),
        "files": [
            {
                "path": file.path,
                "sha256": file.sha256,
                "original_sha256": file.original_sha256,
                "encoding": file.encoding,
                "num_bytes": file.num_bytes,
                "language": blueprint.languages.get(file.path, ""),
                "license": file.license,
                "attribution": list(file.attribution),
                "num_redactions": len(file.redactions),
                "redactions": [{"kind": kind, "num": num} for kind, num in file.num_redacted.items()],
                "boilerplate": file.boilerplate,
            }
            for file in repository.files
        ],
        "skipped": [{"path": skipped.path, "reason": skipped.reason} for skipped in repository.skipped],
        "dependencies": [
            {"source": edge.source, "target": edge.target, "kind": edge.kind}
            for edge in blueprint.dependencies
        ],
        "repository": repository.identity,
        "revision": repository.revision,
        "license": repository.license,
        "generator": provenance.generator,
        "scorer": provenance.scorer,
        "prompts": provenance.prompts,
        "seed": provenance.seed,
        "version": provenance.version,
        "num_files": len(repository.files),
        "num_raw_tokens": len(encoded.ids) if num_raw_tokens is None else num_raw_tokens,
        "num_tokens": len(encoded.ids),
        "num_loss_tokens": sum(
            length for length, span in zip(lengths, document.spans, strict=True) if span["loss"]
        ),
        "notes": sorted(notes),  # calls fail in any order
    }
