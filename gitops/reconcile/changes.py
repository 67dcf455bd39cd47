"""Which applications a change of the control namespace's configuration concerns: those alone are looked at anew."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import yaml

from gitops.model.application import repository_urls
from gitops.model.credentials import SECRET_TYPE, secret_data
from gitops.model.names import IN_CLUSTER_NAME, IN_CLUSTER_SERVER
from gitops.model.objects import Object, canonical, digest
from gitops.project import normalise_url
from gitops.reconcile.control import ControlConfig

#: Keys of argocd-cm, or the beginnings of them, that decide what is rendered, compared or tracked; others are for a UI.
_EVERYBODY = ("application.", "installationID", "kustomize.", "helm.", "jsonnet.", "resource.")
#: The same settings of one kind: `resource.customizations.health.<group_kind>`, and the older form, all in one text.
_BLOB = "resource.customizations"
_ACTIONS = (f"{_BLOB}.actions.", f"{_BLOB}.ignoreResourceUpdates.", "resource.customLabels", "resource.links")
#: ConfigMaps that decide whether a repository can be reached.
_ACCESS = ("argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm")
_GPG_KEYS = "argocd-gpg-keys-cm"

#: Part of the configuration -> a digest of what it says.
Parts = dict[str, str]


def parts(config: ControlConfig) -> Parts:
    """The configuration in parts, each with a digest: what two of them differ in has changed.

    Names: `project|<name>`, `setting|<key of argocd-cm>`, `kind|<group>|<kind>|<which>`, `access`, `signers`,
    `repository|<URL, or the start of one>` and `cluster|<server>|<name>`.
    """
    found: Parts = {}
    for name, project in config.projects.items():
        found[f"project|{name}"] = digest(canonical(project.spec.to_api()))
    for name, why in config.broken_projects.items():
        found[f"project|{name}"] = digest(why.encode())
    for key, text in config.settings.items():
        found |= _setting(key, text)
    access = {name: config.config_maps.get(name, {}) for name in _ACCESS}
    found["access"] = digest(canonical(access))
    found["signers"] = digest(canonical(config.config_maps.get(_GPG_KEYS, {})))
    for secret in config.secrets:
        data = secret_data(secret)
        url, server = data.get("url") or "", data.get("server") or ""
        kind = (secret["metadata"].get("labels") or {}).get(SECRET_TYPE)
        name = f"cluster|{server.rstrip('/')}|{data.get('name') or ''}" if kind == "cluster" else f"repository|{url}"
        # With its version: one that was changed and changed back between two looks was used meanwhile.
        said = digest(canonical([*sorted(data.items()), secret["metadata"].get("resourceVersion")]))
        # Two Secrets may speak of one URL: a project's own beside the one for all.
        found[name] = digest((found.get(name, "") + said).encode())
    return found


def _setting(key: str, text: str) -> Parts:
    if not key.startswith(_EVERYBODY) or key.startswith(_ACTIONS):
        return {}
    if key == _BLOB:
        try:
            body = yaml.safe_load(text)
        except yaml.YAMLError:
            body = None
        if isinstance(body, dict):
            return {_kind(str(name), "blob"): digest(repr(said).encode()) for name, said in body.items()}
    elif key.startswith(f"{_BLOB}."):
        what, _, name = key.removeprefix(f"{_BLOB}.").partition(".")
        return {_kind(name, what): digest(text.encode())} if name else {}
    return {f"setting|{key}": digest(text.encode())}


def _kind(name: str, what: str) -> str:
    """`<group>_<kind>`, `<group>/<kind>`, `<kind>` of the core group, or `all`, as specs section 4 has them."""
    if name in ("all", "*/*"):
        return f"kind|*|*|{what}"
    group, _, kind = name.replace("/", "_").rpartition("_")
    return f"kind|{group}|{kind}|{what}"


def changed(before: Parts, now: Parts) -> set[str]:
    """The parts that came, went or say something else."""
    return {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}


def concerned(names: Iterable[str], config: ControlConfig, apps: Iterable[Object]) -> dict[str, set[str]]:
    """The Applications (of their CRs) that a change of these parts concerns, by id `namespace/name`.

    Each with the URLs of its repositories that are worth another look because of it: they may be reached by now.
    """
    names = set(names)
    found: dict[str, set[str]] = {}
    for app in apps:
        meta = app["metadata"]
        hits = [name for name in names if _touches(name, app, config)]
        if hits:
            again = {url for name in hits for url in _reached(name, app)}
            found[f"{meta['namespace']}/{meta['name']}"] = again
    return found


def _touches(name: str, app: Object, config: ControlConfig) -> bool:
    what, _, rest = name.partition("|")
    spec = app.get("spec") or {}
    if what == "setting":
        return True
    if what == "project":
        return (spec.get("project") or "default") == rest
    if what == "kind":
        group, kind, _ = rest.split("|")
        rows = (app.get("status") or {}).get("resources") or ()
        return any(fnmatchcase(r.get("group", ""), group) and fnmatchcase(r.get("kind", ""), kind) for r in rows)
    if what == "signers":
        project = config.projects.get(spec.get("project") or "default")
        return bool(project and project.spec.signature_keys)
    if what == "cluster":
        server, _, cluster = rest.partition("|")
        destination = spec.get("destination") or {}
        asked = str(destination.get("server") or "").rstrip("/")
        if destination.get("name") == IN_CLUSTER_NAME:
            asked = IN_CLUSTER_SERVER
        return bool((asked and asked == server) or (destination.get("name") and destination["name"] == cluster))
    return bool(_reached(name, app))


def _reached(name: str, app: Object) -> set[str]:
    """The application's repositories that a part decides about."""
    what, _, rest = name.partition("|")
    urls = repository_urls(app)
    if what == "access":
        # Known hosts and certificates decide nothing for those who are in.
        failed = any(c.get("type") == "ComparisonError" for c in (app.get("status") or {}).get("conditions") or ())
        return urls if failed else set()
    if what != "repository" or not rest:
        return set()
    start = normalise_url(rest)
    return {url for url in urls if normalise_url(url).startswith(start)}
