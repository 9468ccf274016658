"""Keys of every kind, made by ssh-keygen once a session."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

KINDS = {"ed25519": "256", "ecdsa-256": "256", "ecdsa-384": "384", "ecdsa-521": "521", "rsa-2048": "2048"}


@pytest.fixture(scope="session")
def key_files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    for name, bits in KINDS.items():
        command = ["ssh-keygen", "-q", "-t", name.split("-")[0], "-b", bits, "-N", "", "-C", "", "-f", name]
        subprocess.run(command, cwd=folder, check=True)
    return {name: folder / name for name in KINDS}
