"""The schema of what is built: one row a repository, one a scored candidate, one a repository left out.

Nothing stands twice. A file's content stands in ``text``, where its write puts it; ``files`` and
``steps`` refer to it by path and hash. A step's text is what its ``content`` spans cover.
"""

from __future__ import annotations

from datasets import Features, List, Value

from builder.selection import REASONS

_RANGE = {"start": Value("int64"), "end": Value("int64")}

FEATURES = Features(
    {
        "id": Value("string"),  # identity@revision
        "text": Value("large_string"),
        # Tiles `text`: half-open character ranges, in order, without gaps. `step` indexes `steps`;
        # `content` tells a step's own text from the tags around it.
        "spans": List(
            {
                **_RANGE,
                "role": Value("string"),
                "loss": Value("bool"),
                "step": Value("int32"),
                "content": Value("bool"),
            }
        ),
        # Where a document longer than the window may be cut: one segment a sub-agent. A continuation
        # starts with `preamble` (the requirement) and the segment's own `plan` lines, without loss.
        "segments": List({**_RANGE, "path": Value("string"), "plan": List(_RANGE)}),
        "preamble": _RANGE,
        "steps": List(
            {
                "agent": Value("string"),  # "main", or the path of the sub-agent's file
                "kind": Value("string"),  # a key of builder.trajectory.steps.ROLES
                "path": Value("string"),  # the file that a read or write names, else ""
                "sha256": Value("string"),  # of that file's included content, else ""
                "sees": Value("string"),  # policy of a thought: "outline" | "body", else ""
                "prompt": Value("string"),  # content hash of the prompt template, else ""
                "unknown_names": Value(
                    "float32"
                ),  # share of a thought's names that neither file nor deps hold
                "defect": Value("string"),  # of a debug thought: "kind:name" of what it speaks of, else ""
            }
        ),
        # One entry a scored thought. NLLs are means in nats over the same target tokens.
        "scores": List(
            {
                "step": Value("int32"),
                "num_target_tokens": Value("int32"),
                "num_body_tokens": Value("int32"),
                "num_thought_tokens": Value("int32"),
                "nll_none": Value("float32"),  # control: no thought
                "nll_outline": Value("float32"),  # control: the outline restated
                "nll_other": Value("float32"),  # control: the thought of another file
                "nll_before": Value("float32"),  # the thought as first written
                "nll": Value("float32"),  # the thought that stands in the row
                "body_nll_none": Value("float32"),
                "body_nll_outline": Value("float32"),
                "body_nll_other": Value("float32"),
                "body_nll_before": Value("float32"),
                "body_nll": Value("float32"),
                "gain": Value("float32"),  # best control - nll
                "body_gain": Value("float32"),  # likewise, over what the outline does not show
                "bits_per_thought_token": Value(
                    "float32"
                ),  # saved on the scored code, beyond the best control
                "margin": Value("float32"),  # what a rewrite had to win by, in nats per token
                "rounds_accepted": Value("int32"),
                # Where the score was taken: token ranges of the row as `encode` gives it with the scorer's
                # tokenizer, and the SHA-256 of the ids sent (context and target, little-endian int32).
                "targets": List(_RANGE),
                "max_input_tokens": Value("int64"),
                "ids_sha256": Value("string"),
            }
        ),
        "files": List(
            {
                "path": Value("string"),
                "sha256": Value("string"),
                "original_sha256": Value("string"),
                "encoding": Value("string"),
                "num_bytes": Value("int64"),
                "language": Value("string"),
                "license": Value("string"),  # the file's own, as SPDX writes it, else the repository's
                "attribution": List(Value("string")),  # copyright lines that go with it, else authors
                "num_redactions": Value("int32"),  # all of them, then by kind ("email", "aws-key", …)
                "redactions": List({"kind": Value("string"), "num": Value("int32")}),
                "boilerplate": Value("bool"),
            }
        ),
        "skipped": List({"path": Value("string"), "reason": Value("string")}),
        "dependencies": List({"source": Value("string"), "target": Value("string"), "kind": Value("string")}),
        "repository": Value("string"),
        "revision": Value("string"),
        "license": Value("string"),
        "generator": Value("string"),
        "scorer": Value("string"),
        "prompts": Value("string"),  # hash over all prompt templates
        "seed": Value("int64"),
        "version": Value("string"),  # of repo2agent
        "num_files": Value("int32"),
        "num_raw_tokens": Value("int64"),  # of the same files as `raw-repos`, in the scorer's tokens
        "num_tokens": Value("int64"),
        "num_loss_tokens": Value("int64"),
        "notes": List(Value("string")),  # what went wrong and was passed over, in words
    }
)

LOG_FEATURES = Features(
    {
        "id": Value("string"),
        "config": Value("string"),  # in whose row the thought stands or would have stood
        "path": Value("string"),
        "step": Value("int32"),
        "round": Value("int32"),  # -1: a control; 0: the first thought; from 1: the search
        "candidate": Value("string"),  # "none" | "outline" | "other" | "first" | "0" | "1" | ...
        "text": Value("string"),
        "seed": Value("int64"),
        "num_thought_tokens": Value("int32"),
        "num_target_tokens": Value("int32"),
        "num_body_tokens": Value("int32"),
        "num_prompt_tokens": Value("int64"),  # sent to the scorer: contexts and targets of all windows
        "nll": Value("float32"),
        "body_nll": Value("float32"),
        "overlap": Value("float32"),
        "accepted": Value("bool"),
        "reason": Value("string"),
    }
)

# What was not taken into the dataset at all: one row a repository, written when its build ends.
LEFT_OUT_FEATURES = Features(
    {
        "repository": Value("string"),
        "revision": Value("string"),  # "" where it is not known
        "license": Value("string"),
        "reason": Value("string"),  # one of LEFT_OUT_REASONS
        "detail": Value("string"),  # in words: what it is a copy of, which limit it passes, …
    }
)
LEFT_OUT_REASONS = REASONS
