"""An API server that refuses (429) is asked by all workers together with fewer requests at a time, and all is done."""

from __future__ import annotations

from gitops.cli.local import install
from gitops.cluster import ClusterClient, Connection
from gitops.model.objects import Manifest
from gitops.settings import Settings
from gitops.state import State
from gitops.state.inflight import Inflight
from testbed.controlplane import ControlPlane
from testbed.engine import Engine, custom_resources
from testbed.gitserver import GitServer
from testbed.redis import RedisServer
from testbed.world import World, eventually

USER = "test:throttled"
CLUSTER = "https://kubernetes.default.svc"
#: The server takes this many writes at a time, and refuses the others; only administrators are let through.
WRITES = 6
FLAGS = ("--enable-priority-and-fairness=false", f"--max-mutating-requests-inflight={WRITES}")
MANY = "---".join(
    f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: part-{n:03}}}
data: {{colour: blue}}
"""
    for n in range(40)
)
RETRY = {
    "syncPolicy": {
        "automated": {"prune": True, "selfHeal": True},
        "syncOptions": ["CreateNamespace=true"],
        "retry": {"limit": 20, "backoff": {"duration": "1s", "factor": 1, "maxDuration": "1s"}},
    }
}


def administrator(user: str) -> Manifest:
    """The rights of an administrator, without the group that no limit holds for."""
    return Manifest.of(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "throttled"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
    )


def test_refusals_cut_the_limit_that_the_workers_share_and_everything_is_applied(git_server: GitServer) -> None:
    env = {"GITOPS_REPO_PROTOCOLS": "https,ssh,http"}
    with ControlPlane(controllers=False, api_flags=FLAGS) as cluster, RedisServer() as redis:
        client = ClusterClient(Connection.from_kubeconfig(cluster.kubeconfig))
        install(client, "argocd", custom_resources())
        client.apply(administrator(USER))
        with Engine(cluster.kubeconfig_for(USER), redis.url, workers=2, env=env) as engine:
            world = World(client, engine, git_server, cluster, redis)
            state = State(Settings(redis_url=redis.url, seal_key=engine.env["GITOPS_SEAL_KEY"]))
            repo = world.repo({"app/many.yaml": MANY})
            apps = [f"many-{n}" for n in range(8)]
            lowest, most, holders = Inflight.START, 0, 0
            for app in apps:
                world.application(app, repo.http_url, **RETRY)

            def done() -> bool:
                nonlocal lowest, most, holders
                lowest = min(lowest, state.inflight.limit(CLUSTER))
                slots = state.redis.hgetall(state.keys.inflight(CLUSTER))
                held = [int(value.split(b"|")[0]) for name, value in slots.items() if name.startswith(b"h:")]
                most, holders = max(most, sum(held)), max(holders, len(held))
                return all(world.status(app)[0] == "Synced" for app in apps)

            eventually(done, "all applied", 150, world.logs)
            assert any(e["responseStatus"].get("code") == 429 for e in cluster.audit.events(user=USER)), "no refusal"
            assert holders >= 2, "more than one worker wrote at a time"
            assert most <= Inflight.START, "together they kept to the limit"
            assert Inflight.FLOOR <= lowest <= Inflight.START // 2, "refusals cut it"
