"""From an Application's state to the people who want to know, once for each revision."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gitops.errors import GitOpsError
from gitops.model.objects import Object
from gitops.observe import logs, metrics
from gitops.observe.notify.config import NotifyConfig, Subscription
from gitops.observe.notify.expressions import evaluate
from gitops.observe.notify.services import Notification, send
from gitops.observe.notify.templates import render
from gitops.observe.scrub import scrub, scrub_url

_log = logging.getLogger("gitops.notify")


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

    def process(self, app: Object) -> int:
        """Send what is due for this Application object; how many went out.

        A service that fails is logged, counted, and tried again with the next change: it holds up nobody else.
        """
        config = self._config()
        sent = 0
        for subscription in config.subscribed(app):
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
        mark = hashlib.blake2b(str(condition.get("when")).encode(), digest_size=6).hexdigest()
        key = f"{once}:{to.trigger}:[{index}].{mark}:{to.service}:{to.recipient}"
        if not holds:
            # What is to be told once a revision stays told; the rest is told anew when it happens anew.
            if not condition.get("oncePer"):
                self._memory.forget(app_id, key)
            return 0
        if not self._memory.first(app_id, key):
            return 0
        try:
            for name in condition.get("send") or ():
                self._deliver(app, config, to, str(name), scope)
        except GitOpsError as error:
            self._memory.forget(app_id, key)
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
        source = _source(app)
        status = (parts.get("github") or {}).get("status") or parts.get("status") or {}
        self._send(
            to.service,
            kind,
            settings,
            Notification(
                recipient=to.recipient,
                # An operation's message may quote what a server said.
                message=scrub(render(str(template.get("message") or ""), data)),
                parts=parts,
                repo_url=str(source.get("repoURL") or ""),
                revision=str(status.get("revisionPath") or _revision(app)),
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


def _revision(app: Object) -> str:
    status = app.get("status") or {}
    result = (status.get("operationState") or {}).get("syncResult") or {}
    return str(result.get("revision") or (status.get("sync") or {}).get("revision") or "")


def _https(url: str) -> str:
    """`git@host:a/b.git` -> `https://host/a/b`."""
    bare = re.sub(r"\.git$", "", scrub_url(url))
    return re.sub(r"^(?:ssh://)?(?:[^@/]+@)?([^:/]+)[:/]", r"https://\1/", bare) if "http" not in bare[:5] else bare


#: `repo` in expressions and templates.
REPO: Mapping[str, Callable[[str], str]] = {
    "RepoURLToHTTPS": _https,
    "FullNameByRepoURL": lambda url: "/".join(_https(url).split("/")[3:]),
}
