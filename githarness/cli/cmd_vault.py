"""`githarness vault`: credentials that agents use and do not keep."""

from __future__ import annotations

from githarness.cli.lazy import lazy_group

app = lazy_group("Credentials for agents: encrypted in git, used under policy and audit.", {
    "init": "vault_keys:init",
    "set": "vault_records:set_",
    "list": "vault_records:list_",
    "history": "vault_records:history",
    "rm": "vault_records:rm",
    "rotate": "vault_records:rotate",
    "exposures": "vault_due:exposures",
    "rotate-due": "vault_due:rotate_due",
    "rekey": "vault_keys:rekey",
    "import": "vault_records:import_",
})
