"""The sentences of an operation under way, as Argo CD has them (specs section 5)."""

from __future__ import annotations

from collections.abc import Sequence

from gitops.sync.task import Task

HEALTH = "healthy state"
COMPLETION = "completion"
DELETION = "deletion"
CONFIRMATION = "pruning confirmation"


def waiting(tasks: Sequence[Task], what: str = "") -> str:
    """`waiting for <what> of [hook ]group/kind/name[ and N more hooks|resources]`.

    `what` empty: the completion of hooks where there is one, else the healthy state of resources.
    """
    if not tasks:
        return ""
    hooks = [task for task in tasks if task.hook]
    first = hooks[0] if hooks else tasks[0]
    what = what or (COMPLETION if hooks else HEALTH)
    message = f"waiting for {what} of {'hook ' if hooks else ''}{first.label}"
    return message if len(tasks) == 1 else f"{message} and {len(tasks) - 1} more {'hooks' if hooks else 'resources'}"


def because(message: str, reasons: Sequence[str]) -> str:
    """`<message>, reason: <reasons>`, or the message alone."""
    found = [reason for reason in reasons if reason]
    return f"{message}, reason: {','.join(found)}" if found else message


def applied(task: Task) -> str:
    """What kubectl says of an apply."""
    group = f".{task.key.group}" if task.key.group else ""
    done = "unchanged" if task.unchanged else "replaced" if task.replace else "serverside-applied"
    return f"{task.key.kind.lower()}{group}/{task.key.name} {done}"
