"""The Lua scripts of this room, called by name, alone or many in one round trip; Redis knows them by their digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib import resources
from typing import Any

import redis
from redis.exceptions import NoScriptError

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


@cache
def _digest(name: str) -> str:
    return sha1(source(name).encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """A script by its name in `lua/`, with what it is called with."""

    script: str
    keys: Sequence[str]
    args: Sequence[Any]


#: A command of Redis, word by word.
Command = tuple[Any, ...]


class Scripts:
    """Calls scripts by their digest; Redis learns one again by itself after a restart or FLUSHALL."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def __call__(self, name: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run `lua/<name>.lua`."""
        try:
            return self._client.evalsha(_digest(name), len(keys), *keys, *args)
        except NoScriptError:
            return self._client.eval(source(name), len(keys), *keys, *args)

    def together(self, calls: Sequence[Call | Command]) -> list[Any]:
        """Run scripts and commands, one after another, in one round trip; the answers in order.

        Others' commands may come in between. A script that Redis has forgotten is run after the rest. Raises the first
        answer that is an error.
        """
        if len(calls) == 1 and isinstance(calls[0], Call):
            return [self(calls[0].script, calls[0].keys, calls[0].args)]
        pipe = self._client.pipeline(transaction=False)
        for call in calls:
            if isinstance(call, Call):
                pipe.evalsha(_digest(call.script), len(call.keys), *call.keys, *call.args)
            else:
                pipe.execute_command(*call)  # type: ignore[no-untyped-call]
        answers = pipe.execute(raise_on_error=False) if calls else []
        for at, call in enumerate(calls):
            if isinstance(call, Call) and isinstance(answers[at], NoScriptError):
                answers[at] = self(call.script, call.keys, call.args)
            elif isinstance(answers[at], Exception):
                raise answers[at]
        return answers
