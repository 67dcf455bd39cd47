"""Queues: at most one message per (task, application) waits, however long the workers are away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any
from uuid import uuid4

import redis

from gitops.state.keys import Keys
from gitops.state.scripts import Call, Scripts

FETCH, DIFF, APPLY, GENERATE = "fetch", "diff", "apply", "generate"
#: The tasks of an Application; GENERATE is an ApplicationSet's.
TASKS = (FETCH, DIFF, APPLY)
#: What a worker serves, most urgent first: operations before new work, people and pushes before polls. What waits in
#: `diff` was put off (the new health of a rollout): first syncs go before it.
QUEUES = (
    "apply-urgent", "fetch-urgent", "diff-urgent", "apply", "fetch", "diff", "generate-urgent", "generate",
)  # fmt: skip
#: What an ApplicationSet's id begins with, before `namespace/name`: an Application may have the same name.
SET_PREFIX = "appset:"


class Rank(IntEnum):
    """Why something is wanted, by urgency."""

    POLL = 0
    DRIFT = 1
    WEBHOOK = 2
    PERSON = 3


#: (task, application, message id, queue) -> the message as the broker carries it.
Envelope = Callable[[str, str, str, str], bytes]


def queue_of(task: str, rank: Rank) -> str:
    """The queue that a message of this task and urgency waits in."""
    return task if rank is Rank.POLL else f"{task}-urgent"


@dataclass(frozen=True, slots=True)
class Message:
    """A message ready to be pushed by a script."""

    id: str
    payload: bytes


class Queue:
    """Publishes wishes. The marker and the message are written by one script, so neither exists without the other."""

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys, envelope: Envelope) -> None:
        self._redis, self._scripts, self._keys, self._envelope = client, scripts, keys, envelope

    def message(self, task: str, app: str, rank: Rank) -> Message:
        """A new message for the task; it is not published yet."""
        message_id = uuid4().hex
        return Message(message_id, self._envelope(task, app, message_id, queue_of(task, rank)))

    def lists(self, task: str) -> list[str]:
        """The keys of the task's normal and urgent queue."""
        return [self._keys.queue(task), self._keys.queue(f"{task}-urgent")]

    def want(self, task: str, app: str, rank: Rank = Rank.POLL) -> bool:
        """Wish that `task` runs for `app`. True where a message was published, False where one waits already."""
        return self.want_all(task, [app], rank) == 1

    def want_all(self, task: str, apps: Iterable[str], rank: Rank = Rank.POLL) -> int:
        """Wish for many applications in one round trip. Returns how many messages were published."""
        calls = []
        for app in apps:
            message = self.message(task, app, rank)
            args = [task, int(rank), message.id, message.payload]
            calls.append(Call("want", [self._keys.app(app), *self.lists(task)], args))
        return sum(1 for published in self._scripts.together(calls) if published)

    def want_look(self, ids: Iterable[str], rank: Rank = Rank.POLL) -> None:
        """Wish that each looks at its repositories: Applications by `fetch`, ApplicationSets by `generate`."""
        wanted = set(ids)
        sets = {name for name in wanted if name.startswith(SET_PREFIX)}
        for task, names in ((FETCH, wanted - sets), (GENERATE, sets)):
            if names:
                self.want_all(task, names, rank)

    def begin(self, task: str, app: str, message_id: str) -> bool:
        """Take note that a worker starts on the message. False where it was begun before (a redelivery)."""
        return self.begun(self._scripts.together([self.beginning(task, app, message_id)])[0]) is not None

    def beginning(self, task: str, app: str, message_id: str) -> Call:
        """What `begin` calls, for others to call together with what they have."""
        return Call("begin", [self._keys.app(app)], [task, message_id])

    @staticmethod
    def begun(answer: Any) -> Rank | None:
        """How urgent the wish was, where Redis answers this to `beginning`; None where it was begun before."""
        return Rank(int(answer) - 1) if int(answer) else None

    def depths(self) -> dict[str, int]:
        """Waiting messages per queue."""
        pipe = self._redis.pipeline(transaction=False)
        for name in QUEUES:
            pipe.llen(self._keys.queue(name))
        return dict(zip(QUEUES, pipe.execute(), strict=True))
