"""Which Applications a push touches: repository, revision, then paths (specs section 8)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from urllib.parse import urlsplit

from gitops.web.providers import Push


@dataclass(frozen=True, slots=True)
class WatchedSource:
    """What a webhook needs to know of one source of an Application."""

    repo_url: str
    target_revision: str
    path: str
    #: The annotation `manifest-generate-paths`; empty: not set.
    generate_paths: str = ""
    #: Paths that the last render was seen to read, from the repository's root; None: not known.
    inputs: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class WatchedApp:
    """What a webhook needs to know of one Application: `id` is `namespace/name`."""

    id: str
    sources: tuple[WatchedSource, ...]


def touched(push: Push, apps: Iterable[WatchedApp]) -> list[str]:
    """The ids of the Applications that this push may change, in the order given."""
    patterns = [_url_pattern(url) for url in push.urls]
    return [app.id for app in apps if any(_source_touched(push, patterns, source) for source in app.sources)]


def _source_touched(push: Push, patterns: list[re.Pattern[str]], source: WatchedSource) -> bool:
    return (
        any(pattern.match(source.repo_url.strip()) for pattern in patterns)
        and revision_touched(source.target_revision, push)
        and files_touched(push.files, source)
    )


@lru_cache(maxsize=1024)
def _url_pattern(url: str) -> re.Pattern[str]:
    """Any spelling of a repository: scheme, user, ssh subdomain, port and `.git` are optional, case does not count."""
    parts = urlsplit(url if "://" in url else "ssh://" + url.replace(":", "/", 1))
    host = re.escape(parts.hostname or "")
    path = re.escape(re.sub(r"\.git$", "", parts.path.strip("/")))
    if parts.scheme == "oci":
        return re.compile(rf"^(oci://)?{host}/{path}$", re.I)
    # Azure DevOps: `https://org@dev.azure.com/org/project/_git/repo`; ssh is another host and path altogether.
    return re.compile(rf"^((https?|ssh|git)://)?([^@/]+@)?((alt)?ssh\.)?{host}(:\d+)?[:/]/?{path}(\.git)?/?$", re.I)


def revision_touched(target: str, push: Push) -> bool:
    """Whether a source at `target` follows the ref that moved."""
    if target in ("", "HEAD"):
        return push.default_branch
    if re.fullmatch(r"refs/[^/]+/.+", target):
        target = target.split("/", 2)[2]
    if target == push.revision:
        return True
    return _may_be_constraint(target) and bool(re.match(r"v?\d", push.revision))


def _may_be_constraint(target: str) -> bool:
    """`1.x`, `>=1.2`, `^2`, `~1.4`, `*`: what it picks is for the resolver; here any version that moves may be it."""
    return bool(
        re.search(r"[*^~<>=|]", target) or (re.fullmatch(r"v?\d+(\.(\d+|[xX*]))*", target) and "x" in target.lower())
    )


def files_touched(files: frozenset[str] | None, source: WatchedSource) -> bool:
    """Whether one of `files` is what this source renders from.

    `manifest-generate-paths` decides where it is set; else what the last render read; else every push counts.
    """
    if files is None:
        return True
    if source.generate_paths:
        roots = [_from_root(entry.strip(), source.path) for entry in source.generate_paths.split(";") if entry.strip()]
        return any(_under(path, root) or fnmatchcase(path, root) for path in files for root in roots)
    if source.inputs is not None:
        # What the render did not find, but would have read, lies beside what it read: the path itself counts whole.
        return any(path in source.inputs or _under(path, _normal(source.path)) for path in files)
    return True


def _from_root(entry: str, base: str) -> str:
    return _normal(entry if entry.startswith("/") else posixpath.join(base, entry))


def _normal(path: str) -> str:
    """From the repository's root, without slashes around it; the root itself is empty."""
    return posixpath.normpath("/" + path).strip("/")


def _under(path: str, root: str) -> bool:
    return not root or path == root or path.startswith(root + "/")
