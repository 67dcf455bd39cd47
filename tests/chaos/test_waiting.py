"""No worker is held while something becomes healthy: waiting is parking, and the watch ends it."""

from __future__ import annotations

from collections.abc import Callable

from gitops.model.objects import ObjectKey
from gitops.settings import Settings
from gitops.state import State
from testbed.world import World, eventually

StartWorld = Callable[..., World]
WAITING = 200

# The Service has no address until the annotation goes, so the second wave has to wait for it.
TWO_WAVES = """
apiVersion: v1
kind: Service
metadata:
  name: gate
  annotations: {testbed.gitops/pending: "true", argocd.argoproj.io/sync-wave: "0"}
spec:
  type: LoadBalancer
  allocateLoadBalancerNodePorts: false
  selector: {app: gate}
  ports: [{port: 80}]
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: behind
  annotations: {argocd.argoproj.io/sync-wave: "1"}
"""
SIMPLE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: simple}
"""


def test_two_hundred_waiting_operations_leave_a_pool_of_two_free(start_world: StartWorld) -> None:
    world = start_world(workers=1, concurrency=2, env={"GITOPS_WAVE_DELAY": "0"})
    state = State(Settings(redis_url=world.redis.url, seal_key=world.engine.env["GITOPS_SEAL_KEY"]))
    repo = world.repo({"waits/waits.yaml": TWO_WAVES, "simple/simple.yaml": SIMPLE})
    for n in range(WAITING):
        world.application(f"waits-{n:03}", repo.http_url, path="waits")
    eventually(lambda: state.operations.parked() == WAITING, "all operations parked", 120, world.logs)
    assert "waiting for healthy state of" in world.app("waits-000")["status"]["operationState"]["message"]

    world.application("the-201st", repo.http_url, path="simple")
    world.becomes("the-201st", timeout=20)
    assert world.live("ConfigMap", "waits-007", "behind") is None

    # The backstop is half a minute and the poll three: what ends the wait within seconds is the event.
    gate = ObjectKey("", "Service", "waits-007", "gate")
    world.client.merge_patch(gate, {"metadata": {"annotations": {"testbed.gitops/pending": None}}})
    eventually(lambda: world.live("ConfigMap", "waits-007", "behind"), "the second wave", 10, world.logs)
    assert world.live("ConfigMap", "waits-008", "behind") is None
