"""what is fetched to be run names its version

Why: `npx -y tool` and `uvx tool` run what the registry answers today; a package that changes hands changes what your
agent runs. `npx tool@1.2.3`, `uvx tool==1.2.3`, `pip install tool==1.2.3` and `git+https://...@FULL-COMMIT-ID` do not.

Looked at in commands and in JSON (`"command": "npx", "args": [...]`). Tools that projects have of their own (tsc,
eslint) and files of requirements are not meant. Which version is right no gate can know: there is no fix by program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import EVERY, Found, Gate, Place

_RUN = (
    r"(?:npx|bunx|uvx|pipx run|uv tool run|pnpm dlx|yarn dlx)"
    r"(?:[ \t]{1,4}(?:-y|--yes|-q|--quiet|--from|-p|--package))*"
    r"[ \t]{1,4}[\"']?(@?[a-z0-9][^\s\"'`;|&)<>${},]{0,120})"
)
_JSON = (
    r"\"(?:npx|bunx|uvx)\"[^\[\]{}]{0,40}\[\s{0,40}(?:\"(?:-y|--yes|-q|--from)\",\s{0,40})*"
    r"\"(@?[a-z0-9][^\s\"]{0,120})\""
)
_PIP = r"\bpip3?[ \t]{1,4}install[ \t]{1,4}([^\n`;|&#<>)\\]{1,300})"
_GIT = r"\bgit\+(?:https|ssh)://[^\s\"'`)#@]{1,200}(?:@(?=\w)[^\s\"'`)#/]{1,100})?(?:@[^\s\"'`)#]{1,100})?"
_PINNED = r"==\d|===|@v?\d+\.\d+|@[0-9a-f]{40}\b|\.whl$|#sha"
_LOCAL = frozenset((
    "tsc", "eslint", "prettier", "jest", "vitest", "playwright", "webpack", "vite", "next", "tailwindcss", "prisma",
    "nx", "turbo", "husky", "lint-staged", "mocha", "ts-node", "tsx", "rollup", "esbuild", "drizzle-kit", "knex",
    "sequelize", "cypress", "remotion", "expo", "wrangler", "hardhat", "electron", "http-server", "serve", "shadcn",
    "typescript", "babel", "biome", "stylelint", "markdownlint", "commitlint", "nodemon", "changeset",
))


def check(doc: Document, place: Place) -> Iterator[Found]:
    seen: set[str] = set()
    for offset, package in sorted(_unpinned(doc.text)):
        if package not in seen:
            yield Found(doc.line_at(offset), f"'{package[:80]}' is fetched without a version", _advice(package))
        seen.add(package)


def _advice(package: str) -> str:
    return "append '@' and a full commit id" if package.startswith("git+") else "append '@VERSION', for pip '==VERSION'"


def _unpinned(text: str) -> Iterator[tuple[int, str]]:
    for pattern in (_RUN, _JSON):
        for match in re.finditer(pattern, text):
            name = match[1].rstrip(".:*")
            if not re.search(_PINNED, name) and name not in _LOCAL and not name.startswith("git+"):
                yield match.start(1), re.sub(r"@(?:latest|next|main)$", "", name)
    for match in re.finditer(_PIP, text) if "pip" in text else ():
        yield from ((match.start(1), name) for name in _packages(match[1]))
    for match in re.finditer(_GIT, text) if "git+" in text else ():
        if not re.search(_PINNED, match[0]):
            yield match.start(), match[0]


def _packages(words: str) -> Iterator[str]:
    """The packages among the words of `pip install` that have no exact version; none where a file names them."""
    if re.search(r"(?:^|\s)(?:-r|--requirement|-c|-e|--editable)\b", words):
        return
    for word in words.split():
        name = word.strip("\"'")
        if name in ("and", "or", "to", "the", "if", "first", "then", "before", "with"):
            return
        if re.fullmatch(r"[A-Za-z][\w.-]*(?:\[[\w,-]+\])?(?:[<>~!]=?[\w.,<>=!*]+)?", name) and "=" not in name[:1]:
            yield name


GATE = Gate("GH055", "warning", check, kinds=EVERY, triggers=(
    "npx", "bunx", "uvx", "pipx", "uv tool", " dlx", "pip install", "pip3 install", "git+"))
