"""The command `githarness`: runs the command line and turns whatever goes wrong into one printed error."""

from __future__ import annotations

import errno
import os
import platform
import sys
import tempfile
import traceback

from githarness import __version__, settings
from githarness.cli import app, out
from githarness.cli.flags import hoist
from githarness.errors import HarnessError, Internal, Interrupted, Unavailable

_NO_DEFECTS = (errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM)
_BROKEN_PIPE = 141  # what a shell shows for a program that SIGPIPE ended, as git does


def main() -> None:
    out.set_up()
    try:
        code = _run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        out.drop_stdout()
        code = _BROKEN_PIPE
    sys.exit(code)


def _run(argv: list[str]) -> int:
    try:
        return app.run(argv)
    except BrokenPipeError:
        raise
    except HarnessError as error:
        problem = error
    except KeyboardInterrupt:
        problem = Interrupted("interrupted")
    except Exception as error:
        problem = _of_machine(error) or _internal(error)
    front, _ = hoist(argv)
    out.error(problem, as_json="--json" in front, color="--no-color" not in front and settings.load().color)
    return problem.exit_code


def _of_machine(error: Exception) -> Unavailable | None:
    """What no code can do anything about, wherever it strikes."""
    if not isinstance(error, OSError) or error.errno not in _NO_DEFECTS:
        return None
    where = f" at '{error.filename}'" if error.filename else ""
    return Unavailable(f"the system says '{os.strerror(error.errno)}'{where}",
                       fix="free disk space, inodes or file descriptors (df -h, df -i, ulimit -n), then repeat")


def _internal(error: Exception) -> Internal:
    """Keeps the traceback in a file that the person can paste; argv stays out of it, it may hold what is private."""
    text = "".join(traceback.format_exception(error))
    head = f"githarness {__version__}, Python {platform.python_version()}, {platform.platform()}\n\n"
    path = _kept(head + text)
    return Internal(
        f"internal error: {type(error).__name__}: {error}",
        fix=f"report it with the log '{path}'" if path else "repeat it where a log can be written",
        details={"log": path},
    )


def _kept(text: str) -> str | None:
    try:
        descriptor, path = tempfile.mkstemp(prefix="githarness-error-", suffix=".log")
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as log:
            log.write(text)
    except OSError:
        return None
    return path


if __name__ == "__main__":
    main()
