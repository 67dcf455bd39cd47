"""The probes as the kubelet runs them: a busy worker lives on, a wedged one and a wedged beat are restarted."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from testbed.world import eventually

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def release(install):
    found = install({"workers": {"pools": {"default": {"concurrency": 1}}}}, namespaces=("probed",))
    for component in ("beat", "worker-default"):
        found.start(component)
    return found


@pytest.fixture
def beat(release):
    return release.pods.pods[0]


@pytest.fixture
def worker(release):
    return release.pods.pods[1]


def alive(release, pod):
    return release.pods.probe(pod, "livenessProbe")


def minutes_pass(pod, minutes=10):
    """What the process said of itself lies so far back."""
    for file in (Path(pod.paths["/data"]) / "alive").iterdir():
        then = time.time() - 60 * minutes
        os.utime(file, (then, then))


def test_a_busy_worker_is_alive(release, worker, chart_git):
    """Its only hand waits for a Git server, and messages wait for the hand."""
    repo = chart_git.create("slow")
    repo.publish({"app/x.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"}, "first")
    chart_git.hang("slow")
    for number in range(3):
        release.application(f"slow-{number}", repo.http_url, "probed")
    eventually(lambda: "gitops.fetch" in release.pods.log(worker), "the task", context=release.pods.logs)
    assert alive(release, worker)
    chart_git.heal("slow")


@pytest.mark.parametrize("part", ["beat", "worker"])
def test_a_process_that_stands_still_is_not_alive(release, part, request):
    pod = request.getfixturevalue(part)
    eventually(lambda: alive(release, pod), "its life", context=release.pods.logs)
    release.pods.signal(pod, signal.SIGSTOP)
    try:
        minutes_pass(pod)
        said = release.pods.run(pod, pod.container["livenessProbe"]["exec"]["command"])
        assert said.returncode == 1
        assert "must within" in said.stderr + said.stdout
        assert "Traceback" not in said.stderr
    finally:
        release.pods.signal(pod, signal.SIGCONT)
    eventually(lambda: alive(release, pod), "its life again", context=release.pods.logs)


def test_a_redis_that_is_away_restarts_nobody(release, beat, worker):
    release.redis.pause()
    try:
        assert alive(release, worker)
        assert alive(release, beat)
    finally:
        release.redis.resume()
