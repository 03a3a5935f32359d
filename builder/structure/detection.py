"""Which language a file is in, as linguist names them: by name, suffix or shebang."""

from __future__ import annotations

import re

_SHEBANG = re.compile(r"#!\s*\S*?(?:/env\s+(?:-\S+\s+)*)?([\w.+-]+)(?:\s|$)")
_MAX_SHEBANG = 256  # characters; Linux reads as many
_INTERPRETERS = {
    "bash": "Shell", "dash": "Shell", "ksh": "Shell", "sh": "Shell", "zsh": "Shell", "awk": "Awk",
    "lua": "Lua", "node": "JavaScript", "perl": "Perl", "php": "PHP", "python": "Python",
    "pypy": "Python", "Rscript": "R", "ruby": "Ruby", "jruby": "Ruby", "rake": "Ruby",
    "deno": "TypeScript", "make": "Makefile",
}  # fmt: skip
_NAMES = {
    "CMakeLists.txt": "CMake", "Dockerfile": "Dockerfile", "GNUmakefile": "Makefile",
    "Makefile": "Makefile", "makefile": "Makefile", "Gemfile": "Ruby", "Rakefile": "Ruby",
    "rakefile": "Ruby", "Appraisals": "Ruby", "Berksfile": "Ruby", "Brewfile": "Ruby", "Capfile": "Ruby",
    "Dangerfile": "Ruby", "Fastfile": "Ruby", "Guardfile": "Ruby", "Podfile": "Ruby", "Puppetfile": "Ruby",
    "Steepfile": "Ruby", "Thorfile": "Ruby", "Vagrantfile": "Ruby", ".irbrc": "Ruby", ".pryrc": "Ruby",
    ".simplecov": "Ruby",
    "go.mod": "Go Module", "go.sum": "Go Checksums", "go.work": "Go Workspace", "SConstruct": "Python",
    "Pipfile": "TOML", "Cargo.lock": "TOML", "poetry.lock": "TOML", "uv.lock": "TOML", "pdm.lock": "TOML",
    "meson.build": "Meson", "BUILD": "Starlark", "WORKSPACE": "Starlark", ".gitignore": "Ignore List",
    ".dockerignore": "Ignore List", ".npmignore": "Ignore List", ".gitattributes": "Git Attributes",
    ".gitmodules": "Git Config", ".editorconfig": "EditorConfig", "composer.lock": "JSON",
}  # fmt: skip
_SUFFIXES = {
    "py": "Python", "pyi": "Python", "pyw": "Python", "pyx": "Cython", "pxd": "Cython", "pxi": "Cython",
    "ipynb": "Jupyter Notebook", "js": "JavaScript", "cjs": "JavaScript", "mjs": "JavaScript",
    "jsx": "JavaScript", "ts": "TypeScript", "cts": "TypeScript", "mts": "TypeScript", "tsx": "TSX",
    "go": "Go", "java": "Java", "c": "C", "h": "C", "cc": "C++", "cpp": "C++", "cxx": "C++", "hh": "C++",
    "hpp": "C++", "hxx": "C++", "c++": "C++", "h++": "C++", "inl": "C++", "ipp": "C++", "tcc": "C++",
    "tpp": "C++", "txx": "C++", "ixx": "C++", "cppm": "C++", "rs": "Rust", "cs": "C#",
    "rb": "Ruby", "rake": "Ruby", "gemspec": "Ruby", "ru": "Ruby", "rbi": "Ruby", "jbuilder": "Ruby",
    "podspec": "Ruby", "rabl": "Ruby", "thor": "Ruby",
    "php": "PHP", "php3": "PHP", "php4": "PHP", "php5": "PHP", "phps": "PHP", "ctp": "PHP",
    "phtml": "HTML+PHP",
    "kt": "Kotlin", "kts": "Kotlin", "swift": "Swift", "scala": "Scala", "m": "Objective-C",
    "mm": "Objective-C++", "pl": "Perl", "pm": "Perl", "lua": "Lua", "r": "R", "jl": "Julia",
    "hs": "Haskell", "ex": "Elixir", "exs": "Elixir", "erl": "Erlang", "clj": "Clojure", "dart": "Dart",
    "zig": "Zig", "ml": "OCaml", "mli": "OCaml", "f90": "Fortran Free Form", "sh": "Shell",
    "bash": "Shell", "zsh": "Shell", "fish": "fish", "ps1": "PowerShell", "bat": "Batchfile",
    "sql": "SQL", "proto": "Protocol Buffer", "cu": "Cuda", "cuh": "Cuda", "asm": "Assembly",
    "s": "Assembly", "vue": "Vue", "svelte": "Svelte", "html": "HTML", "htm": "HTML", "css": "CSS",
    "scss": "SCSS", "less": "Less", "j2": "Jinja", "jinja": "Jinja", "jinja2": "Jinja", "tf": "HCL",
    "nix": "Nix", "cmake": "CMake", "mk": "Makefile", "bzl": "Starlark", "md": "Markdown",
    "markdown": "Markdown", "rst": "reStructuredText", "adoc": "AsciiDoc", "tex": "TeX", "bib": "BibTeX",
    "txt": "Text", "toml": "TOML", "yaml": "YAML", "yml": "YAML", "json": "JSON", "json5": "JSON5",
    "jsonl": "JSON", "ini": "INI", "cfg": "INI", "xml": "XML", "xsd": "XML", "svg": "SVG", "csproj": "XML",
    "props": "XML", "targets": "XML", "projitems": "XML", "csv": "CSV", "tsv": "TSV",
    "po": "Gettext Catalog", "pot": "Gettext Catalog", "diff": "Diff", "patch": "Diff",
}  # fmt: skip
# Libraries of C++ have headers without a suffix, like the standard one, and fragments in files called `.inc`.
_CPP_HEADER = re.compile(
    r"(?:\s|//[^\n]*|/\*.*?\*/)*+#\s*(?:include\s*[<\"]|pragma once\b|ifndef\s+(\w+)\s+#\s*define\s+\1\b)",
    re.DOTALL,
)
# Suffixes that sources in PHP have among others: fragments, and the parts of Drupal's modules and themes.
_PHP_SUFFIXES = ("", "inc", "module", "install", "theme", "profile", "engine", "test")
_PHP_OPENING = re.compile(r"\s*+<\?php\b")
_NOT_CODE = {
    "Markdown", "reStructuredText", "AsciiDoc", "Text", "TeX", "BibTeX", "TOML", "YAML", "JSON", "JSON5",
    "INI", "XML", "SVG", "CSV", "TSV", "Gettext Catalog", "Diff", "Ignore List", "Git Attributes",
    "Git Config", "EditorConfig", "Go Module", "Go Checksums", "Go Workspace",
}  # fmt: skip


def detect(path: str, content: str) -> str:
    """The language of a file as linguist names it, by name, suffix or shebang; ``""`` if unknown."""
    name = path.rpartition("/")[2]
    if name in _NAMES:
        return _NAMES[name]
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if suffix in _PHP_SUFFIXES and _PHP_OPENING.match(content):
        return "PHP"
    if suffix in ("", "inc") and _CPP_HEADER.match(content):
        return "C++"
    if match := _SHEBANG.match(content[:_MAX_SHEBANG]):
        return _INTERPRETERS.get(match[1].rstrip("0123456789."), "")
    return ""


def is_code(language: str) -> bool:
    """Whether a language is written to be run: neither prose nor data, markup or settings."""
    return bool(language) and language not in _NOT_CODE
