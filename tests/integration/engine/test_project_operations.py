"""When a project lets its Applications sync, whose commits they take, and in whose name they write."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from appsets import IN_CLUSTER
from projects import ends, mark, project, written

from gitops.model.objects import Manifest, Object, ObjectKey
from testbed.audit import AuditLog
from testbed.gitrepo import GitRepo, git
from testbed.world import World, eventually

MANUAL = {"syncOptions": ["CreateNamespace=true"]}


# --- sync windows ---


def deny(begins: datetime, duration: str, zone: str = "Pacific/Kiritimati", **more: object) -> Object:
    """A window that shuts, from this moment on, as a clock in another time zone has it (14 hours ahead of UTC)."""
    there = begins.astimezone(ZoneInfo(zone))
    return {
        "kind": "deny",
        "schedule": f"{there.minute} {there.hour} {there.day} {there.month} *",
        "duration": duration,
        "timeZone": zone,
        "applications": ["*"],
        **more,
    }


def whole_minute(ago: timedelta) -> datetime:
    return (datetime.now(UTC) - ago).replace(second=0, microsecond=0)


def test_a_window_blocks_policy_and_people_until_it_is_taken_away(world: World, small: dict[str, str]) -> None:
    project(world, "shut", syncWindows=[deny(whole_minute(timedelta(minutes=5)), "2h", description="month's end")])
    since = mark(world)
    world.application("shut-out", world.repo(small).http_url, project="shut")
    world.becomes("shut-out", sync="OutOfSync", health="Missing")
    world.engine.gitops("app", "sync", "shut-out", check=False)
    state = ends(world, "shut-out")
    assert state["phase"] == "Error"
    assert 'cannot sync: blocked by sync window: blocked by the active deny window "' in state["message"]
    assert "(Pacific/Kiritimati): month's end" in state["message"]
    assert written(world, since, "shut-out") == []
    world.client.merge_patch(ObjectKey("argoproj.io", "AppProject", "argocd", "shut"), {"spec": {"syncWindows": []}})
    world.becomes("shut-out")


def test_the_same_hour_of_another_time_zone_blocks_nothing(world: World, small: dict[str, str]) -> None:
    there = deny(whole_minute(timedelta(minutes=5)), "2h")
    project(world, "elsewhen", syncWindows=[{**there, "timeZone": "UTC"}])
    world.application("elsewhen", world.repo(small).http_url, project="elsewhen")
    world.becomes("elsewhen")


def test_a_window_may_let_people_through(world: World, small: dict[str, str]) -> None:
    held = deny(whole_minute(timedelta(minutes=5)), "2h", manualSync=True)
    project(world, "by-hand", syncWindows=[held])
    world.application("by-hand", world.repo(small).http_url, project="by-hand")
    world.becomes("by-hand", sync="OutOfSync", health="Missing")
    world.engine.gitops("app", "sync", "by-hand")
    world.becomes("by-hand")


def test_what_a_window_held_up_goes_on_when_it_closes(world: World, small: dict[str, str]) -> None:
    begins = whole_minute(timedelta(minutes=5))
    lasts = int((datetime.now(UTC) - begins).total_seconds()) + 10
    project(world, "soon-over", syncWindows=[deny(begins, f"{lasts}s")])
    world.application("soon-over", world.repo(small).http_url, project="soon-over")
    world.becomes("soon-over", sync="OutOfSync", health="Missing")
    assert world.live("ConfigMap", "soon-over", "settings") is None
    # Nothing changes and the poll is minutes away: what sends for it is the window's end.
    world.becomes("soon-over", timeout=40)


# --- signatures ---


@pytest.fixture
def signer(world: World, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """(key id, public key) of a key that the control namespace knows."""
    private = tmp_path / "signer"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "signer", "-f", private], check=True)
    public = private.with_suffix(".pub")
    said = subprocess.run(["ssh-keygen", "-l", "-f", public], check=True, capture_output=True, text=True).stdout
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-gpg-keys-cm", "namespace": "argocd"},
        "data": {"signer": public.read_text()},
    }
    world.client.apply(Manifest.of(body))
    yield said.split()[1], public
    world.client.delete(ObjectKey("", "ConfigMap", "argocd", "argocd-gpg-keys-cm"))


def commit(repo: GitRepo, files: dict[str, str], public: Path | None = None) -> str:
    """Push a commit, signed where a key is given."""
    repo.write(files)
    git("add", "--all", cwd=repo.work)
    signed = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={public}"] if public else []
    git(*signed, "commit", "-q", *(["-S"] if public else []), "-m", "change", cwd=repo.work)
    repo.push()
    return repo.head


def test_commits_have_to_be_signed(world: World, small: dict[str, str], signer: tuple[str, Path]) -> None:
    key_id, public = signer
    repo = world.repo(small)
    project(world, "signed", signatureKeys=[{"keyID": key_id}])
    since = mark(world)
    world.application("signed", repo.http_url, project="signed")
    assert "is not signed, and its project demands a signature" in world.condition("signed", "ComparisonError")
    assert written(world, since, "signed") == []
    sha = commit(repo, {"README": "signed"}, public)
    world.engine.gitops("app", "refresh", "signed")
    assert world.becomes("signed")["status"]["sync"]["revision"] == sha
    # The path stays as it is, so that nothing has to be rendered: the commit is refused all the same.
    commit(repo, {"README": "unsigned"})
    world.engine.gitops("app", "refresh", "signed")
    assert "is not signed" in world.condition("signed", "ComparisonError")


def test_signatures_that_are_demanded_later(world: World, small: dict[str, str], signer: tuple[str, Path]) -> None:
    key_id, _public = signer
    project(world, "signed-later")
    world.application("signed-later", world.repo(small).http_url, project="signed-later")
    world.becomes("signed-later")
    project(world, "signed-later", signatureKeys=[{"keyID": key_id}])
    assert "is not signed" in world.condition("signed-later", "ComparisonError")


# --- impersonation ---

ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer}
rules:
- {apiGroups: ["", apps], resources: [configmaps, deployments], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}
subjects: [{kind: ServiceAccount, name: deployer}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer}
"""


def test_writes_are_made_in_the_name_of_the_projects_service_account(world: World, small: dict[str, str]) -> None:
    for obj in ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "deputies"}}, *yaml.safe_load_all(ROLE)):
        if obj["kind"] != "Namespace":
            obj["metadata"]["namespace"] = "deputies"
        for subject in obj.get("subjects") or ():
            subject["namespace"] = "deputies"
        world.client.apply(Manifest.of(obj))
    accounts = [{"server": IN_CLUSTER, "namespace": "deputies", "defaultServiceAccount": "deployer"}]
    project(world, "deputies", destinationServiceAccounts=accounts)
    since = mark(world)
    repo = world.repo(small)
    world.application("deputies", repo.http_url, project="deputies", syncPolicy={"automated": {}})
    world.becomes("deputies")
    writers = {
        (event.get("impersonatedUser") or event["user"])["username"]
        for event in AuditLog(world.cluster.audit_log).events(since)
        if (event.get("objectRef") or {}).get("namespace") == "deputies"
        and event["userAgent"].startswith("gitops")
        and event["objectRef"]["resource"] in {"configmaps", "deployments"}
        and event["verb"] in {"create", "patch", "update"}
    }
    assert writers == {"system:serviceaccount:deputies:deployer"}

    # What the account may not do is not done with the engine's own rights.
    repo.publish({"app/secret.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: beyond}\n"}, "beyond")
    asked = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
    world.client.merge_patch(ObjectKey("argoproj.io", "Application", "argocd", "deputies"), asked)
    said = world.condition("deputies", "SyncError")
    assert "system:serviceaccount:deputies:deployer" in said
    assert world.live("Secret", "deputies", "beyond") is None


def test_without_an_account_for_the_destination_nothing_is_written(world: World, small: dict[str, str]) -> None:
    accounts = [{"server": IN_CLUSTER, "namespace": "other", "defaultServiceAccount": "deployer"}]
    project(world, "no-deputy", destinationServiceAccounts=accounts)
    since = mark(world)
    world.application("no-deputy", world.repo(small).http_url, project="no-deputy")
    said = eventually(lambda: sentence(world, "no-deputy"), "the denial", context=world.logs)
    assert "project no-deputy has no destinationServiceAccounts entry for" in said
    assert written(world, since, "no-deputy") == []


def sentence(world: World, name: str) -> str:
    """What the conditions and the operation say."""
    status = world.app(name).get("status") or {}
    said = [c["message"] for c in status.get("conditions") or ()]
    return " ".join([*said, (status.get("operationState") or {}).get("message") or ""]).strip()
