"""`git-credential-githarness`: hands git the user name and password that the vault has for a host (gitcredentials(7)).

    git config credential.https://git.example.org.helper 'githarness --repo PATH [--secret NAME]'

Git runs it for every fetch and push, so it imports next to nothing, not even what the rest of githarness is made of:
frames, the socket's place and the environment are read here as vault/wire.py and settings.py do it. `get` alone
answers; `store` keeps nothing; `erase` tells the daemon that the host refused the secret.
"""

from __future__ import annotations

import _socket
import json
import os
import sys
import time

try:  # hashlib loads OpenSSL, which takes longer than all the rest
    from _sha2 import sha256  # type: ignore[import-not-found]
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found]  # Python 3.11
    except ImportError:
        from hashlib import sha256

_USAGE = "usage: git-credential-githarness [--repo DIR] [--secret NAME] get|store|erase"
_LARGEST = 16384
_TTL = 300  # seconds: of a lease that the daemon makes by itself
_USER = "x-access-token"  # what GitHub, GitLab and Gitea take beside a token
_USUAL = {"https": ":443", "http": ":80"}
_KNOWN = {"protocol", "host", "path", "username"}


class Refusal(Exception):
    """Why there is no answer, for stderr."""


def main() -> int:
    """0 also where there is none to give: git then asks the next helper, or the person."""
    try:
        if {"-h", "--help"} & set(sys.argv[1:]):
            sys.stdout.write(_USAGE + "\n")
            return 0
        repo, secret, operation = _words(sys.argv[1:])
        if operation in ("get", "erase"):
            for line in _operate(repo, secret, operation, _request(sys.stdin.buffer.read(_LARGEST + 1))):
                sys.stdout.write(line + "\n")
    except (Refusal, OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"githarness: {error}\n")
        return 0 if isinstance(error, Refusal) else 1
    return 0


def _words(words: list[str]) -> tuple[str, str, str]:
    given = {"--repo": ".", "--secret": ""}
    while words and words[0] in given and len(words) > 1:
        given[words[0]], words = words[1], words[2:]
    if len(words) != 1:
        raise ValueError(_USAGE)
    return given["--repo"], given["--secret"], words[0]


def _request(data: bytes) -> dict[str, str]:
    """Git's `key=value` lines. Raises ValueError for what could be read in another way than git meant it."""
    if len(data) > _LARGEST or b"\0" in data or b"\r" in data:
        raise ValueError("git's request is too long, or holds CR or NUL")
    told = {}
    for line in data.decode().partition("\n\n")[0].removesuffix("\n").split("\n"):
        key, equals, value = line.partition("=")
        if not equals or (key in told and key in _KNOWN):
            raise ValueError("git's request is not of the form 'key=value'")
        told[key] = value
    host = told.get("host", "")
    if not host or not host.isascii() or not host.isprintable() or set(host) & set(" /@\\?#%"):
        raise ValueError("git's request names no host")
    told["host"] = host.lower().removesuffix(_USUAL.get(told.get("protocol", ""), ":"))
    return told


def _operate(repo: str, secret: str, operation: str, told: dict[str, str]) -> list[str]:
    vault = _Vault(_place(_common_dir(os.path.realpath(repo))))
    vault.hello()
    items, _ = vault.ask(op="list")
    name = _pick([item for item in items["items"] if secret in ("", item["name"])], told)
    if operation == "erase":
        vault.ask(op="rejected", name=name, host=told["host"])
        return []
    _, value = vault.ask(op="get", name=name, mode="get", host=told["host"])
    username, password = _pair(value.decode())
    if {"\n", "\r", "\0"} & set(username + password):
        raise Refusal(f"the value of '{name}' is not one line")
    if told.get("username", username) != username:
        raise Refusal(f"'{name}' is not for the user '{told['username']}'")
    until = int(time.time()) + _TTL
    return [f"username={username}", f"password={password}", f"password_expiry_utc={until}", "ephemeral=1"]


def _pick(items: list[dict[str, object]], told: dict[str, str]) -> str:
    """The secret whose record names the host, the one that names it in full first."""
    asked = told["host"] if told.get("protocol") == "https" else f"{told.get('protocol')}://{told['host']}"
    wanted = {asked, "*." + asked.partition(".")[2]} if "://" not in asked else {asked}
    fit = []
    for item in items:
        hosts, modes = item["hosts"], item["modes"]
        if isinstance(hosts, list) and isinstance(modes, list) and "get" in modes and wanted & set(hosts):
            fit.append((asked not in hosts, str(item["name"])))
    if not fit:
        raise Refusal(f"no secret of mode get that you may use is for '{asked}'\n"
                      f"hint: githarness vault set NAME --mode get --host {asked}, or githarness policy explain")
    return min(fit)[1]


def _pair(value: str) -> tuple[str, str]:
    try:
        found = json.loads(value)
        return str(found["username"]), str(found["password"])
    except (ValueError, KeyError, TypeError):
        return _USER, value.removesuffix("\n")


def _common_dir(folder: str) -> str:
    while not os.path.exists(git := os.path.join(folder, ".git")):
        if folder == os.path.dirname(folder):
            raise ValueError("there is no repository here: name it with --repo")
        folder = os.path.dirname(folder)
    if os.path.isfile(git):
        git = os.path.join(folder, _text(git).removeprefix("gitdir: "))
    common = os.path.join(git, "commondir")
    return os.path.realpath(os.path.join(git, _text(common)) if os.path.exists(common) else git)


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read(4096).strip()


def _place(common_dir: str) -> str:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = f"{runtime}/githarness" if runtime else f"{os.environ.get('TMPDIR', '/tmp')}/githarness-{os.getuid()}"
    return f"{folder}/vault-{sha256(os.fsencode(common_dir)).hexdigest()[:16]}.sock"


def _session_run(agent: str) -> str:
    """The run that an agent without one acts in; slower, because all settings are read for it."""
    from githarness import settings  # noqa: PLC0415  in a run, which has its id, nobody waits for this

    return settings.load().run_of(agent)


class _Vault:
    def __init__(self, path: str) -> None:
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._socket.settimeout(30)
        try:
            self._socket.connect(path)
        except OSError:
            raise Refusal("no vault daemon serves this repository\nhint: githarness vault serve") from None

    def hello(self) -> None:
        """Who asks is who the run says, by the token in its file."""
        said = {name: os.environ.get("GITHARNESS_" + name.upper()) for name in ("agent", "run")}
        if said["agent"] and not said["run"]:
            said["run"] = _session_run(said["agent"])
        if file := os.environ.get("GITHARNESS_TOKEN_FILE"):
            said["token"] = _text(file)
        self.ask(op="hello", **{name: text for name, text in said.items() if text})

    def ask(self, **header: str) -> tuple[dict[str, list[dict[str, object]]], bytes]:
        """The header and the body of the answer. Raises Refusal."""
        head = json.dumps({"id": 1, **header}).encode()
        self._socket.sendall((4 + len(head)).to_bytes(4, "big") + len(head).to_bytes(4, "big") + head)
        frame = self._exactly(int.from_bytes(self._exactly(4), "big"))
        end = 4 + int.from_bytes(frame[:4], "big")
        answer = json.loads(frame[4:end])
        if "error" in answer:
            raise Refusal(f"{answer['error']['message']}\nhint: {answer['error']['fix']}")
        return answer, frame[end:]

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise Refusal("the vault daemon hung up")
            data += piece
        return data


if __name__ == "__main__":
    sys.exit(main())
