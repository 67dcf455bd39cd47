"""One engine that is looked at from outside: its own cluster and Redis, a collector of traces, logs as JSON."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from prometheus_client.parser import text_string_to_metric_families

from gitops.cli.local import install
from gitops.cluster import ClusterClient, Connection
from testbed.controlplane import ControlPlane
from testbed.engine import Engine, custom_resources
from testbed.gitserver import GitServer
from testbed.redis import RedisServer
from testbed.world import World


@dataclass(frozen=True)
class Span:
    """One span as a collector sees it."""

    trace: str
    id: str
    parent: str
    name: str
    service: str
    attributes: dict[str, Any]
    failed: bool
    begun: int
    ended: int


@dataclass
class Collector:
    """An OTLP/HTTP receiver of traces."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _attributes(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Span(
                            trace=span.trace_id.hex(),
                            id=span.span_id.hex(),
                            parent=span.parent_span_id.hex(),
                            name=span.name,
                            service=service,
                            attributes=_attributes(span.attributes),
                            failed=span.status.code == Status.STATUS_CODE_ERROR,
                            begun=span.start_time_unix_nano,
                            ended=span.end_time_unix_nano,
                        )
                    )

    def trace_of(self, app: str, root: str) -> list[Span]:
        """The spans of the trace that began with the span `root` of an Application; empty while it is not here."""
        begun = [s.trace for s in self.spans if s.name == root and not s.parent and s.attributes.get("app") == app]
        return [s for s in self.spans if begun and s.trace == begun[0]]


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """A collector on a free port."""
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            assert self.headers["Content-Type"] == "application/x-protobuf"
            found.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found.url = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()


@pytest.fixture(scope="session")
def observed(collector: Collector, git_server: GitServer) -> Iterator[World]:
    """The engine: one beat, one worker of two processes, which send traces and log in JSON."""
    env = {
        "GITOPS_REPO_PROTOCOLS": "https,ssh,http",
        "GITOPS_TRACE_ENDPOINT": collector.url,
        "GITOPS_LOG_FORMAT": "json",
        "GITOPS_WAVE_DELAY": "0",
    }
    with ControlPlane(controllers=False) as cluster, RedisServer() as redis:
        client = ClusterClient(Connection.from_kubeconfig(cluster.kubeconfig))
        install(client, "argocd", custom_resources())
        with Engine(cluster.kubeconfig, redis.url, workers=1, env=env) as engine:
            yield World(client, engine, git_server, cluster, redis)


Samples = dict[str, list[tuple[dict[str, str], float]]]


@dataclass
class Scrape:
    """What the engine's processes serve, as Prometheus reads it."""

    world: World

    def of(self, component: str) -> Samples:
        """Labels and values by name, of one process; without its default labels."""
        text = httpx.get(self.world.engine.metrics_urls[component], timeout=10).text
        found: Samples = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
        return found

    @property
    def all(self) -> Samples:
        """Of beat and the workers together."""
        found: Samples = {}
        for component in (*self.world.engine.beats, *self.world.engine.workers):
            for name, samples in self.of(component).items():
                found.setdefault(name, []).extend(samples)
        return found

    def value(self, metric: str, /, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        return sum(value for given, value in self.all.get(metric, ()) if labels.items() <= given.items())


@pytest.fixture
def scrape(observed: World) -> Scrape:
    """Reads the metrics of the engine."""
    return Scrape(observed)


@pytest.fixture
def lines(observed: World) -> Any:
    """Reads a process's log: the JSON lines about one Application."""

    def read(app: str, component: str = "worker-0") -> list[dict[str, Any]]:
        found = [json.loads(line) for line in observed.engine.log(component).splitlines() if line.startswith("{")]
        return [line for line in found if line.get("app") == app]

    return read


@pytest.fixture
def files() -> dict[str, str]:
    """A ConfigMap and a Secret, whose value is nobody's to see."""
    return {"app/settings.yaml": SETTINGS, "app/access.yaml": ACCESS}


SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""
ACCESS = """
apiVersion: v1
kind: Secret
metadata: {name: access}
stringData: {token: hunter2-of-the-application}
"""
