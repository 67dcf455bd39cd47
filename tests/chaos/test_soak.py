"""A worker process does not grow with the tasks that it does. The long run of the same is `make soak`."""

from __future__ import annotations

from collections.abc import Callable

from redis import Redis

from bench import measure
from bench.soak import ENDLESS, drive, messages_of_a_day
from gitops.settings import Settings
from gitops.state import State
from testbed.world import World, eventually

StartWorld = Callable[..., World]
TASKS = 2_000
#: What an allocator may keep that settles late; a task that leaks one small object's JSON is above it.
BYTES_PER_TASK = 2_048
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""


def test_thousands_of_tasks_leave_the_memory_of_a_process_as_it_was(start_world: StartWorld) -> None:
    world = start_world(workers=1, concurrency=1, env={"GITOPS_POLL_INTERVAL": "100000", **ENDLESS})
    state = State(Settings(redis_url=world.redis.url, seal_key=world.engine.env["GITOPS_SEAL_KEY"]))
    repo = world.repo({"app/settings.yaml": SETTINGS})
    apps = [f"soaked-{n:02}" for n in range(20)]
    for app in apps:
        world.application(app, repo.http_url)
    for app in apps:
        world.becomes(app)
    eventually(lambda: not any(state.queue.depths().values()), "rest", context=world.logs)

    place = f"GITOPS_DATA_DIR={world.engine.directory / 'worker-0'}".encode()

    def memory() -> float:
        return measure.pss_mib(measure.with_descendants(measure.with_environment(place)))

    growth = drive(state, Redis.from_url(world.redis.url), [f"argocd/{app}" for app in apps], TASKS, memory)
    assert growth.bytes_per_task < BYTES_PER_TASK, growth.samples


def test_a_quiet_day_is_few_messages(redis_url: str) -> None:
    """Two hours of 50 applications: each is compared in full every hour, their repository looked at every interval."""
    state = State(Settings(redis_url=redis_url, seal_key="of the test"))
    settings, seconds, count = Settings(), 7200, 50
    claims, messages = messages_of_a_day(state, seconds, count)
    intervals = seconds / settings.poll_interval
    assert claims > 0.8 * count * intervals, "every due time was claimed"
    looks, comparisons = intervals * 1.2, 2 * count * seconds / settings.full_compare_interval
    assert messages <= looks + comparisons, "nearly all without a message"
