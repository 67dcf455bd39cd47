"""What a repository's branches and tags point to, and how a target revision is found among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from gitops.errors import RepositoryError, RevisionError
from gitops.source.semver import parse_constraint, parse_version

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ABBREVIATED = re.compile(r"[0-9a-f]{7,63}")
_MOST = 200_000


@dataclass(frozen=True)
class Refs:
    """The answer of one ls-remote.

    `names` maps full ref names to commit SHAs (annotated tags peeled), in the server's order; `head` is the branch that
    HEAD names, "" if it is detached or the repository is empty.
    """

    url: str
    head: str
    names: Mapping[str, str]

    def resolve(self, target_revision: str, tag_prefix: str = "") -> str | None:
        """The commit of a target revision (specs section 8, "ls-remote resolve"), None if there is none.

        In order: "" and HEAD; a full SHA as it is; a semver constraint means the highest tag that fits, `tag_prefix`
        taken off first; a branch's or tag's short or full name, the first in the server's order; 7 and more hex digits
        as an abbreviated SHA, which `Mirrors.ensure` completes where no ref is known by it.
        """
        revision = target_revision.strip()
        if revision in ("", "HEAD"):
            return self.names.get("HEAD") or self.names.get(self.head)
        if is_sha(revision.lower()):
            return revision.lower()
        if sha := self._by_constraint(revision, tag_prefix):
            return sha
        for name, sha in self.names.items():
            if revision == name or revision == _short(name):
                return sha
        return self._by_prefix(revision.lower())

    def require(self, target_revision: str, tag_prefix: str = "") -> str:
        """Like `resolve`. Raises RevisionError where there is none."""
        if sha := self.resolve(target_revision, tag_prefix):
            return sha
        if not self.names:
            raise RevisionError(f"repository {self.url} is empty: it has neither branches nor tags")
        wanted = target_revision or "HEAD"
        if parse_constraint(wanted) and not parse_version(wanted):
            tags = f"tag{f' with the prefix {tag_prefix!r}' if tag_prefix else ''}"
            raise RevisionError(f"repository {self.url} has no {tags} that fits the version constraint {wanted!r}")
        raise RevisionError(f"unable to resolve {wanted!r}: repository {self.url} has no such branch, tag or commit")

    def _by_constraint(self, revision: str, tag_prefix: str) -> str | None:
        if parse_version(revision):  # a plain version is a tag's name, not a range
            return None
        constraint = parse_constraint(revision)
        if not constraint:
            return None
        start = "refs/tags/" + tag_prefix
        tags = {name[len(start) :]: sha for name, sha in self.names.items() if name.startswith(start)}
        best = constraint.highest(tags)
        return tags[best] if best is not None else None

    def _by_prefix(self, revision: str) -> str | None:
        if not _ABBREVIATED.fullmatch(revision):
            return None
        found = {sha for sha in self.names.values() if sha.startswith(revision)}
        if len(found) > 1:
            raise RevisionError(f"{revision!r} is short for several commits of repository {self.url}; give more digits")
        return found.pop() if found else revision

    def to_json(self) -> bytes:
        """For keeping; `from_json` reads it."""
        return orjson.dumps({"url": self.url, "head": self.head, "names": dict(self.names)})

    @classmethod
    def from_json(cls, data: bytes) -> Refs:
        """What `to_json` wrote."""
        found = orjson.loads(data)
        return cls(found["url"], found["head"], found["names"])


def is_sha(text: str) -> bool:
    """Whether a text is a full object id, SHA-1 or SHA-256, in lower case."""
    return bool(_SHA.fullmatch(text))


def is_abbreviated(text: str) -> bool:
    """Whether a text may be the beginning of an object id."""
    return bool(_ABBREVIATED.fullmatch(text))


def parse_refs(url: str, output: bytes) -> Refs:
    """Read `git ls-remote --symref`. Raises RepositoryError where it is something else, or endless."""
    head, names = "", dict[str, str]()
    for line in filter(None, output.decode("utf-8", "surrogateescape").split("\n")):
        value, _, name = line.partition("\t")
        if value.startswith("ref: "):
            head = value[5:] if name == "HEAD" else head
        elif not is_sha(value):
            raise RepositoryError(f"repository {url} answers with something that is no list of refs")
        else:
            names[name.removesuffix("^{}")] = value  # the peeled commit comes after its tag
    if len(names) > _MOST:
        raise RepositoryError(f"repository {url} has more than {_MOST:,} refs")
    return Refs(url, head, names)


def _short(name: str) -> str:
    for prefix in ("refs/heads/", "refs/tags/", "refs/remotes/", "refs/"):
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name
