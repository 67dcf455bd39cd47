"""Git repositories: what they hold, brought to this disk as seldom and as little as possible, safely.

    mirrors = Mirrors(data_dir / "git", config)
    refs = mirrors.refs(url)                    # one ls-remote; keep `refs.to_json()` for all its applications
    sha = refs.require("v1.*")                  # or .resolve(...), which answers None
    sha = mirrors.ensure(url, sha)              # one shallow fetch, or nothing
    with mirrors.checkout(url, sha) as tree:
        tree.need("apps/payments")              # this folder alone is written under tree.root

A repository is hostile: no hook, filter, attribute or helper of it runs, its names are never options, and nobody is
spoken to whom the operator's protocols and the project do not permit. Credentials reach git through files of mode 0600
that live for one command.
"""

from gitops.source.git.checkout import Checkout
from gitops.source.git.mirrors import Mirrors
from gitops.source.git.refs import Refs
from gitops.source.git.signature import Signature
from gitops.source.git.tree import PathNotFound, PathOutside

__all__ = ["Checkout", "Mirrors", "PathNotFound", "PathOutside", "Refs", "Signature"]
