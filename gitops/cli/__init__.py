"""`gitops …`: the command line. A command's module is loaded when it is called, so that `gitops health` starts fast."""

from __future__ import annotations

import importlib
import sys

import click
import typer
from typer.core import TyperGroup

from gitops.errors import GitOpsError

#: Command -> (module, what it exports: a typer app or a function), help.
_COMMANDS = {
    "app": ("gitops.cli.app", "app", "List, get, sync, diff, wait for and roll back Applications."),
    "up": ("gitops.cli.up", "up", "Run the engine here: beat, workers, Flower, and what they stand on."),
    "demo": ("gitops.cli.demo", "demo", "Show the main job on a control plane of its own."),
    "render": ("gitops.cli.render", "render", "Render a local directory as a source, without a cluster."),
    "plan": ("gitops.cli.plan", "plan", "Print the ordered steps of a first sync of a directory."),
    "health": ("gitops.cli.health", "health", "Print the health of live objects in files."),
    "probe": ("gitops.cli.probe", "probe", "Whether the worker or beat of this container makes progress."),
    "web": ("gitops.cli.web", "web", "Serve webhooks, the read API and the status page."),
}


class _Lazy(TyperGroup):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name, text = _COMMANDS[cmd_name]
        found = getattr(importlib.import_module(module), name)
        if not isinstance(found, typer.Typer):
            one = typer.Typer(add_completion=False)
            one.command(cmd_name)(found)
            found = one
        command = typer.main.get_command(found)
        command.name = cmd_name
        command.help = command.help or text
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


cli = typer.Typer(
    cls=_Lazy, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)


@cli.callback()
def _root() -> None:
    """What is in Git is what runs."""


def main() -> None:
    """Run the command line. An expected failure is one sentence on stderr and exit code 1."""
    try:
        cli()
    except GitOpsError as error:
        print(f"gitops: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
