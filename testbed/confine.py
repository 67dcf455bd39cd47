"""A process with a root of its own: read-only but for its volumes, not root, without capabilities.

What a restricted pod is on a node, by unshare(1), mount(8), chroot(8) and setpriv(1); needs root to arrange.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path

UID = 65532
#: What an image brings, read-only; links are links there too.
SYSTEM = ("usr", "bin", "sbin", "lib", "lib64", "opt")


def wrap(
    argv: Sequence[str],
    root: Path,
    volumes: Mapping[str, str],
    readable: Sequence[Path],
    writable: Collection[str] = (),
) -> list[str | Path]:
    """The command that runs `argv` confined below `root`, an empty folder that may be used several times.

    `volumes`: the path inside -> the folder outside, read-only but for those inside that are in `writable`; `readable`:
    further folders, at their own paths and read-only.
    The process id stays, so that signals reach the program.
    """
    root.mkdir(exist_ok=True)
    new = shlex.quote(str(root))
    steps = ["set -e", "mount --make-rprivate /", f"mount -t tmpfs -o mode=755 pod {new}", f"cd {new}"]
    for name in SYSTEM:
        if (link := Path("/") / name).is_symlink():
            steps.append(f"ln -s {shlex.quote(str(link.readlink()))} {name}")
        elif link.is_dir():
            steps.append(_bind(link, str(link), read_only=True))
    # A copy, since volumes are mounted into it.
    steps.append("cp -a /etc etc")
    steps += ["mkdir -p proc dev", "mount --rbind /proc proc", "mount --rbind /dev dev"]
    # Outer folders first: a repository below /tmp must stay visible.
    for inside, outside in sorted(volumes.items()):
        steps.append(_bind(Path(outside), inside, read_only=inside not in writable))
    for path in sorted({path for path in readable if not _below(path, SYSTEM)}):
        steps.append(_bind(path, str(path), read_only=True))
    steps.append(f"mount -o remount,ro {new}")
    user = f"--reuid={UID} --regid={UID} --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all"
    # The folder that it starts in is one that the image has.
    inner = f'cd {shlex.quote(str(readable[0]))} && exec setpriv {user} -- "$@"'
    steps.append(f'exec {shutil.which("chroot") or "chroot"} . sh -ec {shlex.quote(inner)} confined "$@"')
    return ["unshare", "--mount", "--", "sh", "-c", "\n".join(steps), "confine", *argv]


@cache
def works() -> bool:
    """Whether the machine has what it takes."""
    if not all(shutil.which(name) for name in ("unshare", "mount", "chroot", "setpriv")):
        return False
    trial = ["unshare", "--mount", "--", "sh", "-c", "mount --make-rprivate / && mount -t tmpfs trial /mnt"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


def _bind(outside: Path, inside: str, *, read_only: bool) -> str:
    place = shlex.quote(inside.strip("/"))
    step = f"mkdir -p {place} && mount --bind {shlex.quote(str(outside))} {place}"
    return f"{step} && mount -o remount,bind,ro {place}" if read_only else step


def _below(path: Path, names: Sequence[str]) -> bool:
    return len(path.parts) > 1 and path.parts[1] in names
