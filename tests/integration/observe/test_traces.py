"""One trace shows a change's whole way: beat's publish, the tasks, Git, the render, and each request to the API."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gitops.model.objects import ObjectKey
from gitops.observe import trace
from testbed.world import World, eventually

ROOT = Path(__file__).parents[3]


def test_one_trace_leads_from_beat_to_the_api_server(observed: World, collector: Any, files: dict[str, str]) -> None:
    repo = observed.repo(files)
    observed.application("traced", repo.http_url)
    observed.becomes("traced")

    def told() -> list[Any]:
        found = collector.trace_of("argocd/traced", "publish fetch")
        return found if {"fetch", "diff", "step", "apply secrets"} <= {span.name for span in found} else []

    spans = eventually(told, "the trace", context=observed.logs)
    by_id = {span.id: span for span in spans}
    (root,) = [span for span in spans if not span.parent]
    assert (root.name, root.service) == ("publish fetch", "gitops-beat")
    assert all(span.service == "gitops-worker" for span in spans if span is not root)
    assert all(span.parent in by_id for span in spans if span is not root), "no span is without the one that caused it"

    def way(span: Any) -> list[str]:
        """The names from the root to a span."""
        return [*(way(by_id[span.parent]) if span.parent else []), span.name]

    ways = [way(span) for span in spans]
    fetch = ["publish fetch", "fetch"]
    for inside in ("git ls-remote", "git fetch", "render"):
        assert [*fetch, inside] in ways
    # The task that the first one published, and under the policy's operation what was written, by the helper threads
    # of a wave too.
    step = [*fetch, "diff", "step"]
    for inside in ("apply configmaps", "apply secrets"):
        assert [*step, inside] in ways
    applied = next(span for span in spans if span.name == "apply configmaps")
    assert applied.attributes["path"] == "/api/v1/namespaces/traced/configmaps/settings"
    assert applied.attributes["code"] in (200, 201)
    for span in spans:
        assert span.begun <= span.ended
        assert span is root or span.begun >= root.begun
    render = next(span for span in spans if span.name == "render")
    assert render.attributes["revision"] == repo.head


def test_what_fails_is_told_as_failed_and_without_secrets(observed: World, collector: Any) -> None:
    url = f"http://eve:hunter2-in-the-url@127.0.0.1:{observed.git.http_url.rpartition(':')[2]}/team/none"
    observed.application("untraced", url)
    observed.condition("untraced", "ComparisonError")

    def told() -> list[Any]:
        spans = collector.trace_of("argocd/untraced", "publish fetch")
        return [span for span in spans if span.name == "git ls-remote" and span.failed]

    assert eventually(told, "the failed request", context=observed.logs)
    sent = b"".join(collector.bodies)
    for secret in (b"hunter2", observed.engine.env["GITOPS_SEAL_KEY"].encode()):
        assert secret not in sent


def test_drift_begins_a_trace_of_its_own(observed: World, collector: Any, lines: Any, files: dict[str, str]) -> None:
    observed.application("drifts", observed.repo(files).http_url)
    observed.becomes("drifts")
    # What is told while a task works on the application is that task's to follow.
    eventually(lambda: [line for line in lines("argocd/drifts") if line["event"] == "diff"], "the end of its task")
    observed.client.merge_patch(ObjectKey("", "ConfigMap", "drifts", "settings"), {"data": {"colour": "red"}})

    def told() -> bool:
        spans = collector.trace_of("argocd/drifts", "publish diff")
        return "apply configmaps" in {span.name for span in spans}

    eventually(told, "the trace of the heal", context=observed.logs)


OFF = """
import sys
import redis.asyncio, redis.sentinel

# redis-py looks whether OpenTelemetry is installed, and loads the part that is for metrics.
theirs = set(sys.modules)

import workers, beat.scheduler, gitops.cli.web
from workers import runtime
from gitops.observe import trace
from gitops.state.envelope import envelope

assert trace.start("worker", "") is False
assert trace.carrying(envelope) is envelope, "no message costs anything"
with trace.span("fetch", {"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}, app="a"):
    trace.happened("get configmaps", 0.1)
    with trace.publishing("diff", "a") as published:
        published()
    assert trace.inject() == {}
trace.stop()
ours = set(sys.modules) - theirs
assert not [name for name in ours if name.startswith(("opentelemetry", "google.protobuf"))]
assert not {"opentelemetry.sdk.trace", "opentelemetry.exporter", "google.protobuf"} & set(sys.modules)
"""


def test_without_an_endpoint_nothing_is_imported_and_no_message_is_larger() -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith("GITOPS_")} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", OFF], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def tracing(collector: Any) -> Any:
    """Traces of this very process."""
    assert trace.start("test", collector.url)
    yield collector
    trace.stop()


def test_a_publish_that_is_not_needed_is_not_told(tracing: Any) -> None:
    with trace.publishing("fetch", "argocd/needless") as _:
        headers = trace.inject()
    with trace.publishing("fetch", "argocd/needed") as published:
        published()
    assert headers["traceparent"]
    trace.stop()
    told = [span.attributes["app"] for span in tracing.spans if span.service == "test" and "app" in span.attributes]
    assert told == ["argocd/needed"]


def test_a_collector_that_is_away_ends_neither_a_task_nor_its_process() -> None:
    assert trace.start("test-away", "http://127.0.0.1:1")
    with pytest.raises(ValueError, match="its own"), trace.span("fetch"):
        raise ValueError("its own")
    trace.stop()
    with trace.span("fetch"):
        assert trace.inject() == {}
    assert not [thread for thread in threading.enumerate() if "OtelBatch" in thread.name and thread.is_alive()]
