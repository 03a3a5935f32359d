"""TGI's requests, checked as its router checks them (``router/src/validation.rs``), and turned into jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from builder.llm.pocket.engine import Job
from builder.llm.pocket.sampling import Sampling

DEFAULT_MAX_NEW_TOKENS = 1024
MAX_STOP_SEQUENCES = 4

# Parameters that this server does not know, with the values that ask for nothing.
UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "adapter_id": (None,),
    "best_of": (None, 1),
    "frequency_penalty": (None, 0),
    "grammar": (None,),
    "logit_bias": (None, [], {}),
    "logprobs": (None, False),
    "n": (None, 1),
    "presence_penalty": (None, 0),
    "repetition_penalty": (None, 1),
    "response_format": (None,),
    "tools": (None, []),
    "top_logprobs": (None, 0),
    "top_n_tokens": (None, 0),
    "typical_p": (None, 1),
    "watermark": (None, False),
}


class Invalid(Exception):
    """A request that TGI refuses with status 422; the words are TGI's where it has any."""


@dataclass(frozen=True)
class Limits:
    """Token limits of the model: one prompt token less than the whole leaves room for an answer."""

    max_total_tokens: int

    @property
    def max_input_tokens(self) -> int:
        return self.max_total_tokens - 1


def generate_job(body: Any, tokenizer: Any, limits: Limits) -> Job:
    """The job of a ``/generate`` request."""
    inputs = inputs_of(body)
    parameters = body.get("parameters") or {}
    _check_type("parameters", parameters, dict)
    if body.get("stream"):
        raise Invalid("this server does not stream; set `stream` to false")
    temperature = _number(parameters, "temperature")
    if temperature is not None and temperature <= 0:
        raise Invalid("`temperature` must be strictly positive")
    ids = tokenizer(inputs, add_special_tokens=True)["input_ids"]
    truncate = _integer(parameters, "truncate")
    if truncate is not None:
        if not 0 < truncate <= limits.max_input_tokens:
            raise Invalid(
                f"`truncate` must be strictly positive and less than {limits.max_input_tokens}. "
                f"Given: {truncate}"
            )
        ids = ids[-truncate:]
    sampled = bool(parameters.get("do_sample")) or any(
        parameters.get(name) is not None for name in ("temperature", "top_k", "top_p")
    )
    return Job(
        ids,
        _max_new_tokens(_integer(parameters, "max_new_tokens"), len(ids), limits, "max_new_tokens"),
        _sampling(parameters, (1.0 if temperature is None else temperature) if sampled else 0.0),
        prefill_details=bool(parameters.get("decoder_input_details"))
        and bool(parameters.get("details", True)),
    )


def chat_job(body: Any, tokenizer: Any, limits: Limits) -> Job:
    """The job of a ``/v1/chat/completions`` request: the tokenizer's own chat template makes the prompt."""
    _check_type("the body", body, dict)
    messages = [_message(message) for message in _check_type("messages", body.get("messages"), list)]
    if not messages:
        raise Invalid("`messages` cannot be empty")
    if body.get("stream"):
        raise Invalid("this server does not stream; set `stream` to false")
    temperature = _number(body, "temperature")
    if temperature is not None and temperature < 0:
        raise Invalid("`temperature` must be strictly positive")
    if tokenizer.chat_template is None:
        raise Invalid("Template error: template not found")
    try:
        prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # a template may raise what it likes
        raise Invalid(f"Template error: {error}") from error
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    asked = (
        _integer(body, "max_completion_tokens")
        if body.get("max_tokens") is None
        else _integer(body, "max_tokens")
    )
    return Job(
        ids,
        _max_new_tokens(asked, len(ids), limits, "max_tokens"),
        _sampling(body, 1.0 if temperature is None else temperature),
    )


def inputs_of(body: Any) -> str:
    """The text of a ``/generate`` or ``/tokenize`` request."""
    _check_type("the body", body, dict)
    inputs = _check_type("inputs", body.get("inputs"), str)
    if not inputs:
        raise Invalid("`inputs` cannot be empty")
    return inputs


def _sampling(parameters: dict[str, Any], temperature: float) -> Sampling:
    for name, neutral in UNSUPPORTED.items():
        if parameters.get(name) not in neutral:
            raise Invalid(f"`{name}` is not supported by this server")
    top_k, top_p = _integer(parameters, "top_k"), _number(parameters, "top_p")
    if top_k is not None and top_k <= 0:
        raise Invalid("`top_k` must be strictly positive")
    if top_p is not None and not 0 < top_p <= 1:
        raise Invalid("`top_p` must be > 0.0 and < 1.0")
    stop = parameters.get("stop") or []
    stop = [stop] if isinstance(stop, str) else stop
    if not isinstance(stop, list) or not all(isinstance(text, str) and text for text in stop):
        raise Invalid("`stop` must be a list of strings")
    if len(stop) > MAX_STOP_SEQUENCES:
        raise Invalid(f"`stop` supports up to {MAX_STOP_SEQUENCES} stop sequences. Given: {len(stop)}")
    seed = _integer(parameters, "seed")
    if seed is not None and not 0 <= seed < 2**63:
        raise Invalid("`seed` must be at least 0 and less than 2^63")
    return Sampling(temperature, top_k, top_p, 0 if seed is None else seed, tuple(stop))


def _max_new_tokens(asked: int | None, num_inputs: int, limits: Limits, name: str) -> int:
    if num_inputs > limits.max_input_tokens:
        raise Invalid(f"`inputs` must have less than {limits.max_input_tokens} tokens. Given: {num_inputs}")
    room = limits.max_total_tokens - num_inputs
    if asked is None:
        return min(DEFAULT_MAX_NEW_TOKENS, room)
    if asked <= 0:
        raise Invalid(f"`{name}` must be strictly positive")
    if asked > room:
        raise Invalid(
            f"`inputs` tokens + `max_new_tokens` must be <= {limits.max_total_tokens}. "
            f"Given: {num_inputs} `inputs` tokens and {asked} `max_new_tokens`"
        )
    return asked


def _message(message: Any) -> dict[str, str]:
    _check_type("a message", message, dict)
    role = _check_type("role", message.get("role"), str)
    content = message.get("content")
    if isinstance(content, list):  # chunks, of which a text model takes the text
        if not all(isinstance(chunk, dict) and chunk.get("type") == "text" for chunk in content):
            raise Invalid("only text content is supported")
        content = "".join(_check_type("text", chunk.get("text"), str) for chunk in content)
    return {"role": role, "content": _check_type("content", content, str)}


def _check_type(name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise Invalid(f"{name} must be of type {kind.__name__}, not {type(value).__name__}")
    return value


def _number(parameters: dict[str, Any], name: str) -> float | None:
    value = parameters.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise Invalid(f"`{name}` must be a number")
    return float(value)


def _integer(parameters: dict[str, Any], name: str) -> int | None:
    value = parameters.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(f"`{name}` must be an integer")
    return value
