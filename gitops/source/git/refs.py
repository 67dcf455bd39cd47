"""What a repository's branches and tags point to, and how a target revision is found among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

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
    HEAD names, "" if it is detached or the repository is empty. `tags` maps annotated tags to their own object ids.
    """

    url: str
    head: str
    names: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=dict)

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
        if name := self._name(revision, tag_prefix):
            return self.names[name]
        return self._by_prefix(revision.lower())

    def annotated(self, target_revision: str, tag_prefix: str = "") -> str:
        """The object id of the annotated tag that a target revision means, "" where it means something else.

        Such a tag's own signature is the one that counts, as in Argo CD.
        """
        revision = target_revision.strip()
        if revision in ("", "HEAD") or is_sha(revision.lower()):
            return ""
        return self.tags.get(self._name(revision, tag_prefix), "")

    def branch(self, target_revision: str) -> str:
        """The full name of the branch that a target revision means, "" where it means something else."""
        revision = target_revision.strip()
        if revision in ("", "HEAD"):
            name = self.head
        elif is_sha(revision.lower()) or parse_constraint(revision):
            name = ""
        else:
            name = self._name(revision, "")
        return name if name.startswith("refs/heads/") and name in self.names else ""

    def moved(self, branch: str, sha: str) -> Refs:
        """The refs with a branch, by its full name, at another commit."""
        also = {"HEAD": sha} if branch == self.head and "HEAD" in self.names else {}
        return replace(self, names={**self.names, branch: sha, **also})

    def _name(self, revision: str, tag_prefix: str) -> str:
        """The full name of the ref that a constraint, or a short or full name, means; "" where there is none."""
        if name := self._by_constraint(revision, tag_prefix):
            return name
        return next((name for name in self.names if revision in (name, _short(name))), "")

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

    def _by_constraint(self, revision: str, tag_prefix: str) -> str:
        if parse_version(revision):  # a plain version is a tag's name, not a range
            return ""
        constraint = parse_constraint(revision)
        if not constraint:
            return ""
        start = "refs/tags/" + tag_prefix
        best = constraint.highest([name[len(start) :] for name in self.names if name.startswith(start)])
        return start + best if best is not None else ""

    def _by_prefix(self, revision: str) -> str | None:
        if not _ABBREVIATED.fullmatch(revision):
            return None
        found = {sha for sha in self.names.values() if sha.startswith(revision)}
        if len(found) > 1:
            raise RevisionError(f"{revision!r} is short for several commits of repository {self.url}; give more digits")
        return found.pop() if found else revision

    def to_json(self) -> bytes:
        """For keeping; `from_json` reads it."""
        found = {"url": self.url, "head": self.head, "names": dict(self.names), "tags": dict(self.tags)}
        return orjson.dumps(found)

    @classmethod
    def from_json(cls, data: bytes) -> Refs:
        """What `to_json` wrote."""
        found = orjson.loads(data)
        return cls(found["url"], found["head"], found["names"], found.get("tags") or {})


def is_sha(text: str) -> bool:
    """Whether a text is a full object id, SHA-1 or SHA-256, in lower case."""
    return bool(_SHA.fullmatch(text))


def is_abbreviated(text: str) -> bool:
    """Whether a text may be the beginning of an object id."""
    return bool(_ABBREVIATED.fullmatch(text))


def parse_refs(url: str, output: bytes) -> Refs:
    """Read `git ls-remote --symref`. Raises RepositoryError where it is something else, or endless."""
    head, names, tags = "", dict[str, str](), dict[str, str]()
    for line in filter(None, output.decode("utf-8", "surrogateescape").split("\n")):
        value, _, name = line.partition("\t")
        if value.startswith("ref: "):
            head = value[5:] if name == "HEAD" else head
        elif not is_sha(value):
            raise RepositoryError(f"repository {url} answers with something that is no list of refs")
        else:
            if name.endswith("^{}"):  # the peeled commit comes after its tag
                name = name.removesuffix("^{}")
                tags[name] = names.get(name, "")
            names[name] = value
    if len(names) > _MOST:
        raise RepositoryError(f"repository {url} has more than {_MOST:,} refs")
    return Refs(url, head, names, tags)


def _short(name: str) -> str:
    for prefix in ("refs/heads/", "refs/tags/", "refs/remotes/", "refs/"):
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name
