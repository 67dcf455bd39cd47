"""What a repository's branches and tags point to, and how a target revision is found among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Refs:
    """The answer of one ls-remote. `names` maps full ref names to commit SHAs (tags peeled), `head` is HEAD's branch."""

    url: str
    head: str
    names: Mapping[str, str]

    def resolve(self, target_revision: str, tag_prefix: str = "") -> str | None:
        """The commit of a target revision (specs section 8, "ls-remote resolve"), None if there is none.

        An abbreviated SHA of no known ref is given back as it is; `Mirrors.ensure` completes it.
        """
        raise NotImplementedError

    def require(self, target_revision: str, tag_prefix: str = "") -> str:
        """Like `resolve`. Raises RevisionError where there is none."""
        raise NotImplementedError

    def to_json(self) -> bytes:
        """For keeping; `from_json` reads it."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, data: bytes) -> Refs:
        """What `to_json` wrote."""
        raise NotImplementedError
