"""The live index after an API server was away or forgot: it is right again, and what did not change is not read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gitops.cli.local import install
from gitops.cluster import ClusterClient, Connection
from gitops.model.objects import ObjectKey
from gitops.settings import Settings
from gitops.state import State
from testbed.controlplane import ControlPlane
from testbed.engine import Engine, custom_resources
from testbed.gitserver import GitServer
from testbed.redis import RedisServer
from testbed.world import World, eventually

USER = "test:engine"
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""
APPS = [f"kept-{n:02}" for n in range(20)]


@pytest.fixture
def world(git_server: GitServer) -> Iterator[World]:
    """A control plane that may be stopped, with twenty synced applications."""
    env = {"GITOPS_REPO_PROTOCOLS": "https,ssh,http", "GITOPS_POLL_INTERVAL": "100000"}
    with ControlPlane(controllers=False) as cluster, RedisServer() as redis:
        client = ClusterClient(Connection.from_kubeconfig(cluster.kubeconfig))
        install(client, "argocd", custom_resources())
        kubeconfig = cluster.kubeconfig_for(USER, ["system:masters"])
        with Engine(kubeconfig, redis.url, workers=1, env=env) as engine:
            world = World(client, engine, git_server, cluster, redis)
            repo = world.repo({"app/settings.yaml": SETTINGS})
            for app in APPS:
                world.application(app, repo.http_url)
            for app in APPS:
                world.becomes(app)
            yield world


def requests(world: World, mark: int, verb: str) -> int:
    """The engine's requests for ConfigMaps of applications (a watch is in the log when it opens and when it ends)."""
    found = world.cluster.audit.events(mark, user=USER, verb=verb, resource="configmaps")
    return sum(1 for event in found if event["objectRef"].get("namespace") != "argocd")


def test_a_restarted_api_server_is_followed_on_and_only_what_changed_meanwhile_is_looked_at(world: World) -> None:
    state = State(Settings(redis_url=world.redis.url, seal_key=world.engine.env["GITOPS_SEAL_KEY"]))

    def watched() -> bool:
        return all(state.live.snapshot(f"argocd/{app}").observed for app in APPS)

    def quiet() -> bool:
        flags = [state.apps.flags(f"argocd/{app}") for app in APPS]
        return all(f.dirty == f.seen for f in flags) and not any(state.queue.depths().values())

    eventually(lambda: watched() and quiet(), "an index at rest", context=world.logs)
    known = {app: state.live.snapshot(f"argocd/{app}").observed for app in APPS}
    mark = world.cluster.audit.mark()
    edited = ObjectKey("", "ConfigMap", APPS[3], "settings")
    deleted = ObjectKey("", "ConfigMap", APPS[7], "settings")

    # The beat that listens hears nothing of this: it is stopped while the server comes back and objects change.
    world.engine.signal("beat-0", 19)
    world.cluster.restart_apiserver()
    eventually(lambda: world.client.merge_patch(edited, {"data": {"colour": "red"}}), "the edit")
    world.client.delete(deleted)
    world.engine.signal("beat-0", 18)

    eventually(lambda: world.client.get(edited)["data"] == {"colour": "blue"}, "the edited one", 60, world.logs)
    eventually(lambda: world.client.get(deleted), "the deleted one", 60, world.logs)
    eventually(quiet, "rest again", context=world.logs)

    now = {app: state.live.snapshot(f"argocd/{app}").observed for app in APPS}
    untouched = [app for app in APPS if app not in {edited.namespace, deleted.namespace}]
    assert {app: now[app] for app in untouched} == {app: known[app] for app in untouched}
    touched = 2
    assert requests(world, mark, "get") <= 4 * touched, "the others' objects are not read"
    assert requests(world, mark, "patch") <= 2 * touched + 2, "nor written; two patches are the test's own"
    assert requests(world, mark, "list") == 0
    assert requests(world, mark, "watch") <= 8, "one watch of the kind, again after the restart"


def test_a_beat_that_begins_anew_lists_everything_and_reads_nothing(world: World) -> None:
    state = State(Settings(redis_url=world.redis.url, seal_key=world.engine.env["GITOPS_SEAL_KEY"]))
    known = {app: state.live.snapshot(f"argocd/{app}").observed for app in APPS}
    mark = world.cluster.audit.mark()
    world.engine.terminate("beat-0")
    world.engine.start_beat("beat-1")
    world.engine.beats.append("beat-1")
    eventually(lambda: requests(world, mark, "watch") > 1, "the new watch", context=world.logs)

    edited = ObjectKey("", "ConfigMap", APPS[5], "settings")
    world.client.merge_patch(edited, {"data": {"colour": "red"}})
    eventually(lambda: world.client.get(edited)["data"] == {"colour": "blue"}, "the edited one", 60, world.logs)
    untouched = [app for app in APPS if app != edited.namespace]
    assert {app: state.live.snapshot(f"argocd/{app}").observed for app in untouched} == {
        app: known[app] for app in untouched
    }
    assert requests(world, mark, "get") <= 4, "of twenty applications one was looked at"
