"""What beat and workers serve on /metrics while they work: Argo CD's names, and figures that are right."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from celery import Celery
from redis import Redis

from gitops.model.objects import ObjectKey
from gitops.observe import QUEUES, QueueCollector
from gitops.state.envelope import envelope
from testbed.world import World, eventually

#: What the queries of Argo CD's public Grafana dashboard (examples/dashboard.json) select and group by. `namespace` of
#: those that have none of their own is the scraped pod's. Not here, since they mean nothing of this engine: Go's
#: runtime, gRPC, `argocd_kubectl_exec_pending` (no kubectl runs) and `argocd_redis_request_total`.
DASHBOARD = [
    ("argocd_app_info", {"namespace", "dest_server", "health_status", "sync_status", "operation", "repo"}),
    ("argocd_app_sync_total", {"namespace", "name", "project", "dest_server", "phase"}),
    ("argocd_app_reconcile_count", {"namespace", "dest_server"}),
    ("argocd_app_reconcile_bucket", {"namespace", "le"}),
    ("argocd_app_k8s_request_total", {"server", "verb", "resource_kind"}),
    ("argocd_cluster_info", {"server"}),
    ("argocd_cluster_api_resource_objects", {"server"}),
    ("argocd_cluster_api_resources", {"server"}),
    ("argocd_cluster_events_total", {"server"}),
    ("argocd_git_request_total", {"request_type"}),
    ("argocd_git_request_duration_seconds_bucket", {"request_type", "le"}),
    ("workqueue_depth", {"name"}),
    ("process_start_time_seconds", set()),
    ("process_cpu_seconds_total", set()),
]
#: All labels of specs section 9, where they are a metric's own; left out are labels without a bound: an Application's
#: and a namespace's on each API request, a revision's on a failed fetch.
LABELS = {
    "argocd_app_info": "namespace name project autosync_enabled repo dest_server dest_namespace sync_status "
    "health_status operation",
    "argocd_app_sync_total": "namespace name project dest_server phase dry_run",
    "argocd_app_sync_duration_seconds_total": "namespace name project dest_server",
    "argocd_app_k8s_request_total": "server response_code verb resource_kind dry_run",
    "argocd_app_reconcile_count": "namespace dest_server",
    "argocd_git_request_total": "repo request_type",
    "argocd_git_request_duration_seconds_count": "repo request_type",
    "argocd_cluster_events_total": "server group kind",
    "argocd_cluster_info": "server k8s_version name",
    "argocd_cluster_connection_status": "server k8s_version",
    "workqueue_queue_duration_seconds_count": "name",
    "workqueue_adds_total": "name",
}
BUCKETS = {
    "argocd_app_reconcile": [0.25, 0.5, 1, 2, 4, 8, 16],
    "argocd_git_request_duration_seconds": [0.1, 0.25, 0.5, 1, 2, 4, 10, 20],
}
SERVER = "https://kubernetes.default.svc"


@pytest.fixture
def app(observed: World, files: dict[str, str], request: pytest.FixtureRequest) -> str:
    """A synced Application of this test's own, by name."""
    name = re.sub(r"[^a-z]+", "-", request.node.name.removeprefix("test_"))[:40].strip("-")
    observed.application(name, observed.repo(files).http_url)
    observed.becomes(name)
    return name


def test_argo_cds_dashboard_finds_its_series(scrape: Any, app: str) -> None:
    def missing() -> list[str]:
        shown = scrape.all
        return [
            name for name, labels in DASHBOARD if not any(labels <= given.keys() for given, _ in shown.get(name, ()))
        ]

    eventually(lambda: not missing(), "all series", context=lambda: str(missing()))
    assert scrape.value("argocd_app_info", name=app, sync_status="Synced", health_status="Healthy", operation="") == 1
    assert scrape.value("argocd_app_sync_total", name=app, phase="Succeeded", dest_server=SERVER) == 1
    assert scrape.value("argocd_cluster_info", server=SERVER) == 1
    assert scrape.value("argocd_app_k8s_request_total", verb="apply", resource_kind="configmaps", server=SERVER) > 0
    assert scrape.value("argocd_cluster_api_resource_objects", server=SERVER) >= 2
    depths = {labels["name"] for labels, _ in scrape.all["workqueue_depth"]}
    assert {name for name in depths if name.startswith("app_")} == {
        "app_reconciliation_queue",
        "app_operation_processing_queue",
    }


def test_names_and_labels_are_those_of_argo_cd(scrape: Any, app: str) -> None:
    eventually(lambda: scrape.value("argocd_app_info", name=app), "the Application")
    shown = scrape.all
    for name, labels in LABELS.items():
        assert {frozenset(given) for given, _ in shown[name]} == {frozenset(labels.split())}, name
    for name, buckets in BUCKETS.items():
        bounds = {float(given["le"]) for given, _ in shown[f"{name}_bucket"]}
        assert sorted(bounds) == [*buckets, float("inf")], name


def test_git_is_asked_once_and_counted_once(observed: World, scrape: Any, app: str) -> None:
    repo = observed.app(app)["spec"]["source"]["repoURL"]
    for request in ("ls-remote", "fetch"):
        assert scrape.value("argocd_git_request_total", repo=repo, request_type=request) == 1
        assert scrape.value("argocd_git_request_duration_seconds_count", repo=repo, request_type=request) == 1
    assert scrape.value("argocd_git_lsremote_fail_total", repo=repo) == 0


def test_a_repository_that_cannot_be_read_is_counted_without_its_credentials(observed: World, scrape: Any) -> None:
    place = observed.git.http_url.removeprefix("http://")
    observed.application("unreadable", f"http://eve:hunter2@{place}/team/none-at-all")
    observed.condition("unreadable", "ComparisonError")
    assert scrape.value("argocd_git_lsremote_fail_total", repo=f"http://{place}/team/none-at-all") == 1
    assert "hunter2" not in str(scrape.all)


BROKEN = """
apiVersion: v1
kind: ConfigMap
metadata: {name: Not_A_Name}
"""


def test_each_retry_of_an_operation_is_counted_and_its_failure_once(observed: World, scrape: Any) -> None:
    before = scrape.value("workqueue_retries_total", name="apply")
    retry = {"limit": 2, "backoff": {"duration": "1s", "factor": 1, "maxDuration": "5s"}}
    policy = {"automated": {}, "retry": retry, "syncOptions": ["CreateNamespace=true"]}
    observed.application("retried", observed.repo({"app/broken.yaml": BROKEN}).http_url, syncPolicy=policy)
    eventually(lambda: scrape.value("argocd_app_sync_total", name="retried", phase="Failed"), "the failure")
    assert scrape.value("workqueue_retries_total", name="apply") - before == 2
    assert scrape.value("argocd_app_sync_total", name="retried") == 1


GATED = """
apiVersion: v1
kind: Service
metadata: {name: gate}
spec: {type: LoadBalancer, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: behind, annotations: {argocd.argoproj.io/sync-wave: "1"}}
"""


def test_an_operation_that_waits_is_parked_until_it_goes_on(observed: World, scrape: Any) -> None:
    observed.application("gated", observed.repo({"app/gated.yaml": GATED}).http_url)
    eventually(lambda: "parked: waiting for" in observed.engine.log("worker-0"), "the wait")
    eventually(lambda: scrape.value("workqueue_depth", name="parked") == 1, "one that is parked")
    eventually(lambda: scrape.value("argocd_app_info", name="gated", operation="sync") == 1, "its operation")
    assert scrape.value("gitops_operations_running") == 0
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    observed.client.merge_patch(ObjectKey("", "Service", "gated", "gate"), status, subresource="status")
    observed.becomes("gated")
    eventually(lambda: scrape.value("workqueue_depth", name="parked") == 0, "none that is parked")


def test_a_task_is_counted_with_its_wait_its_length_and_its_outcome(scrape: Any, app: str) -> None:
    for task in ("fetch", "diff"):
        assert scrape.value("gitops_task_duration_seconds_count", task=task, outcome="succeeded") > 0
        assert scrape.value("workqueue_queue_duration_seconds_count", name=task) > 0
    assert scrape.value("workqueue_adds_total", name="fetch-urgent") > 0
    assert scrape.value("gitops_schedule_claims_total") >= 0
    assert scrape.value("gitops_leader") == 1
    assert scrape.value("gitops_build_info", component="worker") == 1
    assert scrape.value("gitops_build_info", component="beat") == 1


def test_a_message_that_comes_again_is_counted(observed: World, scrape: Any) -> None:
    message = orjson.loads(envelope("diff", "argocd/nobody", "0123456789abcdef", "diff"))
    # As kombu marks what it restores from a worker that did not acknowledge it.
    message["headers"]["redelivered"] = message["properties"]["delivery_info"]["redelivered"] = True
    before = scrape.value("gitops_task_redelivered_total", task="diff")
    Redis.from_url(observed.redis.url).lpush("gitops:diff", orjson.dumps(message))
    eventually(lambda: scrape.value("gitops_task_redelivered_total", task="diff") == before + 1, "the redelivery")


def test_a_redis_that_does_not_answer_is_said_and_not_kept_silent(observed: World, scrape: Any) -> None:
    beat = observed.engine.beats[0]
    assert scrape.of(beat)["gitops_redis_up"] == [({}, 1.0)]
    observed.redis.pause()
    try:
        eventually(lambda: scrape.of(beat)["gitops_redis_up"] == [({}, 0.0)], "the metric")
        assert "workqueue_depth" not in scrape.of(beat), "what is not known is not shown as zero"
    finally:
        observed.redis.resume()
    eventually(lambda: scrape.of(beat)["gitops_redis_up"] == [({}, 1.0)], "Redis again")
    eventually(lambda: scrape.value("gitops_leader") == 1, "the leader again")


def test_a_cluster_that_does_not_answer_is_said(observed: World, scrape: Any, app: str) -> None:
    eventually(lambda: scrape.value("argocd_cluster_connection_status", server=SERVER) == 1, "the connection")
    observed.cluster.stop_apiserver()
    try:
        eventually(lambda: scrape.value("argocd_cluster_connection_status", server=SERVER) == 0, "its loss")
        assert scrape.value("argocd_cluster_info", server=SERVER) == 1, "it is known all the same"
    finally:
        observed.cluster.start_apiserver()
    eventually(lambda: scrape.value("argocd_cluster_connection_status", server=SERVER) == 1, "the connection again")


def test_depth_is_exact_under_the_priorities_of_a_client_of_somebodys_own(redis_url: str) -> None:
    """kombu keeps one list for each priority step; all of them are the queue."""
    client = Celery(broker=redis_url)
    client.conf.broker_transport_options = {"global_keyprefix": "gitops:"}
    for priority in (0, 1, 4, 7, 9, 9):
        client.send_task("gitops.diff", args=["argocd/a"], queue="diff", priority=priority)
    redis = Redis.from_url(redis_url)
    lists = {key: redis.llen(key) for key in redis.scan_iter("gitops:diff*")}
    assert len(lists) == 4
    assert sum(lists.values()) == 6
    shown = {
        sample.labels["name"]: sample.value
        for metric in QueueCollector(redis, "gitops:").collect()
        for sample in metric.samples
        if sample.name == "workqueue_depth"
    }
    assert shown["diff"] == 6
    assert all(shown[name] == 0 for name in QUEUES if name != "diff")


def test_nothing_but_applications_adds_series(observed: World, scrape: Any, files: dict[str, str]) -> None:
    """Ten more Applications, with a repository and a namespace each, add what speaks of them and no more."""

    def series() -> dict[str, int]:
        return {name: len(samples) for name, samples in scrape.all.items()}

    def add(name: str) -> None:
        observed.application(name, observed.repo(files).http_url)
        observed.becomes(name)
        eventually(lambda: scrape.value("argocd_app_sync_total", name=name), f"the sync of {name}")

    add("series")
    before = series()
    for number in range(5):
        add(f"series-{number}")
    more = {name: count - before.get(name, 0) for name, count in series().items()}
    allowed = re.compile(r"argocd_app_(info|sync)|argocd_git_")
    # A code or an outcome that had not been seen before may be one more series.
    assert {name: count for name, count in more.items() if count > 3 and not allowed.match(name)} == {}
