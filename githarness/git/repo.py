"""Where a repository is and what state it is in, by its files alone: neither libgit2 nor git is started.

The layout is git's `gitrepository-layout`: a worktree has `.git`, a folder or a file `gitdir: PATH`; a linked
worktree's git directory has `commondir`, which names the one that refs, objects and configuration are in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from githarness.errors import Integrity, NotFound, Unavailable
from githarness.git import config

_HOME = "githarness"
_ALTERNATES_DEPTH = 5
_EXTENSIONS = frozenset({"noop", "noop-v1", "objectformat", "partialclone", "preciousobjects", "worktreeconfig",
                         "refstorage", "relativeworktrees"})
_OPERATIONS = (("rebase-merge", "rebase"), ("rebase-apply/applying", "am"), ("rebase-apply", "rebase"),
               ("MERGE_HEAD", "merge"), ("CHERRY_PICK_HEAD", "cherry-pick"), ("REVERT_HEAD", "revert"),
               ("BISECT_LOG", "bisect"))


class Repo(NamedTuple):
    start: Path
    worktree: Path | None  # None when bare
    git_dir: Path
    common_dir: Path
    home: Path  # common_dir/githarness
    incoming: Path | None = None  # the objects of a push that is not let in yet


class Checkout(NamedTuple):
    root: Path
    git_dir: Path


def discover(start: Path) -> Repo:
    """The repository that `start` is in. Raises NotFound; Unavailable with a fix where its format is not served."""
    start = _real(start)
    for folder in (start, *start.parents):
        dot_git = folder / ".git"
        if dot_git.is_file():
            return _repo(start, folder, _named_git_dir(dot_git))
        if _is_git_dir(dot_git):
            return _repo(start, folder, _real(dot_git))
        if _is_git_dir(folder):
            if folder != start:
                _refuse_planted(folder)
            return _repo_of_git_dir(start, folder)
    raise NotFound(f"'{start}' is not in a git repository", fix="git init, or githarness -C DIR …")


def _real(path: Path) -> Path:
    """One spelling for one place, so that processes that came by different links agree on it."""
    return Path(os.path.realpath(path))


def _refuse_planted(git_dir: Path) -> None:
    """A folder of somebody's tree may pass for a bare repository, configuration and all; who means it names it."""
    for folder in git_dir.parents:
        own = folder / ".git"
        if _is_git_dir(own) and not git_dir.is_relative_to(own):
            raise Unavailable(f"'{git_dir}' is a bare repository inside the working tree of '{folder}'",
                              fix=f"githarness -C '{folder}' …, or -C '{git_dir}' to mean the inner one")


def _is_git_dir(folder: Path) -> bool:
    head = folder / "HEAD"
    if not (head.is_file() or head.is_symlink()):
        return False
    return (folder / "commondir").is_file() or ((folder / "objects").is_dir() and (folder / "refs").is_dir())


def _named_git_dir(file: Path) -> Path:
    text = _text(file)
    git_dir = file.parent / text.removeprefix("gitdir:").strip()
    if not text.startswith("gitdir:") or not _is_git_dir(git_dir):
        raise NotFound(f"'{file}' names a git directory that is not there", fix="git worktree repair")
    return _real(git_dir)


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "surrogateescape").rstrip("\r\n")


def _common_dir(git_dir: Path) -> Path:
    file = git_dir / "commondir"
    if not file.is_file():
        return git_dir
    return _real(git_dir / _text(file))


def _repo(start: Path, worktree: Path | None, git_dir: Path) -> Repo:
    common_dir = _common_dir(git_dir)
    settings = settings_of(git_dir)
    _check_format(settings, common_dir)
    if worktree is not None and "core.worktree" in settings and git_dir == common_dir:
        worktree = _real(git_dir / settings["core.worktree"][-1])
    return Repo(start, worktree, git_dir, common_dir, common_dir / _HOME)


def _repo_of_git_dir(start: Path, git_dir: Path) -> Repo:
    """`start` is in a git directory: a bare repository, or the inside of some worktree's `.git`."""
    linked = git_dir / "gitdir"
    if linked.is_file():
        return _repo(start, _real((git_dir / _text(linked)).parent), git_dir)
    return _repo(start, _main_worktree(git_dir), git_dir)


def settings_of(git_dir: Path) -> Mapping[str, tuple[str, ...]]:
    """The repository's own configuration as it holds for this git directory: `config`, then `config.worktree`."""
    settings = config.read(_common_dir(git_dir) / "config")
    if config.is_true(settings.get("extensions.worktreeconfig", ())):
        return {**settings, **config.read(git_dir / "config.worktree")}
    return settings


def _check_format(settings: Mapping[str, tuple[str, ...]], common_dir: Path) -> None:
    version = settings.get("core.repositoryformatversion", ("0",))[-1].strip()
    if version not in ("0", "1"):
        raise Unavailable(f"'{common_dir}' has repository format {version}, which is not known",
                          fix="pip install --upgrade githarness")
    extensions = {name: values[-1].lower() for name, values in settings.items() if name.startswith("extensions.")}
    if extensions.get("extensions.objectformat", "sha1") != "sha1":
        raise Unavailable(f"'{common_dir}' uses SHA-256 objects, which are not served",
                          fix="git init --object-format=sha1 in a new folder, and import the files there")
    if extensions.get("extensions.refstorage", "files") != "files":
        raise Unavailable(f"'{common_dir}' stores its refs as reftable, which is not served",
                          fix="git refs migrate --ref-format=files")
    unknown = sorted(name for name in extensions if name.removeprefix("extensions.") not in _EXTENSIONS)
    if unknown and version == "1":
        raise Unavailable(f"'{common_dir}' uses '{unknown[0]}', which is not known", fix="githarness doctor")


def checkouts(repo: Repo, ref: str) -> tuple[Checkout, ...]:
    """The worktrees, main and linked, whose HEAD is symbolic to `ref`; those whose folder is gone are left out."""
    return tuple(found for found in _worktrees(repo) if head(found.git_dir) == ref)


def _worktrees(repo: Repo) -> Iterator[Checkout]:
    main = repo.worktree if repo.git_dir == repo.common_dir else _main_worktree(repo.common_dir)
    if main is not None:
        yield Checkout(main, repo.common_dir)
    linked = repo.common_dir / "worktrees"
    for git_dir in sorted(linked.iterdir()) if linked.is_dir() else ():
        file = git_dir / "gitdir"
        dot_git = git_dir / _text(file) if file.is_file() else file
        if dot_git != file and dot_git.exists():
            yield Checkout(_real(dot_git.parent), git_dir)


def rebasing(repo: Repo, ref: str) -> Path | None:
    """The git directory of a worktree where a rebase of the branch goes on: `git rebase --abort` sets the branch back
    to where it stood, whatever has landed on it since."""
    linked = repo.common_dir / "worktrees"
    others = sorted(linked.iterdir()) if linked.is_dir() else []
    for git_dir in (repo.common_dir, *others):
        for state in ("rebase-merge", "rebase-apply"):
            file = git_dir / state / "head-name"
            if os.path.isfile(file) and _text(file) == ref:
                return git_dir
    return None


def linked_dir(repo: Repo, root: Path) -> Path | None:
    """The git directory of the linked worktree at `root`, whatever stands at `.git` there."""
    linked = repo.common_dir / "worktrees"
    for git_dir in sorted(linked.iterdir()) if linked.is_dir() else ():
        file = git_dir / "gitdir"
        if file.is_file() and _real((git_dir / _text(file)).parent) == _real(root):
            return git_dir
    return None


def _main_worktree(common_dir: Path) -> Path | None:
    """As far as the common directory tells: one that is not called `.git` does not say where its worktree is."""
    settings = settings_of(common_dir)
    if "core.worktree" in settings:
        return _real(common_dir / settings["core.worktree"][-1])
    bare = common_dir.name != ".git" or config.is_true(settings.get("core.bare", ()))
    return None if bare else common_dir.parent


def head(git_dir: Path) -> str | None:
    """The ref that HEAD is symbolic to; None where it is detached. Raises Integrity where HEAD is broken."""
    file = git_dir / "HEAD"
    if file.is_symlink():
        return os.readlink(file)
    try:
        text = _text(file)
    except OSError as error:
        raise Integrity(f"'{file}' cannot be read: {error.strerror}", fix="git fsck") from error
    return text.removeprefix("ref:").strip() if text.startswith("ref:") else None


def operation_in_progress(git_dir: Path) -> str | None:
    """rebase, am, merge, cherry-pick, revert or bisect: what a person has begun in this worktree and not ended."""
    for name, operation in _OPERATIONS:
        if (git_dir / name).exists():
            return operation
    todo = git_dir / "sequencer" / "todo"
    if todo.is_file():
        return "revert" if _text(todo).startswith("revert") else "cherry-pick"
    return None


def is_shallow(repo: Repo) -> bool:
    file = repo.common_dir / "shallow"
    return file.is_file() and file.stat().st_size > 0


def shallow_roots(repo: Repo) -> frozenset[str]:
    """The commits whose parents a shallow clone left out."""
    return frozenset(_text(repo.common_dir / "shallow").split()) if is_shallow(repo) else frozenset()


def object_folders(repo: Repo) -> tuple[Path, ...]:
    """What is coming in, `objects`, then what `info/alternates` names, as deep as git follows it, whether it is there
    or not."""
    found = [repo.common_dir / "objects"]
    _follow(found[0], found, _ALTERNATES_DEPTH)
    return tuple(found) if repo.incoming is None else (repo.incoming, *found)


def receiving(repo: Repo, quarantine: str | None, objects: str | None) -> Repo:
    """`repo` with the objects of a push, as git names them to pre-receive; none where the push brings none.

    Raises Unavailable for folders that are not this repository's: whoever calls the hook could name any.
    """
    if quarantine is None and objects is None:
        return repo
    own, folder = repo.common_dir / "objects", _real(Path(quarantine or objects or ""))
    if (objects is not None and _real(Path(objects)) != folder) or not folder.is_relative_to(own):
        raise Unavailable("the objects of this push are in a folder that is not this repository's",
                          fix="unset GIT_OBJECT_DIRECTORY, and push again")
    return repo if folder == own else repo._replace(incoming=folder)


def _follow(folder: Path, found: list[Path], depth: int) -> None:
    file = folder / "info" / "alternates"
    if not depth or not os.path.isfile(file):
        return
    for line in _text(file).splitlines():
        if not line or line.startswith("#") or "\0" in line:
            continue
        other = _real(folder / line)
        if other not in found:
            found.append(other)
            _follow(other, found, depth - 1)


def is_partial(repo: Repo) -> bool:
    settings = config.read(repo.common_dir / "config")
    promisors = (config.is_true(values) for name, values in settings.items()
                 if name.startswith("remote.") and name.endswith(".promisor"))
    return "extensions.partialclone" in settings or any(promisors)


def is_sparse(git_dir: Path) -> bool:
    return config.is_true(settings_of(git_dir).get("core.sparsecheckout", ()))
