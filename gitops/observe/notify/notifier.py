"""From an Application's state to the people who want to know, once for each revision."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import orjson

from gitops.errors import GitOpsError
from gitops.model.objects import Object, annotations_of
from gitops.observe import logs, metrics
from gitops.observe.notify.config import NotifyConfig, Subscription
from gitops.observe.notify.expressions import evaluate
from gitops.observe.notify.outbound import Notification
from gitops.observe.notify.services import send
from gitops.observe.notify.statuses import part_of
from gitops.observe.notify.templates import render
from gitops.observe.scrub import scrub, scrub_url

_log = logging.getLogger("gitops.notify")

#: Where Argo CD's controller notes what it has sent: JSON, by key.
NOTIFIED = "notified.notifications.argoproj.io"


class Memory(Protocol):
    """What was sent, of one Application; lives as long as the Application does."""

    def first(self, app_id: str, key: str) -> bool:
        """Remember `key`; whether it was new."""

    def forget(self, app_id: str, key: str) -> None:
        """The key may be sent again."""


class Notifier:
    """Looks at Applications after each change of their status and sends what is subscribed to."""

    def __init__(self, config: Callable[[], NotifyConfig], memory: Memory, sender: Callable[..., None] = send) -> None:
        """`config` gives the ConfigMap's content of now, cached by the caller."""
        self._config = config
        self._memory = memory
        self._send = sender

    def process(self, app: Object, project: Object | None = None) -> int:
        """Send what is due for this Application object; how many went out. `project` is its AppProject.

        A service that fails is logged, counted, and tried again with the next change: it holds up nobody else.
        """
        config = self._config()
        sent = 0
        for subscription in config.subscribed(app, project):
            for index, condition in enumerate(config.triggers.get(subscription.trigger) or ()):
                sent += self._condition(app, config, subscription, index, condition)
        return sent

    def _condition(
        self, app: Object, config: NotifyConfig, to: Subscription, index: int, condition: Mapping[str, Any]
    ) -> int:
        scope = {"app": app, "context": config.context, "time": {}, "repo": REPO}
        meta = app["metadata"]
        app_id = f"{meta.get('namespace')}/{meta.get('name')}"
        try:
            holds = bool(evaluate(str(condition.get("when") or "false"), scope))
            once = evaluate(str(condition["oncePer"]), scope) if condition.get("oncePer") else ""
        except GitOpsError as error:
            self._failed(to, app_id, error)
            return 0
        if condition.get("oncePer") and not once:
            # An Application of several sources has `revisions`, which Argo CD's own triggers do not ask for.
            once = _revisions(app)
        key = f"{to.trigger}:[{index}].{_mark(str(condition.get('when')))}:{to.service}:{to.recipient}"
        if once:
            key = f"{once}:{key}"
        # Another Application of the same name is another.
        told = f"{meta.get('uid') or ''}:{key}"
        if not holds:
            # What is to be told once a revision stays told; the rest is told anew when it happens anew.
            if not condition.get("oncePer"):
                self._memory.forget(app_id, told)
            return 0
        if not self._memory.first(app_id, told) or (once and key in _told_before(app)):
            return 0
        try:
            for name in condition.get("send") or ():
                self._deliver(app, config, to, str(name), scope)
        except GitOpsError as error:
            self._memory.forget(app_id, told)
            self._failed(to, app_id, error)
            return 0
        metrics.notification(to.trigger, to.service, sent=True)
        logs.event(_log, "notification", app=app_id, trigger=to.trigger, service=to.service, outcome="sent")
        return 1

    def _deliver(
        self, app: Object, config: NotifyConfig, to: Subscription, name: str, scope: Mapping[str, Any]
    ) -> None:
        template = config.templates.get(name)
        if template is None:
            raise GitOpsError(
                f"Trigger {to.trigger} sends template {name}, which argocd-notifications-cm does not have"
            )
        if to.service not in config.services:
            raise GitOpsError(f"There is no notification service {to.service} in argocd-notifications-cm")
        kind, settings = config.services[to.service]
        data = {**scope, "serviceType": kind, "recipient": to.recipient}
        parts = {key: _rendered(value, data) for key, value in template.items() if key != "message"}
        part = part_of(kind, parts)
        status = part.get("status") or parts.get("status") or {}
        revision = part.get("revisionPath") or status.get("revisionPath")
        self._send(
            to.service,
            kind,
            settings,
            Notification(
                recipient=to.recipient,
                # An operation's message may quote what a server said.
                message=scrub(render(str(template.get("message") or ""), data)),
                parts=parts,
                repo_url=str(part.get("repoURLPath") or _source(app).get("repoURL") or ""),
                revision=str(revision or _revisions(app).partition(",")[0]),
            ),
        )

    def _failed(self, to: Subscription, app_id: str, error: GitOpsError) -> None:
        metrics.notification(to.trigger, to.service, sent=False)
        logs.event(
            _log,
            "notification",
            logging.WARNING,
            app=app_id,
            trigger=to.trigger,
            service=to.service,
            outcome="failed",
            error=str(error),
        )


def _rendered(value: Any, data: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return render(value, data)
    if isinstance(value, list):
        return [_rendered(item, data) for item in value]
    if isinstance(value, dict):
        return {key: _rendered(item, data) for key, item in value.items()}
    return value


def _source(app: Object) -> Mapping[str, Any]:
    spec = app.get("spec") or {}
    sources = spec.get("sources") or [spec.get("source") or {}]
    found: Mapping[str, Any] = sources[0]
    return found


def _revisions(app: Object) -> str:
    """What the last operation brought, else what was compared; of several sources, with commas between."""
    status = app.get("status") or {}
    for place in ((status.get("operationState") or {}).get("syncResult") or {}, status.get("sync") or {}):
        if found := place.get("revision") or ",".join(place.get("revisions") or ()):
            return str(found)
    return ""


def _mark(when: str) -> str:
    """A condition's name in Argo CD's keys, so that what it has told is known."""
    digest = hashlib.sha1(when.encode(), usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _told_before(app: Object) -> Mapping[str, Any]:
    """What Argo CD's controller has noted on the Application: a team that moves over is not told again."""
    try:
        told = orjson.loads(annotations_of(app).get(NOTIFIED) or "{}")
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _https(url: str) -> str:
    """`git@host:a/b.git` -> `https://host/a/b`."""
    bare = re.sub(r"\.git$", "", scrub_url(url))
    return re.sub(r"^(?:ssh://)?(?:[^@/]+@)?([^:/]+)[:/]", r"https://\1/", bare) if "http" not in bare[:5] else bare


#: `repo` in expressions and templates.
REPO: Mapping[str, Callable[[str], str]] = {
    "RepoURLToHTTPS": _https,
    "FullNameByRepoURL": lambda url: "/".join(_https(url).split("/")[3:]),
}
