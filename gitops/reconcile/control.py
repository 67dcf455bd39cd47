"""What the control namespace says: projects, repositories, clusters, argocd-cm. Read whole, kept until it changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

import yaml

from gitops.cluster import ClusterClient
from gitops.errors import InvalidSpecError
from gitops.health import LuaChecks
from gitops.model.application import Application
from gitops.model.credentials import SECRET_TYPE, RepositoryConfig, secret_data
from gitops.model.names import GROUP, INSTANCE_LABEL, VERSION
from gitops.model.objects import GVK, Object, ObjectKey
from gitops.model.project import AppProject, default_project
from gitops.model.tracking import TrackingMethod
from gitops.observe.notify import NotifyConfig
from gitops.source.access import load_repository_config

_NOTIFICATIONS = "argocd-notifications-cm"
NOTIFICATIONS_SECRET = "argocd-notifications-secret"  # noqa: S105 - a Secret's name
CONFIG_MAPS = (
    "argocd-cm",
    "argocd-ssh-known-hosts-cm",
    "argocd-tls-certs-cm",
    "argocd-gpg-keys-cm",
    _NOTIFICATIONS,
)


@dataclass(frozen=True)
class ControlConfig:
    """The control namespace at one moment."""

    namespace: str
    projects: dict[str, AppProject] = field(default_factory=dict)
    #: Projects that cannot be read, and why.
    broken_projects: dict[str, str] = field(default_factory=dict)
    secrets: tuple[Object, ...] = field(default=(), repr=False)
    config_maps: dict[str, dict[str, str]] = field(default_factory=dict)
    #: argocd-notifications-secret.
    notifications_secret: Object = field(default_factory=dict, repr=False)
    #: What the counter said before it was read.
    version: str = ""

    @property
    def settings(self) -> dict[str, str]:
        """argocd-cm."""
        return self.config_maps.get("argocd-cm", {})

    def project(self, app: Application) -> AppProject:
        """The Application's project. Raises InvalidSpecError where there is none, or it cannot be read."""
        return self.project_named(app.spec.project, f"Application {app.id}")

    def project_named(self, name: str, who: str) -> AppProject:
        """A project by name, for `who` as errors name it. Raises InvalidSpecError as `project` does."""
        if name in self.broken_projects:
            raise InvalidSpecError(self.broken_projects[name])
        if name in self.projects:
            return self.projects[name]
        if name == "default":
            return default_project(self.namespace)
        raise InvalidSpecError(
            f"{who} is in project {name}, which does not exist in namespace {self.namespace}: "
            "create the AppProject or change spec.project"
        )

    def project_of(self, app: Object) -> Object | None:
        """The metadata of an Application object's project; None where there is none that can be read."""
        found = self.projects.get(str((app.get("spec") or {}).get("project") or "default"))
        return {"metadata": found.metadata} if found else None

    @cached_property
    def repositories(self) -> RepositoryConfig:
        """Repositories, credential templates, known hosts, certificates and keys."""
        maps = [{"metadata": {"name": name}, "data": data} for name, data in self.config_maps.items()]
        return load_repository_config(self.secrets, maps)

    @cached_property
    def notifications(self) -> NotifyConfig:
        """Triggers, templates, services and subscriptions. Raises NotificationConfigError naming the wrong key."""
        data = self.config_maps.get(_NOTIFICATIONS, {})
        return NotifyConfig.read(data, secret_data(self.notifications_secret))

    @property
    def cluster_secrets(self) -> list[Object]:
        return [s for s in self.secrets if s["metadata"].get("labels", {}).get(SECRET_TYPE) == "cluster"]

    @cached_property
    def tracking(self) -> TrackingMethod:
        return TrackingMethod.of(self.settings.get("application.resourceTrackingMethod"))

    @property
    def instance_label(self) -> str:
        return self.settings.get("application.instanceLabelKey") or INSTANCE_LABEL

    @property
    def installation_id(self) -> str:
        return self.settings.get("installationID") or ""

    @cached_property
    def health_checks(self) -> LuaChecks:
        return LuaChecks.from_config(self.settings)

    @cached_property
    def _filters(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        return tuple(_rules(self.settings.get(f"resource.{which}")) for which in ("exclusions", "inclusions"))  # type: ignore[return-value]

    def excluded(self, gvk: GVK) -> bool:
        """Whether `resource.exclusions` or `resource.inclusions` of argocd-cm keep a kind out."""
        exclusions, inclusions = self._filters
        if inclusions and not any(_matches(rule, gvk) for rule in inclusions):
            return True
        return any(_matches(rule, gvk) for rule in exclusions)


def _rules(text: str | None) -> list[dict[str, Any]]:
    try:
        rules = yaml.safe_load(text or "") or []
    except yaml.YAMLError:
        return []
    return [rule for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []


def _matches(rule: dict[str, Any], gvk: GVK) -> bool:
    groups, kinds = rule.get("apiGroups") or ["*"], rule.get("kinds") or ["*"]
    return any(fnmatchcase(gvk.group, g) for g in groups) and any(fnmatchcase(gvk.kind, k) for k in kinds)


#: Seconds that an answer of the counter is believed: one step asks many times.
COUNTER_SECONDS = 0.2


class Control:
    """Reads the control namespace anew when the counter that beat raises has changed, or after `max_age` seconds."""

    def __init__(
        self, client: ClusterClient, namespace: str, counter: Callable[[], str], max_age: float = 600.0
    ) -> None:
        self._client, self._namespace, self._counter, self._max_age = client, namespace, counter, max_age
        self._config: ControlConfig | None = None
        self._version = ""
        #: By time.monotonic(): when the configuration was read, and until when the counter's last answer is believed.
        self._read_at, self._asked_until = 0.0, 0.0

    def ask_again(self) -> None:
        """What has changed by now is to be seen by the next `get`."""
        self._asked_until = 0.0

    def told(self, version: str) -> None:
        """A step begins, and the counter says this: what changed before the step was wished for is seen by it."""
        self._version, self._asked_until = version, time.monotonic() + COUNTER_SECONDS

    def get(self) -> ControlConfig:
        """The present configuration. Raises ClusterError where the control cluster cannot be read."""
        now = time.monotonic()
        if now >= self._asked_until:
            self.told(self._counter())
        if self._config is None or self._version != self._config.version or now - self._read_at > self._max_age:
            self._config = self._read(self._version)
            self._read_at = now
        return self._config

    def _read(self, version: str) -> ControlConfig:
        projects, broken = {}, {}
        for obj in self._client.list(GVK(GROUP, VERSION, "AppProject"), namespace=self._namespace):
            try:
                project = AppProject.from_object(obj)
                projects[project.name] = project
            except InvalidSpecError as error:
                broken[obj["metadata"]["name"]] = str(error)
        secrets = tuple(self._client.list(GVK("", "v1", "Secret"), namespace=self._namespace, labels=SECRET_TYPE))
        maps = {}
        for name in CONFIG_MAPS:
            found = self._client.get(ObjectKey("", "ConfigMap", self._namespace, name), version="v1")
            if found:
                maps[name] = found.get("data") or {}
        notifying: Object = {}
        if _NOTIFICATIONS in maps:
            key = ObjectKey("", "Secret", self._namespace, NOTIFICATIONS_SECRET)
            notifying = self._client.get(key, version="v1") or {}
        return ControlConfig(self._namespace, projects, broken, secrets, maps, notifying, version)
