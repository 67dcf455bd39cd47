"""What a sync asks of the API server: what is as our own apply left it is not written again, unless a person syncs."""

from __future__ import annotations

from collections.abc import Callable

from gitops.model.objects import ObjectKey
from testbed.audit import AuditLog
from testbed.world import World, eventually

NAME = "unchanged"


def config_map(name: str, colour: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{colour: {colour}}}\n"


def test_a_commit_writes_what_it_changes(world: World) -> None:
    repo = world.repo({f"app/{name}.yaml": config_map(name, "blue") for name in "abc"})
    world.application(NAME, repo.http_url)
    world.becomes(NAME)
    audit = AuditLog(world.cluster.audit_log)

    def written(since: int) -> list[str]:
        """ConfigMaps that the engine applied, and its requests about their namespace."""
        found = []
        for event in audit.events(since):
            ref = event.get("objectRef", {})
            if ref.get("namespace") == NAME and ref.get("resource") == "configmaps" and event["verb"] == "patch":
                found.append(ref["name"])
            elif ref.get("resource") == "namespaces" and ref.get("name") == NAME:
                found.append(f"{event['verb']} namespace")
        return sorted(found)

    def after(change: Callable[[], object], done: Callable[[], object]) -> list[str]:
        mark = audit.mark()
        change()
        eventually(done, "what was asked for", context=world.logs)
        world.becomes(NAME)
        return written(mark)

    def colour(name: str) -> str:
        return str(((world.live("ConfigMap", NAME, name) or {}).get("data") or {}).get("colour"))

    def operations() -> int:
        return len((world.app(NAME).get("status") or {}).get("history") or [])

    def commit(name: str, text: str) -> None:
        repo.publish({f"app/{name}.yaml": config_map(name, text)}, f"{name} is {text}")
        world.engine.gitops("app", "refresh", NAME)

    assert after(lambda: commit("b", "red"), lambda: operations() == 2 and colour("b") == "red") == ["b"]
    result = world.app(NAME)["status"]["operationState"]["syncResult"]["resources"]
    assert {row["name"]: (row["status"], row["message"]) for row in result} == {
        "a": ("Synced", "configmap/a unchanged"),
        "b": ("Synced", "configmap/b serverside-applied"),
        "c": ("Synced", "configmap/c unchanged"),
    }

    # What somebody has touched is no longer as we left it.
    def edit() -> None:
        key = ObjectKey("", "ConfigMap", NAME, "a")
        world.client.merge_patch(key, {"data": {"colour": "green"}}, field_manager="someone")
        assert colour("a") == "green"

    assert after(edit, lambda: colour("a") == "blue") == ["a", "a"], "the edit, and its heal"

    # A person who syncs has all of it written.
    def by_hand() -> bool:
        operation = world.app(NAME)["status"]["operationState"]["operation"]
        return "username" in (operation.get("initiatedBy") or {})

    assert after(lambda: world.engine.gitops("app", "sync", NAME), by_hand) == ["a", "b", "c"]
