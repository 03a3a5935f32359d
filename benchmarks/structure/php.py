"""PHP names beside composer and php-parser, on the upstream archives of Debian's source packages.

composer tells in which file each class is, and which files it always loads (``dump-autoload``, without
scripts or plugins); php-parser tells the full names that each file uses. Together they give edges between
files: uses of classes, and of functions and constants that an always loaded file declares. Includes are no
part of it.

Nothing of a project is run: both tools read a copy of the files that were read here. They come from Debian
(``composer``, ``php-cli``, ``php-parser``), as do the archives, by ``apt-get source``.

    python benchmarks/structure/php.py --show --only twig
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from _measures import (
    Edge,
    broken_promises,
    compare,
    debian_source,
    run,
    slower,
    write_out,
)

from builder.repository import Repository, load
from builder.structure import analyze
from builder.structure.php.outline import GRAMMAR

# Debian's source package, its version, and the hash of the upstream archive.
PROJECTS = {
    "twig": (
        "php-twig",
        "3.5.1-1+deb12u3",
        "1c6b0b85a6076bc2a96e916121dbb473a650a521b4ff82036fb7806d78dfef03",
    ),
    "monolog": (
        "php-monolog",
        "2.9.1-1",
        "55d7d62eee001d4e68fe0d53841ede53bd583f4e0e3a172877d9a939f4b3c79e",
    ),
    "carbon": (
        "php-nesbot-carbon",
        "2.65.0-1+deb12u1",
        "92469cd4ac9ba25bdbfa35fe98fa3df5a9f975dcaf02a8f25a81219dc888f3a3",
    ),
    "doctrine": (
        "doctrine",
        "2.14.1+dfsg-1",
        "d27bdc159b1a940133c5c40eac6d49e2dc0a4cc6b3232731784967b243cb7f2f",
    ),
    "composer": (
        "composer",
        "2.5.5-1+deb12u5",
        "9d24f477e5a3c1c2ab12c1cf734a0d66d4572740d9edad44e462c5dc60983bce",
    ),
    "phpunit": (
        "phpunit",
        "9.6.7-1+deb12u1",
        "2e94011459b6cae0bafe6ab667d8111083a927fec138cc397044cc7a03e568b7",
    ),
    "laravel": (
        "php-laravel-framework",
        "8.83.26+dfsg-2",
        "dae1be708d1aea10f38be5a73cf8e583218a6a849a98797ae147b4975c328c84",
    ),
    "symfony": (
        "symfony",
        "5.4.53+dfsg-0+deb12u1",
        "515820883adad6d72924de6414d2f51f8a4eea5d95d836075c89abd4ae6471f1",
    ),
}
TARGET = 0.99  # of precision and of recall
TIMED = "laravel"
_KINDS = ("import", "same-package", "type-only")
_MAPS = """
foreach (["classmap", "files"] as $name) {
    $file = "vendor/composer/autoload_$name.php";
    $maps[] = is_file($file) ? require $file : [];
}
echo json_encode($maps);
"""


def check(name: str, folder: Path, show: bool) -> Iterator[str]:
    """Print one project's measures; what is not as promised comes back in words."""
    repository = load(debian_source(*PROJECTS[name]))
    blueprint = analyze(repository)
    theirs, read = oracle(repository, folder)
    included = {(edge.source, edge.target) for edge in blueprint.dependencies if edge.kind not in _KINDS}
    ours = {(edge.source, edge.target) for edge in blueprint.dependencies if edge.kind in _KINDS}
    # Of two kinds of edges between two files, the include is kept.
    ours |= included & theirs
    ours = {(source, target) for source, target in ours if source in read and target in read}
    if min(compare(name, ours, theirs, show)) < TARGET:
        yield f"{name}: precision or recall below {TARGET}"
    yield from broken_promises(name, repository, blueprint)
    if name == TIMED:
        yield from slower(name, repository, GRAMMAR, (".php",))


def oracle(repository: Repository, folder: Path) -> tuple[set[Edge], set[str]]:
    """The edges that composer and php-parser give, and the files that php-parser could read."""
    write_out(repository, folder, (".php", ".inc", "composer.json"))
    for manifest in folder.rglob("composer.json"):
        manifest.write_text(prepared(manifest.read_text(encoding="utf-8")), encoding="utf-8")
    classes, always = autoloaded(folder, folder)
    for manifest in sorted(folder.rglob("composer.json")):
        inside = f"{relative(manifest.parent, folder)}/"
        # A package on its own; those that the root replaces are in the root's rules.
        if manifest.parent != folder and not any(path.startswith(inside) for path in classes.values()):
            more, also = autoloaded(manifest.parent, folder)
            classes, always = more | classes, also | always
    paths = sorted(file.path for file in repository.files if file.path.endswith((".php", ".inc")))
    listed = "".join(f"{folder / path}\n" for path in paths)
    script = Path(__file__).with_name("php_names.php")
    output = subprocess.run(
        ["php", "-d", "memory_limit=-1", script], input=listed, capture_output=True, text=True
    )
    uses = {
        relative(path, folder): found for path, found in map(json.loads, output.stdout.splitlines()) if found
    }
    declared = {name: path for path in always.values() for name in uses.get(path, {}).get("declares", ())}
    edges = {
        (path, target)
        for path, found in uses.items()
        for form, where in (
            ("class", classes),
            ("type", classes),
            ("function", declared),
            ("constant", declared),
        )
        for name in found[form]
        if (target := where.get(name)) and target != path and target in uses
    }
    return edges, set(uses)


def prepared(manifest: str) -> str:
    """A composer.json without ``exclude-from-classmap``, by which an authoritative map lacks tests too.

    Nor with authors: composer refuses addresses that have been redacted.
    """
    try:
        settings = json.loads(manifest)
        settings.pop("authors", None)
        settings.get("autoload", {}).pop("exclude-from-classmap", None)
    except (ValueError, KeyError, TypeError, AttributeError):
        return manifest
    return json.dumps(settings)


def autoloaded(package: Path, root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The files of classes, and those that are always loaded, by composer's rules for one package."""
    environment = os.environ | {
        "COMPOSER_HOME": str(root / ".composer"),
        "COMPOSER_DISABLE_NETWORK": "1",
        "COMPOSER_ALLOW_SUPERUSER": "1",
    }
    command = [
        "composer",
        "dump-autoload",
        "--classmap-authoritative",
        "--dev",
        "--no-scripts",
        "--no-plugins",
    ]
    subprocess.run(command, cwd=package, env=environment, capture_output=True)
    output = subprocess.run(
        ["php", "-r", _MAPS], cwd=package, check=True, capture_output=True, text=True
    ).stdout
    # A map without keys is a list in JSON.
    maps = [dict(part) if isinstance(part, dict) else {} for part in json.loads(output)]
    shutil.rmtree(package / "vendor", ignore_errors=True)
    found = [{key: relative(path, root) for key, path in part.items()} for part in maps]
    return found[0], found[1]


def relative(path: str | Path, folder: Path) -> str:
    """A path as the repository has it."""
    return os.path.relpath(path, folder)


if __name__ == "__main__":
    run(__doc__, "PHP against composer and php-parser", PROJECTS, check, "apt-get", "composer", "php")
