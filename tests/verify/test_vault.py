"""Records of the vault at verify, at a hub and in the hook: authenticity and versions without any key."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness import settings, wiring
from githarness.seal import keys, sshsig
from githarness.seal.keys import KeySigner
from githarness.seal.signer import Signer
from githarness.vault import record
from tests.checks.conftest import Hook
from tests.checks.conftest import hook as hook
from tests.verify.conftest import Forge, Pushed

AT = ".githarness/vault"


@pytest.fixture
def vaulted(forge: Forge) -> Forge:
    """With a vault, secret `a` of two versions and `b` removed; and no key of it on this machine any more."""
    forge.cli("vault", "init")
    for words, value in ((("set", "a"), "value-one-1"), (("rotate", "a"), "value-two-2"), (("set", "b"), "value-of-b"),
                         (("rm", "b"), "")):
        forge.cli("vault", *words, stdin=value)
    shutil.rmtree(settings.load().data_dir / "vault")
    return forge


def show(forge: Forge, rev: str, name: str = "a") -> str:
    return forge.git("show", f"{rev}:{AT}/{name}") + "\n"


def by_owner(forge: Forge, files: dict[str, str | tuple[str, str] | None], **more: object) -> set[str]:
    """What verify says of an owner's own signed commit."""
    return forge.codes(forge.head, forge.commit(files, agent=None, signer=forge.owner(), **more))


def test_what_the_commands_write_verifies_without_a_key(vaulted: Forge) -> None:
    """All of history, and the range alone."""
    assert vaulted.codes(None, vaulted.head) == set()
    assert vaulted.codes(vaulted.git("rev-parse", "main~3"), vaulted.head) == set()


@pytest.mark.parametrize("spoil", [
    lambda text: text[:0], lambda text: text[:-30], lambda text: text.replace("version: 2", "version: 3"),
    lambda text: text.replace("modes: exec, get", "modes: get"), lambda text: text + "\n", lambda text: "\0" + text,
    lambda text: text.replace("\n", "\r\n"), lambda text: text * 2])
def test_a_record_that_was_touched_is_named(vaulted: Forge, spoil: Callable[[str], str]) -> None:
    """V03, V08: an owner's signature of the commit does not make it good."""
    assert by_owner(vaulted, {f"{AT}/a": spoil(show(vaulted, "main"))}) == {"vault-record"}


def test_an_older_version_and_the_same_one_are_named(vaulted: Forge) -> None:
    """V02, V05: what git revert would do; a removed secret does not come back either."""
    assert by_owner(vaulted, {f"{AT}/a": show(vaulted, "main~3")}) == {"vault-version"}
    assert by_owner(vaulted, {f"{AT}/b": show(vaulted, "main~1", "b")}) == {"vault-version"}
    assert by_owner(vaulted, {f"{AT}/a": resigned(vaulted, show(vaulted, "main"))}) == {"vault-version"}


def resigned(forge: Forge, text: str, old: str = "tier: T0", new: str = "tier: T1",
             signer: Signer | None = None) -> str:
    """The same record with a line changed, signed by an owner again, or by somebody else who then names himself."""
    body = text.partition(sshsig.BEGIN)[0].replace(old, new)
    by = signer or forge.owner()
    if signer:
        writer = next(line for line in body.splitlines() if line.startswith("writer: "))
        body = body.replace(writer, f"writer: {signer.public}")
    return body + by.sign(body.encode(), record.NAMESPACE)


def test_a_newer_version_by_an_owner_is_welcome(vaulted: Forge) -> None:
    """Negative control: by whatever tool it was made."""
    good = resigned(vaulted, show(vaulted, "main"), "version: 2", "version: 7")
    assert by_owner(vaulted, {f"{AT}/a": good}) == set()


def test_a_record_by_nobody_or_by_less_than_an_owner_is_named(vaulted: Forge) -> None:
    """V06: an agent's key, an operator's, a stranger's; also where an owner commits it."""
    vaulted.cli("human", "add", "otto", "--mail", "otto@example.org", "--role", "operator")
    operator = wiring.open(vaulted.folder, settings.load()).human("otto")[1]
    for signer in (KeySigner(keys.generate()), vaulted.signer("deployer"), operator):
        text = resigned(vaulted, show(vaulted, "main"), "version: 2", "version: 3", signer)
        assert by_owner(vaulted, {f"{AT}/a": text}) == {"vault-writer"}


def test_records_of_agents_are_denied_whatever_they_hold(vaulted: Forge) -> None:
    """Governance is not theirs; a good record, taken from history, least of all."""
    made = vaulted.commit({f"{AT}/a": show(vaulted, "main~3")}, agent="deployer")
    assert {"denied", "vault-version"} <= vaulted.codes(vaulted.head, made)


def test_nothing_of_the_vault_is_deleted(vaulted: Forge) -> None:
    """Neither a live secret, a tombstone, nor the marker; what is no record may go."""
    for name in ("a", "b", ".vault"):
        assert by_owner(vaulted, {f"{AT}/{name}": None}) == {"vault-removed"}
    junk = vaulted.commit({f"{AT}/junk": "junk\n"}, agent=None, signer=vaulted.owner())
    assert vaulted.codes(vaulted.head, junk) == {"vault-record"}
    mended = vaulted.commit({f"{AT}/junk": None}, agent=None, signer=vaulted.owner(), parents=[junk])
    assert vaulted.codes(junk, mended) == set()


def test_a_record_is_a_plain_file_at_its_own_path(vaulted: Forge) -> None:
    """No link, no other name, no other vault."""
    text = show(vaulted, "main")
    assert by_owner(vaulted, {f"{AT}/a": ("120000", "elsewhere")}) == {"vault-record"}
    assert by_owner(vaulted, {f"{AT}/other": text}) == {"vault-record"}
    vault = next(line for line in text.splitlines() if line.startswith("vault: "))
    foreign = resigned(vaulted, text.replace("version: 2", "version: 3"), vault, "vault: v-" + "0" * 20)
    assert by_owner(vaulted, {f"{AT}/a": foreign}) == {"vault-record"}


def test_another_marker_is_named(vaulted: Forge) -> None:
    """The vault of a repository stays the same one."""
    other = record.build_marker("v-" + "0" * 20, vaulted.owner()).decode()
    assert "vault-record" in by_owner(vaulted, {f"{AT}/.vault": other})


def test_config_does_not_lead_away_from_the_records(vaulted: Forge) -> None:
    """Where nobody looked, anything could be brought back."""
    config = vaulted.git("show", "main:.githarness/config.toml") + '\nvault = ".githarness/elsewhere"\n'
    assert by_owner(vaulted, {".githarness/config.toml": config}) == {"vault-removed"}


def test_a_merge_does_not_bring_an_older_version(vaulted: Forge) -> None:
    """Each parent counts: neither the side's nor the main line's newer version is lost."""
    base = vaulted.head
    newer = resigned(vaulted, show(vaulted, "main"), "version: 2", "version: 5")
    side = vaulted.commit({f"{AT}/a": newer}, agent=None, signer=vaulted.owner())
    newest = resigned(vaulted, show(vaulted, "main"), "version: 2", "version: 4")
    main = vaulted.commit({f"{AT}/a": newest}, agent=None, signer=vaulted.owner())
    for text, codes in ((newest, {"vault-version"}), (newer, set()), (show(vaulted, "main"), {"vault-version"})):
        made = vaulted.commit({f"{AT}/a": text}, agent=None, signer=vaulted.owner(), parents=[main, side])
        assert vaulted.codes(base, made) - {"governance"} == codes


def test_a_stolen_key_makes_the_records_of_the_head_suspect(vaulted: Forge) -> None:
    """Over all of history; a range that does not touch them is not held up by it."""
    olive = vaulted.git("show", "main:.githarness/humans/olive.yaml")
    assert "added:" in olive
    marked = olive.replace("added:", "compromised-since: '2099-01-01T00:00:00Z'\n    added:", 1) + "\n"
    made = vaulted.commit({".githarness/humans/olive.yaml": marked}, agent=None, signer=vaulted.owner())
    found = {one.path for one in vaulted.verify(None, made).violations if one.code == "vault-writer"}
    assert found == {f"{AT}/a", f"{AT}/b"}
    assert "vault-writer" not in vaulted.codes(vaulted.head, made)


def test_a_hub_refuses_it(vaulted: Forge, hub: Path, push: Callable[..., Pushed]) -> None:
    """With code, path and reason; a good rotation passes."""
    back = vaulted.commit({f"{AT}/a": show(vaulted, "main~3")}, agent=None, signer=vaulted.owner())
    done = push(f"{back}:refs/heads/main")
    assert done.code != 0 and "vault-version" in done.said and f"{AT}/a" in done.said
    good = resigned(vaulted, show(vaulted, "main"), "version: 2", "version: 3")
    ahead = vaulted.commit({f"{AT}/a": good}, agent=None, signer=vaulted.owner())
    assert push(f"{ahead}:refs/heads/main").code == 0


def test_the_hook_names_it_before_the_commit(vaulted: Forge, hook: Hook) -> None:
    """Staged, or named by pre-commit: older versions, broken records, deletions."""
    for text, code in ((show(vaulted, "main~3"), "vault-version"), ("junk\n", "vault-record"), (None, "vault-removed")):
        path = vaulted.folder / AT / "a"
        path.unlink() if text is None else path.write_text(text)
        vaulted.git("add", "-A", AT)
        named = [] if text is None else [[f"{AT}/a"]]
        for words in (["--staged"], *named):
            done = hook("policy", *words, cwd=vaulted.folder)
            assert done.code == 1 and f"GH084 error: {code}" in done.out, done.out
        vaulted.git("reset", "-q", "--hard")
