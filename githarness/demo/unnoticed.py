"""A job of the night fails seventeen times, and nobody hears of it until morning."""

from __future__ import annotations

from githarness.demo.incident import Found, Incident
from githarness.demo.stage import Stage

NIGHT, LIMIT, CHANNEL = 17, 3, "ops"
_CONFIG = ".githarness/config.toml"
_JOB = ("run", "--agent", "reviewer", "--", "sh", "-c", "exit 1")


def _play(stage: Stage) -> Found:
    stage.say("loss", f"plain cron: {NIGHT} failures, and a mailbox that nobody reads")
    stage.must("agent", "add", "reviewer", "--purpose", "reviews what came in the last hour")
    stage.must("agent", "guard", "reviewer", "--failures", str(LIMIT), shown=True)
    before = stage.must("read", _CONFIG, "--agent", "scribe", "--json").json
    stage.must("write", _CONFIG, "--as", "olive", "--if-match", before["blob"], "-m", "tell us in ops",
               stdin=f'{before["content"]}notify = {{channel = "{CHANNEL}"}}\n')
    stage.say("tell", f"notify of config.toml names the channel {CHANNEL}; the job fails, hour by hour:")
    codes = [stage.githarness(*_JOB, shown=number in (0, LIMIT)).code for number in range(NIGHT)]
    stage.say("output", f"{codes.count(1):3} failed, {codes.count(16)} were not begun")
    told = stage.must("channel", "read", CHANNEL, "--as", "olive", "--json").json["items"]
    mine = [one["body"]["text"] for one in told if one["body"]["agent"] == "reviewer"]
    for text in mine:
        stage.say("output", f"{CHANNEL}: {text}")
    health = stage.githarness("runs", "health", shown=True).code
    released = stage.must("agent", "release", "reviewer", shown=True).code
    mended = stage.githarness(*_JOB[:-1], "exit 0").code
    good = (codes == [1] * LIMIT + [16] * (NIGHT - LIMIT) and len(mine) == 1 and health == 1
            and released == mended == 0)
    stage.say("good" if good else "bad", f"{codes.count(1)} of {NIGHT} runs failed before reviewer was paused, "
              f"operators were told {len(mine)} time(s), and it goes on when one of them says so")
    return Found(good, {"failed": codes.count(1), "not_begun": codes.count(16), "told": len(mine),
                        "exit_of_health": health, "exit_after_release": mended})


INCIDENT = Incident(
    "unnoticed", "seventeen failures before a human noticed",
    "A job fails each hour of a night, starts anew each hour, and does its damage again, until somebody looks.", _play)
