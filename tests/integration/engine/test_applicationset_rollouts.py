"""RollingSync end to end: a commit reaches one step's Applications, and the next step's once these are healthy."""

from __future__ import annotations

from typing import Any

from appsets import application_key, application_set, condition, set_key

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
