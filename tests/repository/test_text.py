"""Decoding, redaction, licences and the rules on what is left out."""

from __future__ import annotations

import ast
import base64
import json
import re
import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.repository import license
from builder.repository.decoding import decode, encode
from builder.repository.filters import generated, is_license_text, left_out_folder
from builder.repository.secrets import redact

# Put together here, so that no scanner takes this file for a leak.
_AWS = "AKIA" + "IOSFODNN7QXZABCD"
_GITHUB = "ghp_" + "a1B2" * 9
_KEY_BODY = base64.b64encode(bytes(range(192))).decode()
_PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{_KEY_BODY[:128]}\n{_KEY_BODY[128:]}\n-----END RSA PRIVATE KEY-----"


def _jwt() -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part({'sub': '12345'})}.c2lnbmF0dXJlc2lnbmF0dXJl"


@given(st.binary(max_size=200))
def test_what_decodes_encodes_back(data):
    decoded = decode(data)
    if decoded is not None:
        assert encode(*decoded) == data
        assert "\0" not in decoded[0]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50))
def test_every_unicode_encoding_is_recognised(text):
    for encoding in ("utf-8-sig", "utf-16-le", "utf-16-be"):
        assert decode(encode(text, encoding)) == (text, encoding)
    if not text.startswith("\ufeff"):
        assert decode(text.encode()) == (text, "utf-8")


def test_fallback_and_binary():
    assert decode(b"caf\xe9\r\n") == ("caf\xe9\r\n", "latin-1")
    assert decode(b"\xff\xfe\0\0a\0\0\0") is None  # UTF-32
    assert decode(b"\x89PNG\r\n\x1a\n") is None
    assert decode(b"") == ("", "utf-8")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f'key = "{_AWS}"', "aws-key"),
        (f"token: {_GITHUB}", "github-token"),
        ("url = 'https://bob:s3cr3tPhrase@db.example.com/x'", "basic-auth"),
        ("t = 'glpat-" + "x1y2" * 5 + "'", "gitlab-token"),
        ("xoxb-" + "123456789012-123456789012-abcdefABCDEF", "slack-token"),
        ("sk_live_" + "a1b2" * 6, "stripe-key"),
        ("//registry/:_authToken=npm_" + "a" * 36, "npm-token"),
        ("pypi-AgEIcHlwaS5vcmc" + "A1" * 40, "pypi-token"),
        ("AIza" + "Sy0" * 11 + "ab", "google-key"),
        (_jwt(), "jwt"),
        (_PEM, "private-key"),
        (json.dumps(_PEM), "private-key"),
        (_PEM[:150], "private-key"),
        ("Ann <ann.lee+x@mail.somewhere.co.uk>, maintainer", "email"),
        ("author_email='ann@somewhere.org',", "email"),
        ("EMAIL=ann@somewhere.org", "email"),
        ("Signed-off-by: Ann <ann@163.com>", "email"),
        ("[mail](mailto:ann@somewhere.org?subject=x)", "email"),
        ("Jörg <jörg@müller.de>.", "email"),
        ("git@somewhere.org", "email"),
        ('<a href="http://somewhere.org">ann@somewhere.org</a>', "email"),
        ("//TODO(ann@somewhere.org): https://somewhere.org?mail=me", "email"),
    ],
)
def test_secrets_become_placeholders(text, kind):
    redacted, ranges = redact(f"before\n{text}\nafter")
    assert [redacted[start:end] for start, end in ranges] == [f"[REDACTED:{kind}]"]
    assert redacted.startswith("before\n") and redacted.endswith("\nafter")
    assert redact(redacted) == (redacted, ())


@pytest.mark.parametrize(
    "text",
    [
        'if b"-----BEGIN RSA PRIVATE KEY-----" in data:\n    return load(data)',
        '"-----BEGIN PRIVATE KEY-----\\n" + body + "\\n-----END PRIVATE KEY-----"',
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        'f"postgres://{user}:{password}@{host}/db"',
        "http://user:password@example.com",
        "sha256 = '67f4b9c50da0dedf52af349e7749a80a9057a5031199791b906c3bb3ae878960'",
        "eyJ.eyJ = 1",
        "password = 'hunter2'",
        "@app.route('/x')\n@functools.cache",
        "git clone git@github.com:owner/name.git",
        "ssh://git@github.com/owner/name https://user@host.com/x http://user:password@host.com",
        "@scope/pkg@1.2.3 lodash@4.17.21 pkg:npm/a@1.0.zip golang.org/x/text@v0.1.1-0.2017-14c0 go@v1.2.sh",
        "logo@2x.png ssh user@host ann@localhost ann@box.local",
        "ann@example.com, bob@mail.example.org, c@d.example, d@e.test, e@f.invalid",
        "y = a@b.T + w@x.dot(v) + self.w@self.x.data",
        "return super@Outer.name + this@Activity.name",
        'unless !@user.name or x=@user.name or "#{@user.name}"',
        '@media screen { } NSString *s = @"a@b"; @Override',
        "first.last at somewhere dot org",
    ],
)
def test_ordinary_code_is_left_alone(text):
    assert redact(text) == (text, ())


@given(st.lists(st.sampled_from([_AWS, _GITHUB, _PEM, _jwt(), "x = 1\n", " ", "é"]), max_size=12))
def test_ranges_are_exactly_the_placeholders(pieces):
    redacted, ranges = redact(" ".join(pieces))
    assert all(secret not in redacted for secret in (_AWS, _GITHUB, _KEY_BODY[:64]))
    assert [redacted[start:end].startswith("[REDACTED:") for start, end in ranges] == [True] * len(ranges)
    assert len(ranges) == redacted.count("[REDACTED:")


@pytest.mark.parametrize(
    ("escaped", "redacted"),
    [
        (r'"Mail:\nann@somewhere.org"', r'"Mail:\n[REDACTED:email]"'),
        (r'"Ann \u003cann@somewhere.org\u003e"', r'"Ann \u003c[REDACTED:email]\u003e"'),
    ],
)
def test_an_escape_before_an_address_stays_whole(escaped, redacted):
    assert redact(escaped)[0] == redacted
    assert json.loads(redacted)


def test_addresses_leave_source_code_as_it_parses():
    def shape(source: str) -> str:
        return re.sub(r"'[^']*'", "''", ast.dump(ast.parse(source)))

    source = (
        "x = f'{name} <ann@somewhere.org>'\n# ann@somewhere.org\nd = {'ann@somewhere.org': b'bob@else.net'}\n"
    )
    redacted, ranges = redact(source)
    assert len(ranges) == 4
    assert shape(redacted) == shape(source)
    assert tomllib.loads(redact('authors = [{email = "ann@somewhere.org"}]')[0])


_AROUND_ADDRESSES = st.sampled_from(
    [
        "ann@somewhere.org",
        "@",
        ".",
        "ann",
        "x.com",
        "//",
        ":",
        "\\n",
        "/",
        "-",
        "_",
        "é",
        "[",
        "=",
        " ",
        "git@",
        "(",
        "example.com",
    ]
)


@given(st.lists(_AROUND_ADDRESSES, max_size=12).map("".join))
def test_redacting_twice_is_redacting_once(text):
    redacted, ranges = redact(text)
    assert redact(redacted) == (redacted, ())
    assert [redacted[start:end] for start, end in ranges] == ["[REDACTED:email]"] * len(ranges)


@pytest.mark.parametrize(
    "hostile",
    [
        "eyJ" * 100_000,
        "sk-" * 100_000 + "T3BlbkFJ",
        "-----BEGIN PRIVATE KEY-----" * 10_000,
        "://a:" * 60_000,
        "//" * 150_000 + ":_authToken=",
        "a@" * 500_000,
        "a!" * 500_000,
        "a." * 500_000,
        "a@a." * 250_000,
        "a" * 1_000_000,
        "@" + "a." * 500_000,
        "//" * 300_000 + "a@b.com;" * 50_000,
    ],
    ids=["jwt", "openai", "pem", "url", "npm", "ats", "marks", "dots", "domains", "word", "labels", "hosts"],
)
def test_redaction_takes_linear_time(hostile):
    start = time.perf_counter()
    redact(hostile)
    assert time.perf_counter() - start < 3


def test_licence_from_metadata_and_text():
    mit = license_text("MIT")
    assert (
        license.detect({"pyproject.toml": '[project]\nlicense = "mit or apache-2.0"'}) == "MIT OR Apache-2.0"
    )
    assert license.detect({"PKG-INFO": "Name: x\nLicense-Expression: ISC\n"}) == "ISC"
    assert license.detect({"PKG-INFO": "Classifier: License :: OSI Approved :: MIT License\n"}) == "MIT"
    assert license.detect({"package.json": '{"license": "BSD-3-Clause"}'}) == "BSD-3-Clause"
    assert license.detect({"setup.cfg": "[metadata]\nlicense = Some words", "LICENSE": mit}) == "MIT"
    assert license.detect({"pyproject.toml": "license = [broken", "package.json": "[1]"}) == ""
    assert license.detect({"LICENSE": "All rights reserved."}) == ""


def license_text(name: str) -> str:
    from identify.vendor.licenses import LICENSES

    return dict(LICENSES)[name]


def test_rules_of_leaving_out():
    assert left_out_folder("a/vendor/b/c.go").path == "a/vendor/"
    assert left_out_folder("a/vendor.py") is None
    assert left_out_folder("src/build/lib.py") is None
    assert generated("a.py", 'X = "# @generated"\n') == ""
    assert generated("a.py", "# @generated by tool\n") == "generated"
    assert generated("a.js", "x" * 500) == "minified"


def test_licence_texts_are_told_by_the_names_in_use():
    texts = ["docs/LICENSE.md", "MIT-LICENSE", "LICENSE_1_0.txt", "COPYING3", "COPYING.LESSER", "unlicense"]
    others = ["license.py", "license-check.sh", "license.yml", "licensed.md", "relicense.txt", "notices"]
    assert [path for path in [*texts, *others] if is_license_text(path)] == texts


@pytest.mark.parametrize(
    "line",
    ["Generated by GNU Autoconf 2.71 for x.", "Makefile.in generated by automake 1.16.5 from Makefile.am.",
     "generated automatically by aclocal 1.16 -*-", "x. Generated from configure.ac by autoheader."],
)  # fmt: skip
def test_what_autotools_write_is_generated(line):
    assert generated("a", f"# {line}\n") == "generated"
    assert generated("a.sh", "# Removes the files generated by automake from here.\n") == ""
