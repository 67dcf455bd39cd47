"""People are told what happened, once: by webhook and by mail, configured as argocd-notifications is."""

from __future__ import annotations

import base64
import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from gitops.model.objects import Manifest, ObjectKey
from testbed.world import World, eventually

TOKEN = "the-token-of-the-receiver"
SUBSCRIBE = "notifications.argoproj.io/subscribe"
TEMPLATE = """
webhook:
  receiver:
    method: POST
    path: /events
    body: |
      {"app": "{{.app.metadata.name}}", "trigger": "TRIGGER",
       "revision": "{{.app.status.operationState.syncResult.revision}}"}
"""
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: COLOUR}
"""
BROKEN = """
apiVersion: v1
kind: ConfigMap
metadata: {name: Not_A_Name}
"""
#: No node will have its pod, and after two seconds the Deployment's controller gives up.
DEGRADED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  progressDeadlineSeconds: 2
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: {no: such-node}
      containers: [{name: web, image: registry.example/web:1}]
"""


@dataclass
class Inbox:
    """What the receivers were sent."""

    events: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    mails: list[str] = field(default_factory=list)

    def of(self, app: str) -> list[tuple[str, str]]:
        """(trigger, revision) of each notification about an Application, in the order in which they came."""
        return [(e["trigger"], e["revision"]) for e in self.events if e["app"] == app]

    def mails_of(self, app: str) -> list[str]:
        return [mail for mail in self.mails if f"argocd/{app}" in mail]


@pytest.fixture(scope="module")
def inbox(world: World) -> Iterator[Inbox]:
    """An HTTP receiver and a mail server, and the control namespace configured to use them."""
    inbox = Inbox()

    class Http(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            inbox.tokens.add(self.headers["Authorization"])
            inbox.events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Smtp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 mail.example")
            while line := self.rfile.readline().decode().strip():
                word = line.split()[0].upper()
                if word == "DATA":
                    self.say("354 go on")
                    lines = []
                    while (text := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                        lines.append(text)
                    inbox.mails.append("\n".join(lines))
                self.say("221 bye" if word == "QUIT" else "250 ok")

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Http) as http,
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp) as smtp,
    ):
        smtp.daemon_threads = True
        for server in (http, smtp):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        configure(world, http.server_address[1], smtp.server_address[1])
        yield inbox
        for kind, name in (("ConfigMap", "argocd-notifications-cm"), ("Secret", "argocd-notifications-secret")):
            world.client.delete(ObjectKey("", kind, "argocd", name))
        http.shutdown()
        smtp.shutdown()


def configure(world: World, http: int, smtp: int) -> None:
    """The two objects by which argocd-notifications is configured."""
    receiver = f"""
url: http://127.0.0.1:{http}
headers: [{{name: Authorization, value: Bearer $receiver-token}}]
"""
    mail = f"{{host: 127.0.0.1, port: {smtp}, from: gitops@mail.example}}"
    data = {"service.webhook.receiver": receiver, "service.email": mail}
    for trigger in ("sync-succeeded", "sync-failed", "health-degraded"):
        data[f"template.app-{trigger}"] = f"message: argocd/{{{{.app.metadata.name}}}} {trigger}\n" + TEMPLATE.replace(
            "TRIGGER", trigger
        )
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "argocd-notifications-secret", "namespace": "argocd"},
        "stringData": {"receiver-token": TOKEN},
    }
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-notifications-cm", "namespace": "argocd"},
        "data": data,
    }
    world.client.apply(Manifest.of(secret))
    world.client.apply(Manifest.of(config))


def subscribe(world: World, name: str, *triggers: str, service: str = "receiver", to: str = "") -> None:
    annotations = {f"{SUBSCRIBE}.{trigger}.{service}": to for trigger in triggers}
    key = ObjectKey("argoproj.io", "Application", "argocd", name)
    world.client.merge_patch(key, {"metadata": {"annotations": annotations}})


def test_a_sync_that_succeeds_is_told_once_for_each_revision(world: World, inbox: Inbox) -> None:
    repo = world.repo({"app/settings.yaml": SETTINGS.replace("COLOUR", "blue")})
    policy = {"automated": {"selfHeal": True}, "syncOptions": ["CreateNamespace=true"]}
    world.application("told", repo.http_url, syncPolicy=policy)
    subscribe(world, "told", "on-sync-succeeded")
    world.becomes("told")
    first = ("sync-succeeded", repo.head)
    eventually(lambda: inbox.of("told") == [first], "the first notification", context=world.logs)
    assert inbox.tokens == {f"Bearer {TOKEN}"}

    # The same revision again is a sync, and no news.
    world.engine.gitops("app", "sync", "told")
    repo.write({"app/settings.yaml": SETTINGS.replace("COLOUR", "red")})
    sha = repo.commit("second")
    repo.push()
    world.engine.gitops("app", "refresh", "told")
    eventually(lambda: len(inbox.of("told")) > 1, "the second notification", context=world.logs)
    assert inbox.of("told") == [first, ("sync-succeeded", sha)]


def test_a_sync_that_fails_is_told_with_its_reason_by_mail(world: World, inbox: Inbox) -> None:
    repo = world.repo({"app/broken.yaml": BROKEN})
    world.application("untold", repo.http_url, syncPolicy={"syncOptions": ["CreateNamespace=true"]})
    subscribe(world, "untold", "on-sync-failed")
    subscribe(world, "untold", "on-sync-failed", service="email", to="people@mail.example")
    world.becomes("untold", sync="OutOfSync", health="Missing")
    assert inbox.of("untold") == []
    world.engine.gitops("app", "sync", "untold", check=False)
    eventually(lambda: inbox.of("untold"), "the notification", context=world.logs)
    assert inbox.of("untold") == [("sync-failed", repo.head)]
    (mail,) = eventually(lambda: inbox.mails_of("untold"), "the mail", context=world.logs)
    assert "To: people@mail.example" in mail


def test_an_application_that_degrades_is_told(world: World, inbox: Inbox) -> None:
    repo = world.repo({"app/web.yaml": DEGRADED})
    world.application("degrades", repo.http_url)
    subscribe(world, "degrades", "on-health-degraded")
    world.becomes("degrades", health="Degraded")
    eventually(lambda: inbox.of("degrades"), "the notification", context=world.logs)
    assert [trigger for trigger, _ in inbox.of("degrades")] == ["health-degraded"]


def test_a_token_that_is_renewed_is_used_from_then_on(world: World, inbox: Inbox) -> None:
    secret = ObjectKey("", "Secret", "argocd", "argocd-notifications-secret")
    renewed = base64.b64encode(b"the-renewed-token").decode()
    world.client.merge_patch(secret, {"data": {"receiver-token": renewed}})
    repo = world.repo({"app/settings.yaml": SETTINGS.replace("COLOUR", "blue")})
    world.application("renewed", repo.http_url)
    subscribe(world, "renewed", "on-sync-succeeded")
    world.becomes("renewed")
    eventually(lambda: len(inbox.of("renewed")) == 1, "the notification", context=world.logs)
    # The news of the Secret and of the commit travel on two ways: this one comes surely after it.
    repo.write({"app/settings.yaml": SETTINGS.replace("COLOUR", "red")})
    repo.commit("second")
    repo.push()
    world.engine.gitops("app", "refresh", "renewed")
    eventually(lambda: len(inbox.of("renewed")) == 2, "the second notification", context=world.logs)
    assert "Bearer the-renewed-token" in inbox.tokens


def test_a_service_that_is_not_there_is_counted_and_holds_up_no_sync(world: World, inbox: Inbox) -> None:
    repo = world.repo({"app/settings.yaml": SETTINGS.replace("COLOUR", "blue")})
    world.application("unheard", repo.http_url)
    subscribe(world, "unheard", "on-sync-succeeded", service="nowhere")
    world.becomes("unheard")
    assert world.live("ConfigMap", "unheard", "settings")
    assert inbox.of("unheard") == []
    line = 'gitops_notifications_total{outcome="failed",service="nowhere",trigger="on-sync-succeeded"}'
    urls = [world.engine.metrics_urls[worker] for worker in world.engine.workers]
    eventually(lambda: any(line in httpx.get(url, timeout=10).text for url in urls), "the failure in the metrics")
