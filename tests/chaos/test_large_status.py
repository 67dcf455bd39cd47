"""An Application whose status would outgrow what etcd takes for one object is synced and healed all the same."""

from __future__ import annotations

from collections.abc import Callable

from testbed.world import World, eventually

StartWorld = Callable[..., World]
COUNT = 6_000


def name(number: int) -> str:
    """Long, as names that a chart makes are: a row of the status for each is beyond 1.5 MiB together."""
    return f"part-{number:05}-{'x' * 100}"


def config_maps() -> str:
    return "---\n".join(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name(n)}}}\n" for n in range(COUNT))


def test_an_application_of_thousands_of_objects_with_long_names(start_world: StartWorld) -> None:
    world = start_world(workers=1)
    world.application("large", world.repo({"app/all.yaml": config_maps()}).http_url)
    status = world.becomes("large", timeout=180)["status"]
    assert status["operationState"]["phase"] == "Succeeded"
    warning = world.condition("large", "StatusTruncatedWarning")
    assert f"shows {len(status['resources'])} of {COUNT} objects" in warning

    world.cluster.api.request("DELETE", f"/api/v1/namespaces/large/configmaps/{name(0)}")
    eventually(lambda: world.live("ConfigMap", "large", name(0)), "the healed object", context=world.logs)
