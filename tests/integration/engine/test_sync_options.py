"""Sync options that need the whole engine: what was compared before, what a person confirms, what others own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gitops.model.objects import Manifest, ObjectKey
from testbed.world import World, eventually

OPTIONS = "argocd.argoproj.io/sync-options"
GIZMOS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gizmos.things.example"},
    "spec": {
        "group": "things.example",
        "scope": "Namespaced",
        "names": {"plural": "gizmos", "singular": "gizmo", "kind": "Gizmo", "listKind": "GizmoList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {}}}}
                },
            }
        ],
    },
}
GIZMO = "apiVersion: things.example/v1\nkind: Gizmo\nmetadata: {name: g}\nspec: {}\n"


def config_map(name: str, options: str = "", **data: str) -> str:
    marks = f', annotations: {{{OPTIONS}: "{options}"}}' if options else ""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}{marks}}}\ndata: {data or {'a': '1'}}\n"


def policy(*options: str, **automated: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"syncOptions": ["CreateNamespace=true", *options]}
    return made | ({"automated": automated} if automated else {})


def message(world: World, name: str) -> str:
    return str(((world.app(name).get("status") or {}).get("operationState") or {}).get("message"))


def test_prune_confirm_waits_for_a_persons_word(world: World) -> None:
    repo = world.repo({"app/a.yaml": config_map("a"), "app/b.yaml": config_map("b", "Prune=confirm")})
    world.application("confirms", repo.http_url)
    world.becomes("confirms")
    repo.delete("app/b.yaml")
    repo.commit("without b")
    repo.push()
    world.engine.gitops("app", "refresh", "confirms")
    eventually(
        lambda: message(world, "confirms") == "waiting for pruning confirmation of /ConfigMap/b",
        "the wait for a confirmation",
        context=lambda: message(world, "confirms") + world.logs(),
    )
    assert world.live("ConfigMap", "confirms", "b")
    approved = {"argocd.argoproj.io/deletion-approved": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    key = ObjectKey("argoproj.io", "Application", "argocd", "confirms")
    world.client.merge_patch(key, {"metadata": {"annotations": approved}})
    # By the watch: the clock would come after two minutes.
    eventually(lambda: world.live("ConfigMap", "confirms", "b") is None, "the pruned object", 30, world.logs)
    world.becomes("confirms")


def test_a_shared_resource_is_a_warning_that_stays_and_with_the_option_a_failure(world: World) -> None:
    repo = world.repo({"app/a.yaml": config_map("shared")})
    destination = {"server": "https://kubernetes.default.svc", "namespace": "sharing"}
    world.application("owner", repo.http_url, destination=destination)
    world.becomes("owner")
    world.application("guest", repo.http_url, destination=destination, syncPolicy=policy("FailOnSharedResource=true"))
    text = "ConfigMap/shared is part of applications guest and owner"
    assert world.condition("guest", "SharedResourceWarning") == text
    # Nothing changed since, so nothing is read again: it is known all the same.
    repo.write({"elsewhere.yaml": "a: 1\n"})
    repo.commit("elsewhere")
    repo.push()
    world.engine.gitops("app", "refresh", "guest")
    assert world.condition("guest", "SharedResourceWarning") == text

    said = world.engine.gitops("app", "sync", "guest", check=False)
    assert message(world, "guest") == f"Shared resource found: {text}", said
    live = world.live("ConfigMap", "sharing", "shared") or {}
    assert live["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"].startswith("owner:")


def test_respected_differences_are_applied_as_live_has_them(world: World, small: dict[str, str]) -> None:
    ignored = [{"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}]
    repo = world.repo(small)
    world.application(
        "respects",
        repo.http_url,
        ignoreDifferences=ignored,
        syncPolicy=policy("RespectIgnoreDifferences=true", selfHeal=True, prune=True),
    )
    world.becomes("respects")
    web = ObjectKey("apps", "Deployment", "respects", "web")
    world.client.merge_patch(web, {"spec": {"replicas": 5}}, field_manager="an-autoscaler")
    repo.write({"app/deployment.yaml": small["app/deployment.yaml"].replace("web:1", "web:2")})
    repo.commit("second")
    repo.push()
    world.engine.gitops("app", "refresh", "respects")

    def image() -> str:
        return str((world.client.get(web) or {})["spec"]["template"]["spec"]["containers"][0]["image"])

    eventually(lambda: image() == "registry.example/web:2", "the new image", context=world.logs)
    world.becomes("respects")
    assert (world.client.get(web) or {})["spec"]["replicas"] == 5


def test_other_metadata_of_the_managed_namespace_is_synced(world: World) -> None:
    repo = world.repo({"app/a.yaml": config_map("a")})
    made = policy(prune=True)

    def team(name: str) -> dict[str, Any]:
        return {"managedNamespaceMetadata": {"labels": {"team": name}}}

    world.application(
        "labelled", repo.http_url, syncPolicy=made | {"managedNamespaceMetadata": {"labels": {"team": "a"}}}
    )
    world.becomes("labelled")
    assert (world.live("Namespace", "", "labelled") or {})["metadata"]["labels"]["team"] == "a"
    world.application(
        "labelled", repo.http_url, syncPolicy=made | {"managedNamespaceMetadata": {"labels": {"team": "b"}}}
    )
    eventually(
        lambda: (world.live("Namespace", "", "labelled") or {})["metadata"]["labels"]["team"] == "b",
        "the namespace's label",
        context=world.logs,
    )
    world.becomes("labelled")


def test_a_key_that_leaves_a_secrets_string_data_leaves_the_secret(world: World) -> None:
    def secret(*keys: str) -> str:
        values = ", ".join(f"{key}: {key}-value" for key in keys)
        return f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{{values}}}\n"

    repo = world.repo({"app/s.yaml": secret("old", "kept")})
    world.application("secretive", repo.http_url)
    world.becomes("secretive")
    repo.write({"app/s.yaml": secret("kept")})
    repo.commit("without old")
    repo.push()
    world.engine.gitops("app", "refresh", "secretive")
    eventually(
        lambda: set((world.live("Secret", "secretive", "s") or {})["data"]) == {"kept"}, "the key's end", 30, world.logs
    )
    world.becomes("secretive")


def test_what_was_exported_from_a_cluster_is_applied_without_what_only_a_server_writes(world: World) -> None:
    exported = (
        "apiVersion: v1\nkind: ConfigMap\ndata: {a: '1'}\n"
        "metadata: {name: a, resourceVersion: '7', uid: 0a, generation: 3, creationTimestamp: '2020-01-01T00:00:00Z'}\n"
    )
    world.application("exported", world.repo({"app/a.yaml": exported}).http_url)
    world.becomes("exported")


def test_an_unknown_kind_that_has_no_status_is_healthy(world: World) -> None:
    world.client.apply(Manifest.of(GIZMOS))
    world.application("gizmos", world.repo({"app/g.yaml": GIZMO}).http_url)
    app = world.becomes("gizmos")
    assert [(r["kind"], r["status"]) for r in app["status"]["resources"]] == [("Gizmo", "Synced")]


def test_a_crd_with_its_objects_in_one_sync_waits_no_longer_than_it_takes(world: World) -> None:
    crd = str(Manifest.of(GIZMOS).body.decode()).replace("gizmo", "widget").replace("Gizmo", "Widget")
    waves = 'metadata: {name: g, annotations: {argocd.argoproj.io/sync-wave: "1"}}'
    widget = GIZMO.replace("Gizmo", "Widget").replace("metadata: {name: g}", waves)
    world.application("widgets", world.repo({"app/crd.json": crd, "app/w.yaml": widget}).http_url)
    # CRDs are not watched by label; the clock's backstop would be two minutes.
    world.becomes("widgets")


def test_an_extraneous_object_that_is_to_be_ignored_does_not_count(world: World) -> None:
    marked = config_map("extra").replace(
        "name: extra", 'name: extra, annotations: {argocd.argoproj.io/compare-options: "IgnoreExtraneous"}'
    )
    repo = world.repo({"app/a.yaml": config_map("a"), "app/extra.yaml": marked})
    world.application("extraneous", repo.http_url, syncPolicy=policy(selfHeal=True))
    world.becomes("extraneous")
    repo.delete("app/extra.yaml")
    sha = repo.commit("without extra")
    repo.push()
    world.engine.gitops("app", "refresh", "extraneous")
    eventually(lambda: world.app("extraneous")["status"]["sync"]["revision"] == sha, "the new revision")
    world.becomes("extraneous")
    # A second comparison reads nothing again and finds the same.
    repo.write({"app/a.yaml": config_map("a", a="2")})
    sha = repo.commit("another a")
    repo.push()
    world.engine.gitops("app", "refresh", "extraneous")
    eventually(lambda: world.app("extraneous")["status"]["sync"]["revision"] == sha, "the newer revision")
    app = world.becomes("extraneous")
    assert {r["name"]: r["status"] for r in app["status"]["resources"]} == {"a": "Synced", "extra": "OutOfSync"}


def test_server_side_diff_asks_the_server_about_each_object(world: World) -> None:
    from testbed.audit import AuditLog

    repo = world.repo({"app/a.yaml": config_map("a")})
    world.application("asks-server", repo.http_url)
    world.becomes("asks-server")
    key = ObjectKey("argoproj.io", "Application", "argocd", "asks-server")

    def dry_runs(since: int) -> list[str]:
        return [
            event["requestURI"]
            for event in AuditLog(world.cluster.audit_log).events(since)
            if "/namespaces/asks-server/configmaps/a" in event["requestURI"] and "dryRun" in event["requestURI"]
        ]

    mark = AuditLog(world.cluster.audit_log).mark()
    world.engine.gitops("app", "get", "asks-server", "--hard-refresh")
    assert dry_runs(mark) == [], "what is plain to see is not asked"
    wish = {"argocd.argoproj.io/compare-options": "ServerSideDiff=true,IncludeMutationWebhook=true"}
    world.client.merge_patch(key, {"metadata": {"annotations": wish}})
    world.engine.gitops("app", "get", "asks-server", "--hard-refresh")
    eventually(lambda: dry_runs(mark), "a dry run", context=world.logs)
    world.becomes("asks-server")
