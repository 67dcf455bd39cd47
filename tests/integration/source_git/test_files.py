"""Files at URLs: what is fetched, how often, and where such a URL may not lead."""

from __future__ import annotations

import ipaddress
import time

import pytest

from gitops.errors import ProjectDenied, RepositoryError
from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access import Bounds, RemoteFiles
from gitops.source.access.network import is_public

LOCAL = Bounds(protocols=frozenset({"http", "https"}), private_hosts=frozenset({"127.0.0.1"}), command_seconds=5)


@pytest.fixture
def make_files(tmp_path):
    def make_files(*repositories: Repository, bounds: Bounds = LOCAL, **options) -> RemoteFiles:
        return RemoteFiles(tmp_path / "files", RepositoryConfig(repositories=repositories), bounds=bounds, **options)

    return make_files


def test_a_file_is_fetched_once_and_believed_for_a_while(make_files, web):
    server = web(lambda request: (200, b"a: 1\n"))
    url = f"{server.url}/env/values.yaml?x=1"
    first = make_files().fetch(url)
    assert first.path.read_bytes() == b"a: 1\n"
    assert first.path.name == "values.yaml"
    assert make_files().fetch(url) == first
    assert [request.path for request in server.seen] == ["/env/values.yaml?x=1"]


def test_what_is_known_is_asked_for_by_its_tag(make_files, web):
    content = [b"a: 1\n"]

    def respond(request):
        tag = f'"{content[0].decode().strip()}"'
        if request.headers.get("if-none-match") == tag:
            return 304, b""
        return 200, content[0], {"ETag": tag}

    server = web(respond)
    files = make_files()
    first = files.fetch(server.url + "/v.yaml")
    assert files.fetch(server.url + "/v.yaml", refresh=True) == first
    content[0] = b"a: 2\n"
    second = files.fetch(server.url + "/v.yaml", refresh=True)
    assert second.path.read_bytes() == b"a: 2\n"
    # Who renders with the first is not disturbed.
    assert first.path.read_bytes() == b"a: 1\n"
    assert len(server.seen) == 3


def test_old_contents_go(make_files, web, tmp_path):
    number = iter(range(100))
    server = web(lambda request: (200, b"n: %d\n" % next(number)))
    for _ in range(8):
        make_files().fetch(server.url + "/v.yaml", refresh=True)
    assert len(list((tmp_path / "files").rglob("v.yaml"))) == 3


def test_no_credentials_of_a_secret_are_sent(make_files, web):
    server = web(lambda request: (200, b""))
    entry = Repository(url=server.url + "/repo.git", username="u", password="p4ssword", bearerToken="t0ken")
    make_files(entry).fetch(server.url + "/repo.git/v.yaml")
    assert "authorization" not in server.seen[0].headers


def test_a_user_in_the_url_is_sent_and_not_shown(make_files, web):
    server = web(lambda request: (200, b"") if request.basic("me", "p4ss") else (401, b""))
    address = server.url.replace("http://", "http://me:{}@")
    make_files().fetch(address.format("p4ss") + "/v.yaml")
    with pytest.raises(RepositoryError, match="the server answered 401") as caught:
        make_files().fetch(address.format("wr0ng") + "/v.yaml")
    assert "wr0ng" not in str(caught.value)


# --- where it may not lead ---


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.20.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "::"],
)  # fmt: skip
def test_private_addresses(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public_addresses(address):
    assert is_public(ipaddress.ip_address(address))


CAUTIOUS = Bounds(protocols=frozenset({"http", "https"}))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_a_private_address_is_refused_before_any_connection(make_files, web, host):
    server = web(lambda request: (200, b"metadata"))
    with pytest.raises(RepositoryError, match="has a private address"):
        make_files(bounds=CAUTIOUS).fetch(f"http://{host}:{server.port}/latest/meta-data")
    assert server.seen == []


def test_a_redirect_to_a_private_address_is_refused(make_files, web):
    inside = web(lambda request: (200, b"metadata"))
    server = web(lambda request: (302, b"", {"Location": f"http://localhost:{inside.port}/latest"}))
    with pytest.raises(RepositoryError, match="localhost has a private address"):
        make_files().fetch(server.url + "/v.yaml")
    assert inside.seen == []


def test_a_repository_secret_of_the_host_permits_it(make_files, web):
    server = web(lambda request: (200, b"a: 1\n"))
    other = web(lambda request: (200, b"a: 1\n"))
    files = make_files(Repository(url=server.url + "/team/app.git"), bounds=CAUTIOUS)
    assert files.fetch(server.url + "/raw/v.yaml").path.read_bytes() == b"a: 1\n"
    with pytest.raises(RepositoryError, match="has a private address"):
        files.fetch(other.url + "/raw/v.yaml")


def test_protocols_and_the_project(make_files, web):
    server = web(lambda request: (200, b""))
    with pytest.raises(RepositoryError, match="does not permit"):
        make_files(bounds=Bounds()).fetch(server.url + "/v.yaml")
    for url in ("file:///etc/passwd", "ftp://host/x", "-x", "ssh://git@host/x"):
        with pytest.raises(RepositoryError):
            make_files().fetch(url)
    with pytest.raises(ProjectDenied, match="sourceRepos"):
        make_files(allowed=lambda url: False, project="closed").fetch(server.url + "/v.yaml")
    assert server.seen == []


# --- too much ---


def test_a_file_that_is_too_large(make_files, web):
    server = web(lambda request: (200, b"\0" * ((16 << 20) + 1)))
    with pytest.raises(RepositoryError, match="larger than 16 MiB"):
        make_files().fetch(server.url + "/v.yaml")


def test_a_server_that_answers_drop_by_drop_is_given_up(make_files, web):
    """Each drop comes in time; all of them together do not."""

    class Drops(bytes):
        def __len__(self) -> int:
            return 1 << 20

    drops = Drops(b"x")
    server = web(lambda request: (200, drops))
    served = server._server.RequestHandlerClass._serve

    def slowly(handler) -> None:
        write = handler.wfile.write

        def drip(data: bytes) -> int:
            if data is drops:
                end = time.monotonic() + 30
                while time.monotonic() < end:
                    try:
                        write(b"x")
                        handler.wfile.flush()
                    except OSError:
                        return 0
                    time.sleep(0.1)
            return write(data)

        handler.wfile.write = drip
        served(handler)

    server._server.RequestHandlerClass.do_GET = slowly
    bounds = Bounds(protocols=LOCAL.protocols, private_hosts=LOCAL.private_hosts, command_seconds=1)
    with pytest.raises(RepositoryError, match="did not answer in time"):
        make_files(bounds=bounds).fetch(server.url + "/v.yaml")


def test_what_cannot_be_read(make_files, web):
    server = web(lambda request: (404, b""))
    with pytest.raises(RepositoryError, match="the server answered 404"):
        make_files().fetch(server.url + "/v.yaml")
    loop = web(lambda request: (302, b"", {"Location": request.path}))
    with pytest.raises(RepositoryError, match="more than 5 redirects"):
        make_files().fetch(loop.url + "/v.yaml")
    for nowhere in ({}, {"Location": "http://[::1/"}):
        with pytest.raises(RepositoryError, match=r"answered 302|no address|cannot be reached"):
            make_files().fetch(web(lambda request, nowhere=nowhere: (302, b"", nowhere)).url + "/v.yaml")
    with pytest.raises(RepositoryError, match="cannot be reached: no connection"):
        make_files().fetch("http://127.0.0.1:1/v.yaml")
