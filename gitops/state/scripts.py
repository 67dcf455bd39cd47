"""The Lua scripts of this room, loaded once a process and called by name."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import redis

_PUBLISHING = frozenset({"want", "release", "claim", "observe", "flush"})


#: Before a script's name: it is refused (-1) to one who has lost the lease that it acts under, see `lua/fence.lua`.
FENCED = "fenced:"


@cache
def source(name: str) -> str:
    """The text of `lua/<name>.lua`, with the shared publish function before it where it publishes."""
    folder = resources.files("gitops.state") / "lua"
    if name.startswith(FENCED):
        return (folder / "fence.lua").read_text() + source(name.removeprefix(FENCED))
    text = (folder / f"{name}.lua").read_text()
    return (folder / "publish.lua").read_text() + text if name in _PUBLISHING else text


class Scripts:
    """Calls scripts by their digest; Redis learns one again by itself after a restart or FLUSHALL."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._known: dict[str, Any] = {}

    def __call__(self, name: str, keys: list[str], args: list[Any], pipe: Any = None) -> Any:
        """Run `lua/<name>.lua`, or queue it on the pipeline `pipe`."""
        script = self._known.get(name)
        if script is None:
            script = self._known[name] = self._client.register_script(source(name))
        return script(keys=keys, args=args, client=pipe)
