"""Keyslots: what opens them, what does not, and where they may lie."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from githarness import settings
from githarness.errors import HarnessError, Integrity, NotFound, Unavailable, Usage, VaultLocked
from githarness.seal import exchange
from githarness.settings import Settings
from githarness.vault import folder, keyslots, opening, record
from githarness.vault.keyslots import FILE, Keyslots, Offer, Slot

VAULT = "v-01j2x7k3m9q4v8b2n6t0"
KEK = bytearray(range(32))
SECRET = Offer("keyfile", b"f" * 64)
PHRASE = Offer("passphrase", b"correct horse")


@pytest.fixture
def place() -> Path:
    return folder.make(settings.load(), VAULT)


@pytest.fixture
def made(place: Path) -> Keyslots:
    """Opened by SECRET and by PHRASE."""
    made = Keyslots(VAULT, (Slot.new(SECRET), Slot.new(PHRASE))).with_kek(KEK)
    keyslots.save(place, made)
    return made


@pytest.mark.parametrize("offer", [SECRET, PHRASE])
def test_each_slot_opens_it(place: Path, made: Keyslots, offer: Offer) -> None:
    """With one secret that fits among others that do not."""
    assert keyslots.unlock(place, [Offer("keyfile", b"g" * 64), offer]) == {record.kek_id(KEK): KEK}


@pytest.mark.parametrize("offers", [[], [Offer("keyfile", b"g" * 64)], [Offer("passphrase", b"wrong horse")],
                                    [Offer("keyring", b"f" * 64)]])
def test_what_does_not_fit_leaves_it_locked(place: Path, made: Keyslots, offers: list[Offer]) -> None:
    """A secret opens slots of its own kind only; the file stays as it was."""
    before = (place / FILE).read_bytes()
    with pytest.raises(VaultLocked):
        keyslots.unlock(place, offers)
    assert (place / FILE).read_bytes() == before


def test_a_new_key_is_boxed_without_anybodys_secret(place: Path, made: Keyslots) -> None:
    """Rotation asks nobody; both keys open afterwards, the new one is the current."""
    fresh = bytearray(b"n" * 32)
    keyslots.save(place, keyslots.load(place).with_kek(fresh))
    assert keyslots.unlock(place, [PHRASE]) == {record.kek_id(KEK): KEK, record.kek_id(fresh): fresh}
    assert keyslots.load(place).current == record.kek_id(fresh)
    assert keyslots.load(place).only(set()).keks[0].id == record.kek_id(fresh)


def test_slots_come_and_go(place: Path, made: Keyslots) -> None:
    """What was dropped opens nothing any more, what was added does."""
    ring = Offer("keyring", b"k" * 64)
    changed = made.without(lambda slot: slot.kind == "keyfile").with_slot(Slot.new(ring), {record.kek_id(KEK): KEK})
    keyslots.save(place, changed)
    assert keyslots.unlock(place, [ring]).keys() == keyslots.unlock(place, [PHRASE]).keys()
    with pytest.raises(VaultLocked):
        keyslots.unlock(place, [SECRET])


def _tables(table: dict[str, object]) -> Iterator[object]:
    """The file with one thing about it changed."""
    yield from ({key: value for key, value in table.items() if key != gone} for gone in table)
    keys = table.keys() - {"repository", "origin"}
    yield from ({**table, key: wrong} for key in keys for wrong in (None, 7, "x", []))
    yield [table]
    slots, keks = (list(table[name]) for name in ("slots", "keks"))  # type: ignore[call-overload]
    yield {**table, "slots": slots[:1]}
    yield {**table, "keks": [{**keks[0], "current": False}]}
    yield {**table, "slots": [{**slots[0], "public": "AAAA"}, slots[1]]}
    yield {**table, "slots": [{**slots[0], "cost": [1, 8, 1]}, slots[1]]}
    yield {**table, "keks": [{**keks[0], "boxes": ["A" * 10, "!"]}]}


def test_a_damaged_file_is_an_error_and_stays(place: Path, made: Keyslots) -> None:
    """No failed load ever makes a new vault."""
    table = json.loads((place / FILE).read_text())
    for wrong in [json.dumps(one).encode() for one in _tables(table)] + [b"", b"{", b"\xff", b"null", b"[" * 100_000]:
        (place / FILE).write_bytes(wrong)
        with pytest.raises(HarnessError):
            keyslots.unlock(place, [SECRET])
        assert (place / FILE).read_bytes() == wrong and sorted(os.listdir(place)) == [FILE]


def test_no_keys_are_an_error_too(place: Path) -> None:
    """And none are made."""
    with pytest.raises(NotFound, match="no keys of vault"):
        keyslots.unlock(place, [SECRET])
    assert os.listdir(place) == []


def test_a_box_of_another_vault_or_key_does_not_open(place: Path, made: Keyslots) -> None:
    """Its place is part of what was sealed."""
    keyslots.save(place, replace(made, keks=(replace(made.keks[0], id="0" * 16),)))
    with pytest.raises(Integrity):
        keyslots.unlock(place, [SECRET])


def test_a_passphrase_that_would_be_cheap_to_guess_is_refused(place: Path, made: Keyslots) -> None:
    """The file cannot make Argon2id cheaper, nor keep this process busy for hours."""
    for cost in ([1, 65536, 4], [3, 1024, 4], [3, 1 << 30, 4], [10**9, 65536, 4]):
        table = json.loads((place / FILE).read_text())
        table["slots"][1]["cost"] = cost
        (place / FILE).write_text(json.dumps(table))
        with pytest.raises(Integrity, match="cost"):
            keyslots.unlock(place, [PHRASE])


@pytest.mark.parametrize(("name", "mode"), [(FILE, 0o644), (FILE, 0o660), (".", 0o750), ("..", 0o755),
                                            ("../..", 0o777)])
def test_keys_that_others_could_read_or_swap_are_refused(place: Path, made: Keyslots, name: str, mode: int) -> None:
    """V13: the file, its folder and those above it."""
    (place / name).chmod(mode)
    with pytest.raises(Unavailable, match="others could read or swap"):
        folder.check(settings.load(), place)
        keyslots.unlock(place, [SECRET])


def test_a_link_is_no_key_file(place: Path, made: Keyslots) -> None:
    """Nor a link in place of the folder."""
    (place / FILE).rename(place / "elsewhere")
    (place / FILE).symlink_to(place / "elsewhere")
    with pytest.raises(Unavailable, match="symbolic link"):
        keyslots.load(place)
    place.rename(place.with_name("moved"))
    place.symlink_to(place.with_name("moved"))
    with pytest.raises(Unavailable, match="not a folder"):
        folder.check(settings.load(), place)


def test_keys_never_lie_where_agents_work(fleet: Path, home: Path) -> None:
    """V15: in a work tree, in a worktree of a run, or in the folder for temporary files; by a link neither."""
    (home / "linked").symlink_to(fleet)
    for inside in (fleet / "data", home / "tmp" / "data", home / "linked" / "deep" / "data"):
        with pytest.raises(Unavailable, match="no key may lie there"):
            folder.make(replace(settings.load(), data_dir=inside), VAULT)
        with pytest.raises(Unavailable, match="no key may lie there"):
            opening.made_file(settings.load(), "keyfile", inside / "key")
        assert not inside.exists()


def test_a_keyfile_is_made_once_and_then_read(home: Path) -> None:
    """0600, with a secret that nobody can guess; one that others could read is refused."""
    file = home / "vault.key"
    made = opening.made_file(settings.load(), "keyfile", file)
    assert (file.stat().st_mode & 0o777, len(made.secret)) == (0o600, 65)
    assert opening.made_file(settings.load(), "keyfile", file) == made
    file.chmod(0o640)
    with pytest.raises(Unavailable, match="others could read"):
        opening.from_file(settings.load(), "keyfile", file)


def test_a_keyfile_that_others_could_swap_is_refused(home: Path) -> None:
    """V13: its folder may be written by others."""
    (home / "open").mkdir()
    (home / "open").chmod(0o777)
    with pytest.raises(Unavailable, match="can be written by others"):
        opening.made_file(settings.load(), "keyfile", home / "open" / "key")


def test_short_secrets_are_refused() -> None:
    """A file of a few bytes is no key, a passphrase of three letters none either."""
    with pytest.raises(Integrity, match="fewer than 32"):
        Slot.new(Offer("keyfile", b"short"))
    with pytest.raises(Usage):
        opening.passphrase(b"abc")


def _with(**environ: str) -> Settings:
    base = settings.load()
    return replace(base, environ={**base.environ, **environ})


def test_keyfile_and_passphrase_file_open_it_without_a_person(home: Path, place: Path) -> None:
    """Where their place is known."""
    for kind in ("keyfile", "passphrase"):
        file = home / f"its.{kind}"
        slot = Slot.new(opening.made_file(settings.load(), kind, file), file=str(file))
        keyslots.save(place, Keyslots(VAULT, (slot,)).with_kek(KEK))
        assert keyslots.unlock(place, opening.automatic(place, settings.load()))
        file.unlink()
        with pytest.raises(VaultLocked, match=f"no {kind} at"):
            keyslots.unlock(place, opening.automatic(place, settings.load()))


def test_systemds_credential_opens_it(home: Path, place: Path) -> None:
    """In the folder that systemd names; without one nothing is offered."""
    offer = opening.made_file(settings.load(), "systemd", home / "githarness-vault")
    keyslots.save(place, Keyslots(VAULT, (Slot.new(offer),)).with_kek(KEK))
    assert keyslots.unlock(place, opening.automatic(place, _with(CREDENTIALS_DIRECTORY=str(home))))
    for elsewhere in (settings.load(), _with(CREDENTIALS_DIRECTORY=str(home / "run"))):
        with pytest.raises(VaultLocked):
            keyslots.unlock(place, opening.automatic(place, elsewhere))


KEYRING = """\
import os, pathlib, time
place = pathlib.Path(os.environ["HOME"], "ring")
def get_password(service, name):
    time.sleep(60 if (place / "waits").exists() else 0)
    return (place / name).read_text() if (place / name).exists() else None
def set_password(service, name, secret):
    (place / name).write_text(secret)
"""


@pytest.fixture
def ring(home: Path) -> Settings:
    """Settings under which there is a keyring, as far as this machine may have none."""
    (home / "ring").mkdir()
    (home / "ring" / "keyring.py").write_text(KEYRING)
    return _with(PYTHONPATH=str(home / "ring"))


def test_the_keyring_of_the_system_opens_it(place: Path, ring: Settings) -> None:
    """Its secret is made by us; a keyring without it offers nothing."""
    keyslots.save(place, Keyslots(VAULT, (Slot.new(opening.made_in_keyring(ring, VAULT)),)).with_kek(KEK))
    assert keyslots.unlock(place, opening.automatic(place, ring))
    (Path(ring.environ["PYTHONPATH"]) / VAULT).unlink()
    with pytest.raises(VaultLocked):
        keyslots.unlock(place, opening.automatic(place, ring))


def test_a_keyring_that_waits_for_a_person_is_given_up(place: Path, ring: Settings) -> None:
    """A cron job has no finger to lay on a sensor."""
    keyslots.save(place, Keyslots(VAULT, (Slot.new(opening.made_in_keyring(ring, VAULT)),)).with_kek(KEK))
    (Path(ring.environ["PYTHONPATH"]) / "waits").touch()
    with pytest.raises(VaultLocked):
        keyslots.unlock(place, opening.automatic(place, ring))


def test_without_a_keyring_it_says_how_to_do_without() -> None:
    """It is no dependency."""
    with pytest.raises(Unavailable, match="took no secret"):
        opening.made_in_keyring(_with(PYTHONPATH="/nowhere"), VAULT)


def test_a_locked_vault_offers_nothing_by_itself(place: Path, made: Keyslots) -> None:
    """Until it is released."""
    opening.lock(place)
    with pytest.raises(VaultLocked, match="was locked"):
        keyslots.unlock(place, opening.automatic(place, settings.load()))
    opening.release(place)
    assert not opening.is_locked(place)


def test_a_secret_does_not_show_in_an_offer() -> None:
    """Not in its repr, which a traceback may print."""
    assert "correct horse" not in repr(PHRASE)


def test_a_box_with_another_key_in_it_is_refused(place: Path, made: Keyslots) -> None:
    """Whoever can write the file can close a box; a key has to be the one that it is named for."""
    name = record.kek_id(KEK)
    boxes = tuple(exchange.close(slot.public, bytearray(32), keyslots._aad(VAULT, name)) for slot in made.slots)
    keyslots.save(place, replace(made, keks=(replace(made.keks[0], boxes=boxes),)))
    with pytest.raises(Integrity, match="not the one"):
        keyslots.unlock(place, [SECRET])


def test_without_its_folder_every_way_says_that_there_are_no_keys(home: Path) -> None:
    """A clone on another machine has records and no keys."""
    place = folder.keys_of(settings.load(), "v-elsewhere")
    folder.check(settings.load(), place)
    for way in (keyslots.load, opening.lock, opening.release):
        with pytest.raises(NotFound, match="this machine has no keys"):
            way(place)
