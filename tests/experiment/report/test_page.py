"""The page and its Markdown: the same tables in both, nothing left out, nothing taken for markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from builder import UserError
from builder.report import chart_style
from experiment.report import write_report
from experiment.report.charts import MOST_POINTS, _apart, mean_curve, place, thinned
from experiment.report.conclusions import conclude
from experiment.report.data import read
from experiment.report.sections import sections

METHOD, PLAIN = "repo2agent-search", "raw-repos"
EFFECTS = {"base": 0.0, PLAIN: -0.05, METHOD: -0.15}
SECTIONS = ("differences", "measures", "curves", "tokens", "lengths", "search", "losses", "paper", "made")


class Tables(HTMLParser):
    """The cells of a page's tables, row by row, and its bold cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.bold: list[str] = []
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("td", "th", "strong"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data):
        if self._open:
            self.rows[-1][-1] += data
            if self._open[-1] == "strong":
                self.bold.append(data)


def markdown_rows(text: str) -> list[list[str]]:
    rows = [line[1:].strip().removesuffix("|") for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in rows]
    plain = [[re.sub(r"\\(.)", r"\1", cell.replace("**", "")) for cell in row] for row in cells]
    return [row for row in plain if not set("".join(row)) <= set("-: ")]


@pytest.fixture
def written(tmp_path):
    """``written(experiment)`` gives the page and the Markdown."""

    def write(experiment, name="report"):
        write_report(experiment, tmp_path / name)
        return tuple(
            (tmp_path / name / file).read_text(encoding="utf-8") for file in ("index.html", "report.md")
        )

    return write


def test_page_and_markdown_hold_the_same_tables(planted, written) -> None:
    page, markdown = written(planted(EFFECTS))
    found = [[" ".join(cell.split()) for cell in row] for row in Tables(page).rows]
    assert found == markdown_rows(markdown)
    assert len(found) > 50


def test_the_order_is_conclusions_first_then_the_figures(planted, written) -> None:
    page, markdown = written(planted(EFFECTS))
    headings = re.findall(r'<h2 id="([^"]*)"', page)
    assert headings == ["compared", "result", *SECTIONS, "skipped"]
    assert page.index("The method wins: after") < page.index('<h2 id="compared"')
    assert len(re.findall("^## ", markdown, re.MULTILINE)) == len(headings)
    assert page.count("<svg ") == 7


def test_the_same_results_give_the_same_bytes(planted, written) -> None:
    assert written(planted(EFFECTS), "one") == written(planted(EFFECTS), "two")


def test_only_an_arm_that_is_better_than_each_other_one_is_bold(planted, written) -> None:
    clear, _ = written(planted(EFFECTS))
    assert [cell[:2] for cell in Tables(clear).bold[:2]] == ["1.", "1."]
    tied, _ = written(planted({**EFFECTS, "spec-only": -0.15}))
    assert Tables(tied).bold == []
    tiny, _ = written(planted(EFFECTS, seeds=(0,), conclusive=False))
    assert Tables(tiny).bold == []
    assert "None is marked as best" in tiny and "None is judged" in tiny


def test_every_token_count_of_every_arm_is_shown(planted, written) -> None:
    experiment = planted(EFFECTS)
    for number, arm in enumerate(experiment["arms"]):
        for run in arm["runs"]:
            if arm["trained"]:
                run["tokens"] |= {"trained": 700_001 + number, "unique_code": 300_007 + number}
    page, _ = written(experiment)
    rows = {row[0]: row for row in Tables(page).rows if row[2:3] and row[2].startswith("700,00")}
    assert rows[PLAIN][1:4] == ["1,000,000", "700,002", "300,008"]
    assert rows[METHOD][1:4] == ["1,000,000", "700,003", "300,009"]


def test_the_papers_table_stands_beside_ours_with_the_difference_in_scale(planted, written) -> None:
    page, _ = written(planted(EFFECTS))
    rows = {row[0]: row for row in Tables(page).rows}
    assert rows["RULER 65,536"] == ["RULER 65,536", "57.10", "–", "61.00", "–", "–", "–", "61.80", "–"]
    human = rows["HumanEval"]
    assert (human[1], human[3], human[5], human[7]) == ("16.46", "34.76", "36.59", "37.20")
    assert human[2] == human[6] == "–"  # arms that were not run
    assert re.fullmatch(r"\d+\.\d\d \[\d+\.\d\d,\s\d+\.\d\d\]", human[8])
    assert float(human[8].split()[0]) > 10  # in percent, as the paper's
    assert rows["tokens of an arm"] == ["tokens of an arm", "20,000,000,000", "1,000,000 (1 / 20,000)"]
    assert rows["repositories"][2] == "120"


def gone(*keys):
    def spoil(experiment):
        for key in keys:
            experiment[key] = None
        return experiment

    return spoil


def without(*keys):
    def spoil(experiment):
        for arm in experiment["arms"]:
            for key in keys:
                for part in (arm, arm["data"], *arm["runs"], *(run["results"] for run in arm["runs"])):
                    if key in part:
                        part[key] = type(part[key])()
        return experiment

    return spoil


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (gone("search"), "No search was recorded"),
        (without("curve"), "there is no curve"),
        (without("log"), "No training loss by role was recorded"),
        (without("lengths"), "The lengths of documents were not recorded"),
        (without("measures"), "Nothing was measured"),
        (gone("seconds", "commit"), "How long its stages took is not recorded"),
        (gone("corpus"), "How many repositories were held out is not recorded"),
        (lambda e: {**e, "skipped": []} if without("skipped")(e) else e, "Nothing was skipped"),
        (lambda e: {**e, "search": {"rounds": [{"round": 0, "nll": 1.0}]}}, "No controls were recorded"),
        (lambda e: {**e, "arms": []}, "Nothing was trained"),
        (lambda e: {**e, "arms": e["arms"][:1]}, "there is only base"),
        (without("runs"), "Nothing was trained"),
    ],
)
def test_what_is_missing_leaves_a_sentence(planted, spoil, sentence) -> None:
    experiment = read(spoil(planted(EFFECTS)))
    said = list(conclude(experiment))
    with chart_style():
        shown = list(sections(experiment, said))
    texts = [conclusion.text for conclusion in said] + [text for section in shown for text in section.text]
    assert sentence in " ".join(texts)
    assert [section.name for section in shown] == [*SECTIONS, "skipped"]


def test_the_page_of_an_experiment_that_has_nothing_opens(planted, written) -> None:
    empty = gone("search", "seconds", "corpus", "commit", "skipped")({**planted({}), "arms": []})
    page, markdown = written(empty)
    assert "<svg" not in page
    assert "Not comparable" in page and "Not comparable" in markdown
    assert "There were no two arms to compare" in page


def test_a_model_that_diverged_is_shown_as_such(planted, written) -> None:
    experiment = planted(EFFECTS, seeds=(0,))
    run = experiment["arms"][2]["runs"][0]
    for measure in run["results"]["measures"]:
        measure |= {"value": None, "interval": None}
        for item in measure["items"]:
            item["value"] = float("nan")
    run["curve"][-1]["value"] = float("nan")
    run["log"][-1]["losses"]["code"] = float("inf")
    page, _ = written(experiment)
    assert "not comparable: some of the values are not numbers" in page
    assert "nan" not in page.lower().replace("finance", "")


MARKUP = "</title></svg><script>alert(1)</script><img src=http://127.0.0.1:9/x> "
HOSTILE = f"{MARKUP}|`a` **b** $\\frac{{x$ \x07 é漢\n# c"


def test_words_from_the_data_are_never_markup(planted, written) -> None:
    experiment = planted({"base": 0.0, HOSTILE: -0.05, METHOD: -0.1})
    experiment |= {"name": HOSTILE, "shows": HOSTILE, "hardware": HOSTILE, "commit": HOSTILE}
    experiment["skipped"] = [{"arm": HOSTILE, "reason": HOSTILE}]
    experiment["seconds"] = {HOSTILE: 3.0}
    experiment["search"]["controls"] = {HOSTILE: 1.5}
    for arm in experiment["arms"]:
        arm["title"] = HOSTILE
        for run in arm["runs"]:
            run["results"]["environment"] = {HOSTILE: HOSTILE}
            run["results"]["measures"][1] |= {"title": HOSTILE, "unit": HOSTILE}
            for entry in run["log"]:
                entry["losses"] = {HOSTILE: 1.0 + entry["tokens"] / 1e7}
    page, markdown = written(experiment)
    assert "<script" not in page and "<img" not in page
    assert "<script" not in markdown.replace("\\<", "")
    assert not re.search(r"^# c", markdown, re.MULTILINE)
    assert {len(row) for row in markdown_rows(markdown)} <= {2, 3, 4, 5, 8, 9}  # no row has grown a cell
    for chart in re.findall(r"<svg .*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(chart.replace("\x07", ""))


def test_ids_are_those_of_one_chart_only_and_what_is_used_is_there(planted, written) -> None:
    page, _ = written(planted(EFFECTS))
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]*)', page))
    assert {name for several in used for name in several.split()} <= set(ids)


def test_arms_keep_their_look_whichever_others_there_are() -> None:
    assert place(METHOD, [METHOD]) == place(METHOD, [PLAIN, METHOD, "mine"])
    looks = [place(name, ["mine", METHOD, "yours"]) for name in ("mine", METHOD, "yours")]
    assert len(set(looks)) == 3


def test_the_mean_of_curves_runs_through_their_means() -> None:
    one, two = [(0, 2.0), (10, 1.0), (20, 0.0)], [(0, 4.0), (20, 2.0), (30, 9.0)]
    assert mean_curve([one, two]) == [(0, 3.0), (10, 2.0), (20, 1.0)]
    assert mean_curve([one]) == one
    assert mean_curve([[(0, 1.0)], [(5, 2.0), (6, 3.0)]]) == [(5, 2.0), (6, 3.0)]


def test_a_long_log_is_thinned_to_means_of_neighbours() -> None:
    points = [(float(n), float(n % 7)) for n in range(1000)]
    few = thinned(points)
    assert len(few) == MOST_POINTS
    assert [x for x, _ in few] == sorted(x for x, _ in few)
    assert thinned(points[:50]) == points[:50]


def test_names_at_the_ends_of_lines_keep_apart_and_in_order() -> None:
    values = sorted(np.random.default_rng(0).normal(size=9))
    heights = _apart(values, 0.5)
    assert np.diff(heights).min() >= 0.5 - 1e-9
    assert np.mean(heights) == pytest.approx(np.mean(values))
    assert _apart([0.0, 10.0], 0.5) == [0.0, 10.0]


def test_a_folder_that_cannot_be_written_is_named(planted, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the report"):
        write_report(planted(EFFECTS), tmp_path / "file" / "report")
