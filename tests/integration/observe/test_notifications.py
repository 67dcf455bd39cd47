"""Every trigger of Argo CD's catalog, as it is built in, from a live engine to a receiver."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gitops.model.objects import Manifest, ObjectKey
from testbed.world import World, eventually

SUBSCRIBE = "notifications.argoproj.io/subscribe"
#: Nobody here collects garbage, so objects are deleted in the background.
FINALIZER = "resources-finalizer.argocd.argoproj.io/background"
TRIGGERS = ("created", "deleted", "deployed", "health-degraded", "sync-failed", "sync-running", "sync-status-unknown",
            "sync-succeeded")  # fmt: skip
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/web:1}]}
"""
BROKEN = """
apiVersion: v1
kind: ConfigMap
metadata: {name: Not_A_Name}
"""


@pytest.fixture(scope="module")
def heard(observed: World) -> Iterator[list[str]]:
    """The messages that a receiver gets; the control namespace is configured with nothing but where it is."""
    messages: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["message"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "argocd-notifications-cm", "namespace": "argocd"},
            "data": {"service.webhook.receiver": f"url: http://127.0.0.1:{server.server_port}"},
        }
        observed.client.apply(Manifest.of(config))
        yield messages
        observed.client.delete(ObjectKey("", "ConfigMap", "argocd", "argocd-notifications-cm"))
        server.shutdown()


def key(name: str) -> ObjectKey:
    return ObjectKey("argoproj.io", "Application", "argocd", name)


def test_each_trigger_tells_what_happened(observed: World, heard: list[str]) -> None:
    repo = observed.repo({"app/web.yaml": DEPLOYMENT})
    app = observed.application("told", repo.http_url, syncPolicy={"syncOptions": ["CreateNamespace=true"]})
    annotations = {f"{SUBSCRIBE}.on-{trigger}.receiver": "" for trigger in TRIGGERS}
    observed.client.merge_patch(key("told"), {"metadata": {"annotations": annotations, "finalizers": [FINALIZER]}})
    assert app["metadata"]["name"] == "told"

    def hears(text: str) -> None:
        eventually(lambda: any(text in message for message in heard), text, context=observed.logs)

    hears("argocd/told has been created")
    observed.engine.gitops("app", "sync", "told", check=False)
    hears("The sync of application argocd/told has started")
    hears(f"argocd/told has been synced to {repo.head}")
    web = ObjectKey("apps", "Deployment", "told", "web")
    given = {"status": {"observedGeneration": 1}}
    observed.client.merge_patch(web, given, subresource="status")
    hears(f"argocd/told runs revision {repo.head} and is healthy")

    gave_up = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "no"}]
    observed.client.merge_patch(web, {"status": {"conditions": gave_up}}, subresource="status")
    hears("argocd/told is degraded")

    synced = repo.head
    repo.write({"app/broken.yaml": BROKEN})
    repo.commit("second")
    repo.push()
    observed.engine.gitops("app", "sync", "told", check=False)
    hears("The sync of application argocd/told has failed")
    assert any("Not_A_Name" in message for message in heard), "and why"

    observed.client.merge_patch(key("told"), {"spec": {"source": {"path": "nowhere"}}})
    hears("argocd/told cannot be compared")

    observed.client.delete(key("told"), propagation="Background")
    hears("argocd/told is being deleted")
    once = ("has been created", "is being deleted", f"has been synced to {synced}")
    assert [sum(text in message for message in heard) for text in once] == [1, 1, 1]


def test_a_project_s_subscription_holds_for_its_applications(observed: World, heard: list[str]) -> None:
    project = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {
            "name": "team",
            "namespace": "argocd",
            "annotations": {f"{SUBSCRIBE}.on-sync-succeeded.receiver": ""},
        },
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    }
    observed.client.apply(Manifest.of(project))
    observed.application("ofteam", observed.repo({"app/web.yaml": DEPLOYMENT}).http_url, project="team")
    observed.becomes("ofteam", health="Progressing")
    eventually(lambda: any("argocd/ofteam has been synced" in message for message in heard), "the notification")
