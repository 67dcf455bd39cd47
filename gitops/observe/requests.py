"""Requests to the servers outside, Git's and Kubernetes', as metrics and spans.

The rooms that send them know nothing of either: they call the functions given here.
"""

from __future__ import annotations

from typing import Literal

from gitops.cluster import Observer
from gitops.observe import metrics, trace
from gitops.observe.scrub import scrub_url


def api_observer(server: str) -> Observer:
    """What the client of the cluster at `server` calls after each answer."""

    def observe(verb: str, code: int, seconds: float, path: str) -> None:
        address, _, query = path.partition("?")
        kind = resource_of(address)
        dry_run = "dryRun=All" in query
        metrics.api_request(server, verb, kind, code, seconds, dry_run=dry_run)
        trace.happened(
            f"{verb} {kind}", seconds, failed=not 0 < code < 400, server=server, path=address, code=code,
            dry_run=dry_run,
        )  # fmt: skip

    return observe


def git_request(url: str, request_type: Literal["ls-remote", "fetch"], seconds: float, failed: bool) -> None:
    """What the mirrors call after each conversation with a Git server."""
    metrics.git_request(url, request_type, seconds, failed=failed)
    trace.happened(f"git {request_type}", seconds, failed=failed, repo=scrub_url(url))


def resource_of(address: str) -> str:
    """The resource that a path of the Kubernetes API is about, as Argo CD names it (`deployments`); empty for others.

    Its subresources count as itself.
    """
    parts = address.strip("/").split("/")
    if parts[0] == "api":
        rest = parts[2:]
    elif parts[0] == "apis":
        rest = parts[3:]
    else:
        return ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        # `namespaces/<name>/<resource>…`, but not the subresources of a namespace itself.
        rest = rest[:1] if rest[2] in ("status", "finalize") else rest[2:]
    return rest[0] if rest else ""
