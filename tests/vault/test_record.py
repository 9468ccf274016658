"""The form of a record: the vectors of the page, and everything that is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from githarness.errors import HarnessError, Integrity, Unavailable, Usage
from githarness.seal import sshsig
from githarness.vault import record
from tests.vault import vectors

PAGE = Path(__file__).resolve().parents[2] / "docs" / "vault-format.md"
NAME = "github/deploy-token"


def opened(data: bytes, name: str = NAME, kek: bytes = vectors.KEK) -> bytes:
    found = record.parse(data, name)
    buffer = bytearray(found.room)
    size = record.open_into(found, kek, buffer)
    return bytes(buffer[4 : 4 + size])


def resigned(head: bytes, body: bytes) -> bytes:
    """A record put together by an owner, who may write what no command would."""
    return head + body + vectors.signer().sign(head + body, record.NAMESPACE).encode()


def parts(data: bytes) -> tuple[bytes, bytes]:
    head, _, rest = data.partition(b"\n\n")
    return head + b"\n\n", rest.partition(sshsig.BEGIN.encode())[0]


@pytest.mark.parametrize("made", [vectors.live, vectors.removed, vectors.marker])
def test_the_vectors_of_the_page_are_what_is_written(made: Callable[[], bytes]) -> None:
    """Fixed keys and nonce give exactly the files that docs/vault-format.md shows."""
    assert f"```text\n{made().decode()}```" in PAGE.read_text()


@pytest.mark.parametrize("what", [vectors.SEED.hex(), vectors.KEK.hex(), vectors.NONCE.hex(), vectors.VALUE.decode(),
                                  record.kek_id(vectors.KEK)])
def test_the_page_names_what_the_vectors_are_made_from(what: str) -> None:
    """Somebody else can make them anew."""
    assert f"| `{what}` |" in PAGE.read_text()


@pytest.mark.parametrize(("size", "room"), [(8, 64), (60, 64), (61, 128), (124, 128), (125, 256), (65536, 131072)])
def test_a_value_comes_back_and_its_length_shows_to_a_double_only(size: int, room: int) -> None:
    """Padded with zeros up to the next bucket."""
    value = bytes(range(256)) * 256
    data = record.build(vectors.header(), value[:size], vectors.KEK, vectors.signer())
    assert opened(data) == value[:size] and record.parse(data, NAME).room == room


@pytest.mark.parametrize("size", [0, 7, 65537])
def test_a_value_that_is_too_short_or_too_long_is_refused(size: int) -> None:
    """A shorter one could not be told from other text where it leaks."""
    with pytest.raises(Usage, match=f"has {size} bytes"):
        record.build(vectors.header(), bytes(size), vectors.KEK, vectors.signer())


def test_every_bit_counts() -> None:
    """No record with one bit turned over loads and opens."""
    data = vectors.live()
    for place in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(HarnessError):
            opened(bytes(flipped))


def test_without_its_signature_bits_would_not_all_count() -> None:
    """Negative control: the cipher alone lets the writer's key and the signature be changed."""
    found = record.parse(vectors.live(), NAME)
    buffer = bytearray(found.room)
    loose = replace(found, header=replace(found.header, writer="ssh-ed25519 AAAA"), signer="nobody")
    assert record.open_into(loose, vectors.KEK, buffer) == len(vectors.VALUE)


def test_every_length_but_its_own_is_refused() -> None:
    """Cut short anywhere, empty, doubled, or with something behind it."""
    data = vectors.live()
    for wrong in [*(data[:size] for size in range(len(data))), data + b"\n", data + b" ", data * 2]:
        with pytest.raises(HarnessError):
            record.parse(wrong, NAME)


def test_a_value_does_not_open_under_another_name() -> None:
    """V01: an owner's own signature over swapped ciphertext does not help."""
    other = record.build(vectors.header(name="other/name"), b"another-value", vectors.KEK, vectors.signer())
    swapped = resigned(parts(vectors.live())[0], parts(other)[1])
    with pytest.raises(Integrity, match="does not open"):
        opened(swapped)


@pytest.mark.parametrize(("old", "new"), [
    (b"hosts: api.github.com", b"hosts: evil.example"), (b"modes: proxy", b"modes: get"), (b"tier: T0", b"tier: T1"),
    (b"version: 3", b"version: 4"), (b"Bearer {}", b"Basic {}"), (b"audit: durable", b"audit: written")])
def test_a_header_that_was_edited_is_refused(old: bytes, new: bytes) -> None:
    """V03: by its signature, and signed again by the cipher."""
    head, body = parts(vectors.live())
    with pytest.raises(Integrity, match="signature is not good"):
        record.parse(vectors.live().replace(old, new), NAME)
    with pytest.raises(Integrity, match="does not open"):
        opened(resigned(head.replace(old, new), body))


LINES = vectors.live().decode().partition("\n\n")[0].split("\n")
FORMS = {
    "twice": [*LINES[:3], LINES[2], *LINES[3:]],
    "unsorted": [LINES[0], LINES[2], LINES[1], *LINES[3:]],
    "unknown": [*LINES[:3], "howdy: x", *LINES[3:]],
    "missing": [line for line in LINES if not line.startswith("tier")],
    "no kek": [line for line in LINES if not line.startswith("kek")],
    "empty": [*LINES[:7], "paths: ", *LINES[7:]],
    "two spaces": [line.replace(": proxy", ":  proxy") for line in LINES],
    "list unsorted": [line.replace("modes: proxy", "modes: proxy, get") for line in LINES],
    "list twice": [line.replace("modes: proxy", "modes: proxy, proxy") for line in LINES],
    "number": [line.replace("version: 3", "version: 03") for line in LINES],
    "mode": [line.replace("modes: proxy", "modes: print") for line in LINES],
    "host": [line.replace("api.github.com", "API.github.com") for line in LINES],
    "no colon": [*LINES, "zebra"],
    "removed with a value": [line.replace("state: live", "state: removed") for line in LINES],
}


@pytest.mark.parametrize("form", FORMS)
def test_only_the_one_form_is_read(form: str) -> None:
    """V08: signed by an owner, and written as nothing here would write it."""
    with pytest.raises(Integrity):
        record.parse(resigned("\n".join((*FORMS[form], "", "")).encode(), parts(vectors.live())[1]), NAME)


@pytest.mark.parametrize("wrong", [b"", b"\0", b"githarness-vault 1\n", b"x" * 300_000, "ü".encode(),
                                   vectors.live().replace(b"\n", b"\r\n"), b"\xff" * 40, b"\n\n\n"])
def test_what_is_no_record_at_all_is_refused(wrong: bytes) -> None:
    """V08: empty, NUL, CR, oversized, no ASCII."""
    with pytest.raises(Integrity):
        record.parse(wrong, NAME)


def test_base64_in_other_lines_is_refused() -> None:
    """One value has one text."""
    head, body = parts(vectors.live())
    for other in (body.replace(b"\n", b""), body + b"\n", body.replace(b"\n", b"\n\n"), b"\n" + body, b"====\n" + body):
        with pytest.raises(Integrity):
            record.parse(resigned(head, other), NAME)


def test_a_newer_form_is_refused_by_name() -> None:
    """It may be good: the fix is to upgrade."""
    with pytest.raises(Unavailable, match="newer form"):
        record.parse(vectors.live().replace(b"vault 1\n", b"vault 2\n", 1), NAME)


def test_a_record_at_another_path_is_refused() -> None:
    """A file moved by git mv is not the secret of its new name."""
    with pytest.raises(Integrity, match="is that of"):
        record.parse(vectors.live(), "github/other")


def test_a_record_signed_by_another_than_it_names_is_refused() -> None:
    """V06: the writer stands in the header, which the signature covers."""
    head, body = parts(vectors.live())
    forged = head + body + vectors.signer(bytes(32)).sign(head + body, record.NAMESPACE).encode()
    with pytest.raises(Integrity, match="not signed by the writer"):
        record.parse(forged, NAME)


def test_a_signature_made_for_something_else_is_refused() -> None:
    """The namespace keeps commits' signatures and records' apart."""
    head, body = parts(vectors.live())
    with pytest.raises(Integrity, match="was made for 'git'"):
        record.parse(head + body + vectors.signer().sign(head + body, "git").encode(), NAME)


def test_padding_that_is_not_zero_is_refused() -> None:
    """What is sealed has one form too."""
    head, _ = parts(vectors.live())
    plain = bytearray(64)
    plain[:4], plain[4:12], plain[-1] = (8).to_bytes(4, "big"), b"password", 1
    with pytest.raises(Integrity, match="padded"):
        opened(resigned(head, record._lines(record.aead.encrypt(vectors.KEK, plain, head))))


@pytest.mark.parametrize("name", ["", "/a", "a/", "A", "a//b", "-a", ".vault", "a/.b", "a b", "ä", "a\nb", "a" * 201,
                                  "../a", "a..b", "a.lock", "a/b."])
def test_a_name_that_no_file_may_have_is_refused(name: str) -> None:
    """Small letters only, so that there are no twins."""
    with pytest.raises(Usage, match="not the name"):
        record.check_name(name)


@pytest.mark.parametrize("changed", [
    {"hosts": ("a\nversion: 9",)}, {"header": "X: {}\nhosts: evil"}, {"hosts": ("a, b",)}, {"header": "no-place: x"},
    {"modes": ("print",)}, {"tier": "T9"}, {"methods": ("get",)}, {"paths": ("no-slash",)}, {"version": 0}])
def test_a_header_that_could_be_read_otherwise_is_not_written(changed: dict[str, object]) -> None:
    """A value with a line break would bring lines of its own."""
    with pytest.raises(Usage):
        record.build(vectors.header(**changed), vectors.VALUE, vectors.KEK, vectors.signer())


@given(st.binary(max_size=400))
def test_nothing_but_our_own_errors_comes_of_any_bytes(data: bytes) -> None:
    """Whatever stands in the file."""
    for text in (data, b"githarness-vault 1\n" + data, vectors.live()[:60] + data):
        with pytest.raises(HarnessError):
            record.parse(text, NAME)


def test_a_marker_names_one_vault() -> None:
    """Changed or cut short, it is none."""
    data = vectors.marker()
    assert record.parse_marker(data) == ("v-01j2x7k3m9q4v8b2n6t0", vectors.signer().public)
    for wrong in (b"", data[:-1], *(data.replace(b"id: v", other) for other in (b"id: w", b"ID: v", b"\0d: v", b""))):
        with pytest.raises(HarnessError):
            record.parse_marker(wrong)
