"""What the search costs and what it finds, with the embedded 135M model: `make bench-search`.

Cost: one thought's scorings on the pocket server, beside the least number of tokens that they need and beside
the same scorings without a shared prefix. Both sides take turns; medians of several rounds.

Evidence: six small packages are built and searched, with the control of random acceptance; the thoughts that
were accepted are scored again from scratch; a second scorer, the same model after training on other code,
judges them. Everything is kept in the cache: an interrupted run goes on where it was.

    python benchmarks/search.py --only cost
    python benchmarks/search.py --only evidence

Ends with status 1 where a promise on cost or on reproduction does not hold. What thoughts gain is no promise.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer

from builder import BuildConfig, embedded_model
from builder.agents import AgentOptions
from builder.cache import cache_home
from builder.llm import connect, pocket_server
from builder.report import Report, Rescoring, collect, conclusions, rounds_table, write_report
from builder.report.evidence import SEARCHED
from builder.rows import built_files, read_rows
from builder.scale import build
from builder.search import Scorer, SearchOptions, choose_target
from builder.structure import analyze
from builder.trajectory import from_row

CONTEXT, THOUGHT, TARGET, SCORINGS = 4000, 100, 300, 7
MOST_TOKENS, MOST_TIME = 1.15, 1 / 3  # of the least number of tokens; of the time without reuse
PACKAGES = [
    "pkg:pypi/iniconfig@2.3.1",
    "pkg:pypi/itsdangerous@2.2.0",
    "pkg:pypi/blinker@1.9.0",
    "pkg:pypi/outcome@1.3.0.post0",
    "pkg:pypi/sniffio@1.3.1",
    "pkg:pypi/tomli@2.2.1",
]
# What the second scorer is trained on: nothing that the first one searches.
OTHERS = ["pkg:pypi/zipp@3.21.0", "pkg:pypi/markupsafe@3.0.2", "pkg:pypi/exceptiongroup@1.2.2"]
TRAINING_STEPS = 16
IN_WHOLE = 10  # thoughts that are scored again in the whole document
CONFIGS = (SEARCHED, "repo2agent-random", "search-log")
ROOT = Path(__file__).parents[1]
SEARCH = SearchOptions(candidates=2, rounds=3, window_tokens=192, num_windows=1, context_tokens=1536)
AGENTS = AgentOptions(max_thought_tokens=96, max_prompt_chars=2400)


def main() -> None:
    """Run what is asked for; print its lines and tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("cost", "evidence"), help="one of the two parts")
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds of the cost, of which the median counts"
    )
    options = parser.parse_args()
    failed = []
    if options.only != "evidence":
        failed += cost(options.rounds)
    if options.only != "cost":
        failed += evidence(cache_home() / "benchmarks" / "search")
    for line in failed:
        print(f"FAILED: {line}")
    sys.exit(1 if failed else 0)


# Cost


def cost(num_rounds: int) -> list[str]:
    """Print tokens and time of one thought's scorings; returns the promises that do not hold."""
    tokenizer = AutoTokenizer.from_pretrained(embedded_model())
    least = CONTEXT + SCORINGS * (THOUGHT + TARGET)
    tokens, shared, apart = [], [], []
    with pocket_server() as url:
        for number in range(num_rounds):
            computed, seconds = asyncio.run(score_all(url, requests(tokenizer, number, one_context=True)))
            tokens.append(computed / least)
            shared.append(seconds)
            apart.append(asyncio.run(score_all(url, requests(tokenizer, number, one_context=False)))[1])
    share = statistics.median(tokens)
    ratio = statistics.median(a / b for a, b in zip(shared, apart, strict=True))
    print(
        f"{SCORINGS} scorings of {TARGET} tokens after {THOUGHT}-token thoughts in a context of {CONTEXT}, "
        f"median of {num_rounds}:\n"
        f"  {share:.3f} times the least number of tokens ({least}), promised {MOST_TOKENS}\n"
        f"  {ratio:.3f} of the time without reuse ({statistics.median(shared):.1f} s of "
        f"{statistics.median(apart):.1f} s), promised {MOST_TIME:.3f}\n"
    )
    return [
        f"{what}: {value:.3f} is more than {most:.3f}"
        for what, value, most in (("tokens", share, MOST_TOKENS), ("time", ratio, MOST_TIME))
        if value > most
    ]


def requests(tokenizer: Any, number: int, one_context: bool) -> list[tuple[list[int], list[int]]]:
    """Context with thought, and target. Contexts are one, or differ from their first line on."""

    def ids(line: str, length: int) -> list[int]:
        """Just ``length`` ids, of whole lines: a server that takes text finds the same joins."""
        one = tokenizer(line, add_special_tokens=False)["input_ids"]
        short = tokenizer("x\n", add_special_tokens=False)["input_ids"]
        rest = length % len(one)
        return short * (rest // len(short)) + one * (length // len(one))

    found = []
    for place in range(SCORINGS):
        name = f"{number}_shared" if one_context else f"{number}_{place}"
        context = ids(f"def section_{name}(name): return sections[name]\n", CONTEXT)
        thought = ids(f"I keep {place} values and check each line in turn.\n", THOUGHT)
        target = ids("key, value = line.split('='); table[key] = value.strip()\n", TARGET)
        found.append(([*context, *thought], target))
    return found


async def score_all(url: str, calls: list[tuple[list[int], list[int]]]) -> tuple[int, float]:
    """Score ``calls`` at once; tokens that the server computed, and seconds."""
    async with connect(url) as model:
        before, began = computed_tokens(url), time.perf_counter()
        await asyncio.gather(*(model.score(*call) for call in calls))
        return computed_tokens(url) - before, time.perf_counter() - began


def computed_tokens(url: str) -> int:
    """The server's own count of prompt tokens that went through the model."""
    text = httpx2.get(f"{url}/metrics", trust_env=False).text
    name = "prefill_tokens_computed_total"
    return int(next(line.split()[-1] for line in text.splitlines() if name in line and line[0] != "#"))


# Evidence


def evidence(home: Path) -> list[str]:
    """Build, judge and print; returns the promises that do not hold."""
    dataset, judge = home / "dataset", home / "judge"
    if not built_files(dataset, SEARCHED):
        config = BuildConfig(
            store=str(home / "answers.sqlite"),
            configs=CONFIGS,
            agents=AGENTS,
            search=SEARCH,
            validation=0.0,
            test=0.0,
        )
        home.mkdir(parents=True, exist_ok=True)
        build(dataset, PACKAGES, config)
    train(home / "others", judge)
    with pocket_server() as scorer, pocket_server(str(judge)) as second:
        failed = asyncio.run(reproduce(dataset, scorer))
        windows = {"window_tokens": SEARCH.window_tokens, "num_windows": SEARCH.num_windows}
        report = collect(
            dataset,
            Rescoring(judge=second, sample=1000, context_tokens=SEARCH.context_tokens, **windows),
        )
        # Contexts are several times as long: a few thoughts have to do.
        whole = collect(dataset, Rescoring(scorer=scorer, sample=IN_WHOLE, **windows))
        report.rescored |= whole.rescored
        print_report(report)
        print(f"\nthe page: {write_report(report, home / 'report')}")
    return failed


def train(others: Path, judge: Path) -> None:
    """The embedded model after some steps on other code."""
    if (judge / "config.json").is_file():
        return
    config = BuildConfig(configs=("raw-repos",), validation=0.0, test=0.0)
    build(others, OTHERS, config)
    subprocess.run(
        [
            *(Path(sys.executable).with_name("accelerate"), "launch"),
            *("--config_file", ROOT / "configs/accelerate/single.yaml", ROOT / "trainer/cpt.py"),
            *("--config", ROOT / "configs/cpt/smollm2_cpu.yaml", "--dataset_name", others),
            *("--dataset_config", "raw-repos", "--max_rows", str(TRAINING_STEPS)),
            *("--max_steps", str(TRAINING_STEPS), "--learning_rate", "1e-4", "--output_dir", judge),
        ],
        check=True,
        cwd=ROOT,
    )


async def reproduce(dataset: Path, url: str) -> list[str]:
    """Score every rewritten thought anew, without the store; those whose NLL is not within its margin."""
    failed, differences = [], []
    async with connect(url, scoring=True) as model:
        scorer = Scorer(model, SEARCH.context_tokens)
        for row in read_rows(dataset, SEARCHED):
            trajectory = from_row(row)
            blueprint = analyze(trajectory.repository)
            for score in (score for score in row["scores"] if score["rounds_accepted"]):
                path = trajectory.steps[score["step"]].path
                target = choose_target(
                    blueprint, path, model.tokenizer, SEARCH.window_tokens, SEARCH.num_windows
                )
                assert target is not None
                again = await scorer.score(trajectory, path, target)
                difference = abs(again.nll - score["nll"])
                differences.append(difference)
                if difference > score["margin"] or again.ids_sha256 != score["ids_sha256"]:
                    failed.append(f"{row['id']} {path}: {again.nll} and not {score['nll']}")
    print(
        f"{len(differences)} accepted thoughts scored again from scratch: largest difference "
        f"{max(differences, default=0.0):.2g} nats a token"
    )
    return failed


def print_report(report: Report) -> None:
    """The tables of the page, for a terminal."""
    console = Console(highlight=False)
    header, *lines = rounds_table(report.found)
    table = Table(*header, title=f"{len(report.found.thoughts)} thoughts")
    for line in lines:
        table.add_row(*line)
    console.print(table)
    table = Table("gain beyond the best control (nats a token)", "mean", "95 % interval")
    for name, interval in report.gains().items():
        table.add_row(name, f"{interval.mean:+.4f}", f"{interval.low:+.4f} to {interval.high:+.4f}")
    console.print(table)
    for line in conclusions(report):
        console.print(line["text"])


if __name__ == "__main__":
    main()
