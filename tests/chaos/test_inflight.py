"""The limit of requests in flight that all workers share: a cluster that answers at once keeps it, whatever is done."""

from __future__ import annotations

from collections.abc import Callable

from gitops.model.objects import ObjectKey
from gitops.reconcile.share import SHARE
from gitops.settings import Settings
from gitops.state import State
from gitops.state.inflight import Inflight
from testbed.world import World, eventually

StartWorld = Callable[..., World]
CLUSTER = "https://kubernetes.default.svc"
MANY = 200


def config_maps(count: int) -> str:
    return "---\n".join(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: part-{n:03}}}\ndata: {{colour: blue}}\n"
        for n in range(count)
    )


def held(state: State) -> int:
    """Requests in flight that are held at this moment."""
    slots = state.redis.hgetall(state.keys.inflight(CLUSTER))
    return sum(int(value.split(b"|")[0]) for name, value in slots.items() if name.startswith(b"h:"))


def test_many_objects_that_are_pruned_at_once_do_not_count_as_slow(start_world: StartWorld) -> None:
    world = start_world(workers=1, env={"GITOPS_POLL_INTERVAL": "2"})
    state = State(Settings(redis_url=world.redis.url, seal_key=world.engine.env["GITOPS_SEAL_KEY"]))
    repo = world.repo({"app/many.yaml": config_maps(MANY)})
    world.application("many", repo.http_url)
    world.becomes("many")

    repo.publish({"app/many.yaml": config_maps(1)}, "one is enough")
    lowest = Inflight.START

    def pruned() -> bool:
        nonlocal lowest
        lowest = min(lowest, state.inflight.limit(CLUSTER))
        return world.live("ConfigMap", "many", f"part-{MANY - 1:03}") is None and world.status("many")[0] == "Synced"

    eventually(pruned, "the end of what Git names no more", context=world.logs)
    assert lowest == Inflight.START


def test_a_deletion_takes_its_requests_from_the_limit_that_all_share(start_world: StartWorld) -> None:
    world = start_world(workers=1)
    state = State(Settings(redis_url=world.redis.url, seal_key=world.engine.env["GITOPS_SEAL_KEY"]))
    repo = world.repo({"app/many.yaml": config_maps(3 * MANY)})
    world.application("many", repo.http_url)
    key = ObjectKey("argoproj.io", "Application", "argocd", "many")
    world.client.merge_patch(key, {"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io/background"]}})
    world.becomes("many")
    eventually(lambda: held(state) == 0, "the end of the operation")

    world.client.delete(key)
    most = 0

    def gone() -> bool:
        nonlocal most
        most = max(most, held(state))
        return not world.app("many")

    eventually(gone, "the Application's end", context=world.logs)
    assert 0 < most <= SHARE
    assert world.live("ConfigMap", "many", "part-000") is None
