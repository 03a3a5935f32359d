"""Credentials and e-mail addresses out of code, replaced by placeholders.

Credentials are found by detect-secrets' precise rules. Its entropy and keyword rules stay out: they hit
hashes and test data in ordinary code. Its scanner goes line by line through twenty plugins; the same
patterns run over a whole text take milliseconds.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import re
from collections.abc import Iterator

from builder.repository.addresses import find_addresses

# kind: (plugin, what every match holds, the group that is the secret)
_PLUGINS = {
    "aws-key": ("aws.AWSKeyDetector", ("AKIA", "ASIA", "ABIA", "ACCA", "A3T", "aws", "AWS"), 1),
    "azure-key": ("azure_storage_key.AzureStorageKeyDetector", ("AccountKey=",), 0),
    "basic-auth": ("basic_auth.BasicAuthDetector", ("://",), 1),
    "github-token": ("github_token.GitHubTokenDetector", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), 0),
    "gitlab-token": ("gitlab_token.GitLabTokenDetector", ("gl", "GR1348941"), 0),
    "pypi-token": ("pypi_token.PypiTokenDetector", ("pypi-Ag",), 0),
    "sendgrid-key": ("sendgrid.SendGridDetector", ("SG.",), 0),
    "slack-token": ("slack.SlackDetector", ("xox", "hooks.slack.com"), 0),
    "square-secret": ("square_oauth.SquareOAuthDetector", ("sq0csp-",), 0),
    "stripe-key": ("stripe.StripeDetector", ("k_live_",), 0),
}

# Forms that detect-secrets lacks, and three whose patterns take quadratic time on a hostile line.
_OWN = (
    ("github-token", "github_pat_", re.compile(r"github_pat_[A-Za-z0-9_]{82}")),
    ("google-key", "AIza", re.compile(r"(?<![\w-])AIza[\w-]{35}(?![\w-])")),
    ("huggingface-token", "hf_", re.compile(r"(?<!\w)hf_[A-Za-z]{34}(?!\w)")),
    ("npm-token", "npm_", re.compile(r"(?<!\w)npm_[A-Za-z0-9]{36}(?!\w)")),
    ("npm-token", ":_authToken=", re.compile(r"(?<=:_authToken=)(?:npm_\w+|[A-Fa-f0-9-]{36})")),
    ("openai-key", "T3BlbkFJ", re.compile(r"(?<![\w-])sk-(?=[\w-]{0,200}?T3BlbkFJ)[\w-]{40,200}")),
)
_JWT = re.compile(r"(?<![\w=-])eyJ[\w=-]{8,}+\.ey[\w=-]{8,}+(?:\.[\w=-]*+)?")

_PEM_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_PEM_BODY = re.compile(r"[A-Za-z0-9+/=]{16,}")
_PEM_UNFINISHED = re.compile(r"(?:[\s\"'\\]{0,8}n?[A-Za-z0-9+/=]{40,}+)+")
_MAX_PEM = 16_000  # characters; a 16,384-bit RSA key takes 12,700

_STAND_IN = re.compile(
    r"(?:my|your|the|some)?[-_]?(?:pass(?:word|wd|phrase)?|pwd|pw|secret|token|key|user(?:name)?|foo|bar|baz|xxx+|"
    r"\*+|\.+|test(?:ing)?|example|[a-z]|\d{1,6})",
    re.IGNORECASE,
)


def redact(text: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """``text`` with each secret and address as ``[REDACTED:kind]``, and the half-open ranges of those.

    A kind is ``email``, ``private-key``, ``github-token``, …
    """
    pieces: list[str] = []
    ranges: list[tuple[int, int]] = []
    end = length = 0
    for start, stop, kind in sorted(_find(text)):
        start = max(start, end)  # finds may overlap
        if start >= stop:
            continue
        placeholder = f"[REDACTED:{kind}]"
        pieces += [text[end:start], placeholder]
        length += start - end + len(placeholder)
        ranges.append((length - len(placeholder), length))
        end = stop
    return "".join([*pieces, text[end:]]), tuple(ranges)


def _find(text: str) -> Iterator[tuple[int, int, str]]:
    yield from _pem_blocks(text)
    yield from find_addresses(text)
    for kind, markers, patterns, group in _plugin_patterns():
        if not any(marker in text for marker in markers):
            continue
        for pattern in patterns:
            for match in pattern.finditer(text):
                start, stop = match.span(group if pattern.groups >= group else 0)
                if kind != "basic-auth" or not _is_stand_in(text[start:stop]):
                    yield start, stop, kind
    for kind, marker, pattern in _OWN:
        if marker in text:
            yield from ((*match.span(), kind) for match in pattern.finditer(text))
    if "eyJ" in text:
        from detect_secrets.plugins.jwt import JwtTokenDetector

        for match in _JWT.finditer(text):
            if JwtTokenDetector.is_formally_valid(".".join(match[0].split(".")[:2])):
                yield *match.span(), "jwt"


def _pem_blocks(text: str) -> Iterator[tuple[int, int, str]]:
    """Private keys, whole or cut off. A header alone is left: code that parses keys holds many."""
    begins = list(_PEM_BEGIN.finditer(text))
    for begin, following in itertools.pairwise([*begins, None]):
        assert begin
        limit = min(begin.end() + _MAX_PEM, following.start() if following else len(text))
        if end := _PEM_END.search(text, begin.end(), limit):
            body = text[begin.end() : end.start()]
        elif end := _PEM_UNFINISHED.match(text, begin.end(), limit):
            body = end[0]
        num_base64 = sum(len(run) for run in _PEM_BODY.findall(body)) if end else 0
        if end and num_base64 >= 60 and 2 * num_base64 > len(body):
            yield begin.start(), end.end(), "private-key"


@functools.cache
def _plugin_patterns() -> list[tuple[str, tuple[str, ...], list[re.Pattern[str]], int]]:
    found = []
    for kind, (plugin, markers, group) in _PLUGINS.items():
        module, name = plugin.split(".")
        detector = getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)
        found.append((kind, markers, list(detector.denylist), group))
    return found


def _is_stand_in(password: str) -> bool:
    """Whether a URL's password is a template or the kind of word that documentation puts there."""
    return bool(_STAND_IN.fullmatch(password) or re.search(r"[{}<>%\"'`|\\]", password))
