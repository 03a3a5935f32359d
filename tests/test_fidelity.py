"""Ten real packages in seven languages: what their trajectories read, write and show is true."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from builder.config import BuildConfig
from builder.pipeline import Models, reconstruct
from builder.repository import load
from builder.rows import verify_dataset, write_dataset
from builder.trajectory import replay

# Source distributions, pinned by their hashes.
PACKAGES = {
    "attrs@26.1.0": "d03ceb89cb322a8fd706d4fb91940737b6642aa36998fe130a9bc96c985eff32",
    "flask@3.1.3": "0ef0e52b8a9cd932855379197dd8f94047b359ca0a78695144304cb45f87c9eb",
    "iniconfig@2.3.1": "67f4b9c50da0dedf52af349e7749a80a9057a5031199791b906c3bb3ae878960",
    "jpype1@1.5.2": "74a42eccf21d30394c1832aec3985a14965fa5320da087b65029d172c0cec43b",
    "jupyterlab-widgets@3.0.15": "2920888a0c2922351a9202817957a68c07d99673504d6cd37345299e971bb08b",
    "kiwisolver@1.4.8": "23d5f023bdc8c7e54eb65f03ca5d5bb25b601eac4d7f1a042888a1f45237987e",
    "lz4@4.4.3": "91ed5b71f9179bf3dbfe85d92b52d4b53de2e559aa4daa3b7de18e0dd24ad77d",
    "pythonnet@3.0.5": "48e43ca463941b3608b32b4e236db92d8d40db4c58a75ace902985f76dac21cf",
    "rpds-py@0.27.1": "26a1c73171d10b7acccbded82bf6a586ab8203601e565badc74bbbf8bc5a10f8",
    "zope.interface@8.1": "a02ee40770c6a2f3d168a8f71f09b62aec3e4fb366da83f8e849dbaa5b38d12f",
}
LANGUAGES = {"C", "C#", "C++", "Java", "Python", "Rust", "TypeScript"}
ARMS = ("repo2agent", "raw-repos", "spec-only")


@pytest.fixture(scope="module")
def built(scripted, tmp_path_factory):
    """The folder of the built packages, their rows, and the files as they were loaded."""
    model = scripted(answer=lambda messages, seed: f"I keep to the outline, step by step. {seed}")
    rows: dict[str, list] = {arm: [] for arm in ARMS}
    contents = []
    for package, digest in PACKAGES.items():
        repository = load(f"pkg:pypi/{package}?checksum=sha256:{digest}")
        result = asyncio.run(reconstruct(repository, Models(model, model), BuildConfig(), ["repo2agent"]))
        for arm in ARMS:
            rows[arm].append(result.rows[arm])
        contents.append({file.path: file.content for file in repository.files})
    folder = tmp_path_factory.mktemp("fidelity")
    write_dataset(folder, {arm: {"train": found} for arm, found in rows.items()})
    return folder, rows, contents


def test_every_row_verifies(built):
    folder, _, _ = built
    assert verify_dataset(folder) == dict.fromkeys(ARMS, len(PACKAGES))


def test_writes_give_the_files_as_they_were_loaded(built):
    _, rows, contents = built
    for arm in ARMS:
        assert [replay(row) for row in rows[arm]] == contents


def test_the_packages_are_in_many_languages(built):
    _, rows, _ = built
    outlined = Counter(
        file["language"]
        for row in rows["repo2agent"]
        for file in row["files"]
        if any(step["kind"] == "spec" and step["path"] == file["path"] for step in row["steps"])
    )
    assert set(outlined) >= LANGUAGES, outlined
