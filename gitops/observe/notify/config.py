"""argocd-notifications-cm and argocd-notifications-secret, read as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from gitops.errors import GitOpsError
from gitops.model.objects import Object, annotations_of, labels_of
from gitops.observe.notify.catalog import TEMPLATES, TRIGGERS
from gitops.observe.scrub import hide

#: `…subscribe.<trigger>.<service>: recipient;recipient`, and the same as a list.
ANNOTATION, LIST = "notifications.argoproj.io/subscribe.", "notifications.argoproj.io/subscriptions"


class NotificationConfigError(GitOpsError):
    """argocd-notifications-cm holds something that cannot be read; the text names the key."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who is told: `recipient` of `service` when `trigger` holds."""

    trigger: str
    service: str
    recipient: str


@dataclass(frozen=True, slots=True)
class NotifyConfig:
    """What the ConfigMap says, with the Secret's values put in."""

    triggers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    templates: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Name -> (type, configuration).
    services: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict, repr=False)
    context: dict[str, str] = field(default_factory=dict)
    default_triggers: tuple[str, ...] = ()
    #: `defaultTriggers.<service>`: in place of the ones for all.
    service_triggers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    subscriptions: tuple[dict[str, Any], ...] = ()

    @classmethod
    def read(cls, config_map: Mapping[str, str], secret: Mapping[str, str]) -> NotifyConfig:
        """From the data of both; every value of the Secret is masked in logs from now on.

        Raises NotificationConfigError naming the key that cannot be read.
        """
        for value in secret.values():
            hide(value)
        triggers, templates = dict(TRIGGERS), dict(TEMPLATES)
        services: dict[str, tuple[str, dict[str, Any]]] = {}
        service_triggers: dict[str, tuple[str, ...]] = {}
        for key, text in config_map.items():
            head, _, name = key.partition(".")
            if head == "trigger":
                triggers[name] = _yaml(key, text, list)
            elif head == "template":
                templates[name] = _yaml(key, text, dict)
            elif head == "service":
                kind, _, alias = name.partition(".")
                services[alias or kind] = (kind, _with_secrets(_yaml(key, text, dict), secret))
            elif head == "defaultTriggers" and name:
                service_triggers[name] = tuple(_yaml(key, text, list))
        return cls(
            triggers=triggers,
            templates=templates,
            services=services,
            context=_yaml("context", config_map.get("context") or "{}", dict),
            default_triggers=tuple(_yaml("defaultTriggers", config_map.get("defaultTriggers") or "[]", list)),
            service_triggers=service_triggers,
            subscriptions=tuple(_yaml("subscriptions", config_map.get("subscriptions") or "[]", list)),
        )

    def subscribed(self, app: Object, project: Object | None = None) -> list[Subscription]:
        """Who is told about this Application: by its annotations, its project's, and the ConfigMap's subscriptions."""
        found: dict[Subscription, None] = {}
        for obj in (app, project or {}):
            for key, value in annotations_of(obj).items():
                if key.startswith(ANNOTATION):
                    trigger, _, service = key.removeprefix(ANNOTATION).rpartition(".")
                    self._add(found, [trigger] if trigger else [], service, str(value or "").split(";"))
                elif key == LIST:
                    for triggers, service, recipients in _listed(str(value or "")):
                        self._add(found, triggers, service, recipients)
        for entry in self.subscriptions:
            if _selected(str(entry.get("selector") or ""), labels_of(app)):
                for given in entry.get("recipients") or ():
                    service, _, recipient = str(given).partition(":")
                    self._add(found, entry.get("triggers") or [], service, [recipient])
        return list(found)

    def _add(
        self, found: dict[Subscription, None], triggers: Sequence[str], service: str, recipients: Sequence[str]
    ) -> None:
        for trigger in triggers or self.service_triggers.get(service) or self.default_triggers:
            for recipient in recipients:
                found[Subscription(str(trigger), service, str(recipient).strip())] = None


def _listed(text: str) -> Iterator[tuple[list[str], str, list[str]]]:
    """Triggers, service and recipients of each destination in the list; what cannot be read names nobody."""
    try:
        entries = yaml.safe_load(text)
    except yaml.YAMLError:
        return
    for entry in entries if isinstance(entries, list) else ():
        for to in entry.get("destinations") or () if isinstance(entry, dict) else ():
            if isinstance(to, dict) and to.get("service"):
                yield _strings(entry.get("trigger")), str(to["service"]), _strings(to.get("recipients")) or [""]


def _strings(value: Any) -> list[str]:
    """One string, or a list of them."""
    return [str(item) for item in ([value] if isinstance(value, str) else value or ())]


def _yaml(key: str, text: str, kind: type[Any]) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise NotificationConfigError(f"argocd-notifications-cm: {key} is not YAML") from error
    if not isinstance(value, kind):
        shape = "a list" if kind is list else "a map"
        raise NotificationConfigError(f"argocd-notifications-cm: {key} must be {shape}")
    return value


def _with_secrets(value: Any, secret: Mapping[str, str]) -> Any:
    """`$key` anywhere in a service's texts is the Secret's value; an unknown one stays as it is."""
    if isinstance(value, str):
        return re.sub(r"\$([A-Za-z0-9_.-]+)", lambda m: secret.get(m[1], m[0]), value)
    if isinstance(value, list):
        return [_with_secrets(item, secret) for item in value]
    if isinstance(value, dict):
        return {key: _with_secrets(item, secret) for key, item in value.items()}
    return value


def _selected(selector: str, labels: Mapping[str, str]) -> bool:
    for term in filter(None, (part.strip() for part in selector.split(","))):
        key, wanted, value = (
            (part.strip() for part in re.split(r"(!=|==?)", term, maxsplit=1)) if "=" in term else (term, "", "")
        )
        if not wanted:
            holds = key.lstrip("!") not in labels if key.startswith("!") else key in labels
        else:
            holds = (labels.get(key) != value) if wanted == "!=" else labels.get(key) == value
        if not holds:
            return False
    return True
