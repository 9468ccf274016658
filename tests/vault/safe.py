"""A governed repository with a vault, as an owner has it, in process; and its records as anybody would see them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from githarness import settings, wiring
from githarness.settings import Settings
from githarness.vault import marks, opening, record
from githarness.vault.keyslots import Slot
from githarness.vault.record import Header
from githarness.wiring import Harness
from githarness.work import judge_range, vault_keys, vault_records, vault_write
from githarness.work.govern import Desk
from githarness.work.judge_range import Bench, Range
from githarness.work.vault_write import Done, Item, Keks, Terms

AT = ".githarness/vault"


class Safe:
    def __init__(self, folder: Path, given: Settings | None = None) -> None:
        self.folder = folder
        self.settings = given or settings.load()
        self.harness: Harness = wiring.open(folder, self.settings)

    @property
    def desk(self) -> Desk:
        return Desk(self.harness.parts, self.harness.local, self.harness.mail, lambda: self.harness.git)

    def init(self) -> Safe:
        def slot(place: Path) -> Slot:
            file = place / "keyfile"
            return Slot.new(opening.made_file(self.settings, "keyfile", file), file=str(file))

        vault_keys.init(self.desk, self.settings, slot)
        return self

    @property
    def place(self) -> Path:
        return vault_records.vault_of(self.harness.reader, self.harness.governance(), self.settings).place

    def keks(self) -> Keks:
        return vault_keys.offers(self.place, self.settings, lambda: None)

    def set(self, name: str, value: bytes, terms: Terms | None = Terms(), what: str = "set") -> Done:  # noqa: B008
        return vault_write.put(self.desk, self.settings, [Item(name, value, terms)], self.keks(), what=what)

    def rotate(self, name: str, value: bytes) -> Done:
        return self.set(name, value, None, "rotate")

    def rm(self, name: str) -> Done:
        return vault_write.remove(self.desk, self.settings, name)

    def rekey(self) -> Done:
        return vault_keys.rekey(self.desk, self.settings, lambda _: self.keks(), lambda slots, _: slots)

    def header(self, name: str) -> Header:
        found = vault_records.find(self.harness.reader, self.harness.governance(), name)
        assert found and found.record, found and found.why
        return found.record.header

    def value(self, name: str) -> bytes:
        """As the proxy would load it: believed, not older than what was seen, opened."""
        found = vault_records.find(self.harness.reader, self.harness.governance(), name)
        assert found and found.record, found and found.why
        marks.check(marks.load(self.place), name, found.record.header.version, found.data)
        buffer = bytearray(found.record.room)
        size = record.open_into(found.record, self.keks()[found.record.header.kek], buffer)
        return bytes(buffer[4 : 4 + size])

    def codes(self, base: str | None = None) -> set[str]:
        bench = Bench(self.harness.reader, self.harness.clock.now())
        return {one.code for one in judge_range.judge(bench, Range(base, self.harness.head())).violations}

    def git(self, *args: str, ok: bool = True) -> str:
        """By the owner, whose commits git signs."""
        public = self.harness.human()[1].public
        keys = self.settings.data_dir / "keys"
        file = next(one.with_suffix("") for one in keys.glob("*.pub") if public in one.read_text())
        signing = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={file}", "-c", "commit.gpgsign=true"]
        done = subprocess.run(["git", *signing, *args], cwd=self.folder, capture_output=True, text=True, check=False)
        assert not ok or done.returncode == 0, done.stderr
        return done.stdout
