"""Large repositories: whatever their shape, every file counts and every prompt fits."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from builder.agents import AgentOptions, Team
from builder.agents.summaries import folders, groups, overview, tree
from builder.structure import analyze
from builder.trajectory import context_ranges, encode, render, take

NAMES = st.sampled_from(["a", "b", "core", "x.py", "y.py", "z"])
PATHS = st.lists(
    st.lists(NAMES, min_size=1, max_size=4).map("/".join), min_size=1, max_size=40, unique=True
).map(lambda paths: [f"{path}/f{number}.py" for number, path in enumerate(paths)])


@given(PATHS, st.integers(40, 400))
def test_each_purpose_is_told_once_and_every_prompt_fits(paths, max_chars):
    told: list[tuple[str, str]] = []

    async def summarise(place: str, contents: str, number: int) -> str:
        told.append((place, contents))
        return f"It is {place}."

    async def purpose(path: str) -> str:
        return f"purpose-of-{path}"

    lines = asyncio.run(overview({path: purpose(path) for path in paths}, summarise, max_chars))
    shown = "\n".join([*lines, *(contents for _, contents in told)])
    for path in paths:
        assert shown.count(f"purpose-of-{path}") == 1
    longest = max(len(line) for line in shown.split("\n"))
    assert len("\n".join(lines)) <= max(max_chars, longest)
    assert all(len(contents) <= max(max_chars, 2 * longest) + 1 for _, contents in told)
    assert {place for place, _ in told} <= {*folders(paths), "the project"}


@given(st.lists(st.text("ab", max_size=30), min_size=1, max_size=30), st.integers(1, 100))
def test_groups_keep_every_line_in_order(lines, max_chars):
    found = groups(lines, max_chars)
    assert [line for group in found for line in group] == lines
    assert all(len(group) > 1 for group in found[:-1])


@given(PATHS, st.integers(1, 400))
def test_a_tree_that_does_not_fit_is_told_by_folders(paths, max_chars):
    whole = "\n".join(paths)
    shown = tree(paths, max_chars)
    assert shown == whole or len(whole) > max_chars
    counts = [
        int(line.split(" (")[1].split()[0]) if line.endswith("files)") else 1 for line in shown.split("\n")
    ]
    assert sum(counts) == len(paths)


def large(num_files: int = 300) -> dict[str, str]:
    """A package in folders; each module needs the first of its folder and the one before it."""
    files = {"README.md": "# Large\n"}
    for number in range(num_files):
        folder, place = divmod(number, 25)
        imports = [f"from part{folder}.m0 import f"] if place else []
        imports += [f"from part{folder}.m{place - 1} import f as g"] if place > 1 else []
        body = "\n".join([*imports, "", "", "def f():", f"    return {number}", ""])
        files[f"part{folder}/m{place}.py"] = body
    return files


def test_a_plan_of_three_hundred_files_leaves_room_in_every_window(
    make_repository, scripted, bytes_tokenizer
):
    blueprint = analyze(make_repository(large()))
    model = scripted(answer=lambda messages, seed: "I care for one of many things here. " * 8)
    team = Team(blueprint, model, AgentOptions(), seed=0)
    trajectory = asyncio.run(team.simulate())
    assert len(model.generated) >= team.num_calls()
    assert sum(step.kind == "plan" for step in trajectory.steps) == 302
    longest = max(len(prompt) for prompt, _ in model.generated)
    assert longest < 3 * team.options.max_prompt_chars

    document = render(trajectory)
    encoded = encode(document.text, document.spans, bytes_tokenizer)
    limit = 4096
    for number, segment in enumerate(document.segments):
        if number % 60 == 0 or number == 300:
            write = next(
                n
                for n, step in enumerate(trajectory.steps)
                if (step.kind, step.path) == ("write", segment["path"])
            )
            span = next(n for n, s in enumerate(document.spans) if s["step"] == write and s["content"])
            ranges = context_ranges(document, encoded, encoded.ranges[span][0], limit)
            shown = bytes_tokenizer.decode(take(encoded.ids, ranges))
            assert "<requirement>" in shown
            assert f"\n- {segment['path']}" in f"\n{shown}"
            assert f'<implement path="{segment["path"]}">' in shown


def test_a_large_repository_is_summed_up_folder_by_folder(make_repository, scripted):
    blueprint = analyze(make_repository(large(150)))
    model = scripted(answer=lambda messages, seed: "It counts.")
    team = Team(blueprint, model, AgentOptions(), seed=0)
    asyncio.run(team.simulate())
    asked = [prompt for prompt, _ in model.generated]
    assert sum("The part part1 will hold" in prompt for prompt in asked) == 1
    (last,) = (prompt for prompt in asked if "Describe the architecture" in prompt)
    assert "- part2: It counts." in last
    assert model.waves == 4  # requirement, purposes, folders (and thoughts), overview
