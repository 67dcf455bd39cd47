"""What a request costs: the engine's client beside a bare http.client and the official DynamicClient.

    python -m bench.client [--objects 200] [--rounds 5]

All three apply the same objects, which are there already, to the same API server, in turns, so that what else the
machine does hits all of them alike. Ratios are what counts; the absolute figures are the machine's. Prints a table and,
with --json, one object for `bench/results.json`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import resource
import ssl
import statistics
import threading
import time
from collections.abc import Callable

import orjson

from gitops.cluster import ClusterClient, Connection, Event, Watch, Watches, run_parallel
from gitops.model.objects import GVK, Manifest
from testbed.controlplane import ControlPlane

Apply = Callable[[Manifest], object]


def manifests(count: int) -> list[Manifest]:
    """ConfigMaps of 1.5 KB."""
    data = {f"key-{number}": "x" * 120 for number in range(10)}
    return [
        Manifest.of(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"bench-{number}", "namespace": "default", "labels": {"bench": "client"}},
                "data": data,
            }
        )
        for number in range(count)
    ]


def cpu_seconds() -> float:
    """CPU seconds of this process, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def bare(cluster: ControlPlane) -> Apply:
    """http.client and orjson, a connection for each thread: the least that a Python program can write."""
    context = ssl.create_default_context(cafile=str(cluster.ca_file))
    local = threading.local()

    def apply(manifest: Manifest) -> object:
        connection = getattr(local, "connection", None)
        if connection is None:
            connection = local.connection = http.client.HTTPSConnection("127.0.0.1", cluster.port, context=context)
        connection.request(
            "PATCH",
            f"/api/v1/namespaces/default/configmaps/{manifest.key.name}?force=true&fieldManager=gitops-engine",
            manifest.body,
            {"Content-Type": "application/apply-patch+yaml", "Authorization": f"Bearer {cluster.token}"},
        )
        answer = connection.getresponse()
        assert answer.status in (200, 201), answer.status
        return orjson.loads(answer.read())

    return apply


def official(cluster: ControlPlane) -> Apply:
    """The official client's DynamicClient."""
    import kubernetes

    dynamic = kubernetes.dynamic.DynamicClient(kubernetes.config.new_client_from_config(str(cluster.kubeconfig)))
    config_maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")

    def apply(manifest: Manifest) -> object:
        return dynamic.server_side_apply(
            config_maps,
            body=manifest.load(),
            name=manifest.key.name,
            namespace="default",
            field_manager="gitops-engine",
            force_conflicts=True,
        )

    return apply


def measure(apply: Apply, objects: list[Manifest], threads: int) -> tuple[float, float]:
    """(requests per second, CPU milliseconds per request)."""
    began, cpu = time.perf_counter(), cpu_seconds()
    outcomes = run_parallel(apply, objects, threads)
    cpu, wall = cpu_seconds() - cpu, time.perf_counter() - began
    for outcome in outcomes:
        if outcome.error:
            raise outcome.error
    return len(objects) / wall, cpu / len(objects) * 1000


def watch_cost(client: ClusterClient, objects: list[Manifest], events: int) -> float:
    """CPU microseconds to receive one metadata-only event: the watch's own thread, nothing else."""
    seen = 0
    synced, complete = threading.Event(), threading.Event()

    def on_event(event: Event) -> None:
        nonlocal seen
        if event.type == "SYNCED":
            synced.set()
        seen += event.type == "MODIFIED"
        if seen >= events:
            complete.set()

    spent: list[float] = []
    watches = Watches()
    watches.add(Watch(client, GVK("", "v1", "ConfigMap"), on_event, labels="bench=client"))

    def run() -> None:
        while not synced.is_set():
            watches.poll(0.1)
        before = time.thread_time()
        while not complete.is_set():
            watches.poll(0.1)
        spent.append(time.thread_time() - before)
        watches.close()

    thread = threading.Thread(target=run)
    thread.start()
    synced.wait(60)
    changed = [
        Manifest.of({**obj.load(), "data": {"round": str(number)}})
        for number in range(-(-events // len(objects)))
        for obj in objects
    ]
    run_parallel(client.apply, changed[:events], 8)
    thread.join(60)
    return spent[0] / events * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    objects = manifests(options.objects)
    with ControlPlane(controllers=False, durable=True) as cluster:
        client = ClusterClient(Connection.from_kubeconfig(cluster.kubeconfig))
        ways: dict[str, Apply] = {
            "engine": client.apply,
            "http.client": bare(cluster),
            "DynamicClient": official(cluster),
        }
        for apply in ways.values():
            run_parallel(apply, objects[:50], 4)
        run_parallel(client.apply, objects, 8)
        result: dict[str, dict[str, dict[str, float]]] = {}
        for threads in (1, 16):
            samples: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
            for _ in range(options.rounds):
                for name, apply in ways.items():
                    samples[name].append(measure(apply, objects, threads))
            result[str(threads)] = {
                name: {
                    "requests_per_s": statistics.median(rate for rate, _ in found),
                    "cpu_ms_per_request": statistics.median(cost for _, cost in found),
                }
                for name, found in samples.items()
            }
        event_us = watch_cost(client, objects, 1000)
    if options.json:
        print(json.dumps({"client": result, "watch_event_cpu_us": event_us}))
        return
    print(f"{'threads':>7}  {'client':<14} {'req/s':>7} {'ratio':>6}  {'CPU ms':>7} {'ratio':>6}")
    for threads_, ways_ in result.items():
        base = ways_["http.client"]
        for name, found in ways_.items():
            rate, cost = found["requests_per_s"], found["cpu_ms_per_request"]
            print(
                f"{threads_:>7}  {name:<14} {rate:7.0f} {rate / base['requests_per_s']:6.2f}"
                f"  {cost:7.3f} {cost / base['cpu_ms_per_request']:6.2f}"
            )
    print(f"one watch event, metadata only: {event_us:.0f} microseconds of CPU")


if __name__ == "__main__":
    main()
