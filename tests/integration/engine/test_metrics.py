"""Beat's /metrics while it leads: the queues, and each Application as Argo CD's dashboards read it."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from testbed.world import World, eventually


def samples(url: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """What is served at `url`: labels and values by name."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(httpx.get(url, timeout=10).text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_beat_shows_the_queues_and_the_applications(world: World, small: dict[str, str]) -> None:
    world.application("measured", world.repo(small).http_url)
    world.becomes("measured")
    beat = world.engine.metrics_urls[world.engine.beats[0]]

    def info() -> dict[str, str]:
        shown = samples(beat).get("argocd_app_info", [])
        return next((labels for labels, value in shown if labels["name"] == "measured" and value == 1), {})

    eventually(lambda: info().get("health_status") == "Healthy", "argocd_app_info")
    assert info()["sync_status"] == "Synced"
    assert info()["namespace"] == "argocd"
    shown = samples(beat)
    queues = {labels["name"] for labels, _ in shown["workqueue_depth"]}
    assert queues >= {"fetch", "diff", "apply", "parked"}
    assert shown["gitops_leader"] == [({}, 1.0)]


def test_workers_count_the_syncs_that_they_ended(world: World, small: dict[str, str]) -> None:
    world.application("counted", world.repo(small).http_url)
    world.becomes("counted")
    urls = [world.engine.metrics_urls[worker] for worker in world.engine.workers]

    def ended() -> float:
        shown = [entry for url in urls for entry in samples(url).get("argocd_app_sync_total", [])]
        return sum(v for labels, v in shown if labels["name"] == "counted" and labels["phase"] == "Succeeded")

    eventually(lambda: ended() == 1, "the sync in the workers' metrics")
