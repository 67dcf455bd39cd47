"""A real Git server for tests and the demo: smart HTTP, SSH and file, with repositories to write into.

    with GitServer() as server:
        repo = server.create("team/app")
        repo.publish({"app.yaml": "…"}, "first")
        clone(repo.http_url)  # or repo.ssh_url with server.ssh_command, or repo.file_url

SSH is served by `testbed/sshgit`, so that nothing needs to be installed; a key pair is made for each server.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from testbed import build
from testbed.certificates import Authority
from testbed.closing import Closing
from testbed.githttp import Fault, GitHttpServer
from testbed.gitrepo import GitRepo
from testbed.processes import ProcessGroup, TestbedError, free_port

START_SECONDS = 15.0


class GitServer(Closing):
    """A Git server on free loopback ports.

    `ca_file` verifies it when it speaks TLS; `ssh_key` (private key file), `ssh_public_key` (a line) and `known_hosts`
    (a file) are for SSH, and `ssh_command` is all of them as a GIT_SSH_COMMAND.
    """

    def __init__(
        self,
        *,
        username: str = "",
        password: str = "",
        token: str = "",
        tls: bool = False,
        client_certificates: bool = False,
        ssh: bool = True,
        user: str = "git",
    ) -> None:
        """`username`, `password`: ask for them over HTTP. `token`: ask for this bearer token. `tls`: HTTPS.

        `client_certificates`: with TLS, let in who has one of `client_certificate` alone. `ssh`: with SSH too. `user`:
        its login name.
        """
        self._sshgit = build.tool("sshgit") if ssh else None
        self._group = ProcessGroup("git")
        self.directory = self._group.directory
        self.root = self.directory / "repositories"
        self.root.mkdir()
        self._user = user
        self._repos: dict[str, GitRepo] = {}
        try:
            self._http = GitHttpServer(self.root, (username, password) if username or password else None, token)
            self._authority = Authority(self.directory / "pki") if tls else None
            self.ca_file = self._authority.ca_file if self._authority else None
            if self._authority:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self._authority.server_cert, self._authority.server_key)
                if client_certificates:
                    context.verify_mode = ssl.CERT_REQUIRED
                    context.load_verify_locations(self._authority.ca_file)
                # The handshake is the handler thread's: a client that never finishes it must not stop the others.
                self._http.socket = context.wrap_socket(
                    self._http.socket, server_side=True, do_handshake_on_connect=False
                )
            self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
            self._thread.start()
            self.ssh_port = 0
            if self._sshgit:
                self._prepare_ssh()
                self._start_ssh()
        except BaseException:
            self._group.close()
            raise

    @property
    def http_url(self) -> str:
        """The base of all HTTP URLs, without a slash at its end."""
        return f"{'https' if self._authority else 'http'}://127.0.0.1:{self._http.server_address[1]}"

    @property
    def ssh_url(self) -> str:
        """The base of all SSH URLs, without a slash at its end."""
        return f"ssh://{self._user}@127.0.0.1:{self.ssh_port}"

    @property
    def ssh_command(self) -> str:
        """A value for GIT_SSH_COMMAND that logs in with this server's key and checks its host key."""
        return (
            f"ssh -F /dev/null -i {self.ssh_key} -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes"
            f" -o UserKnownHostsFile={self.known_hosts} -o BatchMode=yes"
        )

    def client_certificate(self, user: str) -> tuple[str, str]:
        """A certificate and its key (PEM) of this server's authority. Raises TestbedError without TLS."""
        if self._authority is None:
            raise TestbedError("the Git server speaks no TLS and has no authority")
        certificate, key = self._authority.client(user)
        return certificate.decode(), key.decode()

    def create(self, name: str) -> GitRepo:
        """An empty repository, such as "team/app"."""
        if name in self._repos:
            raise TestbedError(f"the Git server has a repository {name!r} already")
        bare, work = self.root / f"{name}.git", self.directory / "work" / name
        self._repos[name] = GitRepo(name, bare, work, self.http_url, self.ssh_url)
        return self._repos[name]

    def remove(self, name: str) -> None:
        """Take a repository off the server."""
        repo = self._repos.pop(name)
        shutil.rmtree(repo.bare)
        shutil.rmtree(repo.work)

    def counts(self, name: str) -> dict[str, int]:
        """HTTP requests of a repository by what they ask for.

        "info/refs git-upload-pack": one for each ls-remote, fetch or clone. "git-upload-pack": listing and packs.
        """
        with self._http.lock:
            return dict(self._http.counts.get(name, {}))

    def reset_counts(self) -> None:
        """Count from zero."""
        with self._http.lock:
            self._http.counts.clear()

    def fail(self, name: str, status: int = 500) -> None:
        """Answer every HTTP request for a repository with this status, until `heal`."""
        self._http.faults[name] = Fault(status=status)

    def hang(self, name: str) -> None:
        """Leave every HTTP request for a repository without an answer, until `heal`."""
        self._http.faults[name] = Fault(hang=True)

    def heal(self, name: str) -> None:
        """End what `fail` or `hang` began; requests that hang are cut off."""
        fault = self._http.faults.pop(name, None)
        if fault:
            fault.release.set()

    def close(self) -> None:
        """End the server and remove its repositories."""
        for name in list(self._http.faults):
            self.heal(name)
        self._http.shutdown()
        self._http.server_close()
        self._group.close()

    def _prepare_ssh(self) -> None:
        folder = self.directory / "ssh"
        folder.mkdir(mode=0o700)
        host_public = _write_key(folder / "host_key")
        self.ssh_key, self.known_hosts = folder / "user_key", folder / "known_hosts"
        self.ssh_public_key = _write_key(self.ssh_key)
        self.authorized_keys = folder / "authorized_keys"
        self.authorized_keys.write_text(self.ssh_public_key + "\n")
        self._host_public = host_public

    def _start_ssh(self) -> None:
        assert self._sshgit is not None
        for attempt in range(3):
            self.ssh_port = free_port()
            flags = [
                f"-listen=127.0.0.1:{self.ssh_port}",
                f"-root={self.root}",
                f"-host-key={self.directory / 'ssh' / 'host_key'}",
                f"-authorized-keys={self.authorized_keys}",
            ]
            try:
                self._group.start("sshgit", [self._sshgit, *flags])
                self._group.wait_ready("sshgit", self._ssh_answers, START_SECONDS)
                break
            except TestbedError:
                if attempt == 2:
                    raise
        self.known_hosts.write_text(f"[127.0.0.1]:{self.ssh_port} {self._host_public}\n")

    def _ssh_answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.ssh_port), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False


def _write_key(path: Path) -> str:
    """Make an Ed25519 key pair; writes the private key as ssh reads it and returns the public key's line."""
    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return public.decode()
