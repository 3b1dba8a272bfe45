"""The command line: parse, ask the engine, print. Exit codes are those of `errors`.

Imports of weight happen inside the commands, so that `--help` stays fast.
"""

from __future__ import annotations

import sys


def main() -> None:
    """The `npubench` command."""
    from npubench.cli.app import app
    from npubench.errors import NpubenchError
    from npubench.lang import here

    try:
        app(prog_name="npubench")
    except NpubenchError as error:
        print(f"npubench: {error}", file=sys.stderr)  # noqa: T201
        if error.hint:
            print(f"  → {error.hint}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print(f"npubench: {here('interrupted', '중단됨')}", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    except BrokenPipeError:
        # `npubench … | head`: the reader has gone; nothing is wrong.
        sys.stderr.close()
        sys.exit(0)
