"""The memory, time and probes of the rendered pods follow from what the processes in them may take."""

from __future__ import annotations

import re

import pytest

from gitops.settings import Settings
from gitops.source.sandbox import zygote

#: Redis forks to rewrite its file, and what changes meanwhile is there twice.
REWRITE = 1.5


def worker(objects, pool="default"):
    """The container of a pool and its pod's spec."""
    (found,) = [
        obj["spec"]["template"]["spec"]
        for obj in objects
        if obj["kind"] == "Deployment" and obj["metadata"]["name"].endswith(f"worker-{pool}")
    ]
    return found["containers"][0], found


def settings_of(objects, container):
    """The settings that a container's processes read."""
    (data,) = [
        obj["data"] for obj in objects if obj["kind"] == "ConfigMap" and obj["metadata"]["name"].endswith("settings")
    ]
    given = data | {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    known = {f"GITOPS_{name}".upper(): name for name in Settings.model_fields}
    given = {known[name]: value for name, value in given.items() if name in known}
    return Settings.model_validate(Settings().model_dump() | given)


def mib(text):
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", text).groups()
    return int(number) * (1024 if unit == "Gi" else 1)


@pytest.mark.parametrize(
    ("pool", "settings"),
    [
        ({}, {}),
        ({"concurrency": 1}, {}),
        ({"concurrency": 3, "memoryPerChildMiB": 200, "memoryOverheadMiB": 300}, {"RENDER_MEMORY_MIB": 256}),
        ({"concurrency": 16}, {"RENDER_MEMORY_MIB": 1024}),
    ],
    ids=["defaults", "one", "little", "much"],
)
def test_the_limit_of_memory_holds_all_processes_at_their_own_bounds(render, pool, settings):
    objects = render({"workers": {"pools": {"default": pool}}, "settings": settings})
    container, _ = worker(objects)
    read = settings_of(objects, container)
    renders = min(read.concurrency, zygote._MAX_CHILDREN) * read.render_memory_mib
    bound = pool.get("memoryOverheadMiB", 512) + read.concurrency * read.child_hard_limit_mib + renders
    assert mib(container["resources"]["limits"]["memory"]) == bound
    assert mib(container["resources"]["requests"]["memory"]) <= bound
    assert (read.concurrency, read.child_memory_limit_kib) == (
        pool.get("concurrency", 4),
        pool.get("memoryPerChildMiB", 256) * 1024,
    )
    # Celery's own options would win over the settings, of which the engine's own bounds are made.
    assert not [word for word in container["args"] if re.match("--(concurrency|max-)", word)]


def test_the_limit_of_redis_leaves_room_for_rewriting_its_file(render):
    objects = render({"redis": {"internal": {"maxmemoryMiB": 1000}}})
    (redis,) = [obj for obj in objects if obj["kind"] == "StatefulSet"]
    container = redis["spec"]["template"]["spec"]["containers"][0]
    (config,) = [o for o in objects if o["kind"] == "ConfigMap" and o["metadata"]["name"].endswith("-redis")]
    bound = int(re.search(r"^maxmemory (\d+)mb$", config["data"]["redis.conf"], re.M)[1])
    assert bound == 1000
    assert mib(container["resources"]["limits"]["memory"]) >= bound * REWRITE


@pytest.mark.parametrize("hard", [150, 900])
def test_a_pod_that_ends_has_the_time_that_its_tasks_may_take(render, hard):
    objects = render({"settings": {"HARD_TIME_LIMIT": hard, "LOCK_TTL": hard + 30, "VISIBILITY_TIMEOUT": hard * 2}})
    container, spec = worker(objects)
    assert spec["terminationGracePeriodSeconds"] > settings_of(objects, container).hard_time_limit


def test_the_limits_of_time_stay_in_their_order(defaults):
    container, _ = worker(defaults)
    settings = settings_of(defaults, container)
    assert settings.soft_time_limit < settings.hard_time_limit < settings.lock_ttl < settings.visibility_timeout


def test_a_probe_looks_at_the_queues_that_its_pool_serves(render):
    """Else a full queue of another pool would get an idle worker restarted."""
    objects = render({"workers": {"pools": {"default": {}, "apply": {"queues": ["apply", "apply-urgent"]}}}})
    container, _ = worker(objects, "apply")
    assert container["livenessProbe"]["exec"]["command"] == ["gitops", "probe", "worker", "--queues=apply,apply-urgent"]
    assert "--queues=apply,apply-urgent" in container["args"]
    default, _ = worker(objects)
    (served,) = [word for word in default["args"] if word.startswith("--queues=")]
    assert served in default["livenessProbe"]["exec"]["command"]
