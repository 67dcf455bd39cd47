"""The hard bound behind the soft one: a process that passes its limit during a task fails that task, not its worker."""

from __future__ import annotations

import resource
import threading

from gitops.settings import settings

#: Threads of ours call an API server and little else; the default of 8 MiB each would count against the bound.
STACK_BYTES = 1 << 20


def bound() -> None:
    """Bound this process, and what it starts, to `child_hard_limit_mib` of private writable memory.

    Beyond it an allocation fails with MemoryError, which the task turns into its application's failure. What is left
    after the task is the soft limit's to judge: the process is replaced (worker_max_memory_per_child).
    """
    threading.stack_size(STACK_BYTES)
    limit, hard = settings().child_hard_limit_mib << 20, resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
