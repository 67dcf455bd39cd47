"""What one beat costs that schedules a very large fleet: `make bench-beat`, or `python -m bench beat [APPLICATIONS]`.

Real Applications in a real API server, a real Redis, beat as its users run it. Workers are simulated: the applications
are made to look served, and what beat publishes is taken off the queues. Two windows, at the default interval: one in
which nothing changes (each due time is claimed, no message is sent), and one in which each due time sends its message.
"""

from __future__ import annotations

import sys
import threading
import time

import orjson
import redis
from rich.console import Console

from bench import measure
from bench.fleet import SMALL, Fleet
from bench.raw import RawClient
from bench.stage import until
from gitops.cli.local import install
from gitops.cluster import ClusterClient, Connection
from gitops.settings import Settings
from gitops.state import State
from gitops.state.apps import DesiredState
from gitops.state.due import Tracked
from gitops.state.queue import QUEUES
from testbed.controlplane import ControlPlane
from testbed.engine import Engine, custom_resources
from testbed.redis import RedisServer

CONTROL, USER = "argocd", "bench:beat"
URL, REVISION = "https://git.example/bench/monorepo.git", "0" * 40
#: Seconds of one window; beat comes to rest before the first.
WINDOW, REST = 40.0, 15.0
BATCH = 1000


class Workers:
    """Stands for the pool: takes messages off the queues, and looks at the repository once in a while."""

    def __init__(self, state: State) -> None:
        self._state, self._stopped, self.taken = state, threading.Event(), 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(0.1):
            self._state.redis.hset(self._state.keys.refs(URL), "at", time.time())
            for name in QUEUES:
                while messages := self._state.redis.rpop(self._state.keys.queue(name), BATCH):
                    self._take(messages)  # type: ignore[arg-type]

    def _take(self, messages: list[bytes]) -> None:
        pipe = self._state.redis.pipeline(transaction=False)
        for message in messages:
            headers = orjson.loads(message)["headers"]
            app = headers["argsrepr"].strip("(),'\"")
            pipe.hdel(self._state.keys.app(app), f"pend:{headers['task'].removeprefix('gitops.')}")
        pipe.execute()
        self.taken += len(messages)

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()


def serve(state: State, served_until: float) -> None:
    """Make every application look served: its spec compared, its repository's revision known."""
    desired = DesiredState(artifact="0" * 64, revisions=(REVISION,), tracked=(Tracked(URL, "main", REVISION),))
    state.refs.note(URL, "main", REVISION)
    for app in state.apps.ids():
        spec = state.apps.field(app, "spec")
        state.apps.set_desired(app, desired)
        state.apps.set_fields(app, done=spec, full=f"{served_until:.0f}", dirty="0", seen="0")


def main(arguments: list[str]) -> int:
    """Measure a fleet of the given size (default 10,000) and print a table."""
    size = int(arguments[0]) if arguments else 10_000
    console = Console()
    with console.status("starting") as status, ControlPlane(controllers=False) as cluster, RedisServer() as server:
        install(ClusterClient(Connection.from_kubeconfig(cluster.kubeconfig)), CONTROL, custom_resources())
        kubeconfig = cluster.kubeconfig_for(USER, ["system:masters"])
        status.update(f"creating {size} Applications")
        RawClient(cluster.port, cluster.ca_file, cluster.token).apply(Fleet(size, SMALL).applications(URL, CONTROL))
        with Engine(kubeconfig, server.url, workers=0) as engine:
            state = State(Settings(redis_url=server.url, seal_key=engine.env["GITOPS_SEAL_KEY"]))
            key = f"GITOPS_SEAL_KEY={engine.env['GITOPS_SEAL_KEY']}".encode()
            begun = time.monotonic()
            status.update("beat lists them")
            until(lambda: len(state.apps.ids()) == size, f"{size} Applications in Redis", 300.0)
            console.print(f"first list: {size} Applications in {time.monotonic() - begun:.1f} s")
            workers = Workers(state)
            for name, served_until in (("nothing changes", time.time() + 1e6), ("each sends its message", 0.0)):
                serve(state, served_until)
                status.update(f"{name}: beat comes to rest")
                time.sleep(REST)
                status.update(f"{name}: {WINDOW:g} s")
                processes = measure.with_descendants(measure.with_environment(key))
                before, taken = measure.cpu_seconds(processes), workers.taken
                due = dict(state.redis.zrange(state.keys.due, 0, -1, withscores=True))  # type: ignore[arg-type]
                time.sleep(WINDOW)
                cpu = (measure.cpu_seconds(processes) - before) / WINDOW
                after = dict(state.redis.zrange(state.keys.due, 0, -1, withscores=True))  # type: ignore[arg-type]
                claimed = sum(1 for app, at in after.items() if due.get(app) != at)
                console.print(
                    f"{name}: {measure.pss_mib(processes):.0f} MiB (aim: 200), {cpu:.1%} of a core (aim: 5 %); "
                    f"{claimed / WINDOW:.1f} due times claimed and {(workers.taken - taken) / WINDOW:.1f} messages "
                    "published a second",
                    highlight=False,
                )
            workers.stop()
            memory = redis.Redis.from_url(server.url).info("memory")["used_memory"]
            console.print(f"Redis: {memory / size / 1024:.1f} KiB for each Application")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
