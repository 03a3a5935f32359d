"""Licence and copyright lines of a file: its own word first, then the nearest folder's, then the root's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identify.vendor.licenses import LICENSES

from builder.repository import SourceFile, identify, load
from builder.repository.headers import copyrights, leading_comments, stated_license

TEXTS = dict(LICENSES)
MIT = TEXTS["MIT"].replace("[year]", "2020").replace("[fullname]", "Ann Lee <ann@somewhere.org>")
GNU = """ * This program is free software; you can redistribute it and/or modify
 * it under the terms of the GNU General Public License as published by
 * the Free Software Foundation; either version 2 of the License, or
 * (at your option) any later version."""


@pytest.fixture
def files(tmp_path: Path):
    """``files({path: content})``: the files of the repository so written and loaded, by path."""

    def read(contents: dict[str, str]) -> dict[str, SourceFile]:
        for path, content in contents.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(content, encoding="utf-8")
        return {file.path: file for file in load(tmp_path).files}

    return read


def commented(text: str, marker: str) -> str:
    return "".join(f"{marker} {line}".rstrip() + "\n" for line in text.splitlines())


@pytest.mark.parametrize(
    ("head", "license"),
    [
        ("# SPDX-License-Identifier: MIT\n", "MIT"),
        ("#!/bin/sh\n# SPDX-License-Identifier: mit or apache-2.0\n", "MIT OR Apache-2.0"),
        ("// SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note\n",
         "GPL-2.0-only WITH Linux-syscall-note"),
        ("/* SPDX-License-Identifier: (GPL-2.0 OR BSD-3-Clause) */\n", "(GPL-2.0 OR BSD-3-Clause)"),
        ("<!-- SPDX-License-Identifier: CC-BY-4.0 -->\n<p>", "CC-BY-4.0"),
        ("# SPDX-License-Identifier: MIT\n# SPDX-License-Identifier: ISC OR 0BSD\n", "MIT AND (ISC OR 0BSD)"),
        ("# SPDX-License-Identifier: No-Such-1.0\n", ""),
        ("<?php\n/*\n * Licensed under the Apache License, Version 2.0 (the\n * \"License\")\n */",
         "Apache-2.0"),
        (f"/*\n{GNU}\n */\n", "GPL-2.0-or-later"),
        (f"/*\n{GNU.replace('General', 'Lesser General').replace('2', '2.1')}\n */\n", "LGPL-2.1-or-later"),
        (f"/*\n{GNU.partition('; either')[0]}, version 3.\n */\n", "GPL-3.0-only"),
        ("/* This Source Code Form is subject to the terms of the Mozilla Public\n"
         " * License, v. 2.0. */\n", "MPL-2.0"),
        (commented(MIT, "//"), "MIT"),
        (commented("Copyright 2019 X Inc.\nAll rights reserved.\n\n" + TEXTS["BSD-3-Clause"], "#"),
         "BSD-3-Clause"),
        ('"""Docs.\n\nReleased under the MIT license.\n"""\n', "MIT"),
    ],
)  # fmt: skip
def test_a_header_states_the_licence_of_its_file(files, head, license):
    found = files({"LICENSE": TEXTS["BSL-1.0"], "a/b.py": head, "c.py": "x = 1\n"})
    assert found["a/b.py"].license == license
    assert found["c.py"].license == found["LICENSE"].license == "BSL-1.0"


@pytest.mark.parametrize(
    "text",
    [
        "x = '# SPDX-License-Identifier: MIT'\n",
        "import re\n# SPDX-License-Identifier: MIT\n",
        "# Use of this source code is governed by a BSD-style license that is in LICENSE.\n",
        "/* The rest of it is licensed under the terms of the GNU General Public License, version 2. */\n",
        "# Permission is hereby granted.\n",
        "# The license of this file is a secret.\n",
    ],
)
def test_what_is_no_statement_about_the_file_is_none(files, text):
    found = files({"LICENSE": MIT, "a.py": text})
    assert found["a.py"].license == "MIT"


def test_the_nearest_folder_with_a_licence_speaks_for_its_files(files):
    found = files({
        "LICENSE": MIT,
        "packages/one/package.json": '{"license": "Apache-2.0"}',
        "packages/one/src/deep/a.js": "",
        "packages/two/package.json": '{"name": "two"}',
        "packages/two/b.js": "",
        "closed/package.json": '{"license": "SEE LICENSE IN PAPER"}',
        "closed/c.js": "",
        "closed/open/COPYING": TEXTS["ISC"].replace("[year]", "2001").replace("[fullname]", "Bo"),
        "closed/open/d.js": "// SPDX-License-Identifier: 0BSD",
        "noted/NOTICE": "Copyright 2022 The Noted Authors\n",
        "noted/e.js": "",
    })  # fmt: skip
    assert {path: file.license for path, file in found.items() if path.endswith(".js")} == {
        "packages/one/src/deep/a.js": "Apache-2.0",
        "packages/two/b.js": "MIT",
        "closed/c.js": "",
        "closed/open/d.js": "0BSD",
        "noted/e.js": "MIT",
    }
    assert found["closed/open/d.js"].attribution == ("Copyright (c) 2001, Bo",)
    assert found["noted/e.js"].attribution == ("Copyright 2022 The Noted Authors",)
    assert found["packages/two/b.js"].attribution == ("Copyright (c) 2020 Ann Lee <[REDACTED:email]>",)


def test_reuse_speaks_for_files_that_cannot(files):
    found = files({
        "LICENSES/MIT.txt": MIT,
        "LICENSES/CC0-1.0.txt": TEXTS["CC0-1.0"],
        "REUSE.toml": """version = 1
            [[annotations]]
            path = ["data/**", "[odd]?.json"]
            SPDX-FileCopyrightText = "2021 Data Team <data@somewhere.org>"
            SPDX-License-Identifier = "CC0-1.0"
            [[annotations]]
            path = "third/**.js"
            precedence = "override"
            SPDX-FileCopyrightText = ["2019 A", "2020 B"]
            SPDX-License-Identifier = ["MIT", "ISC"]
            [[annotations]]
            path = "both/*"
            precedence = "aggregate"
            SPDX-License-Identifier = "0BSD"
            """,
        "data/deep/x.json": "{}",
        "data/own.py": "# SPDX-License-Identifier: MIT\n",
        "[odd]?.json": "{}",
        "third/deep/y.js": "// SPDX-License-Identifier: Zlib\n",
        "third/y.ts": "",
        "both/z.py": "# SPDX-License-Identifier: MIT\n# Copyright 2018 Z\n",
        "logo.svg": "<svg/>",
        "logo.svg.license": "SPDX-FileCopyrightText: 2017 Painter\nSPDX-License-Identifier: CC-BY-4.0\n",
    })  # fmt: skip
    licenses = {path: file.license for path, file in found.items()}
    assert licenses["data/deep/x.json"] == licenses["[odd]?.json"] == "CC0-1.0"
    assert licenses["data/own.py"] == "MIT"
    assert licenses["third/deep/y.js"] == "MIT AND ISC"
    assert licenses["third/y.ts"] == "CC0-1.0 AND MIT"  # of the repository
    assert licenses["both/z.py"] == "MIT AND 0BSD"
    assert licenses["logo.svg"] == "CC-BY-4.0"
    assert found["data/deep/x.json"].attribution == ("2021 Data Team <[REDACTED:email]>",)
    assert found["third/deep/y.js"].attribution == ("2019 A", "2020 B")
    assert found["both/z.py"].attribution == ("Copyright 2018 Z",)
    assert found["logo.svg"].attribution == ("2017 Painter",)
    assert found["LICENSES/MIT.txt"].boilerplate


def test_copyright_lines_name_holders_and_nothing_else():
    lines = [
        " * Copyright (c) 2010-2020, Ann Lee.  All rights reserved.",
        "# © Bo",
        "Copyright The Project Authors.",
        "(C) 1999 by C",
        "SPDX-FileCopyrightText: D <d@e.test>",
        "The above copyright notice and this permission notice shall be included",
        "Copyright [yyyy] [name of copyright owner]",
        "copyright law of 1976 says",
        "Copyright (c) <year> <owner>",
        "See copyright.txt",
    ]
    assert copyrights(lines) == (
        "Copyright (c) 2010-2020, Ann Lee. All rights reserved.",
        "© Bo",
        "Copyright The Project Authors.",
        "(C) 1999 by C",
        "D <d@e.test>",
    )


def test_the_authors_of_a_licence_are_not_those_of_the_code(files):
    found = files({"COPYING": TEXTS["GPL-3.0"], "a.py": ""})
    assert (found["a.py"].license, found["a.py"].attribution) == ("GPL-3.0", ())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "PKG-INFO",
            "Metadata-Version: 2.1\nName: x\nAuthor-email: Ann Lee <ann@somewhere.org>, Bo <b@else.net>\n",
        ),
        (
            "pyproject.toml",
            '[project]\nauthors = [{name = "Ann Lee", email = "a@somewhere.org"}, {name = "Bo"}]',
        ),
        ("pyproject.toml", '[tool.poetry]\nauthors = ["Ann Lee <ann@somewhere.org>", "Bo"]'),
        ("Cargo.toml", '[package]\nauthors = ["Ann Lee <ann@somewhere.org>", "Bo", 3]'),
        ("package.json", '{"author": {"name": "Ann Lee"}, "authors": ["Bo (https://bo.example)"]}'),
    ],
)
def test_where_no_copyright_line_stands_the_authors_are_named(files, name, text):
    found = files({name: text, "a.py": "", "b.py": "# Copyright 2020 Cy\n"})
    assert found["a.py"].attribution == ("Author: Ann Lee", "Author: Bo")
    assert found["b.py"].attribution == ("Copyright 2020 Cy",)
    assert files({name: "[[[", "c.py": ""})["c.py"].attribution == ()


def test_a_name_that_holds_an_address_is_written_down_nowhere(tmp_path):
    root = tmp_path / "ann@somewhere.org"
    (root / "mail").mkdir(parents=True)
    for name in ("ann@somewhere.org", "mail/bo@somewhere.org", "logo@2x.txt"):
        (root / name).write_text("mail")
    repository = load(root)
    assert repository.identity == identify(root) == "local/[REDACTED:email]"
    assert [file.path for file in repository.files] == ["logo@2x.txt"]
    assert [(file.path, file.reason) for file in repository.skipped] == [
        ("[REDACTED:email]", "secret or address in name"),
        ("mail/[REDACTED:email]", "secret or address in name"),
    ]


def test_attribution_is_bounded(files):
    many = "".join(f"# Copyright (c) {2000 + number % 20} {'x' * number} Ltd.\n" for number in range(1000))
    found = files({"a.py": many})["a.py"].attribution
    assert len(found) == 20
    assert max(map(len, found)) <= 200


@given(
    st.lists(
        st.sampled_from(
            [
                '"""',
                "/*",
                "*/",
                "#",
                "//",
                "\n",
                "SPDX-License-Identifier: MIT",
                " ",
                "x",
                "Copyright 2020 A",
                "-->",
                "\r",
            ]
        ),
        max_size=30,
    ).map("".join)
)
def test_any_head_is_read(text):
    comments = leading_comments(text)
    assert stated_license(comments) in (None, "", "MIT")
    assert all(line and "\n" not in line for line in copyrights(text.splitlines()))


@pytest.mark.parametrize(
    "line",
    ["#" * 1_000_000, "# " * 500_000, "/*" * 500_000, "# Copyright " * 80_000, "# (c) " * 200_000,
     "# SPDX-License-Identifier: " + "! a" * 300_000, "# permission is hereby granted " * 40_000,
     "# modify under the terms of the gnu general public license " * 20_000, "\n" * 1_000_000],
    ids=["hashes", "marks", "blocks", "words", "signs", "tag", "text", "gnu", "lines"],
)  # fmt: skip
def test_hostile_heads_and_licence_texts_take_no_time(files, line):
    start = time.perf_counter()
    files({"a.py": line, "LICENSE": line[:999_000], "b.py.license": line, "b.py": ""})
    assert time.perf_counter() - start < 5


def test_hostile_reuse_takes_no_time(files):
    start = time.perf_counter()
    rules = "".join(f'[[annotations]]\npath = "{"**a" * 200}"\n' for _ in range(500))
    files({"REUSE.toml": rules, **{f"{'a' * 100}/{number}.py": "" for number in range(100)}})
    files({"REUSE.toml": "annotations = [[1]]"})
    files({"REUSE.toml": "[[annotations]]\npath = 3\nprecedence = []\nSPDX-License-Identifier = 1.5"})
    assert time.perf_counter() - start < 5
