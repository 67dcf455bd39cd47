"""What a project permits: repositories, destinations, kinds, namespaces of Applications (specs section 7).

Each `check_…` raises ProjectDenied with the rule that decided; nothing that is not permitted is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gitops.errors import ProjectDenied
from gitops.model.application import Destination, Source
from gitops.model.names import IN_CLUSTER_NAME, IN_CLUSTER_SERVER
from gitops.model.project import AppProject, GroupKind
from gitops.project.globs import is_deny, matches, matches_any
from gitops.project.urls import check_spelling, host_and_path, normalise_pattern, normalise_url, redact


def check_source(project: AppProject, repo_url: str) -> None:
    """Whether the project permits the repository: some entry matches and no `!` entry does.

    An entry with `!` that does not match counts as a match, as in Argo CD. Raises ProjectDenied naming the rule.
    """
    check_spelling(repo_url)
    url = normalise_url(repo_url)
    permitted = False
    for entry in project.spec.source_repos:
        if is_deny(entry):
            pattern = normalise_pattern(entry[1:])
            if matches(pattern, url, "/") or matches(host_and_path(pattern), host_and_path(url), "/"):
                raise ProjectDenied(
                    f"repository {redact(repo_url)} is denied by sourceRepos entry {entry!r} of project {project.name}"
                )
            permitted = True
        elif matches(normalise_pattern(entry), url, "/"):
            permitted = True
    if not permitted:
        raise ProjectDenied(
            f"repository {redact(repo_url)} is not permitted in project {project.name}; "
            "add it to the project's sourceRepos"
        )


def check_sources(project: AppProject, sources: Iterable[Source]) -> None:
    """check_source for each of several sources, those that are only referred to included."""
    for source in sources:
        check_source(project, source.repo_url)


def normalise_server(server: str) -> str:
    """One spelling of an API server's URL: lower case, no closing slash, no default port."""
    text = server.strip().lower().rstrip("/")
    return re.sub(r"^(https://[^/]+?):443(?=/|$)|^(http://[^/]+?):80(?=/|$)", lambda m: m[1] or m[2], text)


def _matches(pattern: str, value: str) -> bool:
    return not matches(pattern[1:], value) if is_deny(pattern) else matches(pattern, value)


def check_destination(project: AppProject, server: str, name: str, namespace: str) -> None:
    """Whether the project permits a cluster (by its server's URL and its name, both where known) and namespace.

    An entry permits where server or name, and the namespace, match; a `!` entry that matches denies whatever else
    permits. Raises ProjectDenied naming the rule.
    """
    server = normalise_server(server)
    if server == IN_CLUSTER_SERVER:
        name = name or IN_CLUSTER_NAME
    elif name == IN_CLUSTER_NAME and not server:
        server = IN_CLUSTER_SERVER
    permitted = False
    for entry in project.spec.destinations:
        decision = _destination(entry, server, name, namespace)
        if decision is False:
            shown = {key: value for key, value in entry.to_api().items() if value}
            raise ProjectDenied(
                f"destination {name or server}/{namespace} is denied by destinations entry {shown} "
                f"of project {project.name}"
            )
        permitted = permitted or bool(decision)
    if not permitted:
        raise ProjectDenied(
            f"destination server {server or name!r} with namespace {namespace!r} is not permitted in project "
            f"{project.name}; add it to the project's destinations"
        )


def _destination(entry: Destination, server: str, name: str, namespace: str) -> bool | None:
    """True: permitted by this entry; False: denied by it; None: it says nothing."""
    by_name = bool(name) and bool(entry.name) and _matches(entry.name, name)
    pattern = ("!" if is_deny(entry.server) else "") + normalise_server(entry.server.removeprefix("!"))
    by_server = bool(server) and bool(entry.server) and _matches(pattern, server)
    in_namespace = _matches(entry.namespace, namespace)
    refused = (bool(name) and is_deny(entry.name) and not by_name) or (
        bool(server) and is_deny(entry.server) and not by_server
    )
    if refused and in_namespace:
        return False
    if (by_name or by_server) and not in_namespace and is_deny(entry.namespace):
        return False
    return True if (by_name or by_server) and in_namespace and not refused else None


def _listed(entries: Iterable[GroupKind], group: str, kind: str, name: str, *, fold: bool = False) -> GroupKind | None:
    """The first entry that matches; `fold` without regard to case, so that a denial cannot be written round."""
    if fold:
        group, kind = group.lower(), kind.lower()
    for entry in entries:
        entry_group, entry_kind = (entry.group.lower(), entry.kind.lower()) if fold else (entry.group, entry.kind)
        if (
            matches(entry_group, group, "/")
            and matches(entry_kind, kind, "/")
            and (not entry.name or matches(entry.name, name, "/"))
        ):
            return entry
    return None


def denial(project: AppProject, group: str, kind: str, *, namespaced: bool, name: str = "") -> str:
    """Why the project does not permit an object, in one sentence; empty where it does.

    Namespaced: everything without a whitelist, nothing with an empty one. Cluster-scoped: only what the whitelist has.
    """
    spec = project.spec
    shown = f"{group}/{kind}" if group else kind
    if namespaced:
        allowed, refused, which = spec.namespace_resource_whitelist, spec.namespace_resource_blacklist, "namespace"
    else:
        allowed, refused, which = spec.cluster_resource_whitelist, spec.cluster_resource_blacklist, "cluster"
    if allowed is not None and _listed(allowed, group, kind, name) is None:
        return f"{shown} {name!r} is not in the {which}ResourceWhitelist of project {project.name}"
    entry = _listed(refused, group, kind, name, fold=True)
    if entry is not None:
        rule = f"{entry.group}/{entry.kind}" + (f"/{entry.name}" if entry.name else "")
        return f"{shown} {name!r} is denied by {which}ResourceBlacklist entry {rule!r} of project {project.name}"
    return ""


def permits(project: AppProject, group: str, kind: str, *, namespaced: bool, name: str = "") -> bool:
    """Whether the project permits an object of this kind, scope and name."""
    return not denial(project, group, kind, namespaced=namespaced, name=name)


def check_object(project: AppProject, group: str, kind: str, *, namespaced: bool, name: str = "") -> None:
    """As permits. Raises ProjectDenied naming the rule."""
    reason = denial(project, group, kind, namespaced=namespaced, name=name)
    if reason:
        raise ProjectDenied(reason)


def check_source_namespace(project: AppProject, namespace: str, control_namespace: str) -> None:
    """Whether an Application may live in `namespace`: the control namespace, or one that sourceNamespaces names.

    Raises ProjectDenied.
    """
    if namespace != control_namespace and not matches_any(project.spec.source_namespaces, namespace):
        raise ProjectDenied(
            f"project {project.name} does not permit Applications in namespace {namespace}; add it to sourceNamespaces"
        )


def required_signers(project: AppProject) -> frozenset[str]:
    """Key ids (16 upper-case hex digits) of which one must have signed the commit; empty where none is asked for."""
    return frozenset(key.key_id.strip().upper()[-16:] for key in project.spec.signature_keys if key.key_id.strip())


def impersonated_user(project: AppProject, server: str, namespace: str) -> str | None:
    """The user that writes for this destination: `system:serviceaccount:<namespace>:<name>`, by the first entry of
    destinationServiceAccounts that matches; None where the project has no entries.

    Raises ProjectDenied where entries exist and none matches: nothing is written with more rights than meant.
    """
    entries = project.spec.destination_service_accounts
    if not entries:
        return None
    server = normalise_server(server)
    for entry in entries:
        if matches(normalise_server(entry.server), server) and matches(entry.namespace or "*", namespace):
            account = entry.default_service_account.strip()
            if not account or is_deny(account) or "*" in account:
                break
            where, _, name = account.rpartition(":")
            return f"system:serviceaccount:{where or namespace}:{name}"
    raise ProjectDenied(
        f"project {project.name} has no destinationServiceAccounts entry for {server} and namespace {namespace!r}; "
        "add one"
    )
