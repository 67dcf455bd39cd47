"""Everything that the engine keeps in Redis. Nothing in here is truth: emptied, it is rebuilt from the Applications.

One `State` is one connection pool and the small stores on it, each a module of this room:

    queue       at most one waiting message per (task, application), published and marked in one call
    locks       at most one holder per (lane, application), with a fencing token
    due         when each application is looked at next
    apps        what is known of an application: its CR, its desired state, its flags
    artifacts   rendered objects, sealed, by address
    live        resourceVersions of managed objects, as the watcher sees them and as the last comparison noted them
    operations  operations under way, and the ones that are parked
    refs        what a repository's branches and tags pointed at, one look per interval
    inflight    one in-flight limit per cluster for all workers
    notices     which notifications were sent, so that each revision is told once
    workers     which workers are alive, and what each has begun
"""

from gitops.state.seal import Seal
from gitops.state.store import Entry, State

__all__ = ["Entry", "Seal", "State"]
