"""The vault's records in a commit: of their form, signed by an owner, newer than what they replace, never deleted.

No key is needed: what is judged is who wrote a record and which version it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from githarness.errors import HarnessError, Integrity
from githarness.git.commits import Commit
from githarness.git.objects import FILE, Entry, PathChange
from githarness.git.reader import Reader
from githarness.settings import CONFIG, parse_config
from githarness.vault import folder, record
from githarness.work import judge_signature, vault_records
from githarness.work.governance import Governance
from githarness.work.judge_states import State
from githarness.work.judged import Fault, Violation
from githarness.work.people import RANKS


def judge(commit: Commit, changes: Sequence[PathChange], states: Sequence[State], reader: Reader) -> Iterator[Fault]:
    """`changes`: the commit's own; `states`: not empty. A merge is held against each of its parents."""
    for at in dict.fromkeys(state.governance.config.vault for state in states):
        for change in changes:
            if change.path.startswith(at + "/"):
                before = [reader.entry(parent, change.path) for parent in commit.parents]
                yield from _record(change, folder.name_of(at, change.path), before, reader)
                yield from _writer(commit, change, at, states, reader)
        if any(change.path == CONFIG for change in changes):
            yield from _moved(commit, at, reader)


def whole(reader: Reader, governance: Governance, known: Sequence[Violation]) -> Iterator[Violation]:
    """What of the records at a head is not to be believed by the identities there, and is not among the known."""
    said = {one.path for one in known if one.code.startswith("vault-")}
    for found in vault_records.every(reader, governance):
        path = folder.path_of(governance.config.vault, found.name)
        if found.record is None and path not in said:
            code = "vault-writer" if found.version else "vault-record"
            yield Violation(governance.commit, path, code, found.why)


def versions(path: str, name: str | None, before: Sequence[bytes], now: bytes | None) -> Iterator[Fault]:
    """What is wrong with a record, or with the marker where `name` is None, in place of the versions before it."""
    olds = [known for data in before if (known := _known(data, name))]
    if now is None:
        if olds:
            yield Fault("vault-removed", f"'{path}' is deleted, so that an older version could come back: "
                        f"githarness vault rm {name}" if name else f"'{path}' names the vault, and is deleted", path)
        return
    try:
        vault, version = _read(now, name)
    except HarnessError as error:
        yield Fault("vault-record", error.message, path)
        return
    for other, older in olds:
        if other != vault:
            yield Fault("vault-record", f"'{path}' is of vault '{vault}', and was of '{other}'", path)
        if name and version <= older:
            yield Fault("vault-version", f"'{path}' brings back version {version}, and version {older} was there", path)


def _record(change: PathChange, name: str | None, before: Sequence[Entry | None], reader: Reader) -> Iterator[Fault]:
    if change.new and change.new.mode != FILE:
        yield Fault("vault-record", f"'{change.path}' is no plain file", change.path)
        return
    others = [reader.blob(entry.oid) for entry in before if entry and entry != change.new and entry.mode == FILE]
    now = reader.blob(change.new.oid) if change.new else None
    yield from versions(change.path, name, others, now)


def _writer(commit: Commit, change: PathChange, at: str, states: Sequence[State], reader: Reader) -> Iterator[Fault]:
    name = folder.name_of(at, change.path)
    try:
        data = reader.blob(change.new.oid) if change.new else b""
        signer = record.parse(data, name).signer if name else record.parse_marker(data)[1]
    except HarnessError:
        return  # told already
    if name and (vault := _vault(reader, commit.oid, at)) != record.parse(data, name).header.vault:
        yield Fault("vault-record", f"'{change.path}' is not of this vault, '{vault}'", change.path)
    for state in states:
        human = judge_signature.human_of(state, signer)
        if human is None or RANKS[human.role] < RANKS["owner"]:
            yield Fault("vault-writer", f"'{change.path}' is signed by no key of an owner in the state before it",
                        change.path)
        else:
            for fault in judge_signature.ends(human, signer, commit.time):
                yield Fault("vault-writer", f"'{change.path}': {fault.message}", change.path)


def _moved(commit: Commit, at: str, reader: Reader) -> Iterator[Fault]:
    """Records that nobody looks at any more are as good as deleted."""
    entry = reader.entry(commit.oid, CONFIG)
    try:
        now = parse_config(reader.blob(entry.oid)).vault if entry else at
    except HarnessError:
        return  # agents stop until it loads
    if now != at and _vault(reader, commit.oid, at):
        yield Fault("vault-removed", f"the vault is in '{at}', and '{CONFIG}' would look for it in '{now}'", CONFIG)


def _vault(reader: Reader, oid: str, at: str) -> str:
    """The id that a commit's marker names; empty where there is none."""
    entry = reader.entry(oid, folder.path_of(at, folder.MARKER))
    try:
        return record.parse_marker(reader.blob(entry.oid))[0] if entry and entry.mode == FILE else ""
    except HarnessError:
        return ""


def _read(data: bytes, name: str | None) -> tuple[str, int]:
    """Vault and version."""
    if name is None:
        return record.parse_marker(data)[0], 0
    header = record.parse(data, name).header
    return header.vault, header.version


def _known(data: bytes, name: str | None) -> tuple[str, int] | None:
    """None for what is no record: it may be mended and deleted."""
    try:
        return _read(data, name)
    except Integrity:
        return None
