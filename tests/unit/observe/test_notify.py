"""Notifications, from annotations to what a server receives."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gitops.observe.notify import (
    ExpressionError,
    NotificationConfigError,
    Notifier,
    NotifyConfig,
    TemplateError,
    evaluate,
    render,
)


class Receiver(ThreadingHTTPServer):
    """A server that keeps what it is sent, and answers what it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str, dict, str]] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b'{"ok": true}')

    do_PUT = do_POST

    def log_message(self, *_: object) -> None:
        pass


class Remembered:
    def __init__(self) -> None:
        self.keys: set[tuple[str, str]] = set()

    def first(self, app_id: str, key: str) -> bool:
        new = (app_id, key) not in self.keys
        self.keys.add((app_id, key))
        return new

    def forget(self, app_id: str, key: str) -> None:
        self.keys.discard((app_id, key))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def application(phase="Failed", revision="a" * 40, health="Healthy", message="it broke", **annotations):
    return {
        "metadata": {"namespace": "argocd", "name": "shop", "annotations": annotations},
        "spec": {"source": {"repoURL": "git@git.example:acme/shop.git"}},
        "status": {
            "health": {"status": health},
            "sync": {"revision": revision},
            "operationState": {"phase": phase, "message": message, "syncResult": {"revision": revision}},
        },
    }


def subscribe(trigger: str, service: str, recipient: str = "") -> dict[str, str]:
    return {f"notifications.argoproj.io/subscribe.{trigger}.{service}": recipient}


def notifier(config_map: dict[str, str], secret: dict[str, str] | None = None) -> Notifier:
    config = NotifyConfig.read(config_map, secret or {})
    return Notifier(lambda: config, Remembered())


def test_a_failed_sync_is_told_once_for_each_revision(receiver):
    told = notifier({"service.webhook.hook": f"url: {receiver.url}/in"})
    wish = subscribe("on-sync-failed", "hook")
    assert told.process(application(**wish)) == 1
    assert told.process(application(**wish)) == 0
    assert told.process(application(phase="Succeeded", **wish)) == 0
    assert told.process(application(**wish)) == 0
    assert told.process(application(revision="b" * 40, **wish)) == 1
    assert [json.loads(body)["message"] for *_, body in receiver.requests] == [
        "The sync of application argocd/shop has failed.\nit broke",
    ] * 2


def test_health_is_told_each_time_that_it_turns_bad(receiver):
    told = notifier({"service.webhook.hook": f"url: {receiver.url}"})
    wish = subscribe("on-health-degraded", "hook")
    states = ["Degraded", "Degraded", "Healthy", "Degraded"]
    assert [told.process(application(health=state, **wish)) for state in states] == [1, 0, 0, 1]


def test_what_could_not_be_sent_is_sent_with_the_next_change(receiver, caplog):
    told = notifier({"service.webhook.hook": f"url: {receiver.url}/$path"}, {"path": "hunter2-in-the-path"})
    wish = subscribe("on-sync-failed", "hook")
    receiver.status = 500
    assert told.process(application(**wish)) == 0
    receiver.status = 200
    assert told.process(application(**wish)) == 1
    assert "hunter2" in receiver.requests[0][1]
    assert "hunter2" not in caplog.text


def test_a_webhook_of_argocd_s_own_configuration(receiver):
    config = {
        "service.webhook.hook": f"""
url: {receiver.url}
headers:
- name: Authorization
  value: Bearer $hook-token
""",
        "trigger.on-mine": "- when: app.status.operationState.phase in ['Failed']\n  send: [mine]\n",
        "template.mine": """
webhook:
  hook:
    method: PUT
    path: /apps/{{.app.metadata.name}}
    body: |
      {"rev": "{{ .app.status.sync.revision | trunc 7 }}"
      {{- if eq .app.status.health.status "Healthy" }}, "ok": true{{ end }}}
""",
    }
    notifier(config, {"hook-token": "hunter2"}).process(application(**subscribe("on-mine", "hook")))
    (method, path, headers, body) = receiver.requests[0]
    assert (method, path, headers["Authorization"]) == ("PUT", "/apps/shop", "Bearer hunter2")
    assert json.loads(body) == {"rev": "aaaaaaa", "ok": True}


def test_slack_and_what_speaks_like_it(receiver):
    config = {
        "service.slack": f"token: $slack-token\napiURL: {receiver.url}/api\n",
        "service.mattermost": f"url: {receiver.url}/hooks/x\n",
    }
    told = notifier(config, {"slack-token": "xoxb-hunter2"})
    wishes = subscribe("on-sync-failed", "slack", "alerts;team") | subscribe("on-sync-failed", "mattermost", "town")
    assert told.process(application(**wishes)) == 3
    sent = [(path, json.loads(body)["channel"]) for _, path, _, body in receiver.requests]
    assert sent == [("/api/chat.postMessage", "alerts"), ("/api/chat.postMessage", "team"), ("/hooks/x", "town")]


def test_every_built_in_trigger_reads_every_state():
    """No built-in expression or template stumbles over an Application that has not been looked at yet."""
    bare = {"metadata": {"namespace": "argocd", "name": "new"}, "spec": {}}
    config = NotifyConfig.read({}, {})
    for app in (bare, application(), application(phase="Succeeded")):
        for conditions in config.triggers.values():
            for condition in conditions:
                evaluate(condition["when"], {"app": app, "time": {}})
        for template in config.templates.values():
            assert render(template["message"], {"app": app, "context": {"argocdUrl": "https://cd"}})
    assert set(config.triggers) == {
        "on-created",
        "on-deleted",
        "on-deployed",
        "on-health-degraded",
        "on-sync-failed",
        "on-sync-running",
        "on-sync-status-unknown",
        "on-sync-succeeded",
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("app.status.operationState.phase in ['Error', 'Failed']", True),
        ("app.status.operationState.phase not in ['Error']", True),
        ("app.status.nothing.there == nil", True),
        ("app.status?.nothing?.there ?? 'other'", "other"),
        ("not (app.status.health.status == 'Healthy') or false", False),
        ("len(app.spec.sources) == 0 && !false", True),
        ("app.metadata.labels['team'] == nil", True),
        ("time.Now().Sub(time.Parse('2020-01-01T00:00:00Z')).Minutes() >= 5", True),
        ("app.metadata.name matches '^sh.p$' ? 1 + 1 : 0", 2),
        ("repo.FullNameByRepoURL(app.spec.source.repoURL)", "acme/shop"),
    ],
)
def test_expressions(text, value):
    from gitops.observe.notify.notifier import REPO

    assert evaluate(text, {"app": application(), "time": {}, "repo": REPO}) == value


@pytest.mark.parametrize(
    "text", ["", "app.", "a b", "__import__('os').system('x')", "(" * 200, "app.x()", "'a' < 1", "{}"]
)
def test_expressions_that_cannot_be_read_say_so(text):
    with pytest.raises(ExpressionError):
        evaluate(text, {"app": {}})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{{.app.metadata.name}}", "shop"),
        ("{{- if ne .app.status.health.status `Healthy` }}bad{{ else if true }}good{{ end -}}  \n", "good"),
        ("{{range $i, $c := .list}}{{if $i}}, {{end}}{{$c.name}}{{end}}", "a, b"),
        ("{{range .none}}x{{else}}nothing{{end}}", "nothing"),
        ("{{$x := .app.metadata.name}}{{with .list}}{{$x}}{{len .}}{{end}}", "shop2"),
        ('{{printf "%s-%d" .app.metadata.name 3 | toUpper}}', "SHOP-3"),
        ("{{call .repo.RepoURLToHTTPS .app.spec.source.repoURL}}", "https://git.example/acme/shop"),
        ("{{(index .list 1).name}}{{/* not shown */}}", "b"),
        ("{{.app.nothing.there}}", ""),
    ],
)
def test_templates(text, shown):
    from gitops.observe.notify.notifier import REPO

    data = {"app": application(), "list": [{"name": "a"}, {"name": "b"}], "repo": REPO}
    assert render(text, data) == shown


@pytest.mark.parametrize(
    "text", ["{{if .x}}", "{{end}}", "{{else}}", "{{.x | nofunc}}", "{{}}", "{{env `HOME`}}", "{{trunc `a` 1}}"]
)
def test_templates_that_cannot_be_read_say_so(text):
    with pytest.raises(TemplateError):
        render(text, {"x": 1})


def test_a_template_cannot_grow_without_end():
    with pytest.raises(TemplateError, match="grows"):
        render("{{range .many}}" + "x" * 1000 + "{{end}}", {"many": list(range(1000))})


def test_subscriptions_by_default_triggers_and_selectors(receiver):
    config = {
        "service.webhook.hook": f"url: {receiver.url}",
        "defaultTriggers": "[on-sync-failed]",
        "subscriptions": "- recipients: ['hook:all']\n  triggers: [on-sync-failed]\n  selector: team=a,!quiet\n",
    }
    read = NotifyConfig.read(config, {})
    app = application(**{"notifications.argoproj.io/subscribe.hook": "me"})
    assert [s.recipient for s in read.subscribed(app)] == ["me"]
    app["metadata"]["labels"] = {"team": "a"}
    assert [s.recipient for s in read.subscribed(app)] == ["me", "all"]
    app["metadata"]["labels"]["quiet"] = "yes"
    assert [s.recipient for s in read.subscribed(app)] == ["me"]


def test_subscriptions_as_a_list_by_project_and_by_a_service_s_own_default(receiver):
    config = {
        "service.webhook.hook": f"url: {receiver.url}",
        "defaultTriggers": "[on-sync-failed]",
        "defaultTriggers.pager": "[on-health-degraded]",
    }
    read = NotifyConfig.read(config, {})
    listed = """
- trigger: [on-deployed, on-created]
  destinations: [{service: hook, recipients: [a, b]}]
- destinations: [{service: pager}]
"""
    app = application(**{"notifications.argoproj.io/subscriptions": listed})
    told = [(s.trigger, s.service, s.recipient) for s in read.subscribed(app)]
    assert told == [
        ("on-deployed", "hook", "a"),
        ("on-deployed", "hook", "b"),
        ("on-created", "hook", "a"),
        ("on-created", "hook", "b"),
        ("on-health-degraded", "pager", ""),
    ]
    project = {"metadata": {"annotations": subscribe("on-deployed", "hook", "c")}}
    assert [s.recipient for s in read.subscribed(app, project)][-1] == "c"
    broken = application(**{"notifications.argoproj.io/subscriptions": "- {"})
    assert read.subscribed(broken) == []


def test_what_argo_cd_has_told_already_is_not_told_again(receiver):
    """A key as its controller writes it: revision, trigger, condition, service and recipient."""
    config = {
        "service.webhook.hook": f"url: {receiver.url}",
        "trigger.on-sync-succeeded": """
- when: app.status.operationState.phase in ['Succeeded']
  oncePer: app.status.operationState.syncResult.revision
  send: [app-sync-succeeded]
""",
    }
    key = f"{'a' * 40}:on-sync-succeeded:[0].zxM90Et6k4Elb1-fHdjtDJq0xR0:hook:"
    wish = subscribe("on-sync-succeeded", "hook")
    told = {"notified.notifications.argoproj.io": json.dumps({key: 1665731931})}
    service = notifier(config)
    assert service.process(application(phase="Succeeded", **wish, **told)) == 0
    assert service.process(application(phase="Succeeded", revision="b" * 40, **wish, **told)) == 1
    garbage = {"notified.notifications.argoproj.io": "{"}
    assert notifier(config).process(application(phase="Succeeded", **wish, **garbage)) == 1


def test_an_application_of_several_sources_is_told_of_once_for_its_revisions(receiver):
    told = notifier({"service.webhook.hook": f"url: {receiver.url}"})

    def app(*revisions: str):
        found = application(phase="Succeeded", **subscribe("on-sync-succeeded", "hook"))
        found["status"]["operationState"]["syncResult"] = {"revisions": list(revisions)}
        return found

    assert [told.process(app(*pair)) for pair in (("a", "b"), ("a", "b"), ("a", "c"))] == [1, 0, 1]


@pytest.mark.parametrize(
    ("before", "after", "trigger"),
    [
        ({}, {}, "on-created"),
        ({}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "on-deleted"),
        ({"phase": "Running"}, {"phase": "Succeeded"}, "on-deployed"),
        ({"phase": "Succeeded"}, {"phase": "Succeeded", "health": "Degraded"}, "on-health-degraded"),
        ({"phase": "Running"}, {"phase": "Error"}, "on-sync-failed"),
        ({"phase": "Running"}, {"phase": "Failed"}, "on-sync-failed"),
        ({"phase": "Succeeded"}, {"phase": "Running"}, "on-sync-running"),
        ({"phase": "Succeeded"}, {"phase": "Succeeded", "sync": "Unknown"}, "on-sync-status-unknown"),
        ({"phase": "Running"}, {"phase": "Succeeded"}, "on-sync-succeeded"),
    ],
)
def test_each_trigger_fires_when_it_is_meant_to_and_not_before(receiver, before, after, trigger):
    told = notifier({"service.webhook.hook": f"url: {receiver.url}"})

    def app(phase="Succeeded", health="Healthy", sync="Synced", deletionTimestamp=None):
        found = application(phase=phase, health=health, **subscribe(trigger, "hook"))
        found["status"]["sync"]["status"] = sync
        if deletionTimestamp:
            found["metadata"]["deletionTimestamp"] = deletionTimestamp
        return found

    assert told.process(app(**before)) == (1 if trigger == "on-created" else 0)
    assert told.process(app(**after)) == (0 if trigger == "on-created" else 1)
    assert told.process(app(**after)) == 0, "once"


def test_a_config_map_that_cannot_be_read_is_named_by_its_key():
    with pytest.raises(NotificationConfigError, match=r"trigger\.x"):
        NotifyConfig.read({"trigger.x": "{"}, {})
    with pytest.raises(NotificationConfigError, match=r"template\.y"):
        NotifyConfig.read({"template.y": "[]"}, {})
