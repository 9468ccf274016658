"""Where a commit carries its signature: the header `gpgsig` that git puts last, every later line of it after a space.

What is signed is the commit without that header. Reading is strict: a commit that git and this module could take
apart in different ways is refused.
"""

from __future__ import annotations

from githarness.errors import Integrity, Internal

_HEADER = b"gpgsig"


def signed_commit(unsigned: bytes, armored: str) -> bytes:
    head, blank, message = unsigned.partition(b"\n\n")
    if not blank:
        raise Internal("a commit without a blank line after its headers cannot be signed")
    return b"%s\n%s %s\n\n%s" % (head, _HEADER, armored.removesuffix("\n").replace("\n", "\n ").encode(), message)


def split_commit(raw: bytes) -> tuple[bytes, str | None]:
    """What was signed, and the armoured signature, of whatever kind. Raises Integrity."""
    head, blank, message = raw.partition(b"\n\n")
    if not blank:
        head, blank = raw.removesuffix(b"\n"), raw[len(raw.removesuffix(b"\n")) :]
    if b"\n" + _HEADER not in head:
        return raw, None
    kept, signature = _headers(head.split(b"\n"))
    if b"\0" in raw:
        raise Integrity("a signed commit has a zero byte, behind which git does not look")
    try:
        text = b"\n".join(signature).decode("ascii")
    except UnicodeDecodeError as error:
        raise Integrity("a commit's signature is not armoured") from error
    return b"\n".join(kept) + blank + message, text + "\n"


def _headers(lines: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    kept: list[bytes] = []
    signature: list[bytes] = []
    inside = False
    for line in lines:
        if line.startswith(b" "):
            (signature if inside else kept).append(line[1:] if inside else line)
            continue
        inside = line.startswith(_HEADER)
        if not inside:
            kept.append(line)
        elif signature or not line.startswith(_HEADER + b" "):
            raise Integrity("a commit has more than one signature, or one of a kind that is not used here")
        else:
            signature.append(line[len(_HEADER) + 1 :])
    return kept, signature
