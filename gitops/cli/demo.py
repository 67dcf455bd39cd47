"""`gitops demo`: the main job, told on a control plane, a Redis and a Git server of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live
from rich.table import Table

from gitops.cli.local import Local, load, local, told
from gitops.cli.show import console, row, table
from gitops.cli.up import directions, wait_for_interrupt
from gitops.errors import GitOpsError
from gitops.model.names import REFRESH
from gitops.model.objects import GVK, Manifest, Object, ObjectKey

if TYPE_CHECKING:
    from testbed.gitrepo import GitRepo

SAMPLES = Path(__file__).parents[2] / "examples"
APPLICATION = GVK("argoproj.io", "v1alpha1", "Application")
GUESTBOOK = ObjectKey("apps", "Deployment", "guestbook", "guestbook")
SETTINGS = ObjectKey("", "ConfigMap", "guestbook", "guestbook")


def demo(
    once: Annotated[bool, typer.Option("--once", help="End by itself; 0 only if all of it held.")] = False,
) -> None:
    """Sync sample Applications from Git, heal a deleted Deployment, bring a commit into the cluster."""
    from testbed.gitserver import GitServer

    with (
        told(),
        GitServer(ssh=False) as server,
        local(console.print, env={"GITOPS_REPO_PROTOCOLS": "https,ssh,http"}) as here,
    ):
        repo = server.create("team/samples")
        repo.from_directory(SAMPLES)
        repo.commit("samples")
        repo.push()
        story(here, repo)
        directions(here)
        if not once:
            wait_for_interrupt()


def story(here: Local, repo: GitRepo) -> None:
    """Tell it. Raises GitOpsError at the first thing that does not hold."""
    for path in sorted((SAMPLES / "apps").glob("*.yaml")):
        for doc in load(path, repoURL=repo.http_url):
            here.client.apply(Manifest.of(doc))
    seconds = until(lambda: all(map(settled, applications(here))), "every Application Synced and Healthy", watch(here))
    console.print(f"[green]✓[/green] every Application Synced and Healthy after {seconds:.1f} s\n")

    console.print("Deleting Deployment guestbook by hand ...")
    uid = here.client.get(GUESTBOOK)["metadata"]["uid"]  # type: ignore[index]
    begun = time.monotonic()
    here.client.delete(GUESTBOOK, propagation="Background")
    until(lambda: _uid(here.client.get(GUESTBOOK)) not in {"", uid}, "the Deployment's return")
    console.print(
        f"[green]✓[/green] it is back after {(time.monotonic() - begun) * 1000:.0f} ms (self-heal, by watch)\n"
    )

    console.print("Pushing a commit that changes the greeting ...")
    text = (SAMPLES / "guestbook" / "guestbook.yaml").read_text().replace("Hello", "Hello again")
    begun = time.monotonic()
    sha = repo.publish({"guestbook/guestbook.yaml": text}, "greet again")
    # What a push webhook does: ask for a look now. Without one the next poll finds the commit.
    ask_for_a_look(here, "guestbook")
    until(lambda: _greeting(here.client.get(SETTINGS)) == "Hello again", "the commit's arrival")
    console.print(f"[green]✓[/green] {sha[:7]} is in the cluster after {(time.monotonic() - begun) * 1000:.0f} ms\n")
    until(lambda: all(settled(a) and at(a, sha) for a in applications(here)), "every Application at the new commit")
    console.print(overview(applications(here)))


def applications(here: Local) -> list[Object]:
    """The Applications, by name."""
    return sorted(here.client.list(APPLICATION, namespace=here.namespace), key=lambda obj: str(obj["metadata"]["name"]))


def settled(app: Object) -> bool:
    """Synced and Healthy, with no operation under way."""
    shown, state = row(app), (app.get("status") or {}).get("operationState") or {}
    return shown["STATUS"] == "Synced" and shown["HEALTH"] == "Healthy" and state.get("phase") != "Running"


def at(app: Object, sha: str) -> bool:
    """Whether the Application was compared with this commit."""
    return bool(app["status"]["sync"].get("revision") == sha)


def overview(apps: list[Object]) -> Table:
    """The live table."""
    headers = ("NAME", "STATUS", "HEALTH", "REVISION", "PATH", "CONDITIONS")
    return table(headers, [[row(app)[h] for h in headers] for app in apps])


def watch(here: Local) -> Callable[[Live], None]:
    """Redraws the table."""
    return lambda live: live.update(overview(applications(here)))


def ask_for_a_look(here: Local, name: str) -> None:
    """The refresh annotation."""
    key = ObjectKey("argoproj.io", "Application", here.namespace, name)
    here.client.merge_patch(key, {"metadata": {"annotations": {REFRESH: "normal"}}})


def until(
    condition: Callable[[], bool], what: str, redraw: Callable[[Live], None] | None = None, timeout: float = 120.0
) -> float:
    """Wait for the condition; returns the seconds that it took. Raises GitOpsError naming `what` when time is up."""
    begun = time.monotonic()
    with Live(console=console, auto_refresh=redraw is not None, vertical_overflow="visible") as live:
        while not condition():
            if time.monotonic() - begun > timeout:
                raise GitOpsError(f"{what} did not come about within {timeout:.0f} seconds")
            if redraw:
                redraw(live)
            time.sleep(0.2 if redraw else 0.005)
        if redraw:
            redraw(live)
    console.print()
    return time.monotonic() - begun


def _uid(obj: Object | None) -> str:
    return str(obj["metadata"]["uid"]) if obj else ""


def _greeting(obj: Object | None) -> str:
    return str((obj.get("data") or {}).get("greeting")) if obj else ""
