"""`gitops app …`: Applications from a terminal, through the control cluster's API server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from gitops.cli import show
from gitops.cli.access import Applications, Kubeconfig, Name, Namespace, Output, user
from gitops.cli.waiting import REQUEST, Goal, wait_for
from gitops.cluster import ApiError
from gitops.errors import GitOpsError
from gitops.model.names import REFRESH
from gitops.model.objects import Object

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="List, get, sync, diff, wait for Applications.",
)

#: How often an operation is written again over a status that changed meanwhile.
_ATTEMPTS = 5
Timeout = Annotated[float, typer.Option(help="Seconds to wait; 0: without end.")]


@app.command("list")
def list_(
    kubeconfig: Kubeconfig = None,
    namespace: Namespace = "argocd",
    output: Output = "",
    project: Annotated[str, typer.Option(help="Only Applications of this project.")] = "",
    selector: Annotated[str, typer.Option("--selector", "-l", help="Label selector.")] = "",
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")] = False,
) -> None:
    """List Applications with their sync and health status."""
    found = Applications.at(kubeconfig, namespace).list(project=project, labels=selector, everywhere=everywhere)
    if show.data(found, output):
        return
    headers = ["NAME", "CLUSTER", "NAMESPACE", "PROJECT", "STATUS", "HEALTH", "SYNCPOLICY", "REVISION", "CONDITIONS"]
    if output == "wide":
        headers += ["REPO", "PATH", "TARGET"]
    rows = [show.row(obj) for obj in found]
    show.console.print(show.table(headers, [[r[h] for h in headers] for r in rows]))


@app.command()
def get(
    name: Name,
    kubeconfig: Kubeconfig = None,
    namespace: Namespace = "argocd",
    output: Output = "",
    refresh: Annotated[bool, typer.Option("--refresh", help="Look at Git and the cluster first.")] = False,
    hard_refresh: Annotated[
        bool, typer.Option("--hard-refresh", help="The same, rendering and reading all anew.")
    ] = False,
) -> None:
    """Show one Application: source, status, conditions, objects."""
    applications = Applications.at(kubeconfig, namespace)
    if refresh or hard_refresh:
        _refresh(applications, name, hard=hard_refresh)
    obj = applications.get(name)
    if show.data(obj, output):
        return
    show.summary(obj)
    show.console.print()
    show.operation(obj)
    show.console.print()
    show.console.print(show.resources(obj))


@app.command()
def refresh(
    name: Name,
    kubeconfig: Kubeconfig = None,
    namespace: Namespace = "argocd",
    hard: Annotated[bool, typer.Option(help="Render and read everything anew.")] = False,
) -> None:
    """Look at an Application's repository and objects now."""
    _refresh(Applications.at(kubeconfig, namespace), name, hard=hard)


def _refresh(applications: Applications, name: str, *, hard: bool) -> None:
    applications.patch(name, {"metadata": {"annotations": {REFRESH: "hard" if hard else "normal"}}})
    wait_for(applications, [name], Goal.refreshed, timeout=60)


@app.command()
def sync(
    name: Name,
    kubeconfig: Kubeconfig = None,
    namespace: Namespace = "argocd",
    output: Output = "",
    revision: Annotated[str, typer.Option(help="Another revision than the spec's.")] = "",
    prune: Annotated[bool, typer.Option("--prune", help="Delete what Git no longer names.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Delete and create again what cannot be changed.")] = False,
    resource: Annotated[list[str] | None, typer.Option(help="Only GROUP:KIND:[NAMESPACE/]NAME; repeatable.")] = None,
    option: Annotated[list[str] | None, typer.Option("--sync-option", help="e.g. Replace=true; repeatable.")] = None,
    strategy: Annotated[str, typer.Option(help="hook or apply (without hooks).")] = "hook",
    retry_limit: Annotated[int, typer.Option(help="Attempts after the first.")] = 0,
    asynchronous: Annotated[bool, typer.Option("--async", help="Do not wait for the outcome.")] = False,
    timeout: Timeout = 300,
) -> None:
    """Sync an Application and wait for the outcome. Exit code 1 where it did not succeed."""
    applications = Applications.at(kubeconfig, namespace)
    wanted: dict[str, Any] = {"syncStrategy": {strategy: {"force": force} if force else {}}}
    wanted |= {"revision": revision} if revision else {}
    wanted |= {"prune": True} if prune else {}
    wanted |= {"dryRun": True} if dry_run else {}
    wanted |= {"resources": [_resource(text) for text in resource]} if resource else {}
    wanted |= {"syncOptions": option} if option else {}
    steps = _steps(applications, name, kubeconfig, wanted, needed=bool(output)) if dry_run else []
    operation: dict[str, Any] = {"sync": wanted, "initiatedBy": {"username": user()}}
    operation |= {"retry": {"limit": retry_limit}} if retry_limit else {}
    request = _start(applications, name, operation)
    if asynchronous:
        return
    obj = wait_for(applications, [name], Goal.operated, timeout=timeout, request=request)[0]
    if not show.data(steps if dry_run else obj, output):
        show.operation(obj)
        show.console.print()
        show.console.print(show.resources(obj))
    state = obj["status"]["operationState"]
    if state["phase"] != "Succeeded":
        raise GitOpsError(f"sync of {name} ended as {state['phase']}: {state.get('message', '')}")


def _steps(
    applications: Applications, name: str, kubeconfig: Path | None, wanted: dict[str, Any], *, needed: bool
) -> list[dict[str, Any]]:
    """The ordered steps against what is live, as `gitops plan` has them; shown as a table unless they are `needed`.

    Without Redis the dry run itself goes on, unless they are needed: then raises GitOpsError.
    """
    from gitops.cli.beside import Beside
    from gitops.cli.plan import COLUMNS, line
    from gitops.model.application import SyncOperation

    try:
        steps = Beside.of(applications, name, kubeconfig).steps(SyncOperation.model_validate(wanted))
    except (GitOpsError, OSError) as error:
        if needed:
            raise GitOpsError(f"no steps of {name} can be told: {error}") from None
        show.console.print(f"(no steps: {error})", soft_wrap=True)
        return []
    if not needed:
        show.console.print(show.table(COLUMNS, [line(row) for row in steps]))
        show.console.print()
    return steps


def _start(applications: Applications, name: str, operation: dict[str, Any]) -> str:
    """Write the operation; returns its request's id. Raises GitOpsError where one is in progress."""
    request = uuid4().hex
    operation = {**operation, "info": [{"name": REQUEST, "value": request}]}
    for attempt in range(_ATTEMPTS):
        obj = applications.get(name)
        if obj.get("operation"):
            raise GitOpsError(
                f"another operation of {name} is in progress; `gitops app wait {name} --operation` waits for it"
            )
        version = obj["metadata"]["resourceVersion"]
        try:
            applications.patch(name, {"metadata": {"resourceVersion": version}, "operation": operation})
        except ApiError as error:
            # The engine may have written the status in between; somebody else's operation is seen by the next look.
            if not error.conflict or attempt == _ATTEMPTS - 1:
                raise
        else:
            break
    return request


def _resource(text: str) -> dict[str, str]:
    try:
        group, kind, name = text.split(":", 2)
    except ValueError:
        raise GitOpsError(f"resource {text!r}: write GROUP:KIND:NAME, e.g. apps:Deployment:web") from None
    namespace, _, bare = name.rpartition("/")
    return {"group": group, "kind": kind, "name": bare} | ({"namespace": namespace} if namespace else {})


@app.command()
def wait(
    names: Annotated[list[str], typer.Argument(help="Applications.")],
    kubeconfig: Kubeconfig = None,
    namespace: Namespace = "argocd",
    synced: Annotated[bool, typer.Option("--sync", help="Until Synced.")] = False,
    health: Annotated[bool, typer.Option("--health", help="Until Healthy.")] = False,
    operation: Annotated[bool, typer.Option("--operation", help="Until no operation is under way.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Until they are gone.")] = False,
    timeout: Timeout = 0,
) -> None:
    """Wait until Applications are Synced and Healthy with no operation under way, or what is asked for."""
    applications = Applications.at(kubeconfig, namespace)
    if delete:
        wait_for(applications, names, Goal.deleted, timeout=timeout)
        return
    every = not (synced or health or operation)
    goal = (Goal.synced if synced or every else Goal(0)) | (Goal.healthy if health or every else Goal(0))
    goal |= Goal.idle if operation or every else Goal(0)
    found = wait_for(applications, names, goal, timeout=timeout)
    rows = [show.row(obj) for obj in found]
    show.console.print(show.table(("NAME", "STATUS", "HEALTH"), [(r["NAME"], r["STATUS"], r["HEALTH"]) for r in rows]))


@app.command()
def history(name: Name, kubeconfig: Kubeconfig = None, namespace: Namespace = "argocd", output: Output = "") -> None:
    """The revisions that were deployed, the latest last."""
    entries = (Applications.at(kubeconfig, namespace).get(name).get("status") or {}).get("history") or []
    if not show.data(entries, output):
        rows = [
            (str(e["id"]), e["deployedAt"], ",".join(e.get("revisions") or [e.get("revision", "")])) for e in entries
        ]
        show.console.print(show.table(("ID", "DATE", "REVISION"), rows))


@app.command()
def rollback(
    name: Name,
    entry: Annotated[int | None, typer.Argument(help="History id; default: the one before the last.")] = None,
    kubeconfig: Kubeconfig = None,
    namespace: Namespace = "argocd",
    prune: Annotated[bool, typer.Option("--prune", help="Delete what that revision does not have.")] = False,
    timeout: Timeout = 300,
) -> None:
    """Deploy an earlier revision again."""
    applications = Applications.at(kubeconfig, namespace)
    obj = applications.get(name)
    request = _start(applications, name, {"sync": _rollback(obj, entry, prune), "initiatedBy": {"username": user()}})
    done = wait_for(applications, [name], Goal.operated, timeout=timeout, request=request)[0]
    show.operation(done)
    if done["status"]["operationState"]["phase"] != "Succeeded":
        raise GitOpsError(f"rollback of {name} failed: {done['status']['operationState'].get('message', '')}")


def _rollback(obj: Object, entry: int | None, prune: bool) -> dict[str, Any]:
    from gitops.sync import rollback

    wanted: dict[str, Any] = rollback(obj, entry, prune=prune)
    return wanted


@app.command("terminate-op")
def terminate(name: Name, kubeconfig: Kubeconfig = None, namespace: Namespace = "argocd") -> None:
    """End the operation that is under way."""
    applications = Applications.at(kubeconfig, namespace)
    state = (applications.get(name).get("status") or {}).get("operationState") or {}
    if state.get("phase") != "Running":
        raise GitOpsError(f"no operation of {name} is under way")
    applications.patch(name, {"status": {"operationState": {"phase": "Terminating"}}})


@app.command()
def delete(
    name: Name,
    kubeconfig: Kubeconfig = None,
    namespace: Namespace = "argocd",
    cascade: Annotated[bool, typer.Option(help="Delete its objects too.")] = True,
) -> None:
    """Delete an Application, with its objects unless --no-cascade."""
    from gitops.model.names import FINALIZER_FOREGROUND

    applications = Applications.at(kubeconfig, namespace)
    finalizers = [
        f for f in applications.get(name)["metadata"].get("finalizers") or [] if "resources-finalizer" not in f
    ]
    applications.patch(
        name, {"metadata": {"finalizers": [*finalizers, FINALIZER_FOREGROUND] if cascade else finalizers}}
    )
    applications.client.delete(applications.key(name))


@app.command()
def diff(
    name: Name,
    kubeconfig: Kubeconfig = None,
    namespace: Namespace = "argocd",
    exit_code: Annotated[bool, typer.Option(help="Exit with 1 where something differs.")] = True,
) -> None:
    """Show what a sync would change, Secret values masked. Reads the rendered objects from Redis (GITOPS_REDIS_URL)."""
    from gitops.cli.beside import Beside

    texts = Beside.of(Applications.at(kubeconfig, namespace), name, kubeconfig).differences()
    for text in texts:
        print(text, end="" if text.endswith("\n") else "\n")
    if texts and exit_code:
        raise typer.Exit(1)
