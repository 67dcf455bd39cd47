"""Which workers are alive, and what each has begun: the work of one that is gone is wished for again at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import orjson
import redis

from gitops.state.envelope import told_of
from gitops.state.keys import Keys
from gitops.state.queue import APPLY, GENERATE, QUEUES, TASKS, Queue, Rank
from gitops.state.scripts import Command, Scripts


class Workers:
    """A worker says every few seconds that it lives; silent for `ttl` seconds, it counts as gone."""

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys, queue: Queue, ttl: float = 15.0) -> None:
        self._redis, self._scripts, self._keys, self._queue, self.ttl = client, scripts, keys, queue, ttl

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

    def busy(self) -> int:
        """How many messages living workers are at work on."""
        pipe = self._redis.pipeline(transaction=False)
        for worker in self.alive():
            pipe.hlen(self._keys.running(worker))
        return sum(pipe.execute())

    def reap(self) -> int:
        """Wish again for what workers that are gone had begun or taken. Returns how many wishes.

        Their unacknowledged messages come again too, after the visibility timeout, and find nothing left to do; what
        people asked for has no wish but its message, which comes at once.
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
        for tag, message, queue in self._taken():
            told = told_of(message)
            if told is None or told[0] not in (*TASKS, GENERATE):
                count += self._restore(tag, message, queue)
            elif self._queue.begin(*told):
                self._queue.want(*told[:2], Rank.DRIFT)
                count += 1
        return count

    def _restore(self, tag: str, message: dict[str, Any], queue: str) -> int:
        """Have a message wait again, as kombu does after the visibility timeout. Returns 1, 0 where that is done."""
        message["headers"]["redelivered"] = message["properties"]["delivery_info"]["redelivered"] = True
        keys = [self._keys.taken, self._keys.taken_at, self._keys.queue(queue)]
        return int(self._scripts("restore", keys, [tag, orjson.dumps(message)]))

    def _taken(self) -> Iterator[tuple[str, dict[str, Any], str]]:
        """Each message that is taken: the tag, itself, and the queue that it came by; only what is ours."""
        for tag, raw in cast(dict[bytes, bytes], self._redis.hgetall(self._keys.taken)).items():
            try:
                message, _exchange, queue = orjson.loads(raw)
                ours = message["headers"]["task"].startswith("gitops.") and message["properties"]["delivery_info"]
            except (ValueError, LookupError, TypeError, AttributeError):
                continue
            if ours and queue in QUEUES:
                yield tag.decode(), message, queue
