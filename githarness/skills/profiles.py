"""What each runtime expects of a file: data from `schemas/skill.NAME.schema.json`, judged without retrieval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from githarness.canon import Json


class Profile(NamedTuple):
    name: str
    schema: Mapping[str, Json]  # JSON Schema of the frontmatter of a skill
