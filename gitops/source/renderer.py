"""The client of the render process."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from gitops.errors import InvalidSpecError, RenderError, one_line
from gitops.model.application import Source
from gitops.model.base import parse
from gitops.source import failures
from gitops.source.access.urls import scrub
from gitops.source.bringing import Bringing
from gitops.source.git.tree import PathNotFound
from gitops.source.render.overrides import merge_patch
from gitops.source.request import Brought, ChartDependency, RemoteBase, RemoteFile, Rendered, RenderRequest
from gitops.source.sandbox import confine
from gitops.source.sandbox.channel import Channel, ChannelClosed, DeadlinePassed, FrameTooLarge
from gitops.source.sandbox.process import RenderProcess

log = logging.getLogger(__name__)

_MIB = 1 << 20
#: Seconds that a render waits for its turn, and that the render process has to report an end.
_QUEUE_SECONDS, _GRACE_SECONDS = 120.0, 5.0
#: How often one render may ask for remote bases or charts, each time having found more of them.
_ROUNDS = 12
#: How much of a render's time a service may take.
_SERVICE_SHARE = 1 / 3
#: Seconds after which an unused service is ended, and its memory given back.
_SERVICE_IDLE_SECONDS = 300.0


def _all_there(_path: str) -> None:
    """The checkout is complete."""


class Renderer:
    """Renders in a small process of its own, started by exec on first use and shared by processes forked afterwards.

    Thread-safe. `sandbox` is "auto" (what the kernel offers, with a log line for what it lacks) or "required" (refuse
    to render without it). `kustomize` is the path of the warm renderer's binary, "kubectl", or "" for the best here.
    `temp` is where renders get a folder of their own; it is emptied after each.
    """

    def __init__(self, *, sandbox: str = "auto", kustomize: str = "", temp: Path | None = None) -> None:
        self._required = sandbox == "required"
        self._kustomize = kustomize if kustomize == "kubectl" else (kustomize or _find("gitops-kustomize"))
        self._kubectl = _find("kubectl")
        self._temp = temp
        self._lock = threading.Lock()
        self._process: RenderProcess | None = None

    def start(self) -> None:
        """Start the render process now, so that it is shared by what the caller forks later. Costs about 15 MiB."""
        self._running()

    def close(self) -> None:
        """End the render process, if this process started it."""
        with self._lock:
            if self._process:
                self._process.close()
            self._process = None

    @property
    def pid(self) -> int | None:
        """The render process's id; None before it is started."""
        return self._process.pid if self._process else None

    def render(
        self,
        request: RenderRequest,
        need: Callable[[str], None] = _all_there,
        *,
        need_ref: Callable[[str, str], None] | None = None,
        remote: Callable[[RemoteBase], Brought] | None = None,
        charts: Callable[[ChartDependency], Path] | None = None,
        files: Callable[[RemoteFile], Path] | None = None,
    ) -> Rendered:
        """Render one source.

        `need(path)` is called before a path outside the application's own is read, to materialise it in the checkout;
        `need_ref(ref, path)` does the same for another source. `remote(base)` gives a checkout of the repository of a
        remote kustomize base, or raises; without it remote bases are refused. `charts(dependency)` gives the local
        archive or folder of a chart dependency, or raises; without it a missing one is an error. `files(file)` gives
        the local copy of a file at a URL; without it such files are refused.

        Raises RenderError (bounds, tools, files), InvalidSpecError (the source spec), or what the callables raise.
        """
        started = time.monotonic()
        bringing = Bringing(remote, charts, files)
        for _ in range(_ROUNDS):
            run = _Run(self, request, need, need_ref, bringing)
            try:
                answer = run.once()
            finally:
                run.close()
            if "retry" not in answer:
                return run.rendered(answer["done"], (time.monotonic() - started) * 1000)
            bringing.bring(answer["retry"], answer["items"])
        raise RenderError("the source's remote bases name further remote bases without end")

    # --- the process ---

    def _running(self) -> RenderProcess:
        with self._lock:
            if self._process is None:
                self._process = RenderProcess(self._config())
            return self._process

    def _replace(self, broken: RenderProcess) -> None:
        """Let go of a render process that is gone or does not answer; the next render starts another."""
        with self._lock:
            if self._process is broken:
                broken.kill()
                self._process = None

    def _config(self) -> dict[str, Any]:
        lacking = confine.lacking()
        if lacking and not self._required:
            log.warning("the render sandbox is incomplete: no %s", "; no ".join(lacking))
        temp = self._temp or Path(tempfile.gettempdir())
        temp.mkdir(parents=True, exist_ok=True)
        go = {"GOMAXPROCS": "2", "PATH": "/nonexistent", "HOME": "/nonexistent"}
        binary = "" if self._kustomize == "kubectl" else self._kustomize
        services = {
            "helm": {"command": [], "readable": [], "memory_mib": 768, "cpu_seconds": 86_400, "env": go},
            "kustomize": {
                "command": [binary] if binary else [],
                "readable": [os.path.realpath(binary)] if binary else [],
                "memory_mib": 768,
                "cpu_seconds": 86_400,
                "env": go,
            },
        }
        return {
            "required": self._required,
            "temp": str(temp),
            "idle_seconds": _SERVICE_IDLE_SECONDS,
            "services": services,
        }

    def _tools(self) -> dict[str, str]:
        return {"kustomize": "" if self._kustomize in ("", "kubectl") else "service", "kubectl": self._kubectl}


def _find(name: str) -> str:
    """A tool beside the interpreter (wheels put theirs there), else on PATH, else ""."""
    beside = Path(sys.prefix) / "bin" / name
    return str(beside) if beside.exists() else shutil.which(name) or ""


class _Run:
    """One conversation with one confined child."""

    def __init__(
        self,
        owner: Renderer,
        request: RenderRequest,
        need: Callable[[str], None],
        need_ref: Callable[[str, str], None] | None,
        bringing: Bringing,
    ) -> None:
        self.owner = owner
        self.request = request
        self.need = need
        self.need_ref = need_ref
        self.bringing = bringing
        self.source = request.source
        self.deadline = 0.0
        self.status: socket.socket | None = None
        self.channel: Channel | None = None
        self.objects = b"[]"

    def once(self) -> dict[str, Any]:
        """Start a child, answer its questions, and return its last message, with the objects beside it."""
        limits = self.request.limits
        process = self._open()
        assert self.channel
        assert self.status
        try:
            self.channel.receive(time.monotonic() + _QUEUE_SECONDS)
            self.deadline = time.monotonic() + limits.wall_seconds + _GRACE_SECONDS
            self._send_job()
            while True:
                message = self.channel.receive(self.deadline)
                if "done" in message:
                    self.objects = self.channel.receive_bytes(self.deadline)
                    return dict(message)
                if "retry" in message:
                    return dict(message)
                if "error" in message:
                    raise self._failure(message)
                self.channel.send(self._answer(message, process))
        except FrameTooLarge:
            raise RenderError(f"the rendered objects are larger than {limits.output_mib} MiB together") from None
        except DeadlinePassed:
            self.owner._replace(process)
            raise failures.late(limits) from None
        except ChannelClosed:
            raise self._died(process) from None
        except ValueError:
            raise RenderError("the render gave an answer that cannot be read") from None

    def _send_job(self) -> None:
        assert self.channel
        try:
            self.channel.send(self._job())
        except TypeError:
            raise InvalidSpecError(
                "the source holds a value that JSON cannot hold: a number of more than 64 bits, or broken text"
            ) from None

    def _open(self) -> RenderProcess:
        limits = self.request.limits
        header = {
            "readable": self._readable(),
            "wall_seconds": limits.wall_seconds,
            "memory_mib": limits.memory_mib,
            "cpu_seconds": limits.cpu_seconds,
            "file_mib": limits.input_mib,
            # What an operator's command leaves behind is nobody else's.
            "reusable": not self.request.plugins,
        }
        for _ in range(2):
            process = self.owner._running()
            try:
                channel, self.status = process.open_render(header)
            except OSError:
                self.owner._replace(process)
                continue
            self.channel = Channel(channel, max_frame=(limits.output_mib + limits.input_mib + 1) * 2 * _MIB)
            return process
        raise RenderError("the render process cannot be started")

    def _readable(self) -> list[str]:
        request = self.request
        roots: list[str | Path] = [request.chart_dir or request.root, *request.refs.values()]
        tools = [self.owner._kubectl] if self.owner._kubectl else []
        plugins = [path for plugin in request.plugins.values() for path in plugin.readable]
        return [os.path.realpath(p) for p in (*roots, *self.bringing.readable, *tools, *plugins)]

    def _job(self) -> dict[str, Any]:
        request = self.request
        root = request.chart_dir or request.root
        return {
            "root": str(root),
            "path": "." if request.source.chart else request.path,
            "links": request.links,
            "given": {p: content.decode("latin-1") for p, content in request.given.items()} if request.given else None,
            "source": _wire(request.source),
            "env": request.env.variables(),
            "refs": {name: str(path) for name, path in request.refs.items()},
            "chart": bool(request.source.chart),
            "kube_version": request.kube_version,
            "api_versions": list(request.api_versions),
            "limits": asdict(request.limits),
            "disabled": sorted(request.disabled),
            "plugins": {name: asdict(plugin) for name, plugin in request.plugins.items()},
            "build_options": request.kustomize_build_options,
            "value_schemes": list(request.value_file_schemes),
            **self.bringing.job(),
            **self.owner._tools(),
        }

    def _answer(self, message: dict[str, Any], process: RenderProcess) -> Any:
        try:
            if "need" in message or "need_ref" in message or "need_base" in message:
                # What the commit does not have may be allowed to be missing: the render looks for itself.
                with contextlib.suppress(PathNotFound):
                    self._need(message)
                return {"answer": True}
            if "override" in message:
                return {"answer": self._override(message["override"])}
            return {"answer": self._service(process, str(message["service"]), message["request"])}
        except BaseException:
            assert self.channel
            self.channel.send({"abort": True})
            raise

    def _need(self, message: dict[str, Any]) -> None:
        if "need" in message:
            self.need(str(message["need"]))
        elif "need_base" in message:
            self.bringing.need(str(message["need_base"]), str(message["path"]))
        elif self.need_ref:
            self.need_ref(str(message["need_ref"]), str(message["path"]))

    def _override(self, patches: list[Any]) -> dict[str, Any]:
        merged: Any = self.request.source.to_api()
        for patch in patches:
            merged = merge_patch(merged, patch)
        self.source = parse(Source, merged, "the source with .argocd-source.yaml applied")
        return _wire(self.source)

    def _service(self, process: RenderProcess, name: str, request: Any) -> Any:
        # Renders queue here: one without end must leave the others some of their time.
        share = self.request.limits.wall_seconds * _SERVICE_SHARE
        body = orjson.dumps(request)
        for _ in range(3):
            channel = Channel(process.open_service(name), max_frame=self.request.limits.output_mib * 4 * _MIB)
            pid = 0
            try:
                pid = int(channel.receive(self.deadline)["pid"])
                channel.send(body)
                return channel.receive(min(self.deadline - _GRACE_SECONDS, time.monotonic() + share))
            except DeadlinePassed:
                process.kill_service(name, pid)
                raise RenderError(f"{name} took longer than {share:g} seconds") from None
            except FrameTooLarge:
                raise RenderError(f"{name} gives more than {self.request.limits.output_mib} MiB of text") from None
            except ChannelClosed:
                if pid:
                    raise RenderError(
                        f"{name} ended in the middle of the render: it ran out of memory or crashed"
                    ) from None
            finally:
                channel.close()
        raise RenderError(f"the {name} renderer cannot be started")

    # --- how it failed ---

    def _failure(self, message: dict[str, Any]) -> Exception:
        if message["error"] == "memory":
            return failures.memory(self.request.limits)
        kind = InvalidSpecError if message["error"] == "spec" else RenderError
        return kind(scrub(str(message["text"])))

    def _died(self, process: RenderProcess) -> RenderError:
        assert self.status
        self.status.settimeout(_GRACE_SECONDS)
        try:
            report = orjson.loads(self.status.recv(4096))
        except (OSError, ValueError):
            self.owner._replace(process)
            return RenderError("the render process ended; it is started again with the next render")
        return failures.ended(report, self.request.limits)

    def rendered(self, done: dict[str, Any], ms: float) -> Rendered:
        """The result; what the child said of itself is taken as text and numbers, nothing more."""
        return Rendered(
            objects=orjson.loads(self.objects),
            origins=[str(o) for o in done["origins"]],
            source_type=str(done["kind"]),
            inputs=frozenset(str(i) for i in done["inputs"]),
            ref_inputs={str(n): frozenset(str(i) for i in paths) for n, paths in done["ref_inputs"].items()},
            warnings=tuple(one_line(scrub(str(w))) for w in done["warnings"]),
            ms=ms,
            peak=float(done["peak"]),
            source=self.source,
            remotes={
                base: frozenset(str(i) for i in done["base_inputs"].get(base.url, ())) for base in self.bringing.bases
            },
        )

    def close(self) -> None:
        if self.channel:
            self.channel.close()
        if self.status:
            self.status.close()


def _wire(source: Source) -> dict[str, Any]:
    return source.model_dump(by_alias=True)
