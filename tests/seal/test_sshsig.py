"""Signatures: what ssh-keygen makes is good here, what is made here is good there, and nothing else is."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from githarness.errors import Integrity
from githarness.seal import keys, public, sshsig, wire

MESSAGE = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nhello\n"
KINDS = ["ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa-2048"]


def sign(path: Path, message: bytes = MESSAGE, namespace: str = "git") -> str:
    return keys.KeySigner(keys.load(path.read_bytes())).sign(message, namespace)


def blob_of(armored: str) -> bytes:
    return base64.b64decode("".join(armored.splitlines()[1:-1]))


def refused(armored: str, message: bytes = MESSAGE, namespace: str = "git") -> bool:
    with pytest.raises(Integrity):
        sshsig.verify(armored, message, namespace)
    return True


def stock_verify(tmp_path: Path, public_line: str, armored: str) -> str:
    (tmp_path / "allowed").write_text(f"ada {public_line}\n")
    (tmp_path / "signature").write_text(armored)
    command = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "ada", "-n", "git", "-s", "signature"]
    return subprocess.run(command, cwd=tmp_path, input=MESSAGE, capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize("kind", KINDS)
def test_ssh_keygen_accepts_our_signatures(kind: str, key_files: Mapping[str, Path], tmp_path: Path) -> None:
    """What we sign with a key of any kind is good to `ssh-keygen -Y verify`, and to us."""
    line = public.line(key_files[kind].with_suffix(".pub").read_text())
    armored = sign(key_files[kind])
    assert stock_verify(tmp_path, line, armored).startswith('Good "git" signature for ada')
    assert sshsig.verify(armored, MESSAGE, "git") == line


@pytest.mark.parametrize("hash_name", ["sha512", "sha256"])
@pytest.mark.parametrize("kind", KINDS)
def test_we_accept_signatures_of_ssh_keygen(kind: str, hash_name: str, key_files: Mapping[str, Path]) -> None:
    """What `ssh-keygen -Y sign` makes is good here, and tells its key."""
    command = ["ssh-keygen", "-Y", "sign", "-n", "git", "-O", f"hashalg={hash_name}", "-f", str(key_files[kind])]
    armored = subprocess.run(command, input=MESSAGE, capture_output=True, check=True).stdout.decode()
    assert sshsig.verify(armored, MESSAGE, "git") == public.line(key_files[kind].with_suffix(".pub").read_text())


def test_ed25519_gives_the_same_bytes_as_ssh_keygen(key_files: Mapping[str, Path]) -> None:
    """Ed25519 is deterministic, so our armour equals ssh-keygen's byte for byte."""
    command = ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", str(key_files["ed25519"])]
    theirs = subprocess.run(command, input=MESSAGE, capture_output=True, check=True).stdout.decode()
    assert sign(key_files["ed25519"]) == theirs


def token_signature(flags: bytes = b"\x01") -> tuple[str, str]:
    """A signature as a FIDO token makes it, and its public key line."""
    key = ed25519.Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    kind = public.SK_ED25519.encode()
    blob = wire.string(kind) + wire.string(raw) + wire.string(b"ssh:")
    tail = flags + b"\0\0\0\x07"
    signed = hashlib.sha256(b"ssh:").digest() + tail + hashlib.sha256(sshsig.to_sign(MESSAGE, "git")).digest()
    signature = wire.string(kind) + wire.string(key.sign(signed)) + tail
    return sshsig.armor(sshsig.head(blob, "git") + wire.string(signature)), public.of_blob(blob)


def test_a_token_s_signature_is_good_to_both(tmp_path: Path) -> None:
    """A signature by sk-ssh-ed25519 passes here as in ssh-keygen; other flags than the signed ones do not."""
    armored, line = token_signature()
    assert sshsig.verify(armored, MESSAGE, "git") == line
    assert stock_verify(tmp_path, line, armored).startswith("Good")
    blob = bytearray(blob_of(armored))
    blob[-5] ^= 4
    assert refused(sshsig.armor(bytes(blob)))


def test_every_flipped_bit_of_the_armour_is_refused(key_files: Mapping[str, Path]) -> None:
    """No single bit of the text can change without the signature being refused."""
    armored = sign(key_files["ed25519"])
    for at, character in enumerate(armored):
        for bit in range(8):
            assert refused(armored[:at] + chr(ord(character) ^ (1 << bit)) + armored[at + 1 :])


@pytest.mark.parametrize(("kind", "step"), [("ed25519", 1), ("rsa-2048", 3), ("ecdsa-256", 3), ("ecdsa-521", 23)])
def test_every_flipped_bit_of_the_content_is_refused(kind: str, step: int, key_files: Mapping[str, Path]) -> None:
    """No single bit inside the armour can change either, for any kind of key; nor any of the message."""
    blob = blob_of(sign(key_files[kind]))
    for at in range(0, len(blob) * 8, step):
        flipped = bytearray(blob)
        flipped[at // 8] ^= 1 << at % 8
        assert refused(sshsig.armor(bytes(flipped)))
    assert refused(sshsig.armor(blob), MESSAGE[:-1] + bytes([MESSAGE[-1] ^ 1]))


def test_what_is_cut_short_or_goes_on_is_refused(key_files: Mapping[str, Path]) -> None:
    """Every shorter beginning and every longer end is refused, inside the armour and outside of it."""
    armored = sign(key_files["ed25519"])
    blob = blob_of(armored)
    assert all(refused(armored[:size]) for size in range(len(armored)))
    assert all(refused(sshsig.armor(blob[:size])) for size in range(len(blob)))
    assert all(refused(sshsig.armor(blob + more)) for more in (b"\0", b"\0\0\0\0", blob))
    assert all(refused(armored + more) for more in ("\n", " ", "x", armored))


def test_armour_that_ssh_keygen_would_not_write_is_refused(key_files: Mapping[str, Path]) -> None:
    """The same content in other lines, spaces, padding, line ends or around other text does not pass."""
    armored = sign(key_files["ed25519"])
    text = base64.b64encode(blob_of(armored)).decode()
    bodies = (text, "\n".join(text[at : at + 64] for at in range(0, len(text), 64)), text + "=", text[:-1] + "\n\n")
    assert all(refused(f"{sshsig.BEGIN}\n{body}\n{sshsig.END}\n") for body in bodies)
    assert refused(armored.replace("\n", "\r\n"))
    assert refused(" " + armored)
    assert refused("\n" + armored)
    assert refused(armored.replace("SSH", "PGP"))
    assert refused("x" * 50_000_000)
    assert refused("-----BEGIN SSH SIGNATURE-----\n\udcff\n-----END SSH SIGNATURE-----\n")


def test_a_signature_for_another_purpose_is_refused(key_files: Mapping[str, Path]) -> None:
    """A signature for `file` is none for `git`, and the reverse; its namespace is part of what is signed."""
    armored = sign(key_files["ed25519"], namespace="file")
    assert refused(armored)
    assert refused(sshsig.armor(blob_of(armored).replace(wire.string(b"file"), wire.string(b"git"))))
    assert refused(sign(key_files["ed25519"]), namespace="githarness-approval")


def forge(blob: bytes, algorithm: bytes, raw: bytes) -> str:
    return sshsig.armor(sshsig.head(blob, "git") + wire.string(wire.string(algorithm) + wire.string(raw)))


def openssh(key: rsa.RSAPrivateKey) -> bytes:
    text = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return base64.b64decode(text.split()[1])


def test_sha1_is_refused() -> None:
    """A signature with SHA-1 is refused though it fits the key."""
    key = rsa.generate_private_key(65537, 2048)
    raw = key.sign(sshsig.to_sign(MESSAGE, "git"), padding.PKCS1v15(), hashes.SHA1())
    assert refused(forge(openssh(key), b"ssh-rsa", raw))
    assert refused(forge(openssh(key), b"rsa-sha2-512", raw))


def test_weak_and_foreign_keys_are_refused(key_files: Mapping[str, Path]) -> None:
    """RSA under 2048 bits, DSA, certificates and unknown types do not sign here."""
    short = rsa.generate_private_key(65537, 1024)
    raw = short.sign(sshsig.to_sign(MESSAGE, "git"), padding.PKCS1v15(), hashes.SHA512())
    assert refused(forge(openssh(short), b"rsa-sha2-512", raw))
    assert refused(forge(wire.string(b"ssh-dss") + wire.mpint(7) * 4, b"ssh-dss", bytes(40)))
    for kind in (b"ssh-ed25519-cert-v01@openssh.com", b"sk-ecdsa-sha2-nistp256@openssh.com", b"\xff", b""):
        assert refused(forge(wire.string(kind) + bytes(40), kind, bytes(64)))


def test_an_algorithm_that_does_not_fit_the_key_is_refused(key_files: Mapping[str, Path]) -> None:
    """The signature names the algorithm of its key, whatever its bytes are."""
    for kind in KINDS:
        key = keys.load(key_files[kind].read_bytes())
        inner = wire.Reader(key.sign(sshsig.to_sign(MESSAGE, "git")), "it")
        inner.string()
        assert refused(forge(public.blob_of(key.public), b"ssh-dss", inner.string()))


def test_numbers_of_ecdsa_have_one_form(key_files: Mapping[str, Path]) -> None:
    """A leading zero byte more in r or s, which OpenSSL would read past, is refused."""
    key = keys.load(key_files["ecdsa-256"].read_bytes())
    reader = wire.Reader(key.sign(sshsig.to_sign(MESSAGE, "git")), "it")
    algorithm, numbers = reader.string(), wire.Reader(reader.string(), "it")
    r, s = numbers.string(), numbers.string()
    assert sshsig.verify(forge(public.blob_of(key.public), algorithm, wire.string(r) + wire.string(s)), MESSAGE, "git")
    assert refused(forge(public.blob_of(key.public), algorithm, wire.string(b"\0" + r) + wire.string(s)))


def test_every_field_ends_where_it_should(key_files: Mapping[str, Path]) -> None:
    """A byte more behind the signature, behind ECDSA's numbers or in the reserved field is refused."""
    for kind in KINDS:
        key = keys.load(key_files[kind].read_bytes())
        signature, blob = key.sign(sshsig.to_sign(MESSAGE, "git")), public.blob_of(key.public)
        assert sshsig.verify(sshsig.armor(sshsig.head(blob, "git") + wire.string(signature)), MESSAGE, "git")
        assert refused(sshsig.armor(sshsig.head(blob, "git") + wire.string(signature + b"\0")))
        end = wire.string(b"git")
        reserved = sshsig.head(blob, "git").replace(end + bytes(4), end + wire.string(b"x"))
        assert refused(sshsig.armor(reserved + wire.string(signature)))
        inner = wire.Reader(signature, "it")
        assert refused(forge(blob, inner.string(), inner.string() + b"\0"))


def test_public_keys_have_one_form(key_files: Mapping[str, Path]) -> None:
    """Numbers with a zero byte too many, points and keys of another length, and what follows a key are refused."""
    number = rsa.generate_private_key(65537, 2048).public_key().public_numbers().n
    fields = wire.string(b"ssh-rsa"), wire.string(b"\1\0\1"), wire.mpint(number)
    public.checker(b"".join(fields))
    for blob in (
        fields[0] + wire.string(b"\0\1\0\1") + fields[2],
        fields[0] + fields[1] + wire.string(bytes(2) + number.to_bytes(256, "big")),
        b"".join(fields) + b"\0",
        wire.string(b"ssh-ed25519") + wire.string(bytes(31)),
        wire.string(b"ssh-ed25519") + wire.string(bytes(32)) + b"\0",
        wire.string(public.SK_ED25519.encode()) + wire.string(bytes(31)) + wire.string(b"ssh:"),
        wire.string(b"ecdsa-sha2-nistp256") + wire.string(b"nistp256") + wire.string(b"\4" + bytes(64)),
    ):
        with pytest.raises(Integrity):
            public.checker(blob)
