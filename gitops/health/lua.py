"""Health checks that users wrote in Lua for Argo CD, run unchanged, with no I/O and within bounds (specs section 6).

A script sees the global `obj` and returns a table with `status` and `message`. It runs in Lua 5.1 (as in Argo CD) with
the pure functions of `string`, `table`, `math` and the clock of `os`, whatever `useOpenLibs` says: nothing that could
reach a file, a process, Python or another script is there to be opened. `sandbox.lua` holds the bounds of time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml
from lupa import lua51

from gitops.errors import InvalidSpecError
from gitops.model.health import ORDER, UNKNOWN, Health
from gitops.model.objects import Object, gvk_of

#: What one run may cost, 100 ms with all: handing over the object, and the script itself, whose hook looks at the clock
#: every so many instructions.
HANDING_OVER_MILLISECONDS = 40
MILLISECONDS = 40
INSTRUCTIONS_PER_LOOK = 20
MEMORY_BYTES = 32 * 1024 * 1024

_PREFIX = "resource.customizations.health."
_BLOB = "resource.customizations"
_MAX_SCRIPT = 256 * 1024
_MAX_DEPTH = 64
_NODES_PER_LOOK = 512


class _TooBigError(Exception):
    """The object is too deep or too large to be handed to a script."""


def _deny(obj: object, name: object, setting: bool) -> object:
    raise AttributeError("Python is not reachable from a health check")


@dataclass
class _Script:
    """One script; its Lua state is made when first needed and thrown away after any error."""

    key: str
    source: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    runtime: Any = None
    function: Any = None

    def run(self, obj: Object) -> Health | None:
        rule = f"lua/{self.key}"
        with self.lock:
            try:
                if self.function is None:
                    self._load()
                deadline = time.monotonic() + HANDING_OVER_MILLISECONDS / 1000
                _, status, message = self.function(_to_lua(self.runtime, obj, 0, [0], deadline))
            except _TooBigError as error:
                return Health(UNKNOWN, str(error), rule)
            except (
                lua51.LuaError,
                lua51.LuaMemoryError,
                UnicodeError,
                ValueError,
                OverflowError,
                MemoryError,
            ) as error:
                self.runtime = self.function = None
                reason = "it needs too much memory" if isinstance(error, lua51.LuaMemoryError) else _first_line(error)
                return Health(UNKNOWN, f"The Lua health check {self.key} failed: {reason}", rule)
        if not status:
            return None
        if status not in ORDER:
            return Health(UNKNOWN, f"The Lua health check {self.key} returned an unknown health word", rule)
        return Health(status, message or "", rule)

    def _load(self) -> None:
        self.runtime = lua51.LuaRuntime(
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_filter=_deny,
            max_memory=MEMORY_BYTES,
        )
        if len(self.source) > _MAX_SCRIPT:
            raise ValueError(f"the script is longer than {_MAX_SCRIPT} characters")
        self.function = self.runtime.execute(_sandbox(), self.source, MILLISECONDS, INSTRUCTIONS_PER_LOOK)


@lru_cache(maxsize=1)
def _sandbox() -> str:
    return files("gitops.health").joinpath("sandbox.lua").read_text()


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return (text.splitlines()[0] if text else type(error).__name__)[:300]


def _to_lua(runtime: Any, value: Any, depth: int, count: list[int], deadline: float) -> Any:
    """A JSON value as Lua tables (arrays from 1), never as a Python object."""
    count[0] += 1
    if depth > _MAX_DEPTH or (count[0] % _NODES_PER_LOOK == 0 and time.monotonic() > deadline):
        raise _TooBigError("The object is too large for a Lua health check")
    if isinstance(value, dict):
        items = {str(k): _to_lua(runtime, v, depth + 1, count, deadline) for k, v in value.items() if v is not None}
        return runtime.table_from(items)
    if isinstance(value, list):
        return runtime.table_from([_to_lua(runtime, v, depth + 1, count, deadline) for v in value])
    if isinstance(value, (bool, str, float)) or value is None:
        return value
    return (
        float(value)
        if isinstance(value, int) and abs(value) > 2**31
        else value
        if isinstance(value, int)
        else str(value)
    )


class LuaChecks:
    """The checks of one argocd-cm: `resource.customizations.health.<group_kind>` and the older one-blob form."""

    def __init__(self, scripts: Mapping[str, str]) -> None:
        """`scripts`: `<group>/<Kind>` (core group: `<Kind>`, both with `*` and `?`) to Lua source."""
        self._exact = {key: _Script(key, source) for key, source in scripts.items() if not _is_glob(key)}
        self._globs = [_Script(key, source) for key, source in scripts.items() if _is_glob(key)]
        self._found: dict[tuple[str, str], _Script | None] = {}

    @classmethod
    def from_config(cls, data: Mapping[str, str]) -> LuaChecks:
        """The checks in argocd-cm's `data`. A malformed `resource.customizations` blob raises InvalidSpecError."""
        scripts = _from_blob(data.get(_BLOB) or "")
        for name, source in data.items():
            if name.startswith(_PREFIX) and source and source.strip():
                group, _, kind = name.removeprefix(_PREFIX).rpartition("_")
                scripts[f"{group}/{kind}" if group else kind] = source
        return cls(scripts)

    def check(self, obj: Object) -> Health | None:
        """What the object's check says; None where there is none. Errors and overrun bounds give Unknown."""
        group, _, kind = gvk_of(obj)
        script = self._script(group, kind)
        return script.run(obj) if script else None

    def covers(self, group: str, kind: str) -> bool:
        """Whether a check is written for this kind."""
        return self._script(group, kind) is not None

    def __bool__(self) -> bool:
        return bool(self._exact or self._globs)

    def _script(self, group: str, kind: str) -> _Script | None:
        where = (group, kind)
        if where not in self._found:
            if len(self._found) > 4096:
                self._found.clear()
            key = f"{group}/{kind}" if group else kind
            self._found[where] = self._exact.get(key) or next(
                (script for script in self._globs if fnmatchcase(key, script.key)), None
            )
        return self._found[where]


def _is_glob(key: str) -> bool:
    return "*" in key or "?" in key


def _from_blob(text: str) -> dict[str, str]:
    """The scripts of the older form: one YAML mapping from `<group>/<Kind>` to `health.lua` and other settings."""
    if not text.strip():
        return {}
    try:
        parsed = yaml.load(text, yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise InvalidSpecError(f"{_BLOB} in argocd-cm is not valid YAML; correct it there") from error
    if not isinstance(parsed, dict):
        raise InvalidSpecError(f"{_BLOB} in argocd-cm is no mapping from group/kind to settings; correct it there")
    return {
        str(key): settings["health.lua"]
        for key, settings in parsed.items()
        if isinstance(settings, dict) and isinstance(settings.get("health.lua"), str) and settings["health.lua"].strip()
    }
