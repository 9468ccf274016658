"""The write path against git on a repository of 2,000 skills, side by side in one run; prints ratios.

    python bench/writes.py [--writes N] [--clients 19] [--skills 2000] [--quick]

Each client is a process that edits its own skills whole, by the base that its last write gave it, and waits for every
acknowledgement. All writes are signed, durable and recorded. After each part every acknowledged write is looked up in
git.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import harness
from harness import ENV, command, git, percentile, scratch, skills

SEQUENTIAL = 150
AT_ONCE = 20


@dataclass(frozen=True)
class Measured:
    rate: float
    p50: float
    p99: float
    done: int
    lost: int
    spread: float  # the slowest client's share of the fastest one's
    client_cpu: float  # seconds per write


def sequential(folder: Path, count: int) -> float:
    start = time.perf_counter()
    for number in range(count):
        path = f"skills/skill-{number:05}/SKILL.md"
        with open(folder / path, "a") as file:
            file.write("- one more line\n")
        git(folder, "add", path)
        git(folder, "commit", "-q", "-m", f"write {path}")
    return count / (time.perf_counter() - start)


def bare_git(folder: Path, clients: int, each: int) -> tuple[int, int]:
    """The same from many processes without coordination: how many say that they committed, how many are in history."""

    def client(number: int) -> int:
        good = 0
        for turn in range(each):
            path = f"skills/skill-{number * each + turn:05}/SKILL.md"
            with open(folder / path, "a") as file:
                file.write("- one more line\n")
            done = subprocess.run(
                ["sh", "-c", f"git add {path} && git commit -q -m bare-{number}-{turn}"],
                cwd=folder,
                env=ENV,
                capture_output=True,
                check=False,
            )
            good += done.returncode == 0
        return good

    with ThreadPoolExecutor(clients) as pool:
        said = sum(pool.map(client, range(clients)))
    return said, clients * each


def fast_import(folder: Path, count: int) -> float:
    head = git(folder, "rev-parse", "HEAD").decode().strip()
    out = []
    for number in range(count):
        body = harness.text(number) + "- one more line\n"
        parent = f"from {head}\n" if number == 0 else ""
        out.append(
            f"commit refs/heads/imported\ncommitter B <b@example.org> {1700000000 + number} +0000\ndata 1\nx\n{parent}"
            f"M 100644 inline skills/skill-{number:05}/SKILL.md\ndata {len(body)}\n{body}\n"
        )
    start = time.perf_counter()
    git(folder, "fast-import", "--quiet", stdin="".join(out).encode())
    return count / (time.perf_counter() - start)


def client(folder: str, number: int, clients: int, each: int, total: int) -> None:
    """One client process: arms its skills, says ready, waits for the start, writes, reports as one JSON line."""
    import githarness  # noqa: PLC0415  only here: the benchmark itself stays light

    mine = [f"skills/skill-{one:05}/SKILL.md" for one in range(number, total, clients)][:20]
    with githarness.open(folder) as h:
        me = h.agent(f"agent-{number % 19:02}", run=f"r-bench-{number}-{os.getpid()}")
        docs = {path: me.read(path).text for path in mine}
        print("ready", flush=True)
        sys.stdin.readline()
        took, commits, before = [], [], time.process_time()
        for turn in range(each):
            path = mine[turn % len(mine)]
            docs[path] += f"- line {turn} of client {number}\n"
            start = time.perf_counter()
            done = me.write(path, docs[path])
            took.append(time.perf_counter() - start)
            commits.append(done.commit)
        print(json.dumps({"took": took, "commits": commits, "cpu": time.process_time() - before}), flush=True)
        sys.stdin.read()  # the end of an interpreter is not what is measured


def measure(folder: Path, clients: int, each: int, total: int) -> Measured:
    args = [sys.executable, __file__, "--client", str(folder)]
    running: list[subprocess.Popen[str]] = []
    while len(running) < clients:  # hundreds of interpreters that start at once are not what is measured
        numbers = range(len(running), min(clients, len(running) + AT_ONCE))
        wave = [
            subprocess.Popen(
                [*args, str(number), str(clients), str(each), str(total)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=ENV,
                text=True,
            )
            for number in numbers
        ]
        for one in wave:
            assert one.stdout and one.stdout.readline() == "ready\n"
        running += wave
    start = time.perf_counter()
    for one in running:
        assert one.stdin
        one.stdin.write("go\n")
        one.stdin.flush()
    reports = [json.loads(one.stdout.readline()) for one in running if one.stdout]
    elapsed = time.perf_counter() - start
    for one in running:
        one.communicate()
    took = [second for report in reports for second in report["took"]]
    shares = [sum(report["took"]) for report in reports]
    landed = set(git(folder, "rev-list", "main").decode().split())
    acked = [commit for report in reports for commit in report["commits"]]
    return Measured(
        len(took) / elapsed,
        percentile(took, 0.5),
        percentile(took, 0.99),
        len(took),
        len([commit for commit in acked if commit not in landed]) + len(acked) - len(set(acked)),
        min(shares) / max(shares),
        sum(report["cpu"] for report in reports) / len(took),
    )


def governed(source: Path, target: Path, *, checked_out: bool) -> Path:
    shutil.copytree(source, target)
    command(target, "init", "--fleet", "bench")
    for number in range(19):
        command(target, "agent", "add", f"agent-{number:02}")
    if not checked_out:
        git(target, "checkout", "-q", "-b", "elsewhere")
    return target


class Daemon:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Daemon:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "githarness", "serve"], cwd=self.folder, env=ENV, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr
        self.process.stderr.readline()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def cpu(self) -> float:
        """Seconds of the daemon itself, without what it starts."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def size_ratio(folder: Path) -> float:
    """Bytes of objects as they are against the same repository repacked."""
    objects = folder / ".git" / "objects"
    before = sum(file.stat().st_size for file in objects.rglob("*") if file.is_file())
    other = folder.with_name(folder.name + "-repacked")
    shutil.copytree(folder / ".git", other / ".git")
    git(other, "repack", "-adfq")
    git(other, "prune-packed")
    after = sum(file.stat().st_size for file in (other / ".git" / "objects").rglob("*") if file.is_file())
    return before / after


def line(name: str, one: Measured, base: float, clients: int) -> None:
    print(
        f"{name:42} {one.rate:7.0f}/s  {one.rate / base:5.1f} x  p50 {one.p50 * 1000:6.1f} ms"
        f"  p99 {one.p99 * 1000:7.1f} ms"
        f" ({one.p99 * one.rate / clients:4.2f} x clients/rate)  lost {one.lost}  slowest/fastest {one.spread:.2f}",
        flush=True,
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--writes", type=int, default=300, help="per client")
    options.add_argument("--clients", type=int, default=19)
    options.add_argument("--skills", type=int, default=2000)
    options.add_argument("--quick", action="store_true", help="no 100 and 300 clients")
    options.add_argument("--only", default="", help="one of: out, in, none")
    wanted = options.parse_args()
    print(harness.machine())
    with scratch() as folder:
        source = skills(folder / "source", wanted.skills)
        shutil.copytree(source, folder / "sequential")
        base = sequential(folder / "sequential", SEQUENTIAL)
        print(f"{'git add && git commit, sequential':42} {base:7.1f}/s  1.0 x")
        if not wanted.only:
            shutil.copytree(source, folder / "bare")
            said, tried = bare_git(folder / "bare", wanted.clients, 8)
            kept = git(folder / "bare", "rev-list", "--count", "HEAD").decode().strip()
            print(
                f"{f'the same from {wanted.clients} processes':42} {said} of {tried} say committed, "
                f"{int(kept) - 1} commits"
            )
            rate = fast_import(source, 2000)
            print(f"{'git fast-import, unsigned, in bulk':42} {rate:7.0f}/s  {rate / base:5.1f} x")
        ours(folder, source, wanted, base)


def ours(folder: Path, source: Path, wanted: argparse.Namespace, base: float) -> None:
    for key, name, checked_out in (
        ("out", "daemon, branch not checked out", False),
        ("in", "daemon, branch checked out", True),
    ):
        if wanted.only in ("", key):
            target = governed(source, folder / key, checked_out=checked_out)
            with Daemon(target) as daemon:
                before = daemon.cpu()
                found = measure(target, wanted.clients, wanted.writes, wanted.skills)
                line(name, found, base, wanted.clients)
                spent = (daemon.cpu() - before) / found.done
                print(f"{'':42} processor time of a write: daemon {spent * 1000:.2f} ms, "
                      f"client {found.client_cpu * 1000:.2f} ms")
                for clients in () if wanted.quick or checked_out else (100, 300):
                    line(f"daemon, {clients} clients", measure(target, clients, 40, wanted.skills), base, clients)
                print(f"{'':42} daemon memory {daemon.memory():.0f} MB")
            finish(target)
    if wanted.only in ("", "none"):
        target = governed(source, folder / "none", checked_out=False)
        line(
            "no daemon",
            measure(target, wanted.clients, max(10, wanted.writes // 10), wanted.skills),
            base,
            wanted.clients,
        )
        finish(target)


def finish(target: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-c",
            "from githarness.git import maintenance; import githarness; h = githarness.open('.')._harness; "
            "maintenance.maintain(h.git, h.repo)",
        ],
        cwd=target,
        env=ENV,
        check=True,
    )
    print(
        f"{'':42} fsck {'clean' if git(target, 'fsck', '--strict').strip() == b'' else 'NOT CLEAN'}, "
        f"size {size_ratio(target):.2f} x repacked, "
        f"status {len(git(target, 'status', '--porcelain').splitlines())} changes"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--client"]:
        client(sys.argv[2], *map(int, sys.argv[3:7]))
    else:
        main()
