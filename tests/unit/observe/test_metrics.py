"""Metrics: counted in many processes, read in one; bounded; never silent."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from redis import Redis

from gitops.model.application import Application
from gitops.observe import (
    AppCollector,
    AppSummary,
    ClusterCollector,
    ClusterSummary,
    QueueCollector,
    metrics,
    multiprocess,
    serve,
)
from gitops.observe.applications import summary
from gitops.observe.requests import resource_of
from gitops.settings import Settings
from gitops.state import State
from gitops.state.queue import Rank


def samples(collector) -> dict[tuple, float]:
    return {(s.name, *sorted(s.labels.values())): s.value for metric in collector.collect() for s in metric.samples}


def test_queue_depth_is_exact_under_priorities_and_age_is_of_the_oldest(redis_url):
    redis = Redis.from_url(redis_url)
    for name, published in (("fetch", 90.0), ("fetch", 99.0), ("fetch\x06\x163", 40.0), ("apply-urgent", 98.0)):
        redis.lpush(f"p:{name}", json.dumps({"headers": {"enqueued_at": published}, "body": ""}))
    redis.zadd("p:unacked_index", {"tag": 70})
    found = samples(QueueCollector(redis, "p:", clock=lambda: 100.0))
    assert found["workqueue_depth", "fetch"] == 3
    assert found["workqueue_depth", "apply-urgent"] == 1
    assert found["workqueue_depth", "diff"] == 0
    assert found["workqueue_depth", "app_reconciliation_queue"] == 3
    assert found["workqueue_depth", "app_operation_processing_queue"] == 1
    assert found["gitops_queue_oldest_message_seconds", "fetch"] == 60
    assert found["gitops_queue_unacked",] == 1
    assert found["gitops_queue_oldest_unacked_seconds",] == 30
    assert found["gitops_redis_up",] == 1
    assert found["gitops_redis_memory_bytes",] > 0


def test_an_operation_that_a_worker_moves_on_is_not_parked(redis_url):
    """It is in the same set, with the time at which it is woken should its worker be lost."""
    state = State(Settings(redis_url=redis_url, redis_prefix="p:", seal_key="of the test"))
    for app in ("argocd/waits", "argocd/moves", "argocd/orphan"):
        state.operations.park(app, 1e12)
    state.workers.say_alive("one")
    state.scripts.together([state.workers.beginning("one", "m1", "apply", "argocd/moves")])
    state.scripts.together([state.workers.beginning("one", "m2", "diff", "argocd/compared-without-an-operation")])
    state.scripts.together([state.workers.beginning("one", "m3", "fetch", "argocd/waits")])
    state.redis.sadd(state.keys.workers, "gone")
    state.scripts.together([state.workers.beginning("gone", "m4", "apply", "argocd/orphan")])
    found = samples(QueueCollector(state.redis, "p:", operations=state.operations))
    assert found["gitops_operations_running",] == 1
    assert found["workqueue_depth", "parked"] == 2


def test_what_is_published_and_coalesced_is_counted_whoever_wished_for_it(redis_url):
    state = State(Settings(redis_url=redis_url, redis_prefix="p:", seal_key="of the test"))
    for rank in (Rank.POLL, Rank.POLL, Rank.DRIFT, Rank.DRIFT):
        state.queue.want("fetch", "argocd/shop", rank)
    told = samples(QueueCollector(state.redis, "p:", counts=lambda: True))
    assert told["workqueue_adds_total", "fetch"] == 1
    assert told["workqueue_adds_total", "fetch-urgent"] == 1
    assert told["gitops_task_coalesced_total", "fetch"] == 2
    assert told["workqueue_depth", "fetch"] == 0, "moved up, not doubled"
    assert told["workqueue_depth", "fetch-urgent"] == 1
    silent = samples(QueueCollector(state.redis, "p:"))
    assert not [name for name, *_ in silent if "adds" in name or "coalesced" in name], "told by one process alone"


def test_a_redis_that_cannot_be_reached_is_said(redis_url):
    away = Redis(port=1, socket_connect_timeout=0.5)
    assert samples(QueueCollector(away, "p:")) == {("gitops_redis_up",): 0}


def test_messages_of_others_do_not_break_the_scrape(redis_url):
    redis = Redis.from_url(redis_url)
    redis.lpush("p:fetch", b"\xff not json", json.dumps({"headers": None}), json.dumps([]))
    found = samples(QueueCollector(redis, "p:"))
    assert found["workqueue_depth", "fetch"] == 3
    assert found["gitops_queue_oldest_message_seconds", "fetch"] == 0


SUMMARY = AppSummary(
    namespace="argocd",
    name="shop",
    project="p",
    repo="https://u:hunter2@git.example/shop",
    dest_server="https://c",
    dest_namespace="shop",
    sync_status="Synced",
    health_status="Degraded",
    autosync=True,
)


def test_application_info_has_argo_cds_labels_and_ends_with_the_application():
    apps = [SUMMARY]
    registry = CollectorRegistry()
    registry.register(AppCollector(lambda: apps))
    text = generate_latest(registry).decode()
    assert (
        'argocd_app_info{autosync_enabled="true",dest_namespace="shop",dest_server="https://c",'
        'health_status="Degraded",name="shop",namespace="argocd",operation="",project="p",'
        'repo="https://git.example/shop",sync_status="Synced"} 1.0'
    ) in text
    apps.clear()
    assert 'name="shop"' not in generate_latest(registry).decode()


def test_orphaned_resources_are_counted_where_the_project_warns_of_them():
    text = "Application has 12 orphaned resources: ConfigMap old and 11 more"
    warned = {"type": "OrphanedResourceWarning", "message": text}
    obj = {"metadata": {"namespace": "argocd", "name": "shop"}, "spec": {"project": "p"}}
    quiet, told = summary(obj), summary({**obj, "status": {"conditions": [warned]}})
    found = samples(AppCollector(lambda: [quiet, told]))
    assert {key: value for key, value in found.items() if "orphaned" in key[0]} == {
        ("argocd_app_orphaned_resources_count", "argocd", "p", "shop"): 12
    }


def test_beyond_its_limit_applications_are_only_counted():
    found = samples(AppCollector(lambda: [SUMMARY] * 5, limit=2))
    assert found["gitops_applications", "Degraded", "Synced"] == 5


def test_clusters_and_the_live_index():
    found = samples(ClusterCollector(lambda: [ClusterSummary("c", "https://c", "v1.34", False, 17)]))
    assert found["argocd_cluster_connection_status", "https://c", "v1.34"] == 0
    assert found["argocd_cluster_api_resource_objects", "https://c"] == 17


def test_labels_from_outside_are_bounded_and_without_credentials():
    for number in range(3000):
        metrics.git_request(f"https://u:hunter2@git.example/{number}", "fetch", 0.1, failed=True)
    text = generate_latest(metrics.REGISTRY).decode()
    assert "hunter2" not in text
    repositories = set(re.findall(r'^argocd_git_request_total\{.*repo="([^"]*)"', text, re.M))
    assert len(repositories) <= 2001
    assert "_other" in repositories


def test_every_call_counts():
    app = Application.from_object(
        {"metadata": {"namespace": "argocd", "name": "counted"}, "spec": {"source": {"repoURL": "r", "path": "."}}}
    )
    metrics.task_started("fetch", 1.0, redelivered=True)
    metrics.task_finished("gitops.fetch", "failed", "RepositoryError", 0.2)
    metrics.task_killed("fetch", "WorkerLostError")
    metrics.sync_finished(app, "Failed", 3.0)
    metrics.child_recycled("memory")
    metrics.lock_lost()
    metrics.leader(True)
    text = generate_latest(metrics.REGISTRY).decode()
    for line in (
        'gitops_task_failures_total{reason="RepositoryError",task="gitops.fetch"} 1.0',
        'argocd_app_sync_total{dest_server="",dry_run="false",name="counted",namespace="argocd",phase="Failed",'
        'project="default"} 1.0',
        'argocd_app_sync_duration_seconds_total{dest_server="",name="counted",namespace="argocd",'
        'project="default"} 3.0',
        'gitops_worker_child_recycles_total{reason="memory"} 1.0',
        'gitops_task_failures_total{reason="WorkerLostError",task="fetch"} 1.0',
        'gitops_worker_child_recycles_total{reason="lost"} 1.0',
        "gitops_leader 1.0",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/api/v1/namespaces/shop/configmaps/settings", "configmaps"),
        ("/api/v1/configmaps", "configmaps"),
        ("/api/v1/namespaces", "namespaces"),
        ("/api/v1/namespaces/shop", "namespaces"),
        ("/api/v1/namespaces/shop/finalize", "namespaces"),
        ("/apis/apps/v1/namespaces/shop/deployments/web/status", "deployments"),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles/x", "clusterroles"),
        ("/apis/apps/v1", ""),
        ("/api", ""),
        ("/version", ""),
    ],
)
def test_requests_are_counted_by_resource(path, resource):
    assert resource_of(path) == resource


WORKER = """
import os, sys
# Celery's command line imports Flower, and with it this library, before any code of ours runs.
import prometheus_client
from gitops.observe import metrics, serve
from gitops.observe import multiprocess
from prometheus_client import generate_latest

metrics.build_info("worker")
directory = multiprocess.directory()
for child in range(int(sys.argv[1])):
    if not (pid := os.fork()):
        metrics.task_finished("gitops.fetch", "failed", "Boom", 0.5)
        metrics.child_recycled("memory")
        os._exit(0)
    os.waitpid(pid, 0)
    text = generate_latest(metrics.REGISTRY).decode()
print(len(list(directory.glob("*.db"))))
print(text)
"""


def test_counters_of_a_prefork_worker_outlive_its_children_and_their_files_do_not(tmp_path):
    command = [sys.executable, "-c", WORKER, "12"]
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics")}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    count, _, text = said.partition("\n")
    assert 'gitops_task_failures_total{reason="Boom",task="gitops.fetch"} 12.0' in text
    assert 'gitops_task_duration_seconds_count{outcome="failed",task="gitops.fetch"} 12.0' in text
    assert 'gitops_build_info{component="worker"' in text
    assert int(count) <= 5, "the parent's own files and the archive"


def test_a_process_that_has_only_just_made_its_file_spoils_no_scrape(tmp_path):
    alive = tmp_path / f"counter_{os.getpid()}.db"
    gone = tmp_path / f"histogram_{2**22 + 1}.db"
    for path in (alive, gone):
        path.touch()
    assert list(multiprocess.WorkerCollector(tmp_path).collect()) == []
    assert alive.exists()
    assert not gone.exists()


def test_serving_and_stopping():
    registry = CollectorRegistry()
    registry.register(AppCollector(lambda: [SUMMARY]))
    port = free_port()
    stop = serve(port, registry=registry)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert b"argocd_app_info" in answer.read()
    stop()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)


def free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
