"""Logs, Events and liveness."""

from __future__ import annotations

import io
import json
import logging
import os

import pytest
from redis import Redis

from gitops.model.application import Application
from gitops.observe import EventRecorder, hide, logs, probe, scrub, scrub_url


@pytest.fixture
def written(request):
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.setup(getattr(request, "param", "json"), "INFO", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logs.clear()


def test_a_step_is_one_line_with_its_application_and_duration(written):
    log = logging.getLogger("gitops.test")
    with logs.context(app="argocd/shop", revision="abc", task_id="t1"), logs.step(log, "fetch", repo="r") as found:
        found["objects"] = 3
    (line,) = map(json.loads, written.getvalue().splitlines())
    assert line["event"] == "fetch"
    assert (line["app"], line["revision"], line["task_id"], line["objects"]) == ("argocd/shop", "abc", "t1", 3)
    assert line["outcome"] == "succeeded"
    assert line["duration_ms"] >= 0


def test_a_step_that_fails_says_why_without_credentials(written):
    with pytest.raises(ValueError, match="hunter2"), logs.step(logging.getLogger("x"), "fetch"):
        raise ValueError("cannot read https://user:hunter2@git.example/shop")
    line = json.loads(written.getvalue())
    assert (line["outcome"], line["reason"]) == ("failed", "ValueError")
    assert "hunter2" not in written.getvalue()


def test_a_traceback_is_scrubbed_too(written):
    try:
        raise RuntimeError("Authorization: Bearer hunter2hunter2")
    except RuntimeError:
        logging.getLogger("x").exception("it broke")
    assert "hunter2" not in written.getvalue()


@pytest.mark.parametrize("written", ["console"], indirect=True)
def test_no_message_can_forge_a_line_on_the_console(written):
    logs.event(logging.getLogger("x"), "commit\n12:00:00 ERROR forged", author="eve\nforged")
    assert len(written.getvalue().splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hunter2@git.example/x",
        "https://hunter2@git.example/x",
        "https://git.example/x?access_token=hunter2&a=b",
        "Authorization: Basic aHVudGVyMg==hunter2",
        "{'password': 'hunter2'}",
        'token="hunter2"',
        "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----",
        "ghp_hunter2hunter2hunter2",
        "eyJhunter2hunter2.hunter2hunter2.hunter2",
        "redis://default:hunter2@redis:6379/0",
    ],
)
def test_scrub(text):
    assert "hunter2" not in scrub(text)


def test_what_is_ordinary_stays():
    text = "Deployment shop/web: 3 of 5 replicas, see https://git.example/acme/shop@main and secret/db"
    assert scrub(text) == text


def test_a_known_secret_is_masked_wherever_it_stands():
    hide("correct-horse")
    assert scrub("say correct-horse now") == "say *** now"


def test_scrub_url():
    assert scrub_url("https://u:p@git.example/a.git?x=y") == "https://git.example/a.git"
    assert scrub_url("git@git.example:a.git") == "git@git.example:a.git"


APP = Application.from_object(
    {
        "metadata": {"namespace": "argocd", "name": "shop", "uid": "u1"},
        "spec": {"source": {"repoURL": "r", "path": "."}},
    }
)


def test_equal_events_are_one_with_a_count():
    written, now = [], [1000.0]
    recorder = EventRecorder(written.append, instance="worker-1", clock=lambda: now[0])
    recorder.operation_started(APP, "abc", "ada")
    now[0] += 5
    recorder.operation_started(APP, "abc", "ada")
    recorder.operation_completed(APP, "Failed", "abc", "password=hunter2 was refused")
    first, second, failed = written
    assert first["metadata"]["name"] == second["metadata"]["name"] != failed["metadata"]["name"]
    assert (first["count"], second["count"]) == (1, 2)
    assert (first["reason"], failed["reason"], failed["type"]) == ("OperationStarted", "OperationCompleted", "Warning")
    assert first["involvedObject"]["uid"] == "u1"
    assert "hunter2" not in failed["message"]


def test_one_application_cannot_flood_the_api_server():
    written, now = [], [1000.0]
    recorder = EventRecorder(written.append, instance="w", clock=lambda: now[0])
    assert sum(recorder.record(APP, "Normal", "R", f"message {n}") for n in range(100)) == len(written) == 25
    now[0] += 300
    assert recorder.record(APP, "Normal", "R", "later")


def test_no_change_is_no_event():
    written = []
    recorder = EventRecorder(written.append, instance="w")
    assert not recorder.sync_status_changed(APP, "Synced", "Synced")
    assert recorder.health_changed(APP, "Progressing", "Healthy")
    assert [event["message"] for event in written] == ["Updated health status: Progressing -> Healthy"]


def age(data_dir, what, seconds, now):
    probe.mark(data_dir, what)
    os.utime(data_dir / "alive" / what, (now - seconds, now - seconds))


def test_a_wedged_worker_is_told_from_a_busy_and_an_idle_one(tmp_path, redis_url):
    redis, now = Redis.from_url(redis_url), 1_000_000.0

    def check():
        probe.check_worker(tmp_path, redis, "t:", 150, clock=lambda: now)

    with pytest.raises(probe.NotAlive, match="ever"):
        check()
    age(tmp_path, "worker-loop", 5, now)
    check()  # started, and nothing to do yet
    message = json.dumps({"headers": {"enqueued_at": now - 3600}})
    redis.lpush("t:fetch", message)
    age(tmp_path, "worker-task", 100, now)
    check()  # busy: a task moved within the hard limit
    age(tmp_path, "worker-task", 1000, now)
    with pytest.raises(probe.NotAlive, match="no task has moved"):
        check()
    redis.delete("t:fetch")
    check()  # idle
    redis.lpush("t:fetch", json.dumps({"headers": {"enqueued_at": now - 1}}))
    check()  # a message has just come
    age(tmp_path, "worker-loop", 100, now)
    with pytest.raises(probe.NotAlive, match="loop"):
        check()


def test_redis_being_away_restarts_nobody(tmp_path):
    probe.mark(tmp_path, "worker-loop")
    probe.check_worker(tmp_path, Redis(port=1, socket_connect_timeout=0.5), "t:", 150)


def test_beat_must_tick(tmp_path):
    with pytest.raises(probe.NotAlive):
        probe.check_beat(tmp_path)
    probe.mark(tmp_path, "beat")
    probe.check_beat(tmp_path)
