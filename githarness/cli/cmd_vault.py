"""`githarness vault`: credentials that agents use and do not keep."""

from __future__ import annotations

from githarness.cli.lazy import lazy_group

app = lazy_group("Credentials for agents: encrypted in git, used under policy and audit.", {
    "init": "vault_keys:init",
    "set": "vault_records:set_",
    "get": "vault_get:get",
    "list": "vault_records:list_",
    "history": "vault_records:history",
    "rm": "vault_records:rm",
    "rotate": "vault_records:rotate",
    "exec": "vault_exec:exec_",
    "scan": "vault_scan:scan",
    "exposures": "vault_due:exposures",
    "rotate-due": "vault_due:rotate_due",
    "rekey": "vault_keys:rekey",
    "import": "vault_records:import_",
    "keys": "vault_signing:app",
    "serve": "vault_daemon:serve_",
    "status": "vault_daemon:status",
    "unlock": "vault_daemon:unlock",
    "lock": "vault_daemon:lock",
    "lease": "vault_get:lease",
    "leases": "vault_get:leases",
    "revoke": "vault_get:revoke",
})
