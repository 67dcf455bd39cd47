"""Where a submodule's repository is."""

from __future__ import annotations

from gitops.errors import RepositoryError
from gitops.source.access.urls import join
from gitops.source.git.mirror import Mirror

_MODULES_BYTES = 1 << 20


def submodule_url(mirror: Mirror, sha: str, path: str, where: str) -> str:
    """The absolute URL that .gitmodules of a commit has for a path.

    Raises RepositoryError where it has none, or leads from a remote repository to a file:// one. Whether the project
    permits it is checked before anything connects, as for every repository.
    """
    item = mirror.tree(sha).items([".gitmodules"]).get(".gitmodules")
    # A symlink here would let the repository choose a file of this machine.
    if item is None or not item.mode.startswith("100") or item.size > _MODULES_BYTES:
        raise RepositoryError(f"{where} has no URL: .gitmodules is missing, too large or no file")
    result = mirror.runner.run(
        ["config", "--no-includes", "--null", "--blob", item.oid, "--get-regexp", r"^submodule\..*\.(path|url)$"],
        git_dir=mirror.git_dir,
    )
    if result.status > 1:
        raise RepositoryError(f"{where} has no URL: .gitmodules cannot be read")
    values: dict[str, dict[str, str]] = {}
    for record in filter(None, result.out.decode("utf-8", "surrogateescape").split("\0")):
        name, _, value = record.partition("\n")
        section, _, option = name.rpartition(".")
        values.setdefault(section, {})[option] = value
    url = next((v.get("url", "") for v in values.values() if v.get("path", "").rstrip("/") == path), "")
    if not url:
        raise RepositoryError(f"{where} has no URL in .gitmodules; add one, or remove the submodule")
    absolute = join(mirror.url.text, url)
    if absolute.lower().startswith("file:") and mirror.url.scheme != "file":
        raise RepositoryError(f"{where} leads to a file:// repository, which is never followed")
    return absolute
