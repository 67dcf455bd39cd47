"""What a render's process gives up before it looks at anything from a repository."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from gitops.source.sandbox import landlock, seccomp

_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_DUMPABLE = 1, 24, 4
_LAST_CAPABILITY = 63
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Policy:
    """The bounds of one process. Sizes in MiB, times in seconds."""

    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    memory_mib: int = 512
    cpu_seconds: int = 60
    file_mib: int = 64
    open_files: int = 256
    #: Fail where the kernel lacks Landlock or seccomp, in place of going on without.
    required: bool = False


def runtime_paths() -> tuple[str, ...]:
    """What an interpreter and its libraries read: no configuration, no home, no /proc, no /etc but the loader's."""
    code = Path(__file__).resolve().parents[2]
    system = ["/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/dev/null", "/dev/urandom"]
    return (*dict.fromkeys([*system, sys.prefix, sys.base_prefix, str(code)]),)


def lacking() -> tuple[str, ...]:
    """What this kernel or container does not offer, in words for a log line."""
    missing = []
    if not landlock.version():
        missing.append("Landlock (files outside the checkout are kept away by path checks alone)")
    if not seccomp.supported():
        missing.append("seccomp filters (renders are not cut off from the network by the kernel)")
    return tuple(missing)


def confine(policy: Policy) -> None:
    """Give up network, files, privileges and limitless resources, for this process and its descendants, for good.

    Raises OSError where the policy is `required` and the kernel cannot enforce it.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    os.umask(0o077)
    _limits(policy)
    _drop_capabilities()
    seccomp.no_new_privileges()
    if landlock.version():
        landlock.restrict((*runtime_paths(), *policy.readable), (*policy.writable, "/dev/null"))
    elif policy.required:
        raise OSError("the kernel has no Landlock and settings require the sandbox")
    if seccomp.supported():
        seccomp.restrict()
    elif policy.required:
        raise OSError("the kernel has no seccomp filters and settings require the sandbox")


def _limits(policy: Policy) -> None:
    mib = 1 << 20
    # Private writable memory. Not the address space: Go reserves far more of it than it uses.
    _limit(resource.RLIMIT_DATA, policy.memory_mib * mib)
    allow_cpu(policy.cpu_seconds)
    _limit(resource.RLIMIT_FSIZE, policy.file_mib * mib)
    _limit(resource.RLIMIT_NOFILE, policy.open_files)
    _limit(resource.RLIMIT_CORE, 0)


def allow_cpu(seconds: int) -> None:
    """Give this process so many more seconds of CPU from now on; after them it is killed."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft, hard = int(used.ru_utime + used.ru_stime) + seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _limit(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


def _drop_capabilities() -> None:
    """Root without capabilities is an ordinary user. Each call fails where there is nothing to drop."""
    for capability in range(_LAST_CAPABILITY + 1):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    _libc.capset(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), bytes(24))
