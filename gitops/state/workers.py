"""Which workers are alive, and what each has begun: the work of one that is gone is wished for again at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import orjson
import redis

from gitops.state.envelope import told_of
from gitops.state.keys import Keys
from gitops.state.queue import APPLY, GENERATE, TASKS, Queue, Rank
from gitops.state.scripts import Command


class Workers:
    """A worker says every few seconds that it lives; silent for `ttl` seconds, it counts as gone."""

    def __init__(self, client: redis.Redis, keys: Keys, queue: Queue, ttl: float = 15.0) -> None:
        self._redis, self._keys, self._queue, self.ttl = client, keys, queue, ttl

    def say_alive(self, worker: str) -> None:
        """This worker lives."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.set(self._keys.alive(worker), "1", px=int(self.ttl * 1000))
        pipe.sadd(self._keys.workers, worker)
        pipe.execute()

    def leave(self, worker: str) -> None:
        """This worker ends in good order."""
        self._redis.delete(self._keys.alive(worker))

    def beginning(self, worker: str, message_id: str, task: str, app: str) -> Command:
        """The command that notes a message which this worker works on, to be sent together with others."""
        return "HSET", self._keys.running(worker), message_id, f"{task}|{app}"

    def ended(self, worker: str, message_id: str) -> None:
        """It is done with it."""
        self._redis.execute_command(*self.ending(worker, message_id))  # type: ignore[no-untyped-call]

    def ending(self, worker: str, message_id: str) -> Command:
        """What `ended` sends, for others to send together with what they have."""
        return "HDEL", self._keys.running(worker), message_id

    def alive(self) -> list[str]:
        """The workers that live."""
        known = [w.decode() for w in cast(set[bytes], self._redis.smembers(self._keys.workers))]
        return [w for w in known if self._redis.exists(self._keys.alive(w))]

    def reap(self) -> int:
        """Wish again for what workers that are gone had begun or taken. Returns how many wishes.

        Their unacknowledged messages come again too, after the visibility timeout, and find nothing left to do.
        """
        count, gone = 0, False
        for raw in cast(set[bytes], self._redis.smembers(self._keys.workers)):
            worker = raw.decode()
            if self._redis.exists(self._keys.alive(worker)):
                continue
            running = self._keys.running(worker)
            for entry in cast(list[bytes], self._redis.hvals(running)):
                task, app = entry.decode().split("|", 1)
                self._queue.want(task, app, Rank.DRIFT)
                count += 1
                if task != APPLY and self._redis.hexists(self._keys.app(app), "op"):
                    # It went on with an operation too: what would have woken that one may be lost with the worker.
                    self._queue.want(APPLY, app, Rank.DRIFT)
            self._redis.delete(running)
            self._redis.srem(self._keys.workers, worker)
            gone = True
        return count + (self._free_taken() if gone else 0)

    def _free_taken(self) -> int:
        """Wish again for what was taken and not begun, by whomever: a living worker's runs once more and finds it done.

        Nothing tells whose they are, and each stands in the way of all wishes for its task and application.
        """
        count = 0
        for task, app, message_id in self._taken():
            if task in (*TASKS, GENERATE) and self._queue.begin(task, app, message_id):
                self._queue.want(task, app, Rank.DRIFT)
                count += 1
        return count

    def _taken(self) -> Iterator[tuple[str, str, str]]:
        for raw in cast(list[bytes], self._redis.hvals(self._keys.taken)):
            try:
                message = orjson.loads(raw)[0]
            except (ValueError, LookupError, TypeError):
                continue
            if told := told_of(message):
                yield told
