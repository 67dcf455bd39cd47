"""Running git: in an environment of our own, killed with all its children when its time is over, its output bounded."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import IO, BinaryIO, cast

from git import Git
from git.exc import GitCommandNotFound

from gitops.errors import RepositoryError

#: What git needs of the worker's environment; everything else is blanked, the worker's secrets first of all.
_KEPT = frozenset({"PATH", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH", "PYTHONPATH"})
_STDERR_BYTES = 64 << 10
_CHUNK = 1 << 16

CONFIG = """\
[core]
\thooksPath = /dev/null
\tattributesFile = /dev/null
\texcludesFile = /dev/null
\tfsmonitor = false
\tprotectHFS = true
\tprotectNTFS = true
\tbigFileThreshold = 16m
\tpackedGitWindowSize = 32m
\tpackedGitLimit = 256m
[protocol]
\tversion = 2
\tallow = never
[fetch]
\tunpackLimit = 1
\trecurseSubmodules = false
\twriteCommitGraph = false
[transfer]
\tunpackLimit = 1
[submodule]
\trecurse = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[pack]
\tthreads = 1
[http]
\tfollowRedirects = initial
\tlowSpeedLimit = 1
\tlowSpeedTime = 30
[credential]
\thelper =
[safe]
\tdirectory = *
[log]
\tshowSignature = false
"""


class TooMuch(RepositoryError):
    """A command prints more than it may."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended: exit status (negative: signal), stdout, stderr."""

    status: int
    out: bytes
    err: str
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs git with one environment: a config file, and what a session adds for credentials.

    `seconds` bounds each command's wall time.
    """

    config: Path
    seconds: float
    extra: Mapping[str, str]
    protocols: frozenset[str] = frozenset()

    def run(
        self,
        arguments: Sequence[str],
        *,
        git_dir: Path | None = None,
        stdin: bytes = b"",
        max_out: int = 64 << 20,
        max_file: int = 0,
        inherit: Sequence[int] = (),
        seconds: float = 0,
    ) -> Result:
        """Run `git arguments` to its end; never raises for git's own failure.

        `max_out`: bytes of stdout, `max_file`: bytes of a file that it writes, `inherit`: descriptors (locks) that
        live as long as the command. Raises RepositoryError where stdout is larger or git is not installed.
        """
        with self._started(arguments, git_dir, stdin, max_file, inherit) as process:
            watch = _Watch(process, seconds or self.seconds)
            stderr = _Drain(cast("IO[bytes]", process.stderr))
            out = bytearray()
            with watch:
                while chunk := cast("IO[bytes]", process.stdout).read1(_CHUNK):  # type: ignore[attr-defined]
                    out += chunk
                    if len(out) > max_out:
                        raise TooMuch(f"git {arguments[0]} gives more than {max_out >> 20} MiB; this is refused")
                process.wait()
            return Result(process.returncode, bytes(out), stderr.text(), watch.fired)

    @contextlib.contextmanager
    def stream(self, arguments: Sequence[str], *, git_dir: Path, stdin: bytes) -> Iterator[Stream]:
        """The stdout of `git arguments`, to be read while it runs;

        it is killed at the end of its time or of the block.
        """
        with self._started(arguments, git_dir, stdin, 0, ()) as process:
            _Drain(cast("IO[bytes]", process.stderr))
            watch = _Watch(process, self.seconds)
            with watch:
                yield Stream(cast("IO[bytes]", process.stdout), watch)

    @contextlib.contextmanager
    def _started(
        self, arguments: Sequence[str], git_dir: Path | None, stdin: bytes, max_file: int, inherit: Sequence[int]
    ) -> Iterator[Popen[bytes]]:
        environment = self._environment(git_dir)
        command = [*_without_git_variables(environment), "git", *arguments]
        with _source(stdin) as source:
            try:
                wrapper = Git(str(self.config.parent)).execute(
                    command,
                    istream=source,
                    as_process=True,
                    env=environment,
                    start_new_session=True,
                    pass_fds=tuple(inherit),
                )
            except GitCommandNotFound:
                raise RepositoryError("git is not installed where this worker runs") from None
        process = cast("Popen[bytes]", wrapper.proc)
        try:
            if max_file:
                with contextlib.suppress(ProcessLookupError):
                    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (max_file, max_file))
            yield process
        finally:
            _kill(process)
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()
            wrapper.proc = None

    def _environment(self, git_dir: Path | None) -> dict[str, str]:
        blank = dict.fromkeys((n for n in os.environ if n not in _KEPT and not n.startswith("GIT_")), "")
        return {
            **blank,
            "HOME": str(self.config.parent),
            "GIT_DIR": str(git_dir) if git_dir else str(self.config.parent / "none"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self.config),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "SSH_ASKPASS": "true",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_ALLOW_PROTOCOL": ":".join(sorted(self.protocols)) or "none",
            "GIT_PROTOCOL_FROM_USER": "0",
            **self.extra,
        }


@dataclass(frozen=True, slots=True)
class Stream:
    """The output of a running command; where it ends early, `timed_out` tells why."""

    out: IO[bytes]
    _watch: _Watch

    @property
    def timed_out(self) -> bool:
        return self._watch.fired


class _Watch:
    """Kills a process and its children after a time; `fired` tells whether it did."""

    def __init__(self, process: Popen[bytes], seconds: float) -> None:
        self.fired = False
        self._process = process
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True

    def _fire(self) -> None:
        self.fired = True
        _kill_group(self._process)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


class _Drain:
    """Reads stderr beside stdout, so that neither pipe fills up, and keeps its beginning."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._kept = bytearray()
        self._pipe = pipe
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(ValueError, OSError):
            while chunk := self._pipe.read1(_CHUNK):  # type: ignore[attr-defined]
                self._kept += chunk[: max(0, _STDERR_BYTES - len(self._kept))]

    def text(self) -> str:
        self._thread.join(5)
        return self._kept.decode("utf-8", "replace")


@contextlib.contextmanager
def _source(stdin: bytes) -> Iterator[BinaryIO | None]:
    """What a command reads: a file, so that nobody has to feed it; None for nothing."""
    if not stdin:
        yield None
        return
    # In memory where the kernel can: a file on disk costs more than most commands take to read it.
    memory = getattr(os, "memfd_create", None)
    with os.fdopen(memory("stdin"), "w+b") if memory else tempfile.TemporaryFile() as source:
        source.write(stdin)
        source.seek(0)
        yield cast("BinaryIO", source)


def _without_git_variables(ours: Mapping[str, str]) -> list[str]:
    """A prefix that removes the worker's own GIT_* variables: an empty one would not be none."""
    names = [name for name in os.environ if name.startswith("GIT_") and name not in ours]
    return ["env", *(part for name in names for part in ("-u", name))] if names else []


def _kill(process: Popen[bytes]) -> None:
    if process.poll() is None:
        _kill_group(process)
        process.wait()


def _kill_group(process: Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
