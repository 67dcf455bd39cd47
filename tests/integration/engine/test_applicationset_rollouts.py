"""RollingSync end to end: a commit reaches one step's Applications, and the next step's once these are healthy."""

from __future__ import annotations

from typing import Any

from appsets import application_key, application_set, condition, owned, set_key

from gitops.model.objects import Object, ObjectKey
from testbed.world import World, eventually

GATED = """
apiVersion: v1
kind: Service
metadata: {name: gate, annotations: {testbed.gitops/pending: "true"}}
spec: {type: LoadBalancer, selector: {app: gate}, ports: [{port: 80}]}
"""


def in_steps(*envs: str) -> dict[str, Any]:
    steps = [{"matchExpressions": [{"key": "env", "operator": "In", "values": [env]}]} for env in envs]
    return {
        "strategy": {"type": "RollingSync", "rollingSync": {"steps": steps}},
        "templatePatch": "metadata: {labels: {env: '{{env}}'}}",
    }


def rollout(world: World, name: str) -> dict[str, str]:
    status = (world.client.get(set_key(name)) or {}).get("status") or {}
    return {entry["application"]: entry["status"] for entry in status.get("applicationStatus") or ()}


def colour(world: World, namespace: str) -> str:
    live: Object = world.live("ConfigMap", namespace, "settings") or {"data": {}}
    return str(live["data"].get("colour"))


def test_the_second_step_follows_when_the_first_is_healthy(world: World, small: dict[str, str]) -> None:
    settings = small["app/settings.yaml"]
    repo = world.repo({"app/settings.yaml": settings})
    elements = [{"name": "roll-prod", "env": "prod"}, {"name": "roll-dev", "env": "dev"}]
    application_set(world, "rolls", [{"list": {"elements": elements}}], repo.http_url, **in_steps("dev", "prod"))
    healthy = {"roll-prod": "Healthy", "roll-dev": "Healthy"}
    eventually(lambda: rollout(world, "rolls") == healthy, "the first rollout", context=world.logs)
    assert condition(world, "rolls", "RolloutProgressing")[0] == "False"
    assert world.app("roll-dev")["spec"]["syncPolicy"]["automated"]["enabled"] is False
    by = world.app("roll-dev")["status"]["operationState"]["operation"]["initiatedBy"]
    assert by == {"username": "applicationset-controller", "automated": True}

    # The first step's Service waits for an address, as it would for a load balancer.
    repo.publish({"app/settings.yaml": settings.replace("blue", "green"), "app/gate.yaml": GATED}, "green")
    for name in healthy:
        asked = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
        world.client.merge_patch(application_key(name), asked)
    eventually(lambda: colour(world, "roll-dev") == "green", "the first step", context=world.logs)
    eventually(lambda: rollout(world, "rolls")["roll-dev"] == "Progressing", "its state", context=world.logs)
    world.becomes("roll-prod", sync="OutOfSync")
    assert rollout(world, "rolls")["roll-prod"] == "Waiting"
    assert colour(world, "roll-prod") == "blue"
    assert condition(world, "rolls", "RolloutProgressing")[0] == "True"

    for namespace in ("roll-dev", "roll-prod"):
        gate = ObjectKey("", "Service", namespace, "gate")
        eventually(lambda key=gate: world.client.get(key), f"the Service of {namespace}", context=world.logs)
        address = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
        world.client.merge_patch(gate, address, subresource="status")
    eventually(lambda: colour(world, "roll-prod") == "green", "the second step", context=world.logs)
    eventually(lambda: rollout(world, "rolls") == healthy, "the rollout's end", context=world.logs)


HELD = """
apiVersion: v1
kind: ConfigMap
metadata: {name: held, finalizers: [testbed.gitops/hold]}
"""


def test_applications_are_deleted_in_the_reverse_order_of_the_steps(world: World, small: dict[str, str]) -> None:
    """The last step's Application goes slowly; the first step's is asked to go only when that one is gone."""
    repo = world.repo({"app/settings.yaml": small["app/settings.yaml"], "app/held.yaml": HELD})
    elements = [{"name": name, "env": name.split("-")[1]} for name in ("down-dev", "down-prod", "down-test")]
    reverse = in_steps("dev", "test", "prod")
    reverse["strategy"]["deletionOrder"] = "Reverse"
    application_set(world, "downs", [{"list": {"elements": elements}}], repo.http_url, **reverse)
    for element in elements:
        world.becomes(element["name"])
    since = world.cluster.audit.mark()

    # What a generator gives no more goes in that order too.
    application_set(world, "downs", [{"list": {"elements": elements[:1]}}], repo.http_url, **reverse)
    going(world, "down-prod")
    let_go(world, "down-prod")
    eventually(lambda: not world.app("down-prod"), "the end of the last step", context=world.logs)
    going(world, "down-test")
    let_go(world, "down-test")
    eventually(lambda: owned(world, "downs") == {"down-dev"}, "the end of the second step", context=world.logs)
    assert asked_to_go(world, since) == ["down-prod", "down-test"]

    # The whole set: it stays until the last of its Applications is gone.
    application_set(world, "downs", [{"list": {"elements": elements[:2]}}], repo.http_url, **reverse)
    world.becomes("down-prod")
    since = world.cluster.audit.mark()
    world.client.delete(set_key("downs"), propagation="Background")
    going(world, "down-prod")
    assert "deletionTimestamp" not in world.app("down-dev")["metadata"]
    let_go(world, "down-prod")
    going(world, "down-dev")
    assert not world.app("down-prod")
    assert world.client.get(set_key("downs"))
    let_go(world, "down-dev")
    eventually(lambda: world.client.get(set_key("downs")) is None, "the set's end", context=world.logs)
    assert not world.app("down-dev")
    assert asked_to_go(world, since) == ["down-prod", "down-dev"]


def going(world: World, name: str) -> None:
    """Wait until an Application is being deleted and its held object too."""
    eventually(lambda: "deletionTimestamp" in world.app(name)["metadata"], f"{name} goes", context=world.logs)

    def held() -> bool:
        live = world.live("ConfigMap", name, "held")
        return live is not None and "deletionTimestamp" in live["metadata"]

    eventually(held, f"the held object of {name} goes", context=world.logs)


def let_go(world: World, name: str) -> None:
    world.client.merge_patch(ObjectKey("", "ConfigMap", name, "held"), {"metadata": {"finalizers": None}})


def asked_to_go(world: World, since: int) -> list[str]:
    """The Applications that were deleted, in the order in which the API server was asked to."""
    deleted = world.cluster.audit.events(since, verb="delete", resource="applications")
    return [event["objectRef"]["name"] for event in deleted if event["objectRef"].get("namespace") == "argocd"]
