"""The example applications, from a Git server into a real cluster, to Healthy."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from gitops.cli.local import install, wait_served
from gitops.cluster import ClusterClient, Connection
from gitops.model.objects import GVK, Manifest, Object, ObjectKey
from testbed.controlplane import ControlPlane
from testbed.engine import Engine, custom_resources
from testbed.gitrepo import GitRepo
from testbed.gitserver import GitServer
from testbed.redis import RedisServer
from testbed.world import World, eventually

ROLLOUT = GVK("argoproj.io", "v1alpha1", "Rollout")
#: The kind of blue-green, as its operator brings it.
ROLLOUTS: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "rollouts.argoproj.io"},
    "spec": {
        "group": ROLLOUT.group,
        "names": {"kind": ROLLOUT.kind, "plural": "rollouts", "singular": "rollout"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": ROLLOUT.version,
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
#: What the chart that helm-dependency wants is made of: it takes the values that the example sets.
WORDPRESS = """\
apiVersion: v1
kind: Secret
metadata: {name: "{{ .Release.Name }}-wordpress"}
stringData:
  wordpress-password: {{ .Values.wordpressPassword | quote }}
  database-password: {{ .Values.mariadb.db.password | quote }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}-wordpress"}
spec:
  selector: {matchLabels: {app: wordpress}}
  template:
    metadata: {labels: {app: wordpress}}
    spec:
      containers: [{name: wordpress, image: "wordpress:{{ .Values.image.tag }}"}]
"""


@pytest.fixture(scope="module")
def world(control_plane: ControlPlane, git_server: GitServer) -> Iterator[World]:
    client = ClusterClient(Connection.from_kubeconfig(control_plane.kubeconfig))
    install(client, "argocd", custom_resources())
    env = {"GITOPS_REPO_PROTOCOLS": "https,ssh,http", "GITOPS_WAVE_DELAY": "0"}
    with RedisServer() as redis, Engine(control_plane.kubeconfig, redis.url, workers=2, env=env) as engine:
        yield World(client, engine, git_server, control_plane, redis)


@pytest.fixture(scope="module")
def chart_repository(conformance: Path) -> Iterator[str]:
    """A chart repository that has the one chart of ours in the version that helm-dependency wants."""
    wanted = _dependency(conformance)
    name, version = wanted["name"], wanted["version"]
    out = io.BytesIO()
    files = {"Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\n", "templates/all.yaml": WORDPRESS}
    with gzip.GzipFile(fileobj=out, mode="wb") as zipped, tarfile.open(fileobj=zipped, mode="w") as packed:
        for path, text in files.items():
            info = tarfile.TarInfo(f"{name}/{path}")
            info.size = len(text)
            packed.addfile(info, io.BytesIO(text.encode()))
    index = {"apiVersion": "v1", "entries": {name: [{"version": version, "urls": ["chart.tgz"]}]}}
    served = {"/index.yaml": json.dumps(index).encode(), "/chart.tgz": out.getvalue()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = served.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def _dependency(conformance: Path) -> dict[str, str]:
    chart = yaml.safe_load((conformance / "example-apps" / "helm-dependency" / "Chart.yaml").read_text())
    (wanted,) = chart["dependencies"]
    return dict(wanted)


@pytest.fixture(scope="module")
def examples(world: World, conformance: Path, chart_repository: str) -> GitRepo:
    """The examples as they are, but for the server of the one chart that lies where tests may not reach."""
    repo = world.git.create("others/example-apps")
    repo.from_directory(conformance / "example-apps")
    chart = repo.work / "helm-dependency" / "Chart.yaml"
    elsewhere = _dependency(conformance)["repository"]
    assert elsewhere in chart.read_text()
    chart.write_text(chart.read_text().replace(elsewhere, chart_repository))
    repo.commit("as they are")
    repo.push()
    return repo


def test_guestbook_by_hand(world: World, examples: GitRepo) -> None:
    world.application(
        "guestbook", examples.http_url, path="guestbook", syncPolicy={"syncOptions": ["CreateNamespace=true"]}
    )
    world.becomes("guestbook", sync="OutOfSync", health="Missing")
    said = world.engine.gitops("app", "sync", "guestbook")
    assert "Succeeded" in said
    world.becomes("guestbook")


def test_the_whole_fleet(world: World, examples: GitRepo, conformance: Path) -> None:
    """The app of apps makes all others, from this server in place of the one that its values name."""
    world.client.apply(Manifest.of(ROLLOUTS))
    wait_served(world.client, ROLLOUT)
    folders = sorted(p.name for p in (conformance / "example-apps").iterdir() if p.is_dir())
    children = [folder for folder in folders if folder != "apps"]
    listed = yaml.safe_load((conformance / "example-apps" / "apps" / "values.yaml").read_text())["applications"]
    values = {
        "config": {"spec": {"source": {"repoURL": examples.http_url, "targetRevision": "main"}}},
        "applications": [entry for entry in listed if entry["name"] in children],
    }
    assert len(values["applications"]) == len(children)
    source = {"repoURL": examples.http_url, "path": "apps", "helm": {"valuesObject": values}}
    world.application("apps", examples.http_url, source=source)
    world.becomes("apps", timeout=120)
    _stand_in_for_the_rollouts_operator(world)
    for folder in children:
        world.becomes(f"example.{folder}", timeout=120)


def _stand_in_for_the_rollouts_operator(world: World) -> None:
    """Write the status that the operator writes when a Rollout has come to its end; before, it goes on."""
    (rollout,) = eventually(
        lambda: list(world.client.list(ROLLOUT, namespace="blue-green")),
        "the Rollout of blue-green",
        context=world.logs,
    )
    world.becomes("example.blue-green", health="Progressing", timeout=120)
    meta = rollout["metadata"]
    status = {
        "observedGeneration": str(meta["generation"]),
        "phase": "Healthy",
        "conditions": [{"type": "Available", "status": "True"}, {"type": "Healthy", "status": "True"}],
    }
    key = ObjectKey(ROLLOUT.group, ROLLOUT.kind, meta["namespace"], meta["name"])
    world.client.merge_patch(key, {"status": status}, subresource="status")
