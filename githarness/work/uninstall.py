"""`uninstall`: this clone gets back the hooks and the configuration that `init` found; commits and records stay."""

from __future__ import annotations

from dataclasses import dataclass

from githarness import flock
from githarness.work import adopted, clone_config, hooks_setup
from githarness.work.adopted import Adopted
from githarness.work.clone_setup import Site


@dataclass(frozen=True, slots=True)
class Outcome:
    steps: tuple[str, ...]  # empty: there was nothing of ours


def uninstall(site: Site, *, dry_run: bool) -> Outcome:
    """Raises Locked where another process holds git's config. What an error left is done by the next run."""
    repo = site.repo
    record = adopted.load(repo.home)
    if record is None:
        return Outcome(())
    if dry_run:
        return Outcome((*_hooks(site, record, dry=True), *(f"git config {key} as it was" for key in record.set)))
    with flock.exclusive(repo.home / "govern.lock", what="the governance of this clone"):
        steps = [*clone_config.restore(site.git, repo, record), *_hooks(site, record, dry=False)]
        (repo.home / "adopted.json").unlink()
    return Outcome(tuple(steps))


def _hooks(site: Site, record: Adopted, *, dry: bool) -> list[str]:
    if dry:
        return ["githarness's hooks removed, former ones put back"]
    folder = hooks_setup.default_folder(site.repo)
    steps = [*hooks_setup.remove_beside(folder), *hooks_setup.remove_instead(site.repo)]
    if record.made_hooks and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    return steps
