"""What upstreams refuse, what they may not be, and what no request can carry: told by type, counted, held back."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from githarness.proxy import http_use
from githarness.proxy.http_link import Answer, Refused
from githarness.vault.client import Client
from tests.proxy import upstream
from tests.proxy.served import VALUE, Served, eventually, served
from tests.proxy.upstream import Server


def _authority(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for `name` that vouches for itself, and its key."""
    kind = "IP" if name[0].isdigit() else "DNS"
    files = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "3", "-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}:{name}", "-out", files[0],
                    "-keyout", files[1]], check=True, capture_output=True)
    return files


def _tls(files: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


@pytest.fixture(scope="module")
def place(_session_world: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("v")


@pytest.fixture(scope="module")
def servers(place: Path) -> Iterator[dict[str, Server]]:
    right, wrong = _authority(place, "127.0.0.1"), _authority(place, "api.example.org")
    (place / "ca.pem").write_text(right[0].read_text() + wrong[0].read_text())
    one = upstream.running
    with one() as plain, one(tls=_tls(right)) as good, one(tls=_tls(wrong)) as bad:
        yield {"plain": plain, "good": good, "bad": bad}


@pytest.fixture(scope="module")
def vault(_fleet_template: tuple[Path, Path], servers: dict[str, Server], place: Path) -> Iterator[Served]:
    with served(_fleet_template, place, SSL_CERT_FILE=str(place / "ca.pem")) as made:
        plain = f"http://127.0.0.1:{servers['plain'].port}"
        for name in ("api/one", "api/two", "api/three", "api/four", "api/shared"):
            made.secret(name, VALUE, "--mode", "proxy", "--host", plain)
        made.secret("api/basic", '{"username": "joe", "password": "pa55/word:x"}', "--mode", "proxy", "--host", plain,
                    "--header", "Authorization: Basic {base64}")
        made.secret("api/named", VALUE, "--mode", "proxy", "--host", f"http://localhost:{servers['plain'].port}")
        made.secret("api/metadata", VALUE, "--mode", "proxy", "--host", "http://169.254.169.254")
        for name in ("good", "bad"):
            made.secret(f"api/tls-{name}", VALUE, "--mode", "proxy", "--host", f"127.0.0.1:{servers[name].port}")
        yield made


@pytest.fixture
def plain(servers: dict[str, Server]) -> Server:
    servers["plain"].asked.clear()
    return servers["plain"]


@pytest.mark.parametrize(("status", "kind"), [(401, "credential-rejected"), (403, "credential-rejected"),
                                              (404, "upstream-changed"), (410, "upstream-changed"), (500, None)])
def test_what_an_upstream_refuses_has_a_type(status: int, kind: str | None, vault: Served, plain: Server) -> None:
    """Its own claim of a type does not pass."""
    answer = vault.http(vault.url("api/one"), f"/status/{status}")
    assert (answer.status, answer.headers["X-Githarness-Error"], answer.read()) == (status, kind, b"no")


def test_a_rejected_credential_is_told_and_left_alone(vault: Served, plain: Server) -> None:
    """After three answers of 401 in a row nothing is sent for a while; status and the audit log say so."""
    url = vault.url("api/two")
    answers = [vault.http(url, "/status/401") for _ in range(6)]
    assert [answer.status for answer in answers] == [401, 401, 401, 503, 503, 503]
    assert {answer.headers["X-Githarness-Error"] for answer in answers} == {"credential-rejected"}
    assert len(plain.asked) == 3
    told = [each for each in vault.cli("--json", "vault", "status").json["rejected"] if each["secret"] == "api/two"]
    assert (told[0]["answers"], told[0]["paused"]) == ({"401": 3}, True)
    assert eventually(lambda: "credential-rejected" in vault.cli("--json", "audit", "log", "--kind", "secret").out)


def test_who_asks_badly_takes_a_secret_from_nobody_else(vault: Served, plain: Server) -> None:
    """Three answers of 401 hold back who provoked them; where two agents have them, it is the secret, and all wait."""
    vault.cli("grant", "scribe", "--allow", "secret", "--path", "api/shared", "--for", "1h", "--why", "test")
    bad, other = vault.url("api/shared"), vault.url("api/shared", "scribe")
    assert [vault.http(bad, "/status/401").status for _ in range(4)] == [401, 401, 401, 503]
    assert vault.http(other, "/status/500").status == 500
    assert [vault.http(bad, "/status/401").status for _ in range(4)] == [401, 401, 401, 503]
    assert [vault.http(other, "/status/401").status for _ in range(4)] == [401, 401, 401, 503]
    with Client(vault.settings, vault.folder / ".git") as person:
        person.hello(human="olive")
        assert vault.http(str(person.ask("route", name="api/shared").header["url"]), "/status/200").status == 503


def test_a_new_version_is_tried_at_once(vault: Served, plain: Server) -> None:
    """What was refused was the old one."""
    url = vault.url("api/three")
    for _ in range(4):
        vault.http(url, "/status/401")
    vault.cli("vault", "rotate", "api/three", stdin=VALUE + "-new")
    assert vault.http(url, "/status/200").status == 200
    assert plain.fields()["authorization"] == f"Bearer {VALUE}-new"


def test_an_answer_of_success_ends_the_count(vault: Served, plain: Server) -> None:
    """Two refusals with a success between them are not in a row."""
    url = vault.url("api/four")
    codes = (401, 401, 200, 401, 401, 200)
    assert [vault.http(url, f"/status/{code}").status for code in codes] == [*codes]


def test_a_user_name_and_a_password_are_sent_as_basic(vault: Served, plain: Server) -> None:
    """And hidden, each and together."""
    answer = vault.http(vault.url("api/basic"), "/echo/raw")
    assert plain.fields()["authorization"] == "Basic am9lOnBhNTUvd29yZDp4"
    assert b"am9lOnBhNTUv" not in answer.read()


@pytest.mark.parametrize("value", [b"one line\r\nX-Evil: another", b"two\nlines", b"nul\0inside", b"\xc3\xa9" * 9])
def test_v45_a_value_of_two_lines_is_not_sent(value: bytes) -> None:
    """V45: CR, LF and NUL in a value make no second field, whatever wrote the record."""
    told = {"name": "api/x", "version": 1, "scheme": "https", "host": "api.example.org", "port": 443,
            "header": "Authorization: Bearer {}"}
    with pytest.raises(Refused, match="one line"):
        http_use.granted(Answer(told, value))


def test_v45_nor_is_it_kept(vault: Served) -> None:
    """V45: a record of mode proxy is not written with such a value."""
    terms = ("--mode", "proxy", "--host", "api.example.org")
    assert vault.cli("vault", "set", "api/lines", *terms, stdin="one line\r\nX-Evil: another", ok=False).code == 2


@pytest.mark.parametrize("name", ["api/named", "api/metadata"])
def test_v44_no_name_and_no_record_leads_to_what_is_private(name: str, vault: Served, plain: Server) -> None:
    """V44: a name that resolves to this machine, and the address of the machine's own credentials."""
    answer = vault.http(vault.url(name), "/echo/raw")
    assert (answer.status, answer.headers["X-Githarness-Error"], plain.asked) == (503, "unavailable", [])


def test_tls_is_checked_by_the_operators_authorities(vault: Served, servers: dict[str, Server]) -> None:
    """The secret goes to a host whose certificate is good."""
    assert vault.http(vault.url("api/tls-good"), "/echo/raw").status == 200
    assert servers["good"].fields()["authorization"] == f"Bearer {VALUE}"


def test_v40_a_certificate_for_another_name_gets_nothing(vault: Served, servers: dict[str, Server]) -> None:
    """V40: what is connected, what its certificate says and what Host says are one name."""
    answer = vault.http(vault.url("api/tls-bad"), "/echo/raw")
    assert (answer.status, servers["bad"].asked) == (503, [])


@pytest.mark.parametrize("raw", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\n folded\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\nb\r\n\r\n", b"HTTP/1.1 101 Switching\r\n\r\n", b"SSH-2.0-x\r\n\r\n", b"",
    b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nshort",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
])
def test_an_answer_with_two_readings_is_refused(raw: bytes, vault: Served, plain: Server) -> None:
    """The upstream is not believed more than the agent."""
    plain.raw = raw
    answer = vault.http(vault.url("api/one"), "/raw", "POST", body=b"x")
    assert (answer.status, answer.headers["X-Githarness-Error"]) == (502, "bad-gateway")


def test_an_answer_until_the_end_is_passed_on(vault: Served, plain: Server) -> None:
    """The negative control: an old server that says no length is understood."""
    plain.raw = b"HTTP/1.0 200 OK\r\n\r\nhello"
    answer = vault.http(vault.url("api/one"), "/raw")
    assert (answer.status, answer.read()) == (200, b"hello")


def test_the_door_comes_back(vault: Served, plain: Server) -> None:
    """A door that died is started again, at the address that agents have."""
    url = vault.url("api/one")
    pid = vault.door("http_door")
    pid.kill()
    assert eventually(lambda: vault.alive(url))
    assert urlsplit(url).port == urlsplit(vault.url("api/one")).port


def test_the_door_goes_with_its_daemon(vault: Served, plain: Server) -> None:
    """Nothing is injected that no daemon has granted."""
    url = vault.url("api/one")
    assert vault.http(url, "/status/200").status == 200
    door = vault.door("http_door")
    assert vault.daemon
    vault.daemon.kill()
    vault.daemon.wait()
    assert eventually(door.gone)
    vault.serve()
