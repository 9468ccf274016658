"""no secrets in the file or in the files that are bundled with it

Why: what is committed is copied with every clone and every install, and stays in the history after a later commit
deleted it. A secret that was pushed has to be revoked.

Shapes of tokens, private keys and random-looking values of names such as `password` (githarness/skills/secrets.py).
Placeholders do not count: EXAMPLE, xxxx, `<token>`, `${TOKEN}`. Of each bundled text the first 64 KB are read. No value
is printed.
"""

from __future__ import annotations

from collections.abc import Iterator

from githarness.skills import bundle, secrets
from githarness.skills.document import Document
from githarness.skills.model import EVERY, Found, Gate, Place

_LIMIT = 65_536  # bytes of each bundled file
_FIX = "revoke it, take it out of the history, and read it from the environment"
_NO_TEXT = (
    ".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".pdf", ".ttf", ".woff2", ".zip", ".gz", ".xsd", ".css", ".mp3",
    ".mp4", ".docx", ".pptx", ".xlsx",
)


def check(doc: Document, place: Place) -> Iterator[Found]:
    for secret in secrets.scan(doc.text):
        yield Found(secret.line, f"seems to be a secret: {secret.kind} {secret.shown}", _FIX, shown=secret.shown)
    for path in bundle.files(doc, place) if doc.kind == "skill" else ():
        data = b"" if path.lower().endswith(_NO_TEXT) else place.files.read(path, _LIMIT)
        text = data.decode("utf-8", "replace") if b"\0" not in data[:8_000] else ""
        for secret in secrets.scan(text):
            what = f"'{path}' line {secret.line} seems to hold a secret: {secret.kind} {secret.shown}"
            basis = ": ".join((bundle.short(doc, path), text.split("\n")[secret.line - 1]))
            yield Found(bundle.line(doc, path), what, _FIX, shown="", basis=basis)


GATE = Gate("GH050", "error", check, kinds=EVERY, reads="lines")
