"""`githarness search`: skills, memory, policies and documents of the governed branch by their words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from githarness.cli.options import command
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.errors import Usage
from githarness.store.artifacts import KINDS, Kind
from githarness.work import search
from githarness.work.search import Hit, Query


@dataclass(frozen=True, slots=True)
class SearchOptions:
    kind: Annotated[str | None, typer.Option(metavar="KIND", help="Only skill, memory, policy or doc.")] = None
    number: Annotated[int, typer.Option("-n", metavar="N", min=1, max=1000, help="At most N artifacts.")] = 10
    phrase: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="With these words in a row.")] = None
    without: Annotated[list[str] | None, typer.Option(metavar="WORD", help="Without this word.")] = None
    explain: Annotated[bool, typer.Option("--explain", help="Show the words found, by column.")] = False


@command
def search_command(ctx: typer.Context, *, text: Annotated[str, typer.Argument(metavar="TEXT")],
                   options: SearchOptions) -> None:
    """Find skills, policies, and the memory and docs that config.toml names, by any text, the best first.

    Beside policies it looks at the globs `skills`, `memory` and `docs` of .githarness/config.toml; the last two are
    empty where nobody has set them. Every text is a question: no sign in it means anything special, its rarest words
    count most, and letter case and accents count for nothing. A word in the name counts more than one in the
    description, the tags or the body.

    Example: githarness search "roll a release back" --kind skill
    """
    sh = shell(ctx)
    wanted = Query(text, options.phrase or (), options.without or (), _kind(options.kind), options.number,
                   options.explain)
    harness = sh.open()
    harness.registry.update(harness.head())
    found = search.find(harness.registry, wanted)
    sh.document({"items": [_item(hit, explain=options.explain) for hit in found.items], "total": found.total})
    for hit in found.items:
        _show(sh, hit)
    if not found.items:
        sh.note("nothing is found; which files are looked at: skills, memory and docs in .githarness/config.toml")
    if found.total > len(found.items):
        sh.note(f"{found.total - len(found.items)} more; show them with -n {min(found.total, 1000)}")


def _kind(name: str | None) -> Kind | None:
    known = next((kind for kind in KINDS if kind == name), None)
    if name is not None and known is None:
        raise Usage(f"there is no kind '{name}'", fix=f"one of {', '.join(KINDS)}")
    return known


def _item(hit: Hit, *, explain: bool) -> dict[str, object]:
    match = hit.match
    return {
        "path": match.path,
        "name": match.name,
        "title": match.title,
        "score": round(match.score, 4),
        "snippet": "".join(text for text, _ in hit.snippet),
        "blob": match.blob,
        **({"explain": hit.reasons} if explain else {}),
    }


def _show(sh: Shell, hit: Hit) -> None:
    sh.line(Painted(hit.match.path, "cyan"), f"  {hit.match.name}")
    sh.line("    ", *(Painted(text, "bold") if marked else text for text, marked in hit.snippet))
    for column, terms in hit.reasons.items():
        sh.line(Painted(f"    {column}: ", "dim"), ", ".join(f"{term} {count}" for term, count in terms.items()))
