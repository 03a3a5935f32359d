"""The page of a row: nothing of the row can become markup, and nothing of it is lost without a word."""

from __future__ import annotations

import base64
import copy
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import UserError
from builder.rows import write_dataset, write_html
from builder.rows.html import page, visible
from builder.rows.page.conversation import conversation
from builder.rows.page.cutting import Piece, cut, fair_limit
from builder.rows.page.graph import draw
from builder.trajectory import step_texts

VOID = {"meta", "input", "br", "wbr", "link", "img"}
HOSTILE = st.lists(
    st.sampled_from(
        [
            "</script>",
            "</pre>",
            "</details>",
            "</title>",
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            '" onload="alert(1)',
            "' onfocus='alert(1)' autofocus='",
            "<!--",
            "-->",
            "]]>",
            "{{ 7 * 7 }}",
            "{% raw %}",
            "&lt;",
            "&#60;script&#62;",
            "javascript:alert(1)",
            "#step-0",
            "\x00",
            "\r",
            "\u2028",
            "\u202e",
            "\ufeff",
        ]
    )
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=8),
    min_size=1,
    max_size=6,
)
HOSTILE = HOSTILE.map("".join).filter(bool)


class Page(HTMLParser):
    """A page read back: its tags with the names of their attributes, and the text of each step."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.skeleton: list[tuple[str, ...]] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.steps: dict[int, str] = {}
        self.texts: dict[str, list[str]] = {}
        self.words: list[str] = []
        self.fresh = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.skeleton.append((tag, *(name for name, _ in attrs)))
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.fresh = tag == "pre"
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.texts.setdefault(tag, []).append("")
        for name, value in attrs:
            if name == "id" and re.fullmatch(r"step-\d+", value or ""):
                self.steps[int(value[5:])] = ""

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        self.skeleton.append(("/" + tag,))
        assert self.open and self.open[-1][0] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    def handle_data(self, data):
        if self.fresh:  # a browser drops the newline that follows <pre>
            assert data.startswith("\n")
            data = data[1:]
            self.fresh = False
        self.words.append(data)
        tag = self.open[-1][0] if self.open else ""
        if tag in self.texts:
            self.texts[tag][-1] += data
        classes = [(attrs.get("class") or "").split() for _, attrs in self.open]
        inside = [attrs.get("id") or "" for _, attrs in self.open]
        content = any("prose" in names or "code" in names for names in classes)
        if content and not any("history" in names for names in classes):
            step = next(name for name in reversed(inside) if re.fullmatch(r"step-\d+", name))
            self.steps[int(step[5:])] += data

    @property
    def text(self) -> str:
        return "".join(self.words)


def rewritten(row: dict[str, Any], log: list[dict[str, Any]], words: str) -> tuple[dict[str, Any], list[Any]]:
    """A row and log in which every string that a stranger may choose holds ``words``."""
    row, log = copy.deepcopy(row), copy.deepcopy(log)
    paths = {file["path"]: f"{place}/{words}" for place, file in enumerate(row["files"])}
    pieces, position = [], 0
    for span in row["spans"]:
        piece = words if span["content"] else row["text"][span["start"] : span["end"]]
        pieces.append(piece)
        span["start"], span["end"] = position, position + len(piece)
        position = span["end"]
    row["text"] = "".join(pieces)
    for step in row["steps"]:
        step["path"] = paths.get(step["path"], "")
        step["agent"] = paths.get(step["agent"], step["agent"])
        step["sees"] = step["sees"] and words
    for file in row["files"]:
        file["path"] = paths[file["path"]]
        file |= {"language": words, "license": words, "encoding": words}
    for edge in row["dependencies"]:
        edge |= {"source": paths[edge["source"]], "target": paths[edge["target"]], "kind": words}
    row["skipped"] = [{"path": words, "reason": words}]
    row["notes"] = [words]
    for name in ("id", "repository", "revision", "license", "generator", "scorer", "prompts", "version"):
        row[name] = words
    for entry in log:
        entry |= {"path": paths[entry["path"]], "reason": words, "text": words, "id": words}
        if entry["candidate"].isdecimal():
            entry["candidate"] = f"x{words}"
    return row, log


@settings(max_examples=40)
@given(words=HOSTILE)
def test_no_string_of_a_row_changes_the_structure_of_its_page(searched, words) -> None:
    harmless = Page(page(*rewritten(*searched, re.sub(r"[^/]", "x", words))))
    hostile = Page(page(*rewritten(*searched, words)))
    assert hostile.skeleton == harmless.skeleton
    assert not hostile.open
    assert hostile.texts == harmless.texts  # the script and the style are ours alone
    assert visible(words) in hostile.text


@settings(max_examples=40)
@given(
    content=HOSTILE.map(lambda words: words + "\n" + words)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
def test_every_step_of_a_row_can_be_read_back_from_its_page(searched, content) -> None:
    row, _ = searched
    row = copy.deepcopy(row)
    position, pieces = 0, []
    for span in row["spans"]:
        piece = row["text"][span["start"] : span["end"]] + (content if span["content"] else "")
        pieces.append(piece)
        span["start"], span["end"] = position, position + len(piece)
        position = span["end"]
    row["text"] = "".join(pieces)
    expected = step_texts(row["text"], row["spans"], len(row["steps"]))
    steps = Page(page(row)).steps
    assert sorted(steps) == list(range(len(row["steps"])))
    assert [steps[number] for number in sorted(steps)] == [visible(text) for text in expected]


def test_what_is_cut_is_marked_with_how_much_it_was(searched) -> None:
    row = copy.deepcopy(searched[0])
    last = max(n for n, span in enumerate(row["spans"]) if span["content"])
    long = "value = 1\n" * 20_000
    span = row["spans"][last]
    row["text"] = row["text"][: span["start"]] + long + row["text"][span["end"] :]
    for later in row["spans"][last + 1 :]:
        later["start"] += len(long) - (span["end"] - span["start"])
        later["end"] += len(long) - (span["end"] - span["start"])
    span["end"] = span["start"] + len(long)
    parsed = Page(page(row))
    shown = parsed.steps[span["step"]]
    assert long.startswith(shown) and 0 < len(shown) < len(long)
    assert f"{len(long) - len(shown):,} more characters are in the row" in parsed.text


def test_the_policy_allows_our_style_and_script_and_nothing_else(searched) -> None:
    parsed = Page(page(*searched))
    (policy,) = (value for tag, name, value in parsed.attributes if tag == "meta" and "default-src" in value)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for tag in ("style", "script"):
        (text,) = parsed.texts[tag]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    for tag, name, value in parsed.attributes:
        assert name != "style" and not name.startswith("on") and name not in ("src", "srcset", "action")
        if name == "href":
            assert value.startswith("#"), f"<{tag} href={value}> leads away from the page"


def test_every_link_leads_to_a_place_on_the_page(searched) -> None:
    parsed = Page(page(*searched))
    places = [value for _, name, value in parsed.attributes if name == "id"]
    assert len(places) == len(set(places))
    assert {value for _, name, value in parsed.attributes if name == "href"} <= {f"#{p}" for p in places}


def test_what_carries_loss_is_told_by_words_and_not_by_colour_alone(searched) -> None:
    row, log = searched
    said = {"trained": "● carries loss", "none": "○ no loss", "part": "◐"}
    messages = [message for part in conversation(row, log) for message in part.messages]
    assert {message.loss for message in messages} >= {"trained", "none"}
    text = page(row, log)
    for message in messages:
        place = f'id="{"plan" if message.entries else "step"}-{message.number}"'
        header = text[text.index(place) :].partition("</header>")[0]
        assert said[message.loss] in header
        carried = {
            span["loss"] for span in row["spans"] if span["step"] == message.number and span["content"]
        }
        if carried and not message.entries:
            assert message.loss == (
                "part" if len(carried) == 2 else "trained" if carried == {True} else "none"
            )


def test_a_history_has_every_candidate_with_its_score_and_fate(searched) -> None:
    row, log = searched
    histories = {m.number: m.history for part in conversation(row, log) for m in part.messages if m.history}
    assert set(histories) == {score["step"] for score in row["scores"]} and histories
    for number, history in histories.items():
        entries = [entry for entry in log if entry["step"] == number]
        candidates = [candidate for one in history.rounds for candidate in one.candidates]
        assert [(c.nll, c.body_nll, c.reason) for c in candidates] == [
            (entry["nll"], entry["body_nll"], entry["reason"]) for entry in entries
        ]
        assert any(c.verdict == "accepted" for c in candidates)
        assert sum(c.control for c in candidates) == 3
        # Further left is better, and the line stands at the best control.
        placed = [c for c in candidates if c.nll is not None]
        assert [c.nll for c in sorted(placed, key=lambda c: c.at)] == sorted(c.nll for c in placed)
        assert history.best_at == min(c.at for c in placed if c.control)
        best = min(c.nll for c in placed if c.control)
        assert all(c.gain == pytest.approx(best - c.nll) for c in placed)


def test_a_row_without_a_log_still_tells_its_scores(searched) -> None:
    row, _ = searched
    histories = [m.history for part in conversation(row) for m in part.messages if m.history]
    for score, history in zip(row["scores"], histories, strict=True):
        nlls = [c.nll for one in history.rounds for c in one.candidates]
        assert nlls == [score[f"nll_{name}"] for name in ("none", "outline", "other", "before")] + [
            score["nll"]
        ]


def test_thoughts_that_were_taken_out_keep_their_history(search) -> None:
    quoted = "squared_radius = radius * radius; return math.pi * squared_radius.\n"
    row, log = search(answer=lambda messages, seed: quoted)
    (path,) = {entry["path"] for entry in log if entry["step"] == -1}
    assert path == "area.py"
    removed = {part.path: part.removed for part in conversation(row, log) if part.removed}
    (history,) = removed.pop(path)
    assert not removed and history.score is None
    text = Page(page(row, log)).text
    assert "A thought that was taken out" in text and "✗ quotes the code" in text


def test_a_kind_of_step_that_the_page_does_not_know_shows_under_its_own_name(searched) -> None:
    row = copy.deepcopy(searched[0])
    number = next(n for n, step in enumerate(row["steps"]) if step["kind"] == "need")
    row["steps"][number]["kind"] = "second_opinion"
    for span in row["spans"]:
        if span["step"] == number:
            span["role"] = "opinion"
    parsed = Page(page(row))
    assert "Second opinion" in parsed.text and "role opinion" in parsed.text
    assert parsed.steps[number]


def test_plain_code_and_an_empty_row_have_a_page_too(searched, blueprint, bytes_tokenizer) -> None:
    from builder.rows import Provenance, raw_row

    raw = raw_row(blueprint, Provenance("", "s@1", "", 0, "0"), bytes_tokenizer, {"code"})
    assert len(Page(page(raw)).steps) == len(blueprint.order)
    empty = {**raw, "text": "", "spans": [], "steps": [], "dependencies": [], "files": [], "num_files": 0}
    assert "This row has no steps" in Page(page(empty)).text


EDGES = st.lists(
    st.tuples(st.integers(0, 24), st.integers(0, 24), st.sampled_from(["import", "lazy", "new"]))
)


@given(edges=EDGES, seed=st.randoms(use_true_random=False))
def test_a_graph_is_drawn_from_left_to_right_without_overlaps_whatever_the_order_of_edges(
    edges, seed
) -> None:
    order = [f"folder{n % 3}/file{n}.py" for n in range(25)]
    dependencies = [{"source": order[a], "target": order[b], "kind": kind} for a, b, kind in edges]
    drawing = draw(order, dependencies)
    assert {(drawing.nodes[e.source].path, drawing.nodes[e.target].path, e.kind) for e in drawing.edges} == {
        (d["source"], d["target"], d["kind"]) for d in dependencies if d["source"] != d["target"]
    }
    for edge in drawing.edges:
        source, target = drawing.nodes[edge.source], drawing.nodes[edge.target]
        assert edge.against or target.x + target.width < source.x
        begin = source if edge.onward else target
        x, y = re.match(r"M(\d+) (\d+)C", edge.curve).groups()
        assert abs(begin.x + begin.width - int(x)) <= 1 and begin.y <= int(y) <= begin.y + begin.height
    for one in drawing.nodes:
        assert 0 <= one.x <= one.x + one.width <= drawing.width
        assert 0 <= one.y <= one.y + one.height <= drawing.height
        for other in drawing.nodes:
            if one is not other and one.x < other.x + other.width and other.x < one.x + one.width:
                assert one.y + one.height <= other.y or other.y + other.height <= one.y
    seed.shuffle(dependencies)
    assert draw(order, dependencies) == drawing


@given(lengths=st.lists(st.integers(0, 50)), most=st.integers(0, 60), total=st.integers(0, 400))
def test_a_fair_limit_uses_what_there_is_and_no_more(lengths, most, total) -> None:
    limit = fair_limit(lengths, most, total)

    def taken(bound: int) -> int:
        return sum(min(length, bound) for length in lengths)

    assert limit <= most and taken(limit) <= total
    assert limit == most or taken(limit + 1) > total


@given(texts=st.lists(st.text(alphabet="ab\n", max_size=40), max_size=5), limit=st.integers(0, 120))
def test_what_is_shown_and_what_unfolds_are_the_beginning_of_a_text(texts, limit) -> None:
    body = cut([Piece(text) for text in texts], limit)
    whole = "".join(texts)
    shown = "".join(piece.text for piece in (*body.head, *body.rest))
    assert whole.startswith(shown) and len(shown) + body.num_cut == len(whole)
    assert len(shown) == min(limit, len(whole))


def test_the_command_writes_the_same_bytes_each_time_and_prints_where(searched, tmp_path) -> None:
    import os
    import subprocess
    import sys

    row, log = searched
    write_dataset(tmp_path / "built", {"repo2agent-search": {"train": [row]}, "search-log": {"train": log}})
    pages = []
    for seed in ("1", "2"):
        output = tmp_path / "new" / f"{seed}.html"
        result = subprocess.run(
            [sys.executable, "-m", "builder.cli", "inspect", tmp_path / "built", "--html", output],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout == f"{output}\n"
        pages.append(output.read_bytes())
    assert pages[0] == pages[1]
    parsed = Page(pages[0].decode())
    assert all(visible(entry["reason"]) in parsed.text for entry in log)


def test_a_page_that_cannot_be_written_or_read_ends_in_one_line(searched, tmp_path) -> None:
    row, log = searched
    write_dataset(tmp_path / "built", {"repo2agent-search": {"train": [row]}, "search-log": {"train": log}})
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the page"):
        write_html(tmp_path / "built", "repo2agent-search", 0, tmp_path / "file" / "out.html")
    with pytest.raises(UserError, match="no row 7"):
        write_html(tmp_path / "built", "repo2agent-search", 7, tmp_path / "out.html")
    with pytest.raises(UserError, match="no trajectories"):
        write_html(tmp_path / "built", "search-log", 0, tmp_path / "out.html")
