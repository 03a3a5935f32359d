"""Log-probs as transformers computes them: what an engine's scores are compared with.

They are computed in a process of their own (``python -m builder.llm.reference DIRECTORY``, ids as JSON on
standard input), which gives all memory back and leaves this one without torch and its threads.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from builder.llm.pocket.launch import child_environment

# Weights are stored in 2 bytes or more and computed with in 4; the rest is for activations.
MEMORY_PER_STORED_BYTE = 2.5


def can_compute(directory: Path) -> bool:
    """Whether torch is installed and the weights in ``directory`` fit into the memory that is free."""
    if importlib.util.find_spec("torch") is None:
        return False
    stored = sum(file.stat().st_size for file in directory.glob("*.safetensors"))
    return stored * MEMORY_PER_STORED_BYTE < _available_memory()


async def reference_logprobs(directory: Path, texts: Sequence[Sequence[int]]) -> list[list[float]] | None:
    """For each text's ids the log-probs (nats, float32) of all but the first.

    None where transformers cannot load the model in ``directory``.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        directory,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**child_environment(), "HF_HUB_OFFLINE": "1"},
    )
    try:
        out, _ = await process.communicate(json.dumps([list(ids) for ids in texts]).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return json.loads(out) if process.returncode == 0 else None


def _available_memory() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)


def main() -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
    answers = []
    for text in json.load(sys.stdin):
        ids = torch.tensor([text])
        with torch.inference_mode():
            logprobs = model(input_ids=ids, use_cache=False).logits[0, :-1].log_softmax(-1)
        answers.append(logprobs.gather(-1, ids[0, 1:, None])[:, 0].tolist())
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
