"""``python -m builder.llm.pocket``: one local model behind TGI's protocol, until it is stopped."""

from __future__ import annotations

import argparse
import sys

from builder.errors import UserError
from builder.llm.pocket import launch
from builder.llm.pocket.server import announce, leave_with, serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m builder.llm.pocket", description=__doc__)
    parser.add_argument("--model", help="directory or Hub id (default: the embedded model)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="0: any free one")
    parser.add_argument("--device", help="as torch names it (default: cuda where there is one, else cpu)")
    parser.add_argument("--max-concurrent-requests", type=int, default=128)
    parser.add_argument("--parent", type=int, help="go away with this process, and tell it when ready")
    options = parser.parse_args()
    if options.parent is not None:
        leave_with(options.parent)

    def report(url: str) -> None:
        print(f"{launch.READY}{url}", flush=True)

    try:
        serve(
            options.model,
            host=options.host,
            port=options.port,
            device=options.device,
            max_concurrent_requests=options.max_concurrent_requests,
            on_ready=announce if options.parent is None else report,
        )
    except UserError as error:
        if options.parent is None:
            print(error, file=sys.stderr)
        else:
            print(f"{launch.FAILED}{error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
