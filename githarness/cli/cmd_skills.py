"""`githarness skills`: the gates on skills, the registry and its history; each subcommand has a module of its own.

That module is imported when its command is called: a check loads neither the registry nor libgit2.
"""

from __future__ import annotations

from githarness.cli.lazy import lazy_group

app = lazy_group("Check skills, list them, see how they became what they are.", {
    "check": "skills_check:check", "list": "skills_registry:list_skills", "show": "skills_registry:show",
    "history": "skills_registry:history", "blame": "skills_registry:blame",
    "gates": "skills_gates:gates", "new": "skills_tend:new", "prune": "skills_tend:prune",
})
