"""From a model's name to a listening server: load, check, bind, answer."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from builder.errors import UserError
from builder.llm.embedded import MODEL_ID, embedded_model, embedded_revision
from builder.llm.weights import revision_of

WATCH_SECONDS = 0.5
M_MMAP_THRESHOLD, LARGE = -3, 4 << 20  # glibc's mallopt; bytes
CANARY = "def canary(seed):\n    for step in range(seed):\n        yield step * step + 1\n\n\n" * 8


def announce(url: str) -> None:
    """Tell whoever watches that the server answers."""
    print(f"{url} answers; Ctrl-C stops it", file=sys.stderr)


def serve(
    model: str | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    device: str | None = None,
    max_concurrent_requests: int = 128,
    on_ready: Callable[[str], None] = announce,
) -> None:
    """Serve ``model`` (directory or Hub id; None: the embedded one) until the process is told to stop.

    Calls ``on_ready`` with the URL once requests are answered, by default to say so. Raises ``UserError``
    for a model or an address that cannot be served.
    """
    try:
        import torch
        import uvicorn
        from tqdm import tqdm

        from builder.llm.pocket.app import create_app
        from builder.llm.pocket.engine import Engine
    except ImportError as error:
        raise UserError(
            f'the pocket server needs the package {error.name}; run `pip install "repo2agent[local]"`, '
            "or name a server with llm=http://…"
        ) from error

    listener = _bind(host, port)
    _give_back_large_blocks()
    with tqdm(bar_format="pocket server: {desc}{elapsed}", leave=False, disable=None) as bar:
        bar.set_description("unpacking the embedded model (once)")
        path = str(embedded_model()) if model is None else model
        bar.set_description("loading the model")
        loaded, tokenizer = load(path, device or ("cuda" if torch.cuda.is_available() else "cpu"))
        model_id = MODEL_ID if model is None else model
        revision = embedded_revision() if model is None else _revision(path, loaded)
    engine = Engine(loaded, tokenizer)
    app = create_app(engine, tokenizer, loaded.config, model_id, revision, max_concurrent_requests)
    bound_host, bound_port = listener.getsockname()[:2]

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_ready(f"http://{bound_host}:{bound_port}")

    config = uvicorn.Config(
        app,
        log_level="warning",
        lifespan="off",
        ws="none",
        timeout_keep_alive=60,  # longer than clients keep an idle connection, so that none meets a closed one
        timeout_graceful_shutdown=1,
    )
    with contextlib.suppress(KeyboardInterrupt):  # raised again once everything is in order
        Server(config).run(sockets=[listener])


def _give_back_large_blocks() -> None:
    """Have what is large go back to the system when it is freed.

    By itself glibc keeps it for the next time, and what stays (the blocks of the prefix cache) comes to lie
    in it: after 20,000 tokens of scores the process held 9 GB instead of 3. Other C libraries have no such
    dial.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)


def leave_with(parent: int) -> None:
    """End this process as soon as ``parent`` is no longer the process that it belongs to.

    Polled rather than awaited on a pipe, whose other end forked workers would hold open; and compared with
    the pid handed over, since the parent may be gone before the first look.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(0)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def load(path: str, device: str) -> tuple[Any, Any]:
    """Model and tokenizer of ``path``, ready for ``Engine``: fp32 on the CPU, bf16 on a GPU.

    Raises ``UserError`` for a model whose attention the engine does not reproduce.
    """
    import torch
    import transformers

    from builder.llm.pocket import attention
    from builder.llm.pocket.packing import pack

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(
            path, dtype=torch.float32 if device == "cpu" else torch.bfloat16
        )
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: not a model that transformers loads ({str(error).splitlines()[0]})"
        ) from error
    model.to(device).eval()
    if set(getattr(model.config, "layer_types", None) or ["full_attention"]) != {"full_attention"}:
        raise UserError(
            f"{path}: the pocket server serves models with full attention only; serve it with TGI"
        )
    expected = _canary(model, tokenizer)
    model.set_attn_implementation(attention.NAME)
    pack(model)
    difference = float((_canary(model, tokenizer) - expected).abs().max())
    if not difference < (1e-3 if model.dtype == torch.float32 else 0.2):
        raise UserError(
            f"{path}: log-probs differ by {difference:.2g} from transformers' own; the pocket server does "
            "not know this architecture, TGI or vLLM may"
        )
    return model, tokenizer


def _canary(model: Any, tokenizer: Any) -> Any:
    """Log-probs of a canary text's tokens, in two pieces where the engine's attention is switched on."""
    import torch

    from builder.llm.pocket.attention import NAME, KeyValues, Row, causal_mask

    ids = torch.tensor([tokenizer(CANARY)["input_ids"]], device=model.device)
    length = ids.shape[1]
    with torch.inference_mode():
        if model.config._attn_implementation != NAME:
            logits = model(input_ids=ids, use_cache=False).logits[0]
        else:
            groups = model.config.num_attention_heads // model.config.num_key_value_heads
            cache, hidden = KeyValues(model.config.num_hidden_layers), []
            for start, end in ((0, length // 2), (length // 2, length)):
                mask = causal_mask(end - start, end, groups, model.dtype, model.device)
                output = model.base_model(
                    input_ids=ids[:, start:end],
                    position_ids=torch.arange(start, end, device=model.device)[None],
                    use_cache=False,
                    rows=[Row(0, end - start, cache, mask)],
                )
                cache.advance(end - start)
                hidden.append(output.last_hidden_state[0])
            logits = model.get_output_embeddings()(torch.cat(hidden))
        return logits[:-1].float().log_softmax(-1).gather(-1, ids[0, 1:, None])


def _revision(path: str, model: Any) -> str:
    """What tells one set of weights from another: a digest of a directory, or the Hub's commit."""
    return revision_of(path) or str(getattr(model.config, "_commit_hash", None) or "")


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise UserError(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another --port"
        ) from error
    listener.setblocking(False)
    return listener
