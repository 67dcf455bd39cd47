"""What the live index holds for each managed object: `python -m bench index [OBJECTS]`.

In beat (what it remembers of an object that it watches) and in Redis (what was seen of it, and what the last comparison
noted), for objects as they are after a sync. Objects are made up; Redis is real.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc

import redis

from beat.objects import ObjectEars
from gitops.cluster import Event
from gitops.model.health import Health
from gitops.model.objects import Object, ObjectKey
from gitops.settings import Settings
from gitops.state import State
from gitops.state.live import Note
from testbed.redis import RedisServer

#: Objects of one application.
EACH = 5


def key_of(number: int) -> ObjectKey:
    """The key of one of the objects: names as long as people make them."""
    return ObjectKey("apps", "Deployment", f"team-{number // 100:04}", f"checkout-service-{number:06}")


def event_of(number: int, version: int) -> Event:
    """An object as a metadata-only watch tells of it."""
    key = key_of(number)
    meta: Object = {
        "name": key.name,
        "namespace": key.namespace,
        "resourceVersion": str(version),
        "generation": 1,
        "labels": {"app.kubernetes.io/name": key.name, "app.kubernetes.io/part-of": "checkout"},
        "annotations": {"argocd.argoproj.io/tracking-id": f"app:{key}"},
    }
    return Event("ADDED", key, str(version), {"metadata": meta})


def application_of(number: int) -> str:
    """The application of one of the objects."""
    return f"argocd/checkout-{number // EACH:05}"


def fill(state: State, ears: ObjectEars, owners: dict[str, str], count: int, version: int) -> None:
    """Watch `count` objects at this version, and note them as compared."""
    for number in range(count):
        owners[key_of(number).name] = application_of(number)
        ears.on_event(event_of(number, version + number))
    ears.tell()
    for first in range(0, count, EACH):
        app = application_of(first)
        notes: dict[ObjectKey, Note | None] = {
            key_of(n): Note(version + n, "0" * 32, synced=True, version="v1", health=Health("Healthy"))
            for n in range(first, min(first + EACH, count))
        }
        state.live.settle(app, state.live.snapshot(app).dirty, notes)


def measure(url: str, count: int, rounds: int = 1) -> tuple[float, float]:
    """(bytes in beat, bytes in Redis) for each of `count` objects that changed and were compared `rounds` times."""
    state = State(Settings(redis_url=url, seal_key="of the bench"))
    server = redis.Redis.from_url(url)
    owners: dict[str, str] = {}
    ears = ObjectEars(state, "https://cluster", lambda obj: owners[obj["metadata"]["name"]])
    # The scripts that Redis learns at the first call are not the index's, nor is what a first application costs once.
    fill(state, ears, owners, EACH, 1)
    state.apps.forget(application_of(0))
    before = server.info("memory")["used_memory_dataset"]
    tracemalloc.start()
    try:
        for turn in range(rounds):
            fill(state, ears, owners, count, 1_000_000 * (turn + 1))
        # Messages that wait are not the index's.
        server.delete(*(state.keys.queue(name) for name in state.queue.depths()))
        gc.collect()
        ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/beat/objects.py")])
        # The key comes with the event, and stays with what is remembered.
        keys = sum(
            sys.getsizeof(key) + sum(sys.getsizeof(part) for part in key[2:]) for key in map(key_of, range(count))
        )
        held = sum(stat.size for stat in ours.statistics("filename")) + keys
    finally:
        tracemalloc.stop()
    return held / count, (server.info("memory")["used_memory_dataset"] - before) / count


def main(arguments: list[str]) -> int:
    """Print the figures for a number of objects (default 10,000)."""
    count = int(arguments[0]) if arguments else 10_000
    with RedisServer() as server:
        for rounds in (1, 5):
            server.flushall()
            beat, stored = measure(server.url, count, rounds)
            print(f"{count} objects, each changed {rounds} times: {beat:.0f} bytes in beat, {stored:.0f} in Redis each")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
