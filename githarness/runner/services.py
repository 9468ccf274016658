"""The user's service manager, as far as one answers: systemctl, asked and told."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

_WAIT = 30.0  # seconds


def answers(environ: Mapping[str, str]) -> bool:
    """Whether there is one for this user: none in a container, and none over ssh without a session of its own."""
    return _systemctl(["show", "--property=Version"], environ) is None


def tell(arguments: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Why it would not, None where it did."""
    return _systemctl(arguments, environ)


def _systemctl(arguments: Sequence[str], environ: Mapping[str, str]) -> str | None:
    try:
        done = subprocess.run(["systemctl", "--user", *arguments], env=dict(environ), capture_output=True, text=True,
                              errors="replace", timeout=_WAIT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr.strip() or f"it ended with {done.returncode}" if done.returncode else None
