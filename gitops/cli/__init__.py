"""`gitops …`: the command line. A command's module is loaded when it is called, so that `gitops health` starts fast."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

import typer

from gitops import __version__
from gitops.errors import GitOpsError

#: A disk, or a quota, that is full; a device that fails; a reader that has gone.
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EPIPE}


class Command(NamedTuple):
    """Where a command lives: a module, and in it a typer app or a function."""

    module: str
    name: str
    help: str


COMMANDS = {
    "app": Command("gitops.cli.app", "app", "List, get, sync, diff, wait for and roll back Applications."),
    "up": Command("gitops.cli.up", "up", "Run the engine here: beat, workers, Flower, and what they stand on."),
    "demo": Command("gitops.cli.demo", "demo", "Show the main job on a control plane of its own."),
    "render": Command("gitops.cli.render", "render", "Render a local directory as a source, without a cluster."),
    "plan": Command("gitops.cli.plan", "plan", "Print the ordered steps of a first sync of a directory."),
    "health": Command("gitops.cli.health", "health", "Print the health of live objects in files."),
    "probe": Command("gitops.cli.probe", "probe", "Whether the worker or beat of this container makes progress."),
    "web": Command("gitops.cli.web", "web", "Serve webhooks, the read API and the status page."),
}


def usage() -> str:
    """The text of `gitops --help`."""
    rows = "\n".join(f"  {name:<8} {command.help}" for name, command in COMMANDS.items())
    intro = "Usage: gitops COMMAND [ARGS]...\n\nWhat is in Git is what runs.\n\nCommands:"
    return f"{intro}\n{rows}\n\n`gitops COMMAND --help` tells more."


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line: an expected failure is one sentence on stderr and exit code 1, a wrong call 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(usage())
        sys.exit(0 if arguments else 2)
    if arguments[0] == "--version":
        print(__version__)
        return
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        print(f"gitops: there is no command {name!r}; `gitops --help` lists them", file=sys.stderr)
        sys.exit(2)
    try:
        try:
            _load(COMMANDS[name])(args=rest, prog_name=f"gitops {name}")
        finally:
            # What cannot be written is found out here, not when Python has ended.
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        # Python would try once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"gitops: the output cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    except GitOpsError as error:
        print(f"gitops: {error}", file=sys.stderr)
        sys.exit(1)
    except ValueError as error:
        from gitops.cli.environment import problem

        if (said := problem(error)) is None:
            raise
        print(f"gitops: {said}", file=sys.stderr)
        sys.exit(1)


def _load(command: Command) -> typer.Typer:
    found = getattr(importlib.import_module(command.module), command.name)
    if isinstance(found, typer.Typer):
        return found
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command()(found)
    return single
