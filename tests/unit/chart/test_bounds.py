"""The memory, time and probes of the rendered pods follow from what the processes in them may take."""

from __future__ import annotations

import re

import pytest

from gitops.settings import Settings
from gitops.source.sandbox import zygote

#: A process is looked at when its task ends: by then it may have passed its bound by half.
OVERSHOOT = 1.5


def worker(objects, pool="default"):
    """The container of a pool and its pod's spec."""
    (found,) = [
        obj["spec"]["template"]["spec"]
        for obj in objects
        if obj["kind"] == "Deployment" and obj["metadata"]["name"].endswith(f"worker-{pool}")
    ]
    return found["containers"][0], found


def settings_of(objects):
    """The settings that the containers read."""
    (data,) = [
        obj["data"] for obj in objects if obj["kind"] == "ConfigMap" and obj["metadata"]["name"].endswith("settings")
    ]
    given = {name.removeprefix("GITOPS_").lower(): value for name, value in data.items()}
    return Settings.model_validate(Settings().model_dump() | given)


def option(container, name):
    (found,) = [word.partition("=")[2] for word in container["args"] if word.startswith(f"--{name}=")]
    return int(found)


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
    children = option(container, "concurrency")
    per_child = option(container, "max-memory-per-child") / 1024
    renders = min(children, zygote._MAX_CHILDREN) * settings_of(objects).render_memory_mib
    overhead = pool.get("memoryOverheadMiB", 512)
    assert mib(container["resources"]["limits"]["memory"]) == overhead + children * per_child * OVERSHOOT + renders
    assert mib(container["resources"]["requests"]["memory"]) <= mib(container["resources"]["limits"]["memory"])


def test_the_limit_of_redis_leaves_room_for_rewriting_its_file(render):
    objects = render({"redis": {"internal": {"maxmemoryMiB": 1000}}})
    (redis,) = [obj for obj in objects if obj["kind"] == "StatefulSet"]
    container = redis["spec"]["template"]["spec"]["containers"][0]
    (config,) = [o for o in objects if o["kind"] == "ConfigMap" and o["metadata"]["name"].endswith("-redis")]
    bound = int(re.search(r"^maxmemory (\d+)mb$", config["data"]["redis.conf"], re.M)[1])
    assert bound == 1000
    assert mib(container["resources"]["limits"]["memory"]) >= bound * OVERSHOOT


@pytest.mark.parametrize("hard", [150, 900])
def test_a_pod_that_ends_has_the_time_that_its_tasks_may_take(render, hard):
    objects = render({"settings": {"HARD_TIME_LIMIT": hard, "LOCK_TTL": hard + 30, "VISIBILITY_TIMEOUT": hard * 2}})
    _, spec = worker(objects)
    assert spec["terminationGracePeriodSeconds"] > settings_of(objects).hard_time_limit


def test_the_limits_of_time_stay_in_their_order(defaults):
    settings = settings_of(defaults)
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
