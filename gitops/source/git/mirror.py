"""One repository's bare mirror on disk: which commits it has, and how the missing ones come."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from gitops.errors import RepositoryError, RevisionError
from gitops.source.access.bounds import MIB, Bounds
from gitops.source.access.urls import Url
from gitops.source.disk import Entry, Lock, size_of
from gitops.source.git import direct
from gitops.source.git.command import Runner
from gitops.source.git.refs import is_abbreviated, is_sha
from gitops.source.git.session import Session
from gitops.source.git.tree import Damaged, Tree

#: Commits that are kept; older ones go with the next repacking.
_PINS = 64
#: Packs (each fetch brings one) at which they are put together.
_PACKS = 50
#: Where the branch lies that was fetched last by its name.
_TIP = "refs/tip"
#: Hex digits of an object id in a repository of the common format.
_SHA1 = 40
_EVERYTHING = ("+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*")
_NO_SUCH = re.compile(r"not our ref|couldn't find remote ref|no such remote ref", re.I)
_NOT_BY_SHA = re.compile(
    r"unadvertised object|not valid|dumb http|does not support shallow|shallow capabilit|not advertised", re.I
)


class Mirror:
    """A mirror in use. `connect` opens a conversation with its server; nothing else here does."""

    def __init__(
        self,
        entry: Entry,
        runner: Runner,
        url: Url,
        bounds: Bounds,
        connect: Callable[[], AbstractContextManager[Session]],
    ) -> None:
        self.url, self.git_dir = url, entry.path / "repo.git"
        self.where = f"repository {url.text}"
        self._entry, self.runner, self._bounds, self._connect = entry, runner, bounds, connect

    def tree(self, sha: str) -> Tree:
        """A commit that is here."""
        return Tree(self.runner, self.git_dir, sha, self.where)

    def has(self, sha: str) -> bool:
        """Whether a full SHA is here and kept; using it keeps it longer. No process is run."""
        try:
            os.utime(self._pin(sha))
        except FileNotFoundError:
            return False
        return True

    def ensure(self, sha: str) -> tuple[str, bool]:
        """Bring a commit here if it is missing; its full SHA, and whether anything was fetched.

        One process of this node fetches at a time, the others wait and find it there. Raises RevisionError where the
        server has no such commit, RepositoryError where it cannot be fetched.
        """
        sha = sha.lower()
        if not is_sha(sha) and not is_abbreviated(sha):
            raise RevisionError(f"{sha[:80]!r} is not a commit SHA; resolve it among the refs of {self.where} first")
        if is_sha(sha) and self.has(sha):
            return sha, False
        with self._entry.writing() as lock:
            if is_sha(sha) and self.has(sha):
                return sha, False
            self._prepare(sha)
            # Without a pin a commit is here only where everything was fetched, or an abbreviation is asked for.
            found = self._commit(sha) if not is_sha(sha) or (self.git_dir / "refs" / "all").exists() else ""
            fetched = not found
            if not found:
                with self._connect() as session:
                    found = self._fetch(session, sha, lock)
                found = found or self._commit(sha)
                if not found:
                    raise RevisionError(f"{sha!r} is no commit of {self.where}, or short for several")
            self._keep(found)
            if fetched:
                self._maintain(lock)
                self._entry.size = size_of(self.git_dir)
            return found, fetched

    def fetch_tip(self, branch: str) -> str:
        """Fetch what a branch, by its full name, points at now; the commit's SHA.

        "" where nothing of the repository is here yet, or its server gives no single branch. Raises RepositoryError.
        """
        with self._entry.writing() as lock:
            if not (self.git_dir / "HEAD").exists():
                return ""
            self._prepare("")
            with self._connect() as session:
                found = direct.tip(session, branch)
                if not found or not (self.has(found) or self._fetch_directly(session, found, lock)):
                    if self._fetch_refs(session, (f"+{branch}:{_TIP}",), (f"--depth={_depth(session)}",), lock):
                        return ""
                    found = (self.git_dir / _TIP).read_text().strip()
            if not self.has(found):
                self._keep(found)
                self._maintain(lock)
                self._entry.size = size_of(self.git_dir)
            return found

    def changed_paths(self, old: str, new: str) -> list[str] | None:
        """The files that differ; None where one of the two is not here."""
        if not self.has(old) or not self.has(new):
            return None
        arguments = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new]
        result = self.runner.run(arguments, git_dir=self.git_dir, max_out=128 << 20)
        if result.status:
            raise Damaged(f"the mirror of {self.where} is damaged on this worker; it is fetched anew")
        return [os.fsdecode(name) for name in result.out.split(b"\0") if name]

    def discard(self) -> None:
        """Remove a damaged mirror's content; what is wanted is fetched anew."""
        with self._entry.writing():
            shutil.rmtree(self.git_dir, ignore_errors=True)

    def _prepare(self, sha: str) -> None:
        """Make the bare repository, or clear away what a killed process left; the write lock is held."""
        if not (self.git_dir / "HEAD").exists():
            kind = "sha256" if len(sha) == 64 else "sha1"
            shutil.rmtree(self.git_dir, ignore_errors=True)
            arguments = ["init", "--quiet", "--bare", "--template=", f"--object-format={kind}"]
            if self.runner.run(arguments, git_dir=self.git_dir).status:
                raise RepositoryError(f"{self.where} cannot be mirrored: its folder cannot be written on this worker")
            return
        # Whoever ran git here held the lock that is held now, so these belong to nobody.
        leftovers = [*self.git_dir.glob("*.lock"), *self.git_dir.glob("refs/gitops/*.lock")]
        for path in (*leftovers, *self.git_dir.glob("objects/pack/tmp_*"), *self.git_dir.glob("objects/pack/.tmp*")):
            path.unlink(missing_ok=True)

    def _commit(self, sha: str) -> str:
        """The full SHA of a commit that is here, "" if it is not; tags are peeled."""
        arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{sha}^{{commit}}"]
        result = self.runner.run(arguments, git_dir=self.git_dir)
        return result.out.decode().strip() if result.status == 0 else ""

    def _keep(self, sha: str) -> None:
        if not self.has(sha):
            pin = self._pin(sha)
            pin.parent.mkdir(parents=True, exist_ok=True)
            fresh = pin.with_suffix(".lock")
            fresh.write_text(sha + "\n")
            fresh.rename(pin)

    def _pin(self, sha: str) -> Path:
        return self.git_dir / "refs" / "gitops" / sha

    def _pins(self) -> list[Path]:
        """The commits that are kept, the least recently used first."""
        return sorted(self.git_dir.glob("refs/gitops/*"), key=lambda path: path.stat().st_mtime)

    def _fetch(self, session: Session, sha: str, lock: Lock) -> str:
        """Fetch a commit by its SHA and nothing but it; where the server will not, everything.

        The SHA where that is known to be a commit's own, "" where it is still to be looked at.
        """
        if is_sha(sha):
            if self._fetch_directly(session, sha, lock):
                return sha
            said = self._fetch_refs(session, (f"+{sha}:refs/gitops/{sha}",), (f"--depth={_depth(session)}",), lock)
            if said is None:
                return ""
            if not _NOT_BY_SHA.search(said):
                raise RevisionError(f"{self.where} has no commit {sha}")
        deepen = ("--unshallow",) if (self.git_dir / "shallow").exists() else ()
        if self._fetch_refs(session, _EVERYTHING, deepen, lock) is not None:
            raise RevisionError(f"{self.where} has no commit {sha}")
        return ""

    def _fetch_directly(self, session: Session, sha: str, lock: Lock) -> bool:
        """Bring a commit as what differs from those that are here; False where Git has to do it.

        What is written is what `git fetch --depth` writes: a pack, and the border of the history that is here.
        """
        haves = [pin.name for pin in reversed(self._pins())]
        border = self.git_dir / "shallow"
        shallow = border.read_text().split() if border.exists() else []
        pack = direct.pack(session, sha, haves, shallow, _depth(session)) if haves and len(sha) == _SHA1 else None
        if pack is None or not all(map(is_sha, pack.shallow)):
            return False
        result = self.runner.run(
            ["index-pack", "--stdin", "--fix-thin"],
            git_dir=self.git_dir,
            stdin=bytes(pack.content),
            max_file=self._bounds.fetch_mib * MIB,
            inherit=(lock.descriptor,),
        )
        if result.status:
            return False
        if pack.shallow or pack.unshallow:
            fresh = border.with_suffix(".lock")
            fresh.write_text("".join(f"{oid}\n" for oid in sorted({*shallow, *pack.shallow} - {*pack.unshallow})))
            fresh.rename(border)
        # What is at the border is a commit. A tag is Git's to bring: it has to be kept as well as what it names.
        return sha in pack.shallow or self._commit(sha) == sha

    def _fetch_refs(
        self, session: Session, refspecs: tuple[str, ...], options: tuple[str, ...], lock: Lock
    ) -> str | None:
        """None if they came; what the server said if it has no such thing or will not give it so.

        Raises RepositoryError for any other failure.
        """
        quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance")
        result = session.runner.run(
            ["fetch", *quiet, *options, "--end-of-options", session.address.text, *refspecs],
            git_dir=self.git_dir,
            max_file=self._bounds.fetch_mib * MIB,
            inherit=(lock.descriptor,),
        )
        if result.status == 0:
            return None
        if not result.timed_out and (_NO_SUCH.search(result.err) or _NOT_BY_SHA.search(result.err)):
            return result.err
        raise session.failed(result)

    def _maintain(self, lock: Lock) -> None:
        """Drop the least recently used commits and put packs together, so that nothing grows with time."""
        packs = list(self.git_dir.glob("objects/pack/*.pack"))
        if len(packs) <= _PACKS:
            return
        pins = self._pins()
        for pin in pins[: max(0, len(pins) - _PINS)]:
            pin.unlink(missing_ok=True)
        with contextlib.suppress(RepositoryError):
            for arguments in (["repack", "-a", "-d", "-q"], ["prune", "--expire=now"]):
                self.runner.run(arguments, git_dir=self.git_dir, inherit=(lock.descriptor,))


def _depth(session: Session) -> int:
    return max(1, session.repository.depth)
