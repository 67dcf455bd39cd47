"""The alerts on what a run's own processes show: quiet while all is well, firing for each fault, clear after it.

Faults are real and short; each look at /metrics is held for as long as the rules want to see it (testbed.recording).
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from redis import Redis

from gitops.model.objects import Manifest, ObjectKey
from testbed import build
from testbed.recording import Recording
from testbed.world import eventually

pytestmark = pytest.mark.cluster

RULES = Path(__file__).parents[3] / "helm/rules/alerts.yaml"
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\ndata: {colour: blue}\n"
REFUSED = SETTINGS.replace("NAME", "Not_A_Name")
#: No node will have its pod, and after a second the Deployment's controller gives up.
DEGRADED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  progressDeadlineSeconds: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: {no: such-node}
      containers: [{name: web, image: registry.example/web:1}]
"""
TARGET = "alerts-target"
#: Minutes that a look is held: longer than every range and `for` of the rules.
HELD = 40
#: Nobody listens there.
NOTIFICATIONS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-notifications-cm}
data:
  service.webhook.nobody: "url: http://127.0.0.1:1"
  template.told: "webhook: {nobody: {method: POST, body: x}}"
  trigger.on-created: "[{when: 'true', send: [told]}]"
  subscriptions: "[{recipients: [nobody], triggers: [on-created]}]"
"""
MANY = 60
#: Less than a process of a worker has after any task, and with half as much again enough to do one.
SMALL_KIB = 72_000


def named(text, namespace):
    obj = yaml.safe_load(text)
    obj["metadata"]["namespace"] = namespace
    return obj


class Run:
    """The engine from its chart, looked at again and again."""

    def __init__(self, install, git) -> None:
        pools = {"default": {"concurrency": 2}}
        settings = {"REPO_CONNECT_SECONDS": 2, "LEASE_TTL": 3}
        self.release = install({"workers": {"pools": pools}, "settings": settings}, namespaces=(TARGET,))
        self.recording = Recording(RULES)
        self.git = git
        self.release.client.apply(Manifest.of(named(NOTIFICATIONS, self.release.namespace)))
        self.admin = Redis(port=self.release.redis.port, password=self.release.secret("redis-password"))
        self.parts = {name: self.release.start(name) for name in ("beat", "worker-default")}
        repo = git.create("alerts-calm")
        repo.publish({"app/settings.yaml": SETTINGS.replace("NAME", "calm")}, "first")
        self.release.application("calm", repo.http_url, TARGET)
        self.release.becomes("calm")

    def look(self, name: str, minutes: int = HELD) -> None:
        """Keep what all parts show now; it stands for so many minutes."""
        self.recording.take(name, self.urls, minutes)

    def quiet(self, name: str) -> None:
        """Look once nothing waits: an age that a look catches grows for as long as it is held."""
        eventually(lambda: self.value("workqueue_depth") == 0, "empty queues", 60, self.release.pods.logs)
        self.look(name)

    @property
    def urls(self) -> dict[str, str]:
        return {pod.name: pod.url("/metrics") for pod in self.parts.values()}

    def value(self, name: str, *words: str) -> float:
        """The sum of a metric's series that have these words among their labels, now."""
        found = Recording(RULES).take("", self.urls, 1)
        return sum(v for series, v in found.items() if series.startswith(name) and all(w in series for w in words))

    def wait(self, least: float, name: str, *words: str) -> None:
        """Until `value` is as much."""
        eventually(lambda: self.value(name, *words) >= least, f"{name} {words} at {least}", 60, self.release.pods.logs)

    def stop(self, name: str) -> None:
        self.release.pods.terminate(self.parts.pop(name))

    def start(self, name: str, env: dict[str, str] | None = None) -> None:
        self.parts[name] = self.release.start(name, env)

    def refresh(self, name: str) -> None:
        key = ObjectKey("argoproj.io", "Application", self.release.namespace, name)
        self.release.client.merge_patch(key, {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}})

    def delete(self, *names: str) -> None:
        for name in names:
            key = ObjectKey("argoproj.io", "Application", self.release.namespace, name)
            self.release.client.delete(key, propagation="Background")

        def gone():
            return not any(self.release.app(name) for name in names) and self.value("argocd_app_info") == 1

        eventually(gone, f"the end of {names}", 60, self.release.pods.logs)


def bad_applications(run: Run) -> None:
    """Degraded, OutOfSync, a sync that fails, a repository that does not answer."""
    release = run.release
    manual, once = {}, {"automated": {}, "retry": {"limit": 0}}
    for name, text, policy in (
        ("degraded", DEGRADED, {"automated": {}}),
        ("waiting", SETTINGS.replace("NAME", "waiting"), manual),
        ("refused", REFUSED, once),
        ("unread", SETTINGS.replace("NAME", "unread"), manual),
    ):
        repo = run.git.create(f"alerts-{name}")
        repo.publish({"app/one.yaml": text}, "first")
        release.application(name, repo.http_url, TARGET, syncPolicy=policy)
    run.wait(1, "argocd_app_sync_total", "Failed")
    run.wait(1, "argocd_app_info", "Degraded")
    run.wait(1, "argocd_app_info", "OutOfSync", '"waiting"')
    run.wait(4, "gitops_notifications_total", "failed")
    run.git.fail("alerts-unread")
    for failures in range(1, 6):
        run.refresh("unread")
        run.wait(failures, "argocd_git_lsremote_fail_total")
        run.look(f"unread {failures}", minutes=1)


def many_messages(run: Run) -> None:
    """Nobody takes them."""
    release = run.release
    for part in [name for name in run.parts if name != "beat"]:
        run.stop(part)
    url = run.git.create("alerts-many").http_url
    for number in range(MANY):
        release.application(f"many-{number}", url, TARGET, syncPolicy={})
    run.wait(51, "workqueue_depth", '"fetch')


def children(pod) -> list[int]:
    """The processes of a worker that do its tasks."""
    mark, mine = f"GITOPS_DATA_DIR={pod.env['GITOPS_DATA_DIR']}".encode(), {}
    for found in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (found / "environ").read_bytes() and b"workers\0worker" in (found / "cmdline").read_bytes():
                mine[int(found.name)] = int((found / "stat").read_text().rsplit(")", 1)[1].split()[1])
    return [pid for pid, parent in mine.items() if parent in mine]


def killed_tasks(run: Run) -> list[str]:
    """What the kernel does to processes that take the node's memory; the Applications whose fetches were killed."""
    names = [f"killed-{number}" for number in range(1, 4)]
    for count, name in enumerate(names, 1):
        url = run.git.create(f"alerts-{name}").http_url
        run.git.hang(f"alerts-{name}")
        run.release.application(name, url, TARGET, syncPolicy={})

        def begun(name: str = name) -> bool:
            running = [run.admin.hvals(key) for key in run.admin.scan_iter("*running:*")]
            return any(entry.endswith(f"/{name}".encode()) for entries in running for entry in entries)

        eventually(begun, f"the fetch of {name}", 60, run.release.pods.logs)
        for pid in children(run.parts["worker-default"]):
            os.kill(pid, signal.SIGKILL)
        run.wait(count, "gitops_task_failures_total", "WorkerLostError")
    return names


def outgrown_processes(run: Run) -> None:
    """A worker whose processes are all larger than their limit says."""
    run.stop("worker-default")
    run.start("worker-default", {"GITOPS_CHILD_MEMORY_LIMIT_KIB": str(SMALL_KIB)})
    run.look("small", minutes=1)

    def outgrown() -> bool:
        run.refresh("calm")
        return run.value("gitops_worker_child_recycles_total", "memory") > 12

    eventually(outgrown, "replaced processes", 60, run.release.pods.logs)


def evicted_keys(run: Run) -> None:
    """Redis may throw away what has an end, and has to; what dies soonest goes first, which is what nobody misses."""
    run.admin.config_set("maxmemory-policy", "volatile-ttl")
    run.admin.config_set("maxmemory", run.admin.info("memory")["used_memory"] + (1 << 20))
    before = run.admin.info("stats")["evicted_keys"]
    for number in range(100):
        run.admin.set(f"nobody-misses-{number}", b"x" * 100_000, ex=5)
    assert run.admin.info("stats")["evicted_keys"] > before
    run.admin.config_set("maxmemory", 0)
    run.admin.config_set("maxmemory-policy", "noeviction")
    run.wait(1, "gitops_redis_evicted_keys_total")


@pytest.fixture(scope="module")
def firing(install, chart_git, chart_cluster):
    """Which alerts fire at the end of each look."""
    try:
        promtool = build.tool("promtool")
    except build.GoMissingError as error:
        pytest.skip(str(error))
    run = Run(install, chart_git)
    run.look("calm")

    bad_applications(run)
    used = run.admin.info("memory")["used_memory"]
    run.admin.config_set("maxmemory", int(used * 1.15))
    run.look("applications")
    run.admin.config_set("maxmemory", 0)

    run.delete("degraded", "waiting", "refused", "unread")
    run.quiet("applications again")

    many_messages(run)
    run.look("nobody works")
    run.start("worker-default")
    run.delete(*(f"many-{number}" for number in range(MANY)))
    run.quiet("somebody works")

    chart_cluster.stop_apiserver()
    try:
        eventually(lambda: run.value("argocd_cluster_connection_status") == 0, "the loss of the cluster")
        run.look("no cluster")
    finally:
        chart_cluster.start_apiserver()
    eventually(lambda: run.value("argocd_cluster_connection_status") == 1, "the cluster again")
    run.quiet("cluster again")

    run.release.redis.pause()
    eventually(lambda: run.value("gitops_redis_up") == 0, "the loss of Redis")
    run.look("no redis")
    run.release.redis.resume()
    eventually(lambda: run.value("gitops_redis_up") == run.value("gitops_leader") == 1, "Redis again")
    run.quiet("redis again")

    killed = killed_tasks(run)
    run.look("killed")
    for name in killed:
        run.git.heal(f"alerts-{name}")
    run.delete(*killed)
    run.quiet("killed no more")

    outgrown_processes(run)
    run.look("outgrown")
    run.stop("worker-default")
    run.start("worker-default")
    run.quiet("large enough")

    evicted_keys(run)
    run.look("evicting")
    run.quiet("evicting no more")

    run.stop("beat")
    run.look("no beat")
    run.start("beat")
    eventually(lambda: run.value("gitops_leader") == 1, "a leader again")
    eventually(lambda: run.value("argocd_app_info") == 1, "the Applications")
    run.quiet("beat again")
    return run.recording.firing(promtool)


@pytest.mark.parametrize(
    ("fault", "alerts"),
    [
        ("unread 5", {"GitOpsSyncFailing", "GitOpsGitFailing", "GitOpsNotificationsFailing"}),
        ("applications", {"GitOpsAppDegraded", "GitOpsAppDegradedLong", "GitOpsAppOutOfSync", "GitOpsRedisMemory"}),
        ("nobody works", {"GitOpsNoWorker", "GitOpsQueueDeep", "GitOpsQueueVeryDeep", "GitOpsOldestMessage"}),
        ("no cluster", {"GitOpsClusterUnreachable"}),
        ("no redis", {"GitOpsRedisUnreachable"}),
        ("killed", {"GitOpsTasksKilled"}),
        ("outgrown", {"GitOpsMemoryRecycles"}),
        ("evicting", {"GitOpsRedisEvicting"}),
        ("no beat", {"GitOpsNoLeader", "GitOpsMetricsAbsent"}),
    ],
)
def test_a_fault_makes_its_alerts_fire(firing, fault, alerts):
    ever, _ = firing
    assert alerts - ever[fault] == set()


@pytest.mark.parametrize(
    "look",
    [
        "calm",
        "applications again",
        "somebody works",
        "cluster again",
        "redis again",
        "killed no more",
        "large enough",
        "evicting no more",
        "beat again",
    ],
)
def test_without_a_fault_all_is_quiet(firing, look):
    _, still = firing
    assert still[look] == set()
