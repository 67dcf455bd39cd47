"""Serves a folder of samples as one Git repository over smart HTTP, read only: for docker-compose.yml.

python git-server.py SAMPLES PORT        http://HOST:PORT/samples.git, working copy in $GIT_SERVER_DATA/work
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WORK = Path(os.environ.get("GIT_SERVER_DATA", "/data")) / "work"
#: What a client may send to ask for objects.
LARGEST_REQUEST = 10_000_000


def git(*arguments: str) -> str:
    """Run git in the working copy."""
    who = ["-c", "user.name=samples", "-c", "user.email=samples@localhost", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *who, *arguments], cwd=WORK, check=True, capture_output=True, text=True).stdout


def prepare(samples: Path) -> None:
    """Commit what changed in the samples since the last start."""
    WORK.mkdir(parents=True, exist_ok=True)
    if not (WORK / ".git").exists():
        git("init", "--quiet")
    shutil.copytree(samples, WORK, dirs_exist_ok=True)
    git("add", "--all")
    if git("status", "--porcelain"):
        git("commit", "--quiet", "--message=samples")


class Handler(BaseHTTPRequestHandler):
    """`git upload-pack` behind the two requests of the smart protocol."""

    def do_GET(self) -> None:
        """The refs."""
        if self.path != "/samples.git/info/refs?service=git-upload-pack":
            self.send_error(404)
            return
        self._answer("advertisement", b"001e# service=git-upload-pack\n0000", ["--http-backend-info-refs"], b"")

    def do_POST(self) -> None:
        """The objects."""
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != "/samples.git/git-upload-pack" or not 0 < length <= LARGEST_REQUEST:
            self.send_error(404)
            return
        body = self.rfile.read(length)
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self._answer("result", b"", [], body)

    def _answer(self, kind: str, head: bytes, options: list[str], body: bytes) -> None:
        protocol = {"GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
        command = ["git", "upload-pack", "--stateless-rpc", *options, str(WORK)]
        answer = (
            head
            + subprocess.run(command, input=body, stdout=subprocess.PIPE, env=os.environ | protocol, check=False).stdout
        )
        self.send_response(200)
        self.send_header("Content-Type", f"application/x-git-upload-pack-{kind}")
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        self.wfile.write(answer)


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
    ThreadingHTTPServer((os.environ.get("GIT_SERVER_HOST", ""), int(sys.argv[2])), Handler).serve_forever()
