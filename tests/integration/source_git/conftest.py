"""A Git server that asks for credentials, a small web server, and mirrors in a folder of the test's own."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access import Bounds
from gitops.source.git import Mirrors
from testbed import build
from testbed.gitserver import GitServer

USER, PASSWORD = "deploy", "pa55-w0rd:@/%secret"
ANY = Bounds(protocols=frozenset({"https", "http", "ssh", "file"}), command_seconds=30)

MakeMirrors = Callable[..., Mirrors]
Responder = Callable[["Request"], tuple]


@pytest.fixture(scope="session")
def locked() -> Iterator[GitServer]:
    """https with basic authentication, and ssh with a key."""
    try:
        server = GitServer(username=USER, password=PASSWORD, tls=True)
    except build.GoMissingError as error:
        pytest.skip(str(error))
    with server:
        server.create("team/app").publish({"apps/web/deploy.yaml": "kind: Deployment\n"}, "first")
        yield server


@pytest.fixture
def plain(git_server: GitServer, request: pytest.FixtureRequest) -> Iterator:
    """A new repository on the shared server, without credentials."""
    name = f"git/{request.node.name[:40].replace('[', '-').replace(']', '')}"
    yield git_server.create(name)
    git_server.remove(name)


@pytest.fixture
def make(tmp_path: Path) -> MakeMirrors:
    """Mirrors below the test's folder."""

    def make_mirrors(
        *repositories: Repository, bounds: Bounds = ANY, allowed=None, root: str = "git", **config
    ) -> Mirrors:
        found = RepositoryConfig(repositories=repositories, **config)
        return Mirrors(tmp_path / root, found, bounds=bounds, allowed=allowed)

    return make_mirrors


@pytest.fixture
def web() -> Iterator[Callable[[Responder], WebServer]]:
    """Start web servers: `web(respond)`; `respond` takes a Request and gives (status, body, headers)."""
    servers: list[WebServer] = []

    def start(respond: Responder, tls: ssl.SSLContext | None = None) -> WebServer:
        servers.append(WebServer(respond, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    #: Of the client, one for each connection.
    port: int = 0

    def basic(self, user: str, password: str) -> bool:
        wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        return self.headers.get("authorization") == wanted


class WebServer:
    """Answers by `respond(request)` on a free loopback port; `seen` holds the requests."""

    def __init__(self, respond: Responder, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Request] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, self.rfile.read(size), self.client_address[1])
                outer.seen.append(request)
                status, body, *more = respond(request)
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _serve

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A client that went away, or was refused by TLS, is no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
