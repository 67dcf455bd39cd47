"""The API server goes away in the middle of an operation and comes back: the operation goes on."""

from __future__ import annotations

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

GATED = """
apiVersion: v1
kind: Service
metadata: {name: gate}
spec: {type: LoadBalancer, selector: {app: gate}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: behind, annotations: {argocd.argoproj.io/sync-wave: "1"}}
"""


def test_an_operation_outlives_the_api_server(git_server: GitServer) -> None:
    env = {"GITOPS_REPO_PROTOCOLS": "https,ssh,http", "GITOPS_WAVE_DELAY": "0"}
    with (
        ControlPlane(controllers=False) as cluster,
        RedisServer() as redis,
        Engine(cluster.kubeconfig, redis.url, workers=1, env=env) as engine,
    ):
        client = ClusterClient(Connection.from_kubeconfig(cluster.kubeconfig))
        install(client, "argocd", custom_resources())
        world = World(client, engine, git_server, cluster, redis)
        state = State(Settings(redis_url=redis.url, seal_key=engine.env["GITOPS_SEAL_KEY"]))
        world.application("outage", world.repo({"app/gated.yaml": GATED}).http_url)
        eventually(lambda: "parked: waiting for" in engine.log("worker-0"), "the waiting operation", context=world.logs)

        cluster.stop_apiserver()
        state.queue.want("apply", "argocd/outage")
        eventually(lambda: "apply failed" in engine.log("worker-0"), "the step that failed", context=world.logs)
        assert state.operations.parked() == 1, "it is not forgotten"

        cluster.start_apiserver()
        gate = ObjectKey("", "Service", "outage", "gate")
        status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
        eventually(lambda: client.merge_patch(gate, status, subresource="status"), "the address", context=world.logs)
        eventually(lambda: world.live("ConfigMap", "outage", "behind"), "the second wave", 90, world.logs)
        world.becomes("outage")
        assert world.app("outage")["status"]["operationState"]["phase"] == "Succeeded"
