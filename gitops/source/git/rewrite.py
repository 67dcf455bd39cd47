"""The operator's `url.<base>.insteadOf`, applied before anything else looks at a URL.

git would apply it too, but only after credentials had been laid out for the host that it leads away from.
"""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path

from gitops.errors import RepositoryError


def rewritten(url: str, config_file: Path | None) -> str:
    """Where a URL leads by the operator's configuration file: the longest matching `insteadOf` is replaced.

    Raises RepositoryError where the file cannot be read.
    """
    if config_file is None:
        return url
    try:
        rules = _rules(config_file, config_file.stat().st_mtime_ns)
    except (OSError, subprocess.SubprocessError):
        raise RepositoryError(f"the git configuration {config_file} cannot be read (GITOPS_GIT_CONFIG_FILE)") from None
    fitting = [(prefix, base) for prefix, base in rules if url.startswith(prefix)]
    if not fitting:
        return url
    prefix, base = max(fitting, key=lambda rule: len(rule[0]))
    return base + url[len(prefix) :]


@lru_cache(maxsize=4)
def _rules(config_file: Path, _changed: int) -> tuple[tuple[str, str], ...]:
    """(insteadOf, base), read by git itself."""
    done = subprocess.run(
        ["git", "config", "--file", str(config_file), "--null", "--get-regexp", r"^url\..*\.insteadof$"],
        capture_output=True, check=False, timeout=15,
    )  # fmt: skip
    if done.returncode > 1:
        raise OSError(done.returncode)
    rules = []
    for record in filter(None, done.stdout.decode().split("\0")):
        name, _, prefix = record.partition("\n")
        rules.append((prefix, name[len("url.") : -len(".insteadof")]))
    return tuple(rules)
