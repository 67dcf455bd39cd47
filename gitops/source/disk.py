"""Folders on disk that several processes share: locked while in use, bounded, the least recently used removed first."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from gitops.errors import RepositoryError

_POLL = 0.02


class Lock:
    """A file lock that ends with its process, shared or exclusive, held from its making until `close`."""

    def __init__(self, path: Path, *, exclusive: bool, seconds: float, what: str) -> None:
        """Waits up to `seconds`, then raises RepositoryError: `what` is busy."""
        deadline = time.monotonic() + seconds
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if _flock(descriptor, exclusive) and _same_file(descriptor, path):
                    self.descriptor = descriptor
                    return
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
            if time.monotonic() > deadline:
                raise RepositoryError(f"{what} is busy in another process for more than {seconds:g} s")
            time.sleep(_POLL)

    def close(self) -> None:
        """Let go; once is enough."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            self.close()


def _flock(descriptor: int, exclusive: bool) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same_file(descriptor: int, path: Path) -> bool:
    """Whether the path still names the file that is locked: its folder may have been removed meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


class Entry:
    """One folder of a Store, in use (so never removed) until `close`."""

    def __init__(self, path: Path, seconds: float, what: str) -> None:
        self.path = path
        self._what, self._seconds = what, seconds
        while True:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._use = Lock(path / "use.lock", exclusive=False, seconds=seconds, what=what)
                break
            except FileNotFoundError:
                continue  # removed between the two; make it again
        os.utime(path / "use.lock")

    def writing(self) -> Lock:
        """The right to write, for one process at a time; hold it as a context manager."""
        return Lock(self.path / "write.lock", exclusive=True, seconds=self._seconds, what=self._what)

    @property
    def size(self) -> int:
        """Bytes on disk, as last noted."""
        return _read_size(self.path)

    @size.setter
    def size(self, value: int) -> None:
        (self.path / "size").write_text(str(value))

    def close(self) -> None:
        """The folder may be removed from now on."""
        self._use.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Store:
    """Entries below a folder, together at most `bound_mib` large.

    What is removed is fetched again when it is wanted.
    """

    def __init__(self, root: Path, bound_mib: int, *, seconds: float, entries: int = 2000) -> None:
        """`seconds`: how long to wait for a lock. `entries`: how many folders at most."""
        self.root, self._bound, self._seconds, self._entries = root, bound_mib << 20, seconds, entries

    def entry(self, name: str, what: str) -> Entry:
        """Take an entry into use, made if need be. `what` names it in errors."""
        return Entry(self.root / name, self._seconds, what)

    def has(self, name: str) -> bool:
        """Whether an entry is there now."""
        return (self.root / name / "size").exists()

    def prune(self) -> int:
        """Remove the least recently used entries that nobody uses until the bounds hold; returns how many went."""
        found = []
        for path in self.root.iterdir() if self.root.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):
                if path.name.startswith(".trash-"):
                    _remove_trash(path)
                elif path.is_dir():
                    found.append(((path / "use.lock").stat().st_mtime, _read_size(path), path))
        total, count, removed = sum(size for _, size, _ in found), len(found), 0
        for _, size, path in sorted(found):
            if total <= self._bound and count <= self._entries:
                break
            if self._remove(path):
                total, count, removed = total - size, count - 1, removed + 1
        return removed

    def remove(self, name: str) -> bool:
        """Remove an entry that nobody uses; whether it went."""
        return self._remove(self.root / name)

    def _remove(self, path: Path) -> bool:
        with contextlib.suppress(FileNotFoundError, RepositoryError):
            with Lock(path / "use.lock", exclusive=True, seconds=0, what=path.name):
                trash = path.with_name(f".trash-{uuid.uuid4().hex}")
                path.rename(trash)
            shutil.rmtree(trash, ignore_errors=True)
            return True
        return False


def _read_size(path: Path) -> int:
    try:
        return int((path / "size").read_text() or 0)
    except (FileNotFoundError, ValueError):
        return 0


def _remove_trash(path: Path) -> None:
    """Remove what a killed process left half removed."""
    if time.time() - path.stat().st_mtime > 60:
        shutil.rmtree(path, ignore_errors=True)


def key(*parts: str) -> str:
    """A folder name of any texts, so that no URL or path decides what a folder is called."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def size_of(path: Path) -> int:
    """Bytes that a folder takes on disk, each file at least one block."""
    total = 0
    for folder, _, names in os.walk(path):
        total += 4096
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += -(-os.lstat(os.path.join(folder, name)).st_size // 4096) * 4096
    return total


@contextlib.contextmanager
def scratch(root: Path, seconds: float) -> Iterator[Path]:
    """A private folder (0700) for one command, removed afterwards; those of killed processes go after `seconds`."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in root.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > seconds:
                shutil.rmtree(old, ignore_errors=True)
    path = root / uuid.uuid4().hex
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
