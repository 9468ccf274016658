"""What `doctor` asks of the machine: versions, file systems, folders and keys."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from githarness.errors import HarnessError
from githarness.git import swap
from githarness.store import engine
from githarness.work.doctor import Finding, Subject

_GIT = (2, 34)
_OPENSSH = (8, 8)
_WAL_FIXED = (3, 51, 3)  # before it, two connections that checkpoint and write at once could corrupt a file
_NETWORK = re.compile(r"nfs\d?|cifs|smb\d?|9p|afs|ceph|glusterfs|lustre|fuse\.(sshfs|.*gluster.*|s3fs|rclone)")
_LONGEST_SOCKET = 107


def git(subject: Subject) -> Iterator[Finding]:
    version = subject.git.version()
    detail = f"git {'.'.join(map(str, version))} at {subject.settings.git}"
    if version < _GIT:
        yield Finding("git", "fail", f"{detail} cannot check SSH signatures", "install git 2.34 or newer")
    else:
        yield Finding("git", "ok", detail)


def openssh(subject: Subject) -> Iterator[Finding]:
    """Only stock git's own check of signatures needs it; a git alias is how git starts another program."""
    try:
        said = subject.git.run("-c", "alias.ssh-version=!ssh -V 2>&1", "ssh-version").decode("utf-8", "replace").strip()
    except HarnessError:
        said = ""
    found = re.match(r"OpenSSH_(\d+)\.(\d+)", said)
    if found and (int(found[1]), int(found[2])) >= _OPENSSH:
        yield Finding("openssh", "ok", said.split(",")[0])
    else:
        detail = f"{said.split(',')[0] or 'no ssh'}: git log --show-signature cannot check signatures; githarness can"
        yield Finding("openssh", "warn", detail, "install OpenSSH 8.8 or newer")


def sqlite(subject: Subject) -> Iterator[Finding]:
    with subject.parts().db.read() as conn:
        fts5, problem = engine.has_fts5(conn), engine.problem(conn)
    version = engine.version()
    detail = f"SQLite {version}, {'FTS5' if fts5 else 'no FTS5: search ranks with FTS4'}"
    if tuple(map(int, version.split("."))) < _WAL_FIXED:
        detail += ", its WAL-reset bug kept out by our lock"
    yield Finding("sqlite", "ok", detail)
    if problem:
        yield Finding("database", "fail", f"harness.db is damaged: {problem}",
                      f"keep a copy of '{subject.repo.home}', then githarness index rebuild")
    else:
        yield Finding("database", "ok", "harness.db is sound")


def file_system(subject: Subject) -> Iterator[Finding]:
    kind = _kind_of(subject.repo.common_dir)
    if _NETWORK.fullmatch(kind):
        yield Finding("file system", "fail", f"'{subject.repo.common_dir}' is on {kind}: locks and SQLite's WAL do not "
                      "hold between machines there", "move the writing clone to a local disk")
    else:
        yield Finding("file system", "ok", f"{kind or 'local'}")
    if subject.repo.home.is_dir() and not swap.serves_exchange(subject.repo.home):
        yield Finding("renameat2", "warn", "files are replaced in two steps here: a person who saves in between could "
                      "lose that edit", "keep the working tree on ext4, xfs, btrfs or tmpfs")
    else:
        yield Finding("renameat2", "ok", "files are exchanged in one step")


def _kind_of(path: Path) -> str:
    """The type of the file system that a path is on, by the longest mount point (proc(5), mountinfo); else empty."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    for line in lines:
        mount, _, rest = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), mount.split(" ")[4])
        if len(point) >= len(best) and path.is_relative_to(point):
            best, kind = point, rest.split(" ")[0]
    return kind


def runtime_folder(subject: Subject) -> Iterator[Finding]:
    folder = subject.settings.runtime_dir
    if len(os.fsencode(folder)) > _LONGEST_SOCKET - 24:
        yield Finding("runtime folder", "warn", f"'{folder}' is too long a path for a socket",
                      "set XDG_RUNTIME_DIR to a short path")
    elif os.path.lexists(folder) and (problem := _too_open(folder, 0o077)):
        yield Finding("runtime folder", "fail", problem, f"chmod 700 '{folder}'")
    else:
        yield Finding("runtime folder", "ok", str(folder))


def key_files(subject: Subject) -> Iterator[Finding]:
    """Any file that others could read or swap makes its key unusable, which is better than using it."""
    folder = subject.settings.data_dir / "keys"
    if not folder.is_dir():
        yield Finding("key files", "ok", "no key of this host lies in the data folder")
        return
    files = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    problems = [problem for entry in (folder, *files) if (problem := _too_open(entry, 0o077))]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        yield Finding("key files", "fail", problems[0] + more, f"chmod -R go-rwx '{folder}'")
    else:
        yield Finding("key files", "ok", f"'{folder}' is readable by you alone")


def _too_open(path: Path, wide: int) -> str:
    status = path.lstat()
    if status.st_uid != os.geteuid():
        return f"'{path}' belongs to another user"
    return f"'{path}' has mode {stat.S_IMODE(status.st_mode):04o}" if status.st_mode & wide else ""


CHECKS = (git, openssh, sqlite, file_system, runtime_folder, key_files)
