"""`gitops up`: the engine on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from gitops.cli.local import Local, local, told
from gitops.cli.show import console

#: What the options name. A cluster or a Redis is never taken from the environment: it would not have been meant.
_OPTIONS = frozenset({"GITOPS_KUBECONFIG", "GITOPS_REDIS_URL", "GITOPS_NAMESPACE", "GITOPS_DATA_DIR"})


def up(
    kubeconfig: Annotated[
        Path | None, typer.Option(help="A real cluster; default: a control plane of its own.")
    ] = None,
    redis: Annotated[str, typer.Option(help="URL of a real Redis; default: one of its own.")] = "",
    workers: Annotated[int, typer.Option(help="Worker processes of the pool.")] = 2,
    namespace: Annotated[str, typer.Option(help="The control namespace.")] = "argocd",
) -> None:
    """Run beat, workers and Flower here, over a control plane and a Redis of their own unless real ones are named.

    The cluster of the current kubeconfig is never touched: name it with --kubeconfig if it is meant. Every other
    setting is an environment variable with the prefix GITOPS_, as for the engine itself.
    """
    env = settings(os.environ)
    with (
        told(),
        local(
            console.print, kubeconfig=kubeconfig, redis_url=redis, workers=workers, namespace=namespace, env=env
        ) as here,
    ):
        directions(here)
        wait_for_interrupt()


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The GITOPS_ settings of this terminal, but for those that the options say."""
    return {name: value for name, value in environment.items() if name.startswith("GITOPS_") and name not in _OPTIONS}


def directions(here: Local) -> None:
    """Print how to go on."""
    env = here.engine.env
    console.print("\n[bold]It runs.[/bold] In another terminal:")
    if shutil.which("gitops") is None:
        console.print(f"  export PATH={Path(sys.executable).parent}:$PATH", soft_wrap=True)
    for name in ("GITOPS_KUBECONFIG", "GITOPS_REDIS_URL", "GITOPS_SEAL_KEY", "GITOPS_DATA_DIR"):
        console.print(f"  export {name}={env[name]}", soft_wrap=True)
    console.print(f"  export KUBECONFIG={here.kubeconfig}", soft_wrap=True)
    console.print("  gitops app list")
    console.print("  gitops app sync guestbook")
    console.print("  celery -A workers call gitops.sync --args='[\"guestbook\"]'", soft_wrap=True)
    console.print(f"Flower: {here.engine.flower_url} (admin / {here.engine.flower_password})", soft_wrap=True)
    console.print("Ctrl-C ends it all.")


def wait_for_interrupt() -> None:
    """Return at Ctrl-C or SIGTERM."""
    waited_for = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)
    signal.sigwait(waited_for)
    console.print("\nEnding.")
