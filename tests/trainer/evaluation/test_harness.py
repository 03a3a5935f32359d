"""lm-evaluation-harness: our numbers are its own, taken apart into items."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import pytest

from builder import UserError, embedded_model
from trainer.evaluation import Request, Skip, load_model, mean_interval
from trainer.evaluation.harness import HarnessOptions, weighted

QUESTIONS = {
    "animals": [("The opposite of hot is", ["cold", "table"]), ("A dog is an", ["animal", "engine"])],
    "numbers": [
        ("One, two, three,", ["four", "blue"]),
        ("Two plus two is", ["seven", "four"]),
        ("7, 8,", ["9", "x"]),
    ],
}
CHOICE = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: 0
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
metadata: {{version: 3}}
"""
GROUP = """
group: choices
task: [animals, numbers]
aggregate_metric_list: [{metric: acc, weight_by_size: false}]
metadata: {version: 2}
"""
WRITTEN = """
task: written
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
output_type: generate_until
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_target: " {{{{choices[0]}}}}"
generation_kwargs: {{max_gen_toks: 3, do_sample: false, until: ["\\n"]}}
metric_list: [{{metric: exact_match}}]
metadata: {{version: 1}}
"""


@pytest.fixture(scope="module")
def tasks(tmp_path_factory) -> str:
    """A folder of tasks that need no download: a group that counts its two tasks alike, and one to write."""
    folder = tmp_path_factory.mktemp("tasks")
    for name, questions in QUESTIONS.items():
        lines = (json.dumps({"question": question, "choices": choices}) for question, choices in questions)
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
        (folder / f"{name}.yaml").write_text(CHOICE.format(name=name, file=folder / f"{name}.jsonl"))
    (folder / "choices.yaml").write_text(GROUP)
    (folder / "written.yaml").write_text(WRITTEN.format(file=folder / "numbers.jsonl"))
    return str(folder)


@pytest.mark.slow
def test_our_numbers_are_those_of_its_own_command_line(tasks, tmp_path):
    evaluated = load_model("embedded")
    ours = {
        name: HarnessOptions(tasks=name, include_path=tasks, batch_size=1).measure(evaluated, Request())[0]
        for name in ("choices", "written")
    }
    command = [
        sys.executable,
        "-m",
        "lm_eval",
        "run",
        "--model",
        "hf",
        "--device",
        "cpu",
        "--batch_size",
        "1",
    ]
    command += ["--model_args", f"pretrained={embedded_model()},dtype=float32", "--tasks", "choices,written"]
    command += ["--include_path", tasks, "--output_path", str(tmp_path), "--log_samples"]
    subprocess.run(command, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True)
    (results,) = (json.loads(file.read_text()) for file in tmp_path.rglob("results_*.json"))
    logged = {
        name: [
            json.loads(line) for line in next(tmp_path.rglob(f"samples_{name}_*")).read_text().splitlines()
        ]
        for name in ("animals", "numbers", "written")
    }
    for name, metric in (("choices", "acc"), ("written", "exact_match")):
        value = mean_interval(ours[name].items)[0]
        assert value == pytest.approx(results["results"][name][f"{metric},none"], abs=1e-12)
        assert ours[name].source["version"] == str(results["versions"][name])
        for item in ours[name].items:
            task, _, number = item["id"].partition("/")
            (theirs,) = (sample for sample in logged[task] if sample["doc_id"] == int(number))
            assert item["value"] == theirs[metric]
            assert item["prompt_sha256"] == theirs["prompt_hash"]
            assert item["response"] in (None, theirs["filtered_resps"][0])
    assert 0 < mean_interval(ours["choices"].items)[0] < 1 or ours["written"].items[0]["response"]


def test_a_group_becomes_the_items_of_its_tasks(tasks, evaluated):
    options = HarnessOptions(tasks=["choices"], include_path=tasks, limit=3, label="two")
    (measure,) = options.measure(evaluated, Request())
    assert measure.name == "lm-eval/two"
    assert [item["id"] for item in measure.items] == [
        f"{name}/{number}" for name, questions in QUESTIONS.items() for number in range(len(questions))
    ]
    means = [
        sum(item["value"] for item in measure.items if item["id"].startswith(name)) / len(questions)
        for name, questions in QUESTIONS.items()
    ]
    assert mean_interval(measure.items)[0] == pytest.approx(sum(means) / 2)
    assert (measure.unit, measure.better) == ("accuracy", "higher")
    assert measure.source == {
        "harness": "lm-eval",
        "task": "choices",
        "version": "2",
        "num_fewshot": 0,
        "metric": "acc",
        "filter": "none",
    }


def test_items_are_weighted_as_the_harness_weights_them():
    samples = {
        name: [{"doc": n, "value": v, "prompt": "", "response": None} for n, v in enumerate(values)]
        for name, values in {"a": [1.0], "b": [0.0, 0.0, 1.0]}.items()
    }
    for reported in ([0.5], [2 / 3], [1.0, 1 / 3]):  # by sample; by task; by task, for two tasks
        items = weighted(samples, reported)
        assert items is not None
        assert math.isclose(mean_interval(items)[0], sum(reported) / len(reported))
    assert weighted(samples, [0.6]) is None
    assert weighted(samples, [None]) is None


def test_what_cannot_be_measured_says_why(tasks, evaluated, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    with pytest.raises(Skip, match="gsm8k cannot be set up here"):
        HarnessOptions(tasks=["gsm8k"], include_path=tasks).measure(evaluated, Request(limit=1))
    with pytest.raises(Skip, match="reads 4096 tokens"):
        HarnessOptions(tasks=["ruler"], metadata={"max_seq_lengths": [65536]}).measure(evaluated, Request())
    with pytest.raises(UserError, match="no task gsm8q"):
        HarnessOptions(tasks=["gsm8q"], include_path=tasks).measure(evaluated, Request())
    with pytest.raises(UserError, match="there are acc, acc_norm of none"):
        HarnessOptions(tasks=["animals"], metric="f1", include_path=tasks).measure(evaluated, Request())
