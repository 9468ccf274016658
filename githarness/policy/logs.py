"""`.githarness/logs/LOG.yaml`: the audit log of one clone, enrolled by an owner, with the key of its checkpoints.

    version: 1
    host: NAME              of the machine that has the clone
    key: TYPE BASE64        Ed25519; a clone that loses it gets another log
    added: TIME
    retired: TIME           where it is: what the log says later counts for nothing
"""

from __future__ import annotations

from dataclasses import dataclass

from githarness import strictyaml
from githarness.canon import Json
from githarness.policy.fields import Fields
from githarness.seal import plain

VERSION = 1


@dataclass(frozen=True, slots=True)
class EnrolledLog:
    id: str
    host: str
    key: str
    added: str
    retired: str | None = None


def parse(data: bytes, path: str) -> EnrolledLog:
    """Raises Integrity that names file and key."""
    fields = Fields.of_file(data, path, VERSION)
    log = EnrolledLog(path.rpartition("/")[2].removesuffix(".yaml"), fields.text("host"), fields.text("key"),
                      fields.time("added"), fields.time_if_there("retired"))
    fields.end()
    fields.checked("key", log.key, lambda key: plain.raw_key(key).hex())
    return log


def render(log: EnrolledLog) -> bytes:
    table: dict[str, Json] = {"version": VERSION, "host": log.host, "key": log.key, "added": log.added}
    return strictyaml.dump(table | ({"retired": log.retired} if log.retired else {}))
