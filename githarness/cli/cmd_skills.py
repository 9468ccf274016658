"""`githarness skills`: the gates on skills, the registry and its history; each subcommand has a module of its own."""

from __future__ import annotations

from githarness.cli.options import group
from githarness.cli.skills_check import check
from githarness.cli.skills_gates import gates
from githarness.cli.skills_registry import blame, history, list_skills, show
from githarness.cli.skills_tend import new, prune

app = group("Check skills, list them, see how they became what they are.")
app.command("check")(check)
app.command("list")(list_skills)
app.command("show")(show)
app.command("history")(history)
app.command("blame")(blame)
app.command("gates")(gates)
app.command("new")(new)
app.command("prune")(prune)
