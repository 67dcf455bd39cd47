"""Where nothing changes nothing is asked: no request to the API server, one look at the repository an interval."""

from __future__ import annotations

import time
from collections.abc import Callable

from gitops.settings import Settings
from gitops.state import State
from testbed.controlplane import ControlPlane
from testbed.world import World, eventually

StartWorld = Callable[..., World]
INTERVAL, CYCLES = 3.0, 4
USER = "test:quiet"
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""


def test_a_cycle_without_a_change_costs_the_api_server_nothing_and_the_git_server_one_look(
    start_world: StartWorld, control_plane: ControlPlane
) -> None:
    kubeconfig = control_plane.kubeconfig_for(USER, ["system:masters"])
    env = {"GITOPS_POLL_INTERVAL": str(INTERVAL), "GITOPS_POLL_JITTER": "0"}
    world = start_world(workers=1, kubeconfig=kubeconfig, env=env)
    state = State(Settings(redis_url=world.redis.url, seal_key=world.engine.env["GITOPS_SEAL_KEY"]))
    repo = world.repo({"app/settings.yaml": SETTINGS})
    apps = [f"quiet-{n:02}" for n in range(20)]
    for app in apps:
        world.application(app, repo.http_url)
    for app in apps:
        world.becomes(app)

    def served() -> bool:
        return all((f := state.apps.flags(f"argocd/{app}")).done == f.spec and f.dirty == f.seen for app in apps)

    eventually(lambda: served() and not any(state.queue.depths().values()), "rest", context=world.logs)
    time.sleep(2 * INTERVAL)  # each child has read the configuration for the first time

    claimed = dict.fromkeys(apps, 0)
    due = dict(state.redis.zrange(state.keys.due, 0, -1, withscores=True))
    mark, begun = control_plane.audit.mark(), time.monotonic()
    world.git.reset_counts()

    def cycles() -> bool:
        now = dict(state.redis.zrange(state.keys.due, 0, -1, withscores=True))
        for app in apps:
            claimed[app] += now[f"argocd/{app}".encode()] != due[f"argocd/{app}".encode()]
        due.update(now)
        return min(claimed.values()) >= CYCLES

    eventually(cycles, f"{CYCLES} due times of each application")
    intervals = (time.monotonic() - begun) / INTERVAL
    asked = [
        (event["verb"], event["requestURI"])
        for event in control_plane.audit.events(mark, user=USER)
        if event["verb"] != "watch" and event.get("objectRef")
    ]
    assert asked == []
    looks = world.git.counts(repo.name).get("git-upload-pack", 0)
    assert CYCLES - 1 <= looks <= intervals + 1, f"{looks} looks in {intervals:.1f} intervals for {len(apps)} apps"
