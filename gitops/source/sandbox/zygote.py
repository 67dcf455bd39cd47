"""The render process: forks one confined child for each render, keeps the services, reaps and kills.

It is started by exec (see process.py) with nothing in its environment, never looks at a repository itself, and does not
grow. Everything that a render needs is imported here before the fork, but for libraries with threads of their own: the
Go runtime inside helm hangs when loaded before a fork, so only the helm service loads it, after its fork.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from gitops.source.sandbox.channel import Channel
from gitops.source.sandbox.confine import Policy, allow_cpu, confine

_MAX_HEADER = 1 << 17
#: Renders at a time; further ones wait in the control socket.
_MAX_CHILDREN = 4


#: A child serves the renders of one checkout, so many of them, and ends when nothing came for so many seconds, or when
#: it has grown beyond so many MiB.
_MAX_JOBS, _IDLE_SECONDS, _MAX_RESIDENT_MIB = 100, 5.0, 96


@dataclass
class _Child:
    pid: int
    pidfd: int
    control: socket.socket
    #: What it was confined to: it serves nothing else.
    key: bytes
    temp: str
    deadline: float = 0.0
    #: Where the end of the render that it is at will be told; None while it is idle.
    status: int | None = None
    overdue: bool = False
    leaving: bool = False


@dataclass
class _Service:
    pid: int
    pidfd: int
    control: socket.socket
    used: float


class Zygote:
    """The loop; its state is which children and services live."""

    def __init__(self, control: socket.socket, config: dict[str, Any]) -> None:
        self.control = control
        self.config = config
        self.children: dict[int, _Child] = {}
        self.services: dict[str, _Service] = {}

    def run(self) -> None:
        """Serve until every holder of the other side of the control socket is gone."""
        while True:
            poller = select.poll()
            if sum(child.status is not None or child.leaving for child in self.children.values()) < _MAX_CHILDREN:
                poller.register(self.control, select.POLLIN)
            for number in self._watched():
                poller.register(number, select.POLLIN)
            events = poller.poll(self._timeout_ms())
            self._hear({number for number, _ in events})
            self._reap()
            self._kill_overdue()
            if any(number == self.control.fileno() for number, _ in events) and not self._accept():
                break
        for child in self.children.values():
            _kill_group(child.pid)
        for service in self.services.values():
            _kill_group(service.pid)
        while self.children:
            time.sleep(0.01)
            self._reap()

    def _watched(self) -> list[int]:
        told = [c.control.fileno() for c in self.children.values() if c.status is not None]
        return told + [c.pidfd for c in self.children.values()] + [s.pidfd for s in self.services.values()]

    def _timeout_ms(self) -> float | None:
        idle = float(self.config["idle_seconds"])
        ends = [c.deadline for c in self.children.values() if not c.overdue]
        ends += [s.used + idle for s in self.services.values()]
        return max(0.0, (min(ends) - time.monotonic()) * 1000 + 1) if ends else None

    def _accept(self) -> bool:
        try:
            data, fds, _flags, _address = socket.recv_fds(self.control, _MAX_HEADER, 2)
        except OSError:
            return False
        if not data:
            return False
        header = orjson.loads(data)
        try:
            if header["op"] == "render":
                self._render(header, *fds)
            elif header["op"] == "service":
                self._forward(header["name"], fds[0])
            elif header["op"] == "kill":
                service = self.services.get(header["name"])
                if service and service.pid == header["pid"]:
                    self._end_service(header["name"])
        finally:
            for number in fds:
                with contextlib.suppress(OSError):
                    os.close(number)
        return True

    # --- renders ---

    def _render(self, header: dict[str, Any], channel: int, status: int) -> None:
        wall = header.pop("wall_seconds")
        key = orjson.dumps(header)
        child = next((c for c in self.children.values() if c.key == key and self._idle(c)), None)
        for _ in range(2):
            child = child or self._fork_render(header, key)
            try:
                socket.send_fds(child.control, [b"job"], [channel])
            except OSError:
                # It was killed while it was idle.
                child.leaving, child = True, None
                continue
            child.deadline = time.monotonic() + wall
            child.status = os.dup(status)
            return

    @staticmethod
    def _idle(child: _Child) -> bool:
        return child.status is None and not child.leaving and not child.overdue

    def _fork_render(self, header: dict[str, Any], key: bytes) -> _Child:
        if len(self.children) >= _MAX_CHILDREN and (idle := [c for c in self.children.values() if self._idle(c)]):
            self._dismiss(min(idle, key=lambda c: c.deadline))
        temp = tempfile.mkdtemp(prefix="render-", dir=self.config["temp"])
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._in_child(lambda: self._child_render(header, theirs, temp), keep={theirs.fileno()})
        theirs.close()
        child = self.children[pid] = _Child(pid, os.pidfd_open(pid), ours, key, temp)
        return child

    def _dismiss(self, child: _Child) -> None:
        child.leaving = child.overdue = True
        _kill_group(child.pid)

    def _child_render(self, header: dict[str, Any], control: socket.socket, temp: str) -> None:
        policy = Policy(
            readable=tuple(header["readable"]),
            writable=(temp,),
            memory_mib=header["memory_mib"],
            cpu_seconds=header["cpu_seconds"],
            file_mib=header["file_mib"],
            required=self.config["required"],
        )
        from gitops.source.render.job import serve

        os.chdir(temp)
        refused = _confined(policy)
        for count in range(1, _MAX_JOBS + 1):
            _data, fds, _flags, _address = socket.recv_fds(control, 64, 1)
            if not fds:
                return
            allow_cpu(header["cpu_seconds"])
            channel = Channel(socket.socket(fileno=fds[0]))
            healthy = serve(channel, refused, temp)
            for entry in os.scandir(temp):
                shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
            stays = healthy and header["reusable"] and count < _MAX_JOBS and _resident_mib() < _MAX_RESIDENT_MIB
            control.send(b"done" if stays else b"last")
            channel.close()
            if not stays:
                return

    def _hear(self, ready: set[int]) -> None:
        """What children say when a render is done; one that is gone is reaped instead."""
        for child in self.children.values():
            if child.status is None or child.control.fileno() not in ready:
                continue
            with contextlib.suppress(OSError):
                said = child.control.recv(16)
                if said:
                    child.leaving = said != b"done"
                    self._report(child, {"code": 0, "overdue": False, "peak_mib": 0})
                    child.deadline = time.monotonic() + _IDLE_SECONDS

    @staticmethod
    def _report(child: _Child, report: dict[str, Any]) -> None:
        if child.status is None:
            return
        with contextlib.suppress(OSError):
            os.write(child.status, orjson.dumps(report))
        os.close(child.status)
        child.status = None

    def _reap(self) -> None:
        for child in list(self.children.values()):
            done, status, usage = os.wait4(child.pid, os.WNOHANG)
            if not done:
                continue
            _kill_group(child.pid)
            del self.children[child.pid]
            os.close(child.pidfd)
            child.control.close()
            report = {
                "code": os.waitstatus_to_exitcode(status),
                "overdue": child.overdue,
                "peak_mib": usage.ru_maxrss / 1024,
            }
            self._report(child, report)
            shutil.rmtree(child.temp, ignore_errors=True)
        for name, service in list(self.services.items()):
            if os.waitpid(service.pid, os.WNOHANG)[0]:
                self._forget(name)

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for child in self.children.values():
            if now >= child.deadline and not child.overdue:
                self._dismiss(child)
        for name, service in list(self.services.items()):
            if now >= service.used + self.config["idle_seconds"]:
                self._end_service(name)

    # --- services ---

    def _forward(self, name: str, channel: int) -> None:
        service = self.services.get(name) or self._start_service(name)
        service.used = time.monotonic()
        try:
            socket.send_fds(service.control, [b"job"], [channel])
        except OSError:
            # It ended just now; the caller sees its channel closed and asks again.
            return

    def _start_service(self, name: str) -> _Service:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._in_child(lambda: self._child_service(name, theirs), keep={theirs.fileno()})
        theirs.close()
        self.services[name] = _Service(pid, os.pidfd_open(pid), ours, time.monotonic())
        return self.services[name]

    def _child_service(self, name: str, control: socket.socket) -> None:
        config = self.config["services"][name]
        policy = Policy(
            readable=tuple(config["readable"]),
            memory_mib=config["memory_mib"],
            cpu_seconds=config["cpu_seconds"],
            required=self.config["required"],
        )
        if config["command"]:
            os.dup2(control.fileno(), 0)
            confine(policy)
            os.execve(config["command"][0], config["command"], config["env"])  # noqa: S606
        from gitops.source.render.helm_service import serve

        os.environ.update(config["env"])
        serve(control, lambda: confine(policy))

    def _end_service(self, name: str) -> None:
        """Kill a service and wait for it, so that nothing more is handed to it."""
        pid = self.services[name].pid
        self._forget(name)
        os.waitpid(pid, 0)

    def _forget(self, name: str) -> None:
        service = self.services.pop(name)
        _kill_group(service.pid)
        os.close(service.pidfd)
        service.control.close()

    # --- both ---

    def _in_child(self, work: Callable[[], None], keep: set[int]) -> NoReturn:
        code = 70
        try:
            os.setpgid(0, 0)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self.control.close()
            _close_all_but({0, 1, 2, *keep})
            work()
            code = 0
        except BaseException as error:
            # The class alone: what the error says may come from a repository.
            with contextlib.suppress(OSError):
                os.write(2, f"render process: {type(error).__name__}\n".encode())
        finally:
            os._exit(code)


def _confined(policy: Policy) -> str:
    """Confine this process; answers why it could not be, or nothing."""
    try:
        confine(policy)
    except OSError as error:
        return f"the render cannot be confined: {error.strerror or error}"
    return ""


def _resident_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _close_all_but(keep: set[int]) -> None:
    start = 3
    for number in sorted(k for k in keep if k >= start):
        os.closerange(start, number)
        start = number + 1
    os.closerange(start, 4096)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Entry of the process: the control socket is fd 0, the configuration the first argument."""
    config = orjson.loads(sys.argv[1])
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    import gitops.source.render.job  # noqa: F401  (loaded once, shared by every child)

    gc.collect()
    gc.freeze()
    Zygote(control, config).run()
