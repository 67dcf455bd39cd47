"""Git over HTTP: `git http-backend` behind a small threaded server that counts, and fails when told to."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from testbed.gitrepo import ENVIRONMENT

CHUNK = 1 << 16


@dataclass
class Fault:
    """What happens to requests of one repository: an HTTP status, or no answer until `release` is set."""

    status: int = 0
    hang: bool = False
    release: threading.Event = field(default_factory=threading.Event)


class GitHttpServer(ThreadingHTTPServer):
    """Serves the bare repositories below `root` on a free loopback port."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, root: Path, credentials: tuple[str, str] | None, token: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        #: What a request must show: a user name and password, or a bearer token. None and "": nothing.
        self.credentials = credentials
        self.token = token
        self.faults: dict[str, Fault] = {}
        self.lock = threading.Lock()
        self.counts: dict[str, Counter[str]] = {}

    def count(self, repository: str, what: str) -> None:
        """Note a request."""
        with self.lock:
            self.counts.setdefault(repository, Counter())[what] += 1

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    #: As any web server: a small answer does not wait for the other side's delayed acknowledgement.
    disable_nagle_algorithm = True
    server: GitHttpServer

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        """Silent: what matters is counted."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        repository, what = _split(url.path)
        self.server.count(repository, what if what != "info/refs" else f"info/refs {url.query.split('=')[-1]}")
        body = self._body()
        fault = self.server.faults.get(repository)
        if fault and fault.hang:
            fault.release.wait()
            self.close_connection = True
            return
        if fault:
            self._plain(fault.status, b"told to fail\n")
        elif not self._authorised():
            self._plain(HTTPStatus.UNAUTHORIZED, b"", ("WWW-Authenticate", 'Basic realm="git"'))
        else:
            self._backend(url.path, url.query, body)

    def _authorised(self) -> bool:
        good = [f"Bearer {self.server.token}"] if self.server.token else []
        if self.server.credentials:
            good.append("Basic " + base64.b64encode(":".join(self.server.credentials).encode()).decode())
        return not good or self.headers.get("Authorization") in good

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _backend(self, path: str, query: str, body: bytes) -> None:
        environment = {
            **os.environ,
            **ENVIRONMENT,
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "git",
            "REMOTE_ADDR": "127.0.0.1",
        }
        with subprocess.Popen(
            ["git", "http-backend"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as backend:  # fmt: skip
            assert backend.stdin is not None
            assert isinstance(backend.stdout, BufferedReader)
            writer = threading.Thread(target=_feed, args=(backend.stdin, body), daemon=True)
            writer.start()
            try:
                self._relay(backend.stdout)
            finally:
                backend.kill()
                writer.join()

    def _relay(self, output: BufferedReader) -> None:
        status, headers = HTTPStatus.OK.value, []
        while line := output.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers.append((name, value.strip()))
        self.send_response(status)
        for name, value in headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while chunk := output.read1(CHUNK):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def _plain(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _feed(pipe: IO[bytes], body: bytes) -> None:
    try:
        pipe.write(body)
        pipe.close()
    except OSError:
        pass  # the backend ended first


def _split(path: str) -> tuple[str, str]:
    """/team/app.git/info/refs -> team/app, info/refs."""
    repository, _, what = path.strip("/").partition(".git/")
    return repository, what
