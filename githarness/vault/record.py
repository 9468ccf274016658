"""A secret as a text file in git: a header that everybody reads, a value that the vault's key opens, a signature.

    githarness-vault 1
    KEY: VALUE            sorted by key, each once, lists sorted and joined by `, `; what is empty has no line
                          (an empty line)
    BASE64                lines of 76: nonce | ciphertext | tag; none where `state` is removed
    -----BEGIN SSH SIGNATURE-----   over all before it, for `githarness-vault`

ASCII and LF. The header with its empty line is the additional data, the plaintext `uint32 length | value | zeros` up
to 64 bytes or a double of that. Only what `build` would make is read (docs/vault-format.md).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, fields

from githarness.errors import Integrity, Unavailable, Usage
from githarness.seal import aead, kdf, sshsig
from githarness.seal.aead import Buffer
from githarness.seal.signer import Signer

NAMESPACE = "githarness-vault"
MODES = ("exec", "get", "proxy", "sign")
TIERS = ("T0", "T1", "T2")
_WAYS = {"exec": "exec --env VAR={} -- CMD", "get": "get {}", "proxy": "exec --proxy VAR={} -- CMD",
         "sign": "exec --ssh -- CMD"}
LIVE, REMOVED = "live", "removed"
BEARER = "Authorization: Bearer {}"
LEAST_VALUE, LARGEST_VALUE = 8, 64 * 1024
_FIRST = f"{NAMESPACE} 1"
_LARGEST = 256 * 1024
_WIDTH = 76
_LENGTH = 4
_LISTS = ("hosts", "methods", "modes", "paths")
_WORD = r"[!-+\--~]+"  # visible, no comma
_FORMS = {
    "audit": "durable|written",
    "header": r"[A-Za-z0-9!#$%&'*+.^_`|~-]+: [ -~]*\{(base64)?\}[ -~]*(?<! )",
    "hosts": r"(\*\.|http://)?[a-z0-9_-]+(\.[a-z0-9_-]+)*(:[0-9]{1,5})?|(http://)?\[[0-9a-f:.]+\](:[0-9]{1,5})?",
    "kek": "[0-9a-f]{16}",
    "methods": "[A-Z]{1,20}",
    "modes": "|".join(MODES),
    "name": r"(?=.{1,200}\Z)[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*",
    "paths": "/" + _WORD[:-1] + "*",
    "state": "live|removed",
    "tier": "T[012]",
    "time": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z",
    "vault": "v-[0-9a-z]{20}",
    "version": "[1-9][0-9]{0,8}",
    "writer": "[a-z0-9@.-]+ [A-Za-z0-9+/]+=*",
}
_TERMS = ("modes: get, exec, proxy, sign; hosts: api.example.org, *.example.org, http://10.0.0.5:8080; paths: /v1/**; "
          "tiers: T0, T1, T2; audit: durable, written")
_MUST = ("audit", "name", "state", "tier", "time", "vault", "version", "writer")


@dataclass(frozen=True, slots=True)
class Header:
    name: str
    vault: str
    version: int
    writer: str  # public key, `TYPE BASE64`
    time: str  # RFC 3339
    kek: str = ""  # id of the key that opens it; empty where it is removed
    modes: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    header: str = ""  # mode proxy: the header to add, with `{}` for the value, or `{base64}`
    tier: str = "T0"  # least tier of who asks
    audit: str = "durable"
    state: str = LIVE


@dataclass(frozen=True, slots=True)
class Record:
    header: Header
    sealed: bytes  # nonce | ciphertext | tag; empty where it is removed
    aad: bytes
    signer: str

    @property
    def room(self) -> int:
        """Bytes that `open_into` needs."""
        return len(self.sealed) - aead.OVERHEAD


def check_name(name: str) -> str:
    """Raises Usage."""
    if not re.fullmatch(_FORMS["name"], name) or ".." in name or name.endswith((".", ".lock")):
        raise Usage(f"'{name[:100]}' is not the name of a secret",
                    fix="small letters, digits, '.', '_', '-' and '/' between folders, like github/deploy-token")
    return name


def kek_id(kek: Buffer) -> str:
    """16 hex digits that name the key and tell nothing of it."""
    return kdf.from_random(bytes(kek), b"", f"{NAMESPACE} kek id")[:8].hex()


def build(header: Header, value: Buffer, kek: Buffer, signer: Signer, *, nonce: bytes | None = None) -> bytes:
    """The file. `kek` and `value` are empty where it is removed. `nonce`: for test vectors alone.

    Raises Usage for a value that cannot be kept and for a header that no file may have.
    """
    if header.state == LIVE and not LEAST_VALUE <= len(value) <= LARGEST_VALUE:
        raise Usage(f"the value has {len(value)} bytes; {LEAST_VALUE} to {LARGEST_VALUE} can be kept",
                    fix="a shorter one is guessed, and hidden nowhere: choose a longer one")
    aad = _rendered(header)
    table = _table(aad)
    lists = [part for key in _LISTS for part in getattr(header, key)]
    if aad.count(b"\n") != len(table) + 2 or any(", " in part for part in lists):
        raise Usage("a value of a record's header has two lines, or is two values",
                    fix="githarness vault set --help")
    if why := _why_not(table):
        raise Usage(f"no secret has such terms: {why}", fix=_TERMS)
    body = b""
    if header.state == LIVE:
        plain = bytearray(_bucket(_LENGTH + len(value)))
        plain[:_LENGTH] = len(value).to_bytes(_LENGTH, "big")
        plain[_LENGTH : _LENGTH + len(value)] = value
        body = _lines(aead.encrypt(kek, plain, aad, nonce=nonce))
        plain[:] = bytes(len(plain))
    return aad + body + signer.sign(aad + body, NAMESPACE).encode()


def way(header: Header) -> str:
    """The command by which it is used, for who asked in another way."""
    return f"githarness vault {_WAYS[header.modes[0]].format(header.name)}"


def parse(data: bytes, name: str) -> Record:
    """Form and signature; who may write is for others to know. Raises Integrity, Unavailable for a newer version."""
    text = _text(data, _FIRST, f"the record '{name}'")
    head, blank, rest = text.partition("\n\n")
    body, begin, tail = rest.partition(sshsig.BEGIN)
    if not blank or not begin:
        raise Integrity(f"the record '{name}' is cut short")
    aad = (head + blank).encode()
    header = _header(aad, name)
    sealed = _sealed(body, name)
    if bool(sealed) != (header.state == LIVE):
        raise Integrity(f"the record '{name}' is {header.state} and {'has a' if sealed else 'lacks the'} value")
    signer = sshsig.verify(begin + tail, aad + body.encode(), NAMESPACE)
    if signer != header.writer:
        raise Integrity(f"the record '{name}' is not signed by the writer that it names")
    return Record(header, sealed, aad, signer)


def open_into(record: Record, kek: Buffer, buffer: Buffer) -> int:
    """The length of the value, which stands from `buffer[4]` on; the buffer has `record.room` bytes or more.

    Raises Integrity.
    """
    view = memoryview(buffer)
    size = aead.decrypt_into(kek, record.sealed, record.aad, view)
    length = int.from_bytes(view[:_LENGTH], "big")
    if not LEAST_VALUE <= length <= min(size - _LENGTH, LARGEST_VALUE) or size != _bucket(_LENGTH + length) \
            or any(view[_LENGTH + length : size]):
        raise Integrity(f"the value of '{record.header.name}' is not padded as it should be")
    return length


def build_marker(vault: str, signer: Signer) -> bytes:
    """The file `.vault`, which names the vault."""
    head = f"{_FIRST}\nid: {vault}\n\n".encode()
    return head + signer.sign(head, NAMESPACE).encode()


def parse_marker(data: bytes) -> tuple[str, str]:
    """The vault's id, and the key that signed it. Raises Integrity, Unavailable."""
    text = _text(data, _FIRST, "the vault's marker")
    found = re.fullmatch(rf"({_FIRST}\nid: ({_FORMS['vault']})\n\n)({sshsig.BEGIN}.*)", text, re.DOTALL)
    if not found:
        raise Integrity("the vault's marker is not of its form")
    return found[2], sshsig.verify(found[3], found[1].encode(), NAMESPACE)


def _text(data: bytes, first: str, what: str) -> str:
    if len(data) > _LARGEST or not data.isascii() or b"\0" in data or b"\r" in data:
        raise Integrity(f"{what} is too large, or not plain text")
    text = data.decode("ascii")
    if not text.startswith(first + "\n"):
        if re.match(rf"{NAMESPACE} [0-9]{{1,9}}\n", text):
            raise Unavailable(f"{what} is of a newer form than this githarness knows",
                              fix="pip install --upgrade githarness")
        raise Integrity(f"{what} does not begin with '{first}'")
    return text


def _header(aad: bytes, name: str) -> Header:
    table = _table(aad)
    if why := _why_not(table):
        raise Integrity(f"the header of the record '{name}' is not of its form: {why}")
    given: dict[str, object] = dict(table)
    given |= {key: tuple(table[key].split(", ")) for key in _LISTS if key in table}
    given["version"] = int(table["version"])
    header = Header(**given)  # type: ignore[arg-type]  # each key was checked against its form
    if _rendered(header) != aad:
        raise Integrity(f"the header of the record '{name}' is not in its one form")
    if header.name != name:
        raise Integrity(f"the record '{name}' is that of '{header.name}'")
    return header


def _table(aad: bytes) -> dict[str, str]:
    pairs = [line.partition(": ") for line in aad.decode().split("\n")[1:-2]]
    return {key: value for key, _, value in pairs}


def _why_not(table: dict[str, str]) -> str:
    if wrong := [key for key in table if key not in _FORMS]:
        return f"there is no key '{wrong[0][:40]}'"
    for key, value in table.items():
        for part in value.split(", ") if key in _LISTS else (value,):
            if not re.fullmatch(_FORMS[key], part):
                return f"'{key}' cannot be '{part[:80]}'"
    missing = [key for key in (*_MUST, *(("kek",) if table.get("state") == LIVE else ())) if key not in table]
    return f"'{missing[0]}' is missing" if missing else ""


def _rendered(header: Header) -> bytes:
    table = {field.name: getattr(header, field.name) for field in fields(header)}
    lines = [f"{key}: {', '.join(sorted(set(value))) if key in _LISTS else value}"
             for key, value in sorted(table.items()) if value]
    return "\n".join((_FIRST, *lines, "", "")).encode("ascii", "replace")


def _lines(sealed: bytes) -> bytes:
    text = base64.b64encode(sealed)
    return b"".join(text[at : at + _WIDTH] + b"\n" for at in range(0, len(text), _WIDTH))


def _sealed(body: str, name: str) -> bytes:
    try:
        sealed = base64.b64decode(body.replace("\n", ""), validate=True)
    except binascii.Error as error:
        raise Integrity(f"the value of the record '{name}' is not base 64") from error
    if _lines(sealed).decode() != body:
        raise Integrity(f"the value of the record '{name}' is not in lines of {_WIDTH}")
    return sealed


def _bucket(size: int) -> int:
    bucket = 64
    while bucket < size:
        bucket *= 2
    return bucket
