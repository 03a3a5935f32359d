"""The command line. Each command is one thin function; imports happen where they are needed."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from builder.config import BuildConfig, ClusterOptions, PlanOptions, ThroughputOptions, from_dict
from builder.errors import UserError

EXAMPLES = {
    "structure": "repo2agent structure path/to/repository --json",
    "build": "repo2agent build path/to/repository --output built --search.rounds 2",
    "plan": "repo2agent plan packages.jsonl --config configs/build/tgi.yaml --sample 20",
    "inspect": "repo2agent inspect built --row 0",
    "verify": "repo2agent verify built",
    "report": "repo2agent report built --output built/report",
    "serve": "repo2agent serve --model path/to/model --port 8080",
    "publish": "repo2agent publish built user/name",
}


def main(arguments: list[str] | None = None) -> None:
    """Parse, run one command, and turn a user's mistake into one line and exit status 1."""
    options = _parser().parse_args(arguments)
    command = options.pop("command")
    chosen = options.pop(command)
    try:
        COMMANDS[command](chosen)
    except UserError as error:
        print(f"repo2agent: error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("repo2agent: interrupted; start it again to go on where it was", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `repo2agent inspect … | head`
        sys.stderr.close()


def structure(options: Namespace) -> None:
    """Print the files of a repository, what depends on what, and the order of writing (--json: outlines)."""
    from builder.repository import load
    from builder.structure import analyze, as_dot, as_json, tree

    repository = load(options.path, include=options.include, exclude=options.exclude)
    blueprint = analyze(repository, workers=options.workers, languages=options.language)
    if options.json:
        import json

        print(json.dumps(as_json(blueprint), indent=2, ensure_ascii=False))
    else:
        print(as_dot(blueprint) if options.dot else tree(blueprint))


def build(options: Namespace) -> None:
    """Turn repositories into a trajectory dataset."""
    from builder.scale import build as build_here
    from builder.scale import build_with

    config = from_dict({entry.name: options.as_dict()[entry.name] for entry in fields(BuildConfig)})
    what = (options.output, options.repos, config)
    if options.executor is None:
        job = build_here(*what, overwrite=options.overwrite)
    else:
        cluster = ClusterOptions(**options.cluster.as_dict())
        cluster = replace(cluster, tasks=options.tasks or cluster.tasks)
        job = build_with(options.executor, *what, cluster, overwrite=options.overwrite)
        if options.executor == "slurm":
            print(f"{options.output}: submitted; squeue shows it, and .build/datatrove in it has the logs")
            return
    sums = job.sums()
    raw, tokens = sums["num_raw_tokens"], sums["num_tokens"]
    ratio = f" ({tokens / raw:.2f} times as plain code)" if raw else ""
    print(
        f"{options.output}: {sums['num_repositories']} repositories, {sums['num_files']} files, "
        f"{tokens} tokens{ratio}; read it with load_dataset({options.output!r})"
    )
    if left_out := Counter(record.reason for record in job.left_out()):
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.most_common())
        print(f"left out: {reasons}; the config left-out names each")


def plan(options: Namespace) -> None:
    """Estimate what a build would come to, before it costs anything: calls, tokens, GPU-hours, disk."""
    from builder.scale import plan as estimate

    values = options.as_dict()
    config = from_dict({entry.name: values[entry.name] for entry in fields(BuildConfig)})
    throughput = ThroughputOptions(**values["throughput"])
    chosen = PlanOptions(options.sample, options.answer_share, options.survey, throughput)
    forecast = estimate(options.repos, config, chosen, options.output)
    if options.json:
        import json

        print(json.dumps(forecast.as_json(), indent=2))
    else:
        print(forecast.as_text(), end="")


def inspect(options: Namespace) -> None:
    """Print a trajectory for reading: who speaks, what carries loss, and the score of each thought."""
    from builder.rows import inspect_row, print_summary, write_html

    if options.summary:
        print_summary(Path(options.dataset), Path(options.trained) if options.trained else None)
    elif options.html:
        print(write_html(Path(options.dataset), options.config_name, options.row, Path(options.html)))
    else:
        inspect_row(Path(options.dataset), options.config_name, options.row, options.full)


def verify(options: Namespace) -> None:
    """Check that the rows of a dataset are true: reads, writes and order fit together and fit the code."""
    from builder.rows import verify_dataset

    for config, number in verify_dataset(Path(options.dataset), tuple(options.config_name)).items():
        print(f"{config}: {number} rows hold")


def report(options: Namespace) -> None:
    """Write what the search found as a web page with charts: gains, controls, rounds, lengths, cost."""
    from builder.report import Rescoring, collect, write_report

    dataset = Path(options.dataset)
    output = Path(options.output) if options.output else dataset / "report"
    again = Rescoring(options.scorer, options.judge, options.tokenizer, options.sample)
    print(write_report(collect(dataset, again), output))


def serve(options: Namespace) -> None:
    """Serve a local model behind TGI's protocol (generation and prompt log-probs) until interrupted."""
    from builder.llm import serve as serve_model

    serve_model(options.model, host=options.host, port=options.port)


def publish(options: Namespace) -> None:
    """Push a built dataset to the Hub, as a private dataset unless told otherwise; again to go on."""
    from builder.hub import publish as push

    print(push(Path(options.dataset), options.name, private=not options.public))


COMMANDS = {
    "structure": structure,
    "build": build,
    "plan": plan,
    "inspect": inspect,
    "verify": verify,
    "report": report,
    "serve": serve,
    "publish": publish,
}


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="repo2agent",
        description="Source repositories turned back into the work that made them.",
        epilog="repo2agent COMMAND --help shows the options of a command and an example.",
    )
    commands = parser.add_subcommands(required=True, dest="command", metavar="COMMAND")
    for name, function in COMMANDS.items():
        one = ArgumentParser(description=f"{function.__doc__}", epilog=f"example: {EXAMPLES[name]}")
        one.add_argument("--config", action="config", help="a YAML file with these options")
        _ADD[name](one)
        commands.add_subcommand(name, one, help=(function.__doc__ or "").split(":")[0].rstrip("."))
    return parser


def _add_structure(parser: ArgumentParser) -> None:
    parser.add_argument("path", help="a directory, an archive or a package URL")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--dot", action="store_true", help="print the dependency graph for Graphviz")
    for name, what in {
        "include": "patterns as in .gitignore: read only what one of them covers",
        "exclude": "patterns as in .gitignore: leave out what one of them covers",
        "language": "languages as linguist names them: read only files in one of these",
    }.items():
        parser.add_argument(f"--{name}", type=str, nargs="+", default=[], help=what)
    parser.add_argument("--workers", type=int, default=1, help="processes that read a large repository")


def _add_build(parser: ArgumentParser) -> None:
    parser.add_argument("--output", default="built", help="the folder to write the dataset to")
    _add_what_to_build(parser)


def _add_plan(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=str | None, default=None, help="the build's folder, which is spared another survey"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_class_arguments(PlanOptions, None)
    _add_what_to_build(parser)  # also where it changes no estimate: a build's own options will do


def _add_what_to_build(parser: ArgumentParser) -> None:
    parser.add_argument("repos", type=str, nargs="*", default=[], help="directories, archives, package URLs")
    parser.add_argument(
        "--overwrite", action="store_true", help="build anew where the folder holds a build of something else"
    )
    parser.add_argument(
        "--executor", type=str | None, default=None, help="local, ray or slurm: tasks on many machines"
    )
    parser.add_argument("--tasks", type=int | None, default=None, help="a shorthand for --cluster.tasks")
    parser.add_class_arguments(BuildConfig, None)
    parser.add_class_arguments(ClusterOptions, "cluster")


def _add_inspect(parser: ArgumentParser) -> None:
    parser.add_argument("dataset", help="a built folder")
    parser.add_argument("--row", type=int, default=0, help="which row, counted from 0")
    parser.add_argument("--config_name", default="repo2agent-search", help="which config of the dataset")
    parser.add_argument("--full", action="store_true", help="print file contents whole")
    parser.add_argument(
        "--html", type=str | None, default=None, help="write the row to this file instead, as one web page"
    )
    parser.add_argument(
        "--summary", action="store_true", help="print the figures of the whole dataset instead"
    )
    parser.add_argument(
        "--trained", type=str | None, default=None, help="with --summary: a model trained on it"
    )


def _add_verify(parser: ArgumentParser) -> None:
    parser.add_argument("dataset", help="a built folder")
    parser.add_argument(
        "--config_name", type=str, nargs="+", default=[], help="which configs of the dataset; default: all"
    )


def _add_report(parser: ArgumentParser) -> None:
    parser.add_argument("dataset", help="a built folder, with the configs repo2agent-search and search-log")
    parser.add_argument(
        "--output", type=str | None, default=None, help="the folder to write to; default: DATASET/report"
    )
    for name, what in {
        "scorer": "URL of the scorer, or `embedded`: a sample is scored again in the whole document",
        "judge": "URL of a model that took no part in the search, or `embedded`, to score the sample too",
        "tokenizer": "the judge's tokenizer (a path or Hub id)",
    }.items():
        parser.add_argument(f"--{name}", type=str | None, default=None, help=what)
    parser.add_argument("--sample", type=int, default=24, help="how many thoughts are scored again")


def _add_serve(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--model", type=str | None, default=None, help="a model folder; default: the embedded one"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=8080, help="the port to listen on")


def _add_publish(parser: ArgumentParser) -> None:
    parser.add_argument("dataset", help="a built folder")
    parser.add_argument("name", help="user/name on the Hub")
    parser.add_argument("--public", action="store_true", help="make it readable by everybody")


_ADD: dict[str, Any] = {
    "structure": _add_structure,
    "build": _add_build,
    "plan": _add_plan,
    "inspect": _add_inspect,
    "verify": _add_verify,
    "report": _add_report,
    "serve": _add_serve,
    "publish": _add_publish,
}


if __name__ == "__main__":
    main()
