"""The page of a row in a real browser: it opens from the file system, folds, and asks for nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from builder.agents import AgentOptions, Team
from builder.repository import Repository
from builder.rows import Provenance, row_id, trajectory_row, write_dataset, write_html
from builder.structure import analyze
from builder.trajectory import DEFAULT_LOSS_ROLES

NUM_FILES = 300


@pytest.fixture
def open_page(browser, assert_asked_for_nothing, tmp_path) -> Iterator[Callable[..., str]]:
    """``open_page(row, log)`` opens the page of a row; in the end it must have asked for nothing."""
    opened: list[str] = []

    def show(row: dict[str, Any], log: list[dict[str, Any]]) -> str:
        write_dataset(tmp_path, {"repo2agent-search": {"train": [row]}, "search-log": {"train": log}})
        address = write_html(tmp_path, "repo2agent-search", 0, tmp_path / "row.html").as_uri()
        browser.get_log("performance"), browser.get_log("browser")  # from the page before
        browser.get(address)
        opened.append(address)
        return address

    yield show
    assert_asked_for_nothing(browser, opened)


def seen(browser: Chrome, selector: str) -> bool:
    """Whether the first such element takes room on the page, that is, whether nothing around it is folded."""
    script = "return document.querySelector(arguments[0]).checkVisibility({contentVisibilityAuto: false})"
    return browser.execute_script(script, selector)


def test_a_sub_agent_unfolds_and_folds_with_mouse_and_keyboard(browser, open_page, searched) -> None:
    open_page(*searched)
    agent = browser.find_element(By.CSS_SELECTOR, "details.agent[data-path='report.py']")
    summary = agent.find_element(By.CSS_SELECTOR, ":scope > summary")
    assert agent.get_property("open")  # there are few
    browser.execute_script("arguments[0].scrollIntoView({behavior: 'instant'})", summary)
    summary.click()
    assert not agent.get_property("open")
    assert not seen(browser, "details.agent[data-path='report.py'] .msg")
    summary.send_keys(Keys.ENTER)
    assert agent.get_property("open")
    assert seen(browser, "details.agent[data-path='report.py'] .msg")
    browser.find_element(By.ID, "fold").click()
    assert not browser.find_elements(By.CSS_SELECTOR, "details.agent[open]")
    browser.find_element(By.ID, "unfold").click()
    assert len(browser.find_elements(By.CSS_SELECTOR, "details.agent[open]")) == 3


def test_the_history_of_a_thought_opens(browser, open_page, searched) -> None:
    row, log = searched
    open_page(row, log)
    number = row["scores"][0]["step"]
    history = f"#step-{number} .history"
    assert not seen(browser, f"{history} table")
    browser.find_element(By.CSS_SELECTOR, f"{history} > summary").click()
    assert seen(browser, f"{history} table")
    table = browser.find_element(By.CSS_SELECTOR, f"{history} table")
    rows = table.find_elements(By.CSS_SELECTOR, "tr[class^='v-']")
    assert len(rows) == sum(entry["step"] == number for entry in log)
    assert "accepted" in table.text and "No thought" in table.text
    text = table.find_element(By.CSS_SELECTOR, ".v-accepted + .text")
    text.find_element(By.TAG_NAME, "summary").click()
    said = {entry["text"].strip() for entry in log if entry["step"] == number and entry["accepted"]}
    assert text.find_element(By.TAG_NAME, "pre").text in said


def test_a_file_of_the_graph_leads_to_its_sub_agent(browser, open_page, searched) -> None:
    open_page(*searched)
    browser.find_element(By.ID, "fold").click()
    node = browser.find_element(By.CSS_SELECTOR, ".node[data-path='area.py']")
    browser.execute_script("arguments[0].focus()", node)
    assert "lit" in browser.find_element(By.CSS_SELECTOR, ".edges path").get_attribute("class")
    assert "area.py" in browser.find_element(By.ID, "pointed").text
    node.send_keys(Keys.ARROW_RIGHT)
    focused = browser.switch_to.active_element
    assert focused.get_attribute("data-path") == "report.py"
    focused.send_keys(Keys.ENTER)
    browser.implicitly_wait(5)
    browser.find_element(By.CSS_SELECTOR, "details.agent[data-path='report.py'][open]")
    browser.implicitly_wait(0)
    assert seen(browser, "details.agent[data-path='report.py'] .msg")


def test_what_carries_no_loss_can_be_hidden(browser, open_page, searched) -> None:
    open_page(*searched)
    assert seen(browser, ".agent .msg.masked") and seen(browser, ".agent .msg.counts")
    browser.find_element(By.ID, "only-trained").click()
    assert not seen(browser, ".agent .msg.masked") and seen(browser, ".agent .msg.counts")


def test_hostile_content_stays_text(browser, open_page, searched) -> None:
    row, log = searched
    words = (
        "</pre></details></script><script>window.taken = 1</script>"
        "<img src=http://127.0.0.1:9/x onerror='window.taken = 1'>"
        "<style>* { display: none }</style><iframe src='http://127.0.0.1:9/'></iframe>"
        "<base href='http://127.0.0.1:9/'>"
    )
    open_page(
        {**row, "notes": [words], "license": words, "revision": words}, [{**e, "text": words} for e in log]
    )
    assert browser.execute_script("return typeof window.taken") == "undefined"
    number_of = {"script": 1, "style": 1, "img": 0, "iframe": 0, "base": 0}
    assert {name: len(browser.find_elements(By.TAG_NAME, name)) for name in number_of} == number_of
    assert words in browser.execute_script("return document.querySelector('.notes').textContent")


@pytest.mark.parametrize("width", [390, 1300])
def test_the_page_is_never_wider_than_the_screen(browser, open_page, searched, width) -> None:
    open_page(*searched)
    browser.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true })")
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.fixture(scope="module")
def large(make_repository, bytes_tokenizer, scripted) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """300 modules that need one another, with the history of every thought (figures at random)."""
    chance = random.Random(0)
    contents = {}
    for number in range(NUM_FILES):
        needed = chance.sample(range(number), min(number, chance.randint(0, 3)))
        imports = "".join(f"from part{n % 9}.module{n} import call{n}\n" for n in sorted(needed))
        calls = " + ".join(f"call{n}(value)" for n in sorted(needed)) or "value"
        body = "".join(f"    value += {n}\n" for n in range(40))
        contents[f"part{number % 9}/module{number}.py"] = (
            f"{imports}\n\ndef call{number}(value):\n{body}    return {calls}\n"
        )
    repository: Repository = make_repository(contents)
    blueprint = analyze(repository)
    model = scripted(answer=lambda messages, seed: f"I add what comes in, {seed % 1000} times over.\n" * 6)
    team = Team(blueprint, model, AgentOptions(), seed=0)
    trajectory = asyncio.run(team.simulate())
    scores, log = [], []
    for number, step in enumerate(trajectory.steps):
        if step.kind != "design":
            continue
        nlls = {name: chance.uniform(0.5, 1.5) for name in ("none", "outline", "other", "before")}
        tried = [(-1, name) for name in ("none", "outline", "other")] + [(0, "first")]
        tried += [(round_number, name) for round_number in (1, 2, 3) for name in ("0", "1")]
        for round_number, name in tried:
            nll = (
                nlls["before" if name == "first" else name] if round_number < 1 else chance.uniform(0.5, 1.5)
            )
            entry = {
                "id": row_id(blueprint),
                "config": "repo2agent-search",
                "path": step.path,
                "step": number,
                "round": round_number,
            }
            entry |= {
                "candidate": name,
                "text": step.text,
                "seed": 0,
                "num_thought_tokens": 99,
                "num_prompt_tokens": 999,
                "num_body_tokens": 90,
            }
            entry |= {"num_target_tokens": 200, "nll": nll, "body_nll": nll, "overlap": 0.0}
            log.append({**entry, "accepted": name == "first", "reason": "another was better"})
        score = {f"{kind}_{name}": nll for name, nll in nlls.items() for kind in ("nll", "body_nll")}
        score |= {"nll": nlls["before"], "body_nll": nlls["before"], "rounds_accepted": 0, "step": number}
        score |= {"num_target_tokens": 200, "num_body_tokens": 90, "num_thought_tokens": 99, "gain": 0.1}
        scores.append({**score, "margin": 1e-3, "targets": [], "max_input_tokens": 8192, "ids_sha256": ""})
    provenance = Provenance("writer@1", "scorer@1", "prompts", 0, "0")
    row = trajectory_row(trajectory, blueprint, provenance, bytes_tokenizer, DEFAULT_LOSS_ROLES, scores)
    return row, log


def test_a_repository_of_300_files_stays_usable(browser, open_page, large) -> None:
    """Bounds are ten times what a shared machine with two cores needs, and more."""
    address = open_page(*large)
    assert Path(address.removeprefix("file://")).stat().st_size < 12e6
    timing = browser.execute_script("return performance.getEntriesByType('navigation')[0].toJSON()")
    assert 0 < timing["domInteractive"] < 15_000
    agents = browser.find_elements(By.CSS_SELECTOR, "details.agent")
    assert len(agents) == NUM_FILES
    assert not any(agent.get_property("open") for agent in agents[:5])  # there are many

    toggle = """
        const [target, done] = arguments;
        const start = performance.now();
        target.click();
        requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
    """
    summary = agents[NUM_FILES // 2].find_element(By.CSS_SELECTOR, ":scope > summary")
    assert browser.execute_async_script(toggle, summary) < 2_000
    assert agents[NUM_FILES // 2].get_property("open")
    assert browser.execute_async_script(toggle, summary) < 2_000
    assert not agents[NUM_FILES // 2].get_property("open")
    assert browser.execute_async_script(toggle, browser.find_element(By.ID, "unfold")) < 15_000

    search = browser.find_element(By.ID, "search")
    browser.find_element(By.TAG_NAME, "body").send_keys("/")
    assert browser.switch_to.active_element == search
    search.send_keys("module29")
    found = {path for path in (file["path"] for file in large[0]["files"]) if "module29" in path}
    assert browser.find_element(By.ID, "found").text == f"{len(found)} of {NUM_FILES} files"
    shown = """
        return [...document.querySelectorAll(arguments[0])]
            .filter(one => one.checkVisibility()).map(one => one.dataset.path);
    """
    for place in ("nav .index li", "details.agent", "table.files tr[data-path]"):
        assert set(browser.execute_script(shown, place)) == found
    search.send_keys(Keys.ENTER)
    browser.implicitly_wait(5)
    first = browser.find_element(By.CSS_SELECTOR, "nav .index li:not(.out)").get_attribute("data-path")
    browser.find_element(By.CSS_SELECTOR, f"details.agent[data-path='{first}'][open]")
    browser.implicitly_wait(0)
    search.send_keys(Keys.ESCAPE)
    assert len(browser.execute_script(shown, "details.agent")) == NUM_FILES
