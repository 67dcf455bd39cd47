"""A very large application, and applications that fail for ever, hold up nobody: the small ones are done meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from gitops.model.objects import GVK, ObjectKey
from testbed.world import World, eventually

StartWorld = Callable[..., World]
CONFIG_MAP = GVK("", "v1", "ConfigMap")
LARGE = 5_000
SMALL = [f"small-{n:02}" for n in range(30)]

SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""
#: Refused by every API server, each time: a port beyond the range.
INVALID = """
apiVersion: v1
kind: Service
metadata: {name: refused}
spec: {ports: [{port: 70000}]}
"""
FOR_EVER = {
    "syncPolicy": {
        "automated": {"prune": True, "selfHeal": True},
        "syncOptions": ["CreateNamespace=true"],
        "retry": {"limit": -1, "backoff": {"duration": "1s", "factor": 1, "maxDuration": "1s"}},
    }
}


def large(count: int) -> str:
    return "---".join(SETTINGS.replace("settings", f"part-{n:04}") for n in range(count))


def written(world: World, namespace: str) -> int:
    """How many of the large application's objects there are."""
    page = next(iter(world.client.pages(CONFIG_MAP, namespace=namespace, metadata_only=True, cached=True)))
    return sum(1 for item in page.items if item["metadata"]["name"].startswith("part-"))


def test_small_applications_are_done_while_one_of_five_thousand_objects_is_on_its_way(
    start_world: StartWorld,
) -> None:
    world = start_world(workers=1, concurrency=2)
    repo = world.repo({"large/all.yaml": large(LARGE), "small/settings.yaml": SETTINGS})
    world.application("large", repo.http_url, path="large")
    eventually(lambda: written(world, "large") > 0, "the large application's first objects", 120, world.logs)
    for name in SMALL:
        world.application(name, repo.http_url, path="small")
    for name in SMALL:
        world.becomes(name, timeout=120)

    assert 0 < written(world, "large") < LARGE, "it is still on its way"
    assert world.status("large")[0] != "Synced"
    world.becomes("large", timeout=240)
    assert written(world, "large") == LARGE


def test_applications_that_fail_for_ever_leave_the_others_their_pace(start_world: StartWorld) -> None:
    world = start_world(workers=1, concurrency=2)
    repo = world.repo({"bad/service.yaml": INVALID, "small/settings.yaml": SETTINGS})
    gone = world.repo({"app/settings.yaml": SETTINGS})
    world.git.fail(gone.name)
    for name in ("refused-a", "refused-b"):
        world.application(name, repo.http_url, path="bad", **FOR_EVER)
    world.application("unreachable", gone.http_url)

    def attempts(name: str) -> int:
        return int((world.app(name).get("status") or {}).get("operationState", {}).get("retryCount") or 0)

    eventually(lambda: attempts("refused-a") >= 2 and attempts("refused-b") >= 2, "failures", context=world.logs)
    world.condition("unreachable", "ComparisonError")
    for name in SMALL:
        world.application(name, repo.http_url, path="small")
    for name in SMALL:
        world.becomes(name)

    tried = attempts("refused-a")
    eventually(lambda: attempts("refused-a") > tried, "the next failure", context=world.logs)
    assert world.live("Service", "refused-a", "refused") is None
    assert world.client.get(ObjectKey("", "ConfigMap", "small-29", "settings"))
