"""A third of 153 skills malformed; agents load the broken ones without a word, or not at all."""

from __future__ import annotations

from githarness.demo.incident import Found, Incident
from githarness.demo.stage import Stage

FOLDER, SKILLS, BROKEN = "library", 153, 51
NEW = f"{FOLDER}/skill-new/SKILL.md"
_BODY = "\n# Steps\n\n1. Look at what is there.\n2. Change one thing.\n"
_HEAD = "name: {name}\ndescription: {about}"
_ABOUT = "Checks part {number} of the release. Use when a release is prepared."
# How skills break: the shapes that are most frequent among public ones.
_SHAPES = (
    "---\n" + _HEAD.replace("{about}", "Release: part {number}: use when it is prepared") + "\n---\n",  # not YAML
    "---\nname: {name}\n---\n",  # no description
    "\n---\n" + _HEAD + "\n---\n",  # not at the first byte
    "---\n" + _HEAD + "\n",  # never closed
    "---\nname: Skill {number}\ndescription: {about}\n---\n",  # not the folder's name
)


def files() -> dict[str, str]:
    """Every third one is broken, in turn in each of the ways."""
    return {f"{FOLDER}/skill-{number:03}/SKILL.md": _skill(number) for number in range(SKILLS)}


def _skill(number: int) -> str:
    shape = _SHAPES[number // 3 % len(_SHAPES)] if number % 3 == 0 else "---\n" + _HEAD + "\n---\n"
    return shape.format(name=f"skill-{number:03}", number=number, about=_ABOUT.format(number=number)) + _BODY


def _play(stage: Stage) -> Found:
    stage.say("loss", f"{BROKEN} of {SKILLS} skills are broken; git took them all, and no agent says which it dropped.")
    found = stage.githarness("skills", "check", FOLDER, "--json").json
    broken = {item["path"] for item in found["items"] if item["severity"] == "error"}
    wanted = {path for number, path in enumerate(files()) if number % 3 == 0}
    one = stage.githarness("skills", "check", f"{FOLDER}/skill-000", shown=True)
    fixed = stage.githarness("skills", "check", FOLDER, "--fix", "--json").json
    stage.say("tell", f"{found['failed']} of {found['checked']} fail; --fix leaves {fixed['failed']} for people.")
    stage.git("checkout", "-q", "--", FOLDER)
    late = stage.githarness("write", NEW, "--agent", "scribe", stdin=_SHAPES[1].format(name="skill-new") + _BODY,
                            shown=True)
    absent = stage.git("cat-file", "-e", f"HEAD:{NEW}").code != 0
    good = broken == wanted and one.code == 1 and late.code == 10 and absent
    stage.say("good" if good else "bad", f"{len(broken)} broken skills are named, with line and fix, and a new one "
              f"{'was refused before it landed' if late.code == 10 and absent else 'landed'}")
    return Found(good, {"checked": found["checked"], "failed": found["failed"], "left_by_fix": fixed["failed"],
                        "exit_of_bad_write": late.code})


INCIDENT = Incident(
    "malformed", "a third of the skills are malformed",
    "Of 153 skills 51 do not load as meant. Git keeps them, agents skip them silently, nobody is told.", _play)
