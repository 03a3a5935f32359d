"""The page in a real browser: readable in light and dark and on a narrow screen, and asking for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from experiment.report import write_report

ALL = {
    "base": 0.0,
    "general": 0.03,
    "raw-repos": -0.05,
    "spec-only": -0.05,
    "repo2agent": -0.06,
    "repo2agent-random": -0.06,
    "repo2agent-search": -0.12,
    "repo2agent-search-debug": -0.08,
}
# For every piece of text that is seen: its contrast with the ground behind it, and what it says.
CONTRASTS = """
const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = (colour) => { const [r, g, b] = parse(colour).slice(0, 3).map((part) => {
  const share = part / 255; return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const ground = (element) => { for (let at = element; at; at = at.parentElement) {
  const colour = getComputedStyle(at).backgroundColor;
  if ((parse(colour)[3] ?? 1) === 1) return colour; }
  throw new Error('no ground'); };
const said = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
return [...document.querySelectorAll('body *')].filter((element) => said(element)
  && !['title', 'desc', 'style', 'STYLE'].includes(element.tagName)).map((element) => {
  const style = getComputedStyle(element);
  const [ink, behind] = [light(element.closest('svg') ? style.fill : style.color), light(ground(element))];
  return [(Math.max(ink, behind) + 0.05) / (Math.min(ink, behind) + 0.05), element.textContent]; });
"""
LINES = """
const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = (colour) => { const [r, g, b] = parse(colour).slice(0, 3).map((part) => {
  const share = part / 255; return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = light(getComputedStyle(document.querySelector('figure')).backgroundColor);
return [...document.querySelectorAll('svg path')].map((path) => getComputedStyle(path).stroke)
  .filter((colour) => colour.startsWith('rgb')).map((colour) => { const ink = light(colour);
  return (Math.max(ink, behind) + 0.05) / (Math.min(ink, behind) + 0.05); });
"""


@pytest.fixture(scope="module")
def address(browser, planted, tmp_path_factory) -> str:
    """The page of an experiment that has everything."""
    folder = tmp_path_factory.mktemp("report")
    write_report(planted(ALL), folder)
    return (folder / "index.html").as_uri()


@pytest.fixture
def opened(browser, assert_asked_for_nothing, address) -> Iterator[Any]:
    """``opened(scheme, width)`` opens the page; it must ask for nothing and complain of nothing."""

    def open_page(scheme: str, width: int) -> Any:
        browser.get_log("performance"), browser.get_log("browser")  # from the page before
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(address)
        return browser

    yield open_page
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert_asked_for_nothing(browser, [address])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_stand_out_from_their_ground(opened, scheme) -> None:
    page = opened(scheme, 1100)
    ground = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (int(ground.split("(")[1].split(",")[0]) > 128) is (scheme == "light")
    contrasts = page.execute_script(CONTRASTS)
    assert len(contrasts) > 300
    assert min(contrasts)[0] >= 4.5, min(contrasts)
    lines = page.execute_script(LINES)
    assert len(lines) > 100
    assert min(lines) >= 3  # WCAG's least for what is not text


@pytest.mark.parametrize("width", [380, 1100])
def test_nothing_runs_out_of_the_page(opened, width) -> None:
    page = opened("light", width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    beyond = """
    return [...document.querySelectorAll('body *')].filter((element) => !element.closest('.scroll *')
      && element.getBoundingClientRect().right > arguments[0] + 0.5).map((element) => element.outerHTML);
    """
    assert page.execute_script(beyond, width) == []
    # What is wider scrolls in its own frame, also for those without a mouse, and its text keeps its size.
    frames = page.execute_script(
        "return [...document.querySelectorAll('.scroll')].map((frame) => [frame.tabIndex, frame.ariaLabel])"
    )
    assert frames and all(index == 0 and label for index, label in frames)
    sizes = page.execute_script(
        "return [...document.querySelectorAll('svg text')].map((text) => text.getBoundingClientRect().height)"
    )
    assert min(sizes) > 8


def test_tables_and_charts_are_named_for_those_who_cannot_see_them(opened) -> None:
    page = opened("light", 1100)
    assert page.execute_script("return document.querySelectorAll('th:not([scope])').length") == 0
    assert page.execute_script("return document.querySelectorAll('table:not(:has(caption))').length") == 0
    named = page.execute_script(
        "return [...document.querySelectorAll('figure svg')].map((chart) => chart.getAttribute("
        "'aria-labelledby').split(' ').map((id) => document.getElementById(id).textContent.trim()))"
    )
    assert len(named) == 7
    assert all(title and description for title, description in named)
    levels = page.execute_script(
        "return [...document.querySelectorAll('h1, h2, h3')].map((heading) => Number(heading.tagName[1]))"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_no_two_arms_differ_by_colour_alone(opened) -> None:
    page = opened("light", 1100)
    marks = page.execute_script(
        "return [...document.querySelectorAll('figure:has(#losses-title) [id*=legend] use')]"
        ".map((mark) => document.querySelector(mark.getAttribute('xlink:href')).getAttribute('d'))"
    )
    assert len(marks) == len(set(marks)) == 7
