"""A repository of the Git server, with a working copy to write into.

repo = server.create("team/app")
sha = repo.publish({"app.yaml": text}, "first")
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

BRANCH = "main"
# No configuration of the machine or the user takes part, and dates are git's own.
ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Test Author",
    "GIT_AUTHOR_EMAIL": "author@example.com",
    "GIT_COMMITTER_NAME": "Test Author",
    "GIT_COMMITTER_EMAIL": "author@example.com",
}


class GitError(Exception):
    """git failed; the message is what it said."""


def git(*arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run git apart from the user's configuration and return its output, stripped."""
    done = subprocess.run(
        ["git", *map(str, arguments)],
        cwd=cwd, env={**os.environ, **ENVIRONMENT, **(env or {})},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise GitError(f"git {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return done.stdout.strip()


class GitRepo:
    """A bare repository `bare` as the server serves it, and `work`, a working copy whose origin it is."""

    def __init__(self, name: str, bare: Path, work: Path, http_base: str, ssh_base: str) -> None:
        self.name, self.bare, self.work = name, bare, work
        self.http_url = f"{http_base}/{name}.git"
        self.ssh_url = f"{ssh_base}/{name}.git"
        self.file_url = f"file://{bare}"
        git("init", "--quiet", "--bare", f"--initial-branch={BRANCH}", bare)
        for key in ("http.receivepack", "uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
            git("config", key, "true", cwd=bare)
        git("config", "gc.auto", "0", cwd=bare)
        git("init", "--quiet", f"--initial-branch={BRANCH}", work)
        git("remote", "add", "origin", bare, cwd=work)

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write files of the working copy, by path."""
        for name, content in files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def delete(self, *names: str) -> None:
        """Delete files or folders of the working copy."""
        for name in names:
            path = self.work / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def from_directory(self, source: Path, under: str = "") -> None:
        """Copy a folder's content into the working copy, at its root or under a path."""
        shutil.copytree(source, self.work / under, symlinks=True, dirs_exist_ok=True)
        # Test data may be laid without write permission, and so would be the copy.
        for path in [self.work, *self.work.rglob("*")]:
            if ".git" not in path.parts and not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o200)

    def commit(self, message: str = "change") -> str:
        """Commit everything, even if nothing changed; returns the commit's id."""
        git("add", "--all", "--force", cwd=self.work)
        git("commit", "--quiet", "--allow-empty", "--message", message, cwd=self.work)
        return self.head

    def push(self, *, force: bool = False) -> None:
        """Push the current branch and all tags."""
        git("push", "--quiet", "--tags", *(["--force"] if force else []), "origin", "HEAD", cwd=self.work)

    def publish(self, files: Mapping[str, str | bytes], message: str = "change") -> str:
        """Write, commit and push; returns the commit's id."""
        self.write(files)
        sha = self.commit(message)
        self.push()
        return sha

    def tag(self, name: str, message: str | None = None) -> None:
        """Tag the current commit (annotated if there is a message) and push the tag."""
        git("tag", "--force", *(["-m", message] if message else []), name, cwd=self.work)
        git("push", "--quiet", "--force", "origin", f"refs/tags/{name}", cwd=self.work)

    def branch(self, name: str) -> None:
        """Switch to a branch, made from the current commit if there is none; push it with `push`."""
        try:
            git("switch", "--quiet", name, cwd=self.work)
        except GitError:
            git("switch", "--quiet", "--create", name, cwd=self.work)

    def reset(self, revision: str) -> str:
        """Move the current branch to another commit, as before a forced push; returns the commit's id."""
        git("reset", "--quiet", "--hard", revision, cwd=self.work)
        return self.head

    @property
    def head(self) -> str:
        """The current commit's id."""
        return git("rev-parse", "HEAD", cwd=self.work)
