"""What a user may ask of the repositories that a dataset is built from."""

from __future__ import annotations

from dataclasses import dataclass

# Likeness of sketches, measured on 388 packages and on copies of 40 of them. Of 75,000 pairs of packages the
# median is 0.00, the 99.9th percentile 0.05 and the largest 0.18 (toolz and its port cytoolz). Copies in
# another layout, with other file names and 5 % of lines changed: 0.56 and more, half of them above 0.72; with
# all names in the code changed as well: 0.52 and more; with 10 % of lines changed at that: 0.41 and more.
NEAR_DUPLICATES = 0.4


@dataclass(frozen=True)
class SelectOptions:
    """Which repositories are built from, and which of their files.

    Attributes:
        licenses: SPDX ids of the licences that are allowed; `permissive` stands for all such licences, `any`
            switches the check off. None: `permissive` for what is fetched (packages, git, rows of a dataset);
            directories and archives are taken as they are.
        min_files: Fewest included files.
        max_files: Most included files.
        min_bytes: Fewest bytes of included text.
        max_bytes: Most bytes of included text.
        languages: Names as linguist gives them; a repository stays if most bytes of its code are in these.
            None given: all languages.
        opt_out: Repositories to leave out: identities (`github.com/owner/name`, `owner/name`,
            `pkg:pypi/name`), patterns of them (`github.com/owner/*`), or files with one on each line.
        near_duplicates: Similarity from which a repository counts as a copy of an earlier one; 0 switches
            the search for near copies off.
        benchmarks: Benchmarks whose problems and solutions must not be in a file: `humaneval`, or files with
            one passage a line (JSONL: the strings of each object).
    """

    licenses: tuple[str, ...] | None = None
    min_files: int = 1
    max_files: int = 5_000
    min_bytes: int = 1
    max_bytes: int = 20_000_000
    languages: tuple[str, ...] = ()
    opt_out: tuple[str, ...] = ()
    near_duplicates: float = NEAR_DUPLICATES
    benchmarks: tuple[str, ...] = ("humaneval",)

    def __post_init__(self) -> None:
        for name in ("licenses", "languages", "opt_out", "benchmarks"):
            if isinstance(value := getattr(self, name), list):  # as YAML gives them
                object.__setattr__(self, name, tuple(value))
        for what in ("files", "bytes"):
            least, most = getattr(self, f"min_{what}"), getattr(self, f"max_{what}")
            if not 0 <= least <= most:
                raise ValueError(f"min_{what} and max_{what} must be 0 or more, in order: {least}, {most}")
        if not 0 <= self.near_duplicates <= 1:
            raise ValueError(f"near_duplicates must be between 0 and 1, but is {self.near_duplicates}")
