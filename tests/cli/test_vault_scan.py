"""`vault scan` and `githarness-secrets`: the vault's own values wherever git takes them along, and never shown."""

from __future__ import annotations

import base64
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from githarness.vault.client import Client
from tests.conftest import Ran, run_cli
from tests.proxy.conftest import _vault_template, daemon, start, start_run, value_of, vaulted  # noqa: F401

Call = Callable[..., Any]
VALUE = value_of("github/token")
RAW = VALUE.encode()
FORMS = {
    "plain": VALUE, "base64": base64.b64encode(RAW).decode(), "offset 1": base64.b64encode(b"x" + RAW).decode(),
    "offset 2": base64.b64encode(b"xy" + RAW).decode(), "hex": RAW.hex(), "HEX": RAW.hex().upper(),
    "url": quote(VALUE, safe=""), "json": VALUE.replace("/", "\\/"), "all of json": "".join(
        f"\\u{byte:04x}" for byte in RAW), "wrapped": base64.encodebytes(b"user:" * 9 + RAW).decode(),
    "two lines": VALUE[:9] + "\n" + VALUE[9:], "two literals": f'"{VALUE[:9]}" \\\n    "{VALUE[9:]}"',
    "concatenated": f'x = "{VALUE[:9]}" + "{VALUE[9:]}"',
}


def hook(folder: Path, *args: str) -> Ran:
    return run_cli(*args, cwd=folder, module="githarness.checks.secrets")


@pytest.fixture
def scan(vaulted: Path, cli: Call) -> Call:  # noqa: F811
    """`scan("--staged")`, which shows no value."""

    def call(*args: str) -> Any:
        done = cli("vault", "scan", *args, cwd=vaulted)
        assert VALUE not in done.out + done.err
        return done

    return call


def test_every_form_in_a_file(vaulted: Path, daemon: Any, scan: Call) -> None:  # noqa: F811
    """V48: plain, base64 at each offset, hex, URL, JSON, wrapped, split over lines and literals; each with its line."""
    for name, text in FORMS.items():
        (vaulted / name).write_text(f"# {name}\n\n{text}\n")
    done = scan(*FORMS)
    assert done.code == 1
    assert sorted(line.partition(": ")[0] for line in done.out.splitlines()) == sorted(f"{name}:3" for name in FORMS)
    found = hook(vaulted, *FORMS)
    assert (found.code, found.out.count("GH086 error: has the value of the secret 'github/token'")) == (1, len(FORMS))
    assert VALUE not in found.out + found.err


def test_names_binaries_and_links(vaulted: Path, daemon: Any, scan: Call) -> None:  # noqa: F811
    """V48: a file's name is shown without the value."""
    name = VALUE.replace("/", "%2F")
    (vaulted / name).write_text("x\n")
    (vaulted / "image.bin").write_bytes(b"\0\1" + RAW)
    (vaulted / "link").symlink_to(VALUE)
    shown = ["[secret github/token]: in the name: secret 'github/token' (url)",
             "image.bin:1: secret 'github/token' (raw)", "link:1: secret 'github/token' (raw)"]
    assert sorted(scan(name, "image.bin", "link").out.splitlines()) == shown
    found = hook(vaulted, name, "image.bin", "link")
    assert found.code == 1 and name not in found.out + found.err and found.out.count("GH086") == 3


def test_staged(vaulted: Path, daemon: Any, scan: Call, git: Call) -> None:  # noqa: F811
    """V48: what the index has, whatever is on disk; what HEAD has already is not looked at again."""
    (vaulted / "a.txt").write_text(f"x\n{VALUE}\n")
    git(vaulted, "add", "a.txt")
    (vaulted / "a.txt").write_text("clean\n")
    assert scan("--staged").out == "a.txt:2: secret 'github/token' (raw)\n"
    assert scan("a.txt").code == 0
    assert hook(vaulted, "--staged").code == 1
    git(vaulted, "commit", "-q", "--no-verify", "-m", "x")
    assert scan("--staged").code == 0


def test_a_message(vaulted: Path, daemon: Any) -> None:  # noqa: F811
    """V48: a commit-msg hook is given git's own file; in a linked worktree that is elsewhere."""
    file = vaulted / ".git/COMMIT_EDITMSG"
    file.write_text(f"fix\n\nwith {base64.b64encode(RAW).decode()}\n")
    found = hook(vaulted, ".git/COMMIT_EDITMSG")
    assert (found.code, ".git/COMMIT_EDITMSG:3: GH086" in found.out) == (1, True), found.err
    file.write_text("fix\n")
    assert hook(vaulted, ".git/COMMIT_EDITMSG").code == 0


def test_a_range(vaulted: Path, daemon: Any, scan: Call, git: Call) -> None:  # noqa: F811
    """V48: contents that a later commit took out again, messages, tags and notes."""
    base = git(vaulted, "rev-parse", "HEAD")
    (vaulted / "a.txt").write_text(VALUE)
    git(vaulted, "add", "a.txt")
    git(vaulted, "commit", "-q", "--no-verify", "-m", f"add {VALUE}")
    one = git(vaulted, "rev-parse", "HEAD")[:12]
    git(vaulted, "rm", "-q", "a.txt")
    git(vaulted, "commit", "-q", "--no-verify", "-m", "take it out")
    git(vaulted, "tag", "-a", "-m", f"release {RAW.hex()}", "v1")
    git(vaulted, "notes", "add", "-m", f"seen {VALUE}", one)
    lines = scan("--range", f"{base}..HEAD").out.splitlines()
    assert [line.partition(": ")[0].rpartition(":")[0] for line in lines] == [
        f"commit {one}", f"{one}:a.txt", "tag refs/tags/v1", f"note refs/notes/commits of {one}"]
    assert scan("--range", "HEAD~1..HEAD~1").code == 0
    found = hook(vaulted, "--since", base)
    assert (found.code, found.out.count("GH086")) == (1, 4)


def test_a_push(vaulted: Path, daemon: Any, git: Call, tmp_path: Path) -> None:  # noqa: F811
    """V48: git's own pre-push hook refuses commits and tags that have a value; then they have to be made anew."""
    git(tmp_path, "init", "-q", "--bare", "hub")
    git(vaulted, "remote", "add", "hub", tmp_path / "hub")
    git(vaulted, "push", "-q", "hub", "main")
    git(vaulted, "remote", "set-head", "hub", "main")  # the symbolic ref that every clone has
    git(vaulted, "switch", "-q", "-c", "topic")
    git(vaulted, "commit", "-q", "--no-verify", "--allow-empty", "-m", f"uses {VALUE}")
    refused = subprocess.run(["git", "push", "hub", "topic"], cwd=vaulted, capture_output=True, text=True, check=False)
    assert refused.returncode and "has the value of the secret 'github/token'" in refused.stderr
    assert VALUE not in refused.stderr
    git(vaulted, "tag", "-a", "-m", VALUE, "v1", "main")
    assert subprocess.run(["git", "push", "hub", "v1"], cwd=vaulted, capture_output=True, check=False).returncode
    git(vaulted, "commit", "-q", "--no-verify", "--allow-empty", "--amend", "-m", "uses a token")
    git(vaulted, "push", "-q", "hub", "topic")


def test_without_a_daemon(vaulted: Path, scan: Call) -> None:  # noqa: F811
    """The command opens the vault itself; the hook says what it did not do, and does the rest."""
    (vaulted / "a.txt").write_text(f"{VALUE}\n")
    told = scan("a.txt")
    assert told.out == "a.txt:1: secret 'github/token' (raw)\n" and told.err.startswith("1 finding; rotate ")
    assert (scan().code, scan().out, scan().err) == (0, "", "0 findings\n")  # git does not track it
    found = hook(vaulted, "a.txt")
    assert found.code == 0 and "note: the vault's own values were not looked for: no vault daemon" in found.err
    (vaulted / "a.txt").write_text("T=ghp_" + "aB3dE6gH9jK2" * 3 + "\n")
    assert "GH050" in hook(vaulted, "a.txt").out


def test_without_a_vault_nothing_is_said(fleet: Path) -> None:
    """As before."""
    (fleet / "a.txt").write_text("x\n")
    assert hook(fleet, "a.txt") == Ran(0, "", "")


def test_json_and_shapes(vaulted: Path, scan: Call) -> None:  # noqa: F811
    """Known shapes of tokens are found, too."""
    (vaulted / "a.txt").write_text(f"{VALUE}\nT=ghp_" + "aB3dE6gH9jK2" * 3 + "\n")
    assert scan("--json", "a.txt").json["items"] == [
        {"path": "a.txt", "line": 1, "kind": "value of the vault", "secret": "github/token", "form": "raw"},
        {"path": "a.txt", "line": 2, "kind": "GitHub token", "secret": None, "form": "shape"}]


def test_names_out_of_scope_are_not_told(vaulted: Path, daemon: Any) -> None:  # noqa: F811
    """V36: an agent learns that a secret is there, and not which."""
    from githarness.vault import scanning
    from githarness.vault.scanning import Content

    with daemon.client("scribe", "r-two") as vault:
        (found,) = scanning.look(vault, [Content("a", RAW)])
    assert (found.name, found.line) == ("", 1)


def test_the_daemon_goes_on(vaulted: Path, daemon: Any) -> None:  # noqa: F811
    """A scan that is not ended holds nobody up; one too many is told so at once; a large content is cut."""
    from githarness.errors import RateLimited
    from githarness.vault import scanning
    from githarness.vault.scanning import Content

    waiting: list[Client] = [daemon.client(run=f"r-{number}") for number in range(8)]
    for one in waiting:
        assert one.ask("scan", b"x" * 1000, more=True).header.keys() == {"id"}
    with daemon.client() as vault:
        assert vault.ask("get", name="github/token", mode="get").body == RAW
        with pytest.raises(RateLimited, match="looks through other"):
            vault.ask("scan", b"x")
    (found,) = scanning.look(waiting[0], [Content("big", b"line\n" * (4 << 20) + RAW)])
    assert (found.name, found.line) == ("github/token", (4 << 20) + 1)
    for one in waiting:
        one.close()


def test_who_scans_slowly_keeps_no_place(vaulted: Path, daemon: Any) -> None:  # noqa: F811
    """A run has one connection for scans; a content that does not come to its end is given up after 10 seconds."""
    from githarness.errors import RateLimited, Unavailable

    slow, other = daemon.client(), daemon.client(run="r-two")
    slow.ask("scan", b"x", more=True)
    with daemon.client() as again, pytest.raises(RateLimited):
        again.ask("scan", b"x")
    assert other.ask("scan", b"x").header["findings"] == []
    with pytest.raises(Unavailable):
        for _ in range(40):
            time.sleep(0.5)
            slow.ask("scan", b"x", more=True)
    with daemon.client() as again:
        assert again.ask("scan", RAW).header["findings"][0]["name"] == "github/token"
