"""Whether a worker process grows with the tasks that it does: `make soak`, or `python -m bench soak [TASKS]`.

Says first what beat would send in 24 hours for 500 applications in which nothing changes: the clock itself claims every
due time of a day, as fast as it can. Then so many real tasks (fetches of an unchanged revision, and full comparisons)
go through one worker process that is never replaced, as fast as it takes them, and its memory is watched.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import cast

import orjson
from redis import Redis

from beat.clock import Clock
from bench import BenchError, measure
from bench.stage import until
from gitops.settings import Settings
from gitops.state import State
from gitops.state.apps import DesiredState
from gitops.state.due import PUBLISHED, Tracked
from gitops.state.queue import DIFF, FETCH
from testbed.redis import RedisServer

URL = "https://git.example/bench/monorepo.git"
DAY, APPLICATIONS = 86_400, 500
#: Never replaced: neither for its memory nor for its tasks.
ENDLESS = {"GITOPS_CHILD_MAX_TASKS": "10000000", "GITOPS_CHILD_MEMORY_LIMIT_KIB": str(8 << 20)}


@dataclass(frozen=True)
class Growth:
    """What was measured: tasks that were done, and (tasks so far, MiB) now and then."""

    tasks: int
    samples: list[tuple[int, float]]

    @property
    def bytes_per_task(self) -> float:
        """The slope from the second quarter to the last one: medians, so that one sample decides nothing."""
        quarter = len(self.samples) // 4
        early, late = self.samples[quarter : 2 * quarter], self.samples[-quarter:]
        tasks = median(t for t, _ in late) - median(t for t, _ in early)
        return (median(m for _, m in late) - median(m for _, m in early)) * (1 << 20) / tasks


def messages_of_a_day(state: State, seconds: int = DAY, count: int = APPLICATIONS) -> tuple[int, int]:
    """(due times claimed, messages sent) by beat in so many seconds for applications in which nothing changes.

    A worker that answers each fetch at once is simulated: it looks at the repository, and where a full comparison is
    due it makes one, which is another message.
    """
    settings, begun = Settings(), 1_800_000_000.0
    apps = [f"argocd/app-{n:05}" for n in range(count)]
    desired = DesiredState(spec="s", artifact="a", tracked=(Tracked(URL, "main", "1"),))
    for app in apps:
        state.redis.sadd(state.keys.apps, app)
        state.due.add(app, begun)
        state.apps.set_desired(app, desired)
        state.apps.set_fields(app, spec="s", done="s", full=str(begun + settings.full_compare_interval))
    state.refs.note(URL, "main", "1")
    state.redis.hset(state.keys.refs(URL), "at", begun)
    clock, now, diffs = Clock(state), begun, 0
    while now < begun + seconds:
        now = max(now + 0.25, now + clock.tick(now))
        for message in cast(list[bytes] | None, state.redis.rpop(state.keys.queue(FETCH), count)) or []:
            app = orjson.loads(message)["headers"]["argsrepr"].strip("(),'\"")
            full = state.apps.flags(app).full <= now
            state.redis.hdel(state.keys.app(app), "pend:fetch")
            state.redis.hset(state.keys.refs(URL), "at", now)
            if full:
                diffs += 1
                state.apps.set_fields(app, full=str(now + settings.full_compare_interval))
    return sum(clock.claims.values()), clock.claims[PUBLISHED] + diffs


def drive(state: State, broker: Redis, apps: list[str], tasks: int, memory: Callable[[], float]) -> Growth:
    """Keep the queues filled with fetches and full comparisons of `apps` until so many tasks were done.

    Raises BenchError where nothing moves.
    """
    published, samples, seen = 0, [(0, memory())], (0, time.monotonic())
    every = max(len(apps), tasks // 60)
    while True:
        waiting = sum(state.queue.depths().values())
        done = published - waiting - int(broker.hlen("gitops:unacked"))
        if done > seen[0]:
            seen = (done, time.monotonic())
        elif time.monotonic() - seen[1] > 60:
            raise BenchError(f"{done} of {tasks} tasks were done, and none in the last minute")
        if done - samples[-1][0] >= every:
            samples.append((done, memory()))
        if done >= tasks:
            return Growth(done, samples)
        if waiting < len(apps):
            for app in apps:
                state.apps.set_fields(app, full="0")
            published += state.queue.want_all(FETCH, apps) + state.queue.want_all(DIFF, apps)
        time.sleep(0.05)


def main(arguments: list[str]) -> int:
    """Measure, and print what was found."""
    from bench.fleet import Fleet
    from bench.stage import Stage

    with RedisServer() as server:
        state = State(Settings(redis_url=server.url, seal_key="of the bench"))
        claims, messages = messages_of_a_day(state)
    print(f"24 h, {APPLICATIONS} applications, nothing changes: {claims} due times, {messages} messages")
    tasks = int(arguments[0]) if arguments else messages
    with Stage(Fleet(50), lambda _: None) as stage:
        engine = stage.start_engine(workers=1, GITOPS_CONCURRENCY="1", **ENDLESS)
        stage.create_applications()
        stage.wait_settled()
        state = State(Settings(redis_url=stage.redis.url, seal_key=engine.env["GITOPS_SEAL_KEY"]))
        apps = [f"argocd/{name}" for name in stage.fleet.names]
        place = f"GITOPS_DATA_DIR={engine.directory / 'worker-0'}".encode()
        until(lambda: measure.with_environment(place), "the worker")
        begun = time.monotonic()
        growth = drive(
            state,
            Redis.from_url(stage.redis.url),
            apps,
            tasks,
            lambda: measure.pss_mib(measure.with_descendants(measure.with_environment(place))),
        )
        seconds = time.monotonic() - begun
    print(f"{growth.tasks} tasks through one process in {seconds:.0f} s ({growth.tasks / seconds:.0f} a second)")
    shown = growth.samples[:: len(growth.samples) // 10 or 1]
    print(f"MiB of the worker, from first to last: {', '.join(f'{mib:.0f}' for _, mib in shown)}")
    print(f"growth: {growth.bytes_per_task:.0f} bytes a task")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
