"""ApplicationSets, end to end: Applications made, changed and deleted as the set and its policy say."""

from __future__ import annotations

from appsets import application_key, application_set, becomes_owner, condition, listed, owned, set_key

from testbed.world import World, eventually


def test_a_list_makes_applications_that_become_healthy(world: World, small: dict[str, str]) -> None:
    names = ("list-a", "list-b", "list-c")
    application_set(world, "lists", listed(*names), world.repo(small).http_url)
    for name in names:
        app = world.becomes(name)
        assert app["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
        assert world.live("ConfigMap", name, "settings")
    becomes_owner(world, "lists", *names)
    assert condition(world, "lists", "ErrorOccurred")[0] == "False"
    assert condition(world, "lists", "ResourcesUpToDate")[0] == "True"

    def resources() -> bool:
        shown = (world.client.get(set_key("lists")) or {})["status"].get("resources") or []
        return [(r["name"], r["status"], r.get("health", {}).get("status")) for r in shown] == [
            (name, "Synced", "Healthy") for name in names
        ]

    eventually(resources, "the Applications' status in status.resources")


def test_an_element_that_goes_takes_its_application_and_objects_along(world: World, small: dict[str, str]) -> None:
    url = world.repo(small).http_url
    application_set(world, "shrinks", listed("stays", "goes"), url)
    world.becomes("stays")
    world.becomes("goes")
    application_set(world, "shrinks", listed("stays"), url)
    eventually(lambda: not world.app("goes"), "the Application's end", context=world.logs)
    assert world.live("ConfigMap", "goes", "settings") is None
    assert world.live("Deployment", "goes", "web", "apps") is None
    assert world.live("ConfigMap", "stays", "settings")


def test_objects_stay_where_the_set_preserves_them(world: World, small: dict[str, str]) -> None:
    url = world.repo(small).http_url
    application_set(world, "preserves", listed("preserved"), url)
    world.becomes("preserved")
    application_set(world, "preserves", listed("other"), url, syncPolicy={"preserveResourcesOnDeletion": True})
    eventually(lambda: not world.app("preserved"), "the Application's end", context=world.logs)
    world.becomes("other")
    assert world.live("ConfigMap", "preserved", "settings")
    assert not world.app("other")["metadata"].get("finalizers")


def test_a_policy_without_delete_keeps_applications(world: World, small: dict[str, str]) -> None:
    url, policy = world.repo(small).http_url, {"applicationsSync": "create-update"}
    application_set(world, "keeps", listed("kept", "changed"), url, syncPolicy=policy)
    world.becomes("kept")
    world.becomes("changed")
    other = world.repo(small).http_url
    application_set(world, "keeps", listed("changed"), other, syncPolicy=policy)
    eventually(lambda: world.app("changed")["spec"]["source"]["repoURL"] == other, "the update", context=world.logs)
    eventually(lambda: condition(world, "keeps", "ResourcesUpToDate")[0] == "True", "the condition")
    assert world.app("kept")["spec"]["source"]["repoURL"] == url
    assert "deletionTimestamp" not in world.app("kept")["metadata"]


def test_an_application_that_people_change_or_delete_is_put_right(world: World, small: dict[str, str]) -> None:
    application_set(world, "rights", listed("righted"), world.repo(small).http_url)
    uid = world.becomes("righted")["metadata"]["uid"]
    world.client.merge_patch(application_key("righted"), {"spec": {"source": {"targetRevision": "other"}}})
    eventually(lambda: world.app("righted")["spec"]["source"]["targetRevision"] == "HEAD", "the template's revision")
    world.client.delete(application_key("righted"))
    eventually(
        lambda: world.app("righted").get("metadata", {}).get("uid", uid) != uid, "another one", context=world.logs
    )
    world.becomes("righted")


def test_an_error_is_told_and_nothing_is_changed(world: World, small: dict[str, str]) -> None:
    url = world.repo(small).http_url
    application_set(world, "errs", listed("errs-a", "errs-b"), url)
    world.becomes("errs-a")
    before = {name: world.app(name)["metadata"]["generation"] for name in ("errs-a", "errs-b")}
    application_set(world, "errs", listed("errs-a", "errs-a"), url, path="elsewhere")
    eventually(lambda: condition(world, "errs", "ErrorOccurred")[0] == "True", "ErrorOccurred", context=world.logs)
    assert "errs-a more than once" in condition(world, "errs", "ErrorOccurred")[1]
    assert condition(world, "errs", "ResourcesUpToDate")[0] == "False"
    assert owned(world, "errs") == set(before)
    assert world.app("errs-a")["spec"]["source"]["path"] == "app"
    assert "deletionTimestamp" not in world.app("errs-b")["metadata"]
    application_set(world, "errs", listed("errs-a"), url)
    eventually(lambda: not world.app("errs-b"), "the next good spec's effect", context=world.logs)
    eventually(lambda: condition(world, "errs", "ErrorOccurred")[0] == "False", "the end of the error")


def test_an_application_of_another_set_is_left_alone(world: World, small: dict[str, str]) -> None:
    url = world.repo(small).http_url
    application_set(world, "owner", listed("theirs"), url)
    world.becomes("theirs")
    application_set(world, "taker", listed("theirs"), url, path="elsewhere")
    eventually(lambda: condition(world, "taker", "ErrorOccurred")[0] == "True", "the refusal", context=world.logs)
    assert "theirs belongs to another" in condition(world, "taker", "ErrorOccurred")[1]
    assert world.app("theirs")["spec"]["source"]["path"] == "app"


def test_a_deleted_set_takes_its_applications_along_unless_its_policy_keeps_them(
    world: World, small: dict[str, str]
) -> None:
    url = world.repo(small).http_url
    application_set(world, "ends", listed("ended"), url)
    application_set(world, "leaves", listed("left"), url, syncPolicy={"applicationsSync": "create-update"})
    finalizers = {"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}}
    world.client.merge_patch(set_key("leaves"), finalizers)
    world.becomes("ended")
    world.becomes("left")
    for name in ("ends", "leaves"):
        world.client.delete(set_key(name), propagation="Background")
    eventually(lambda: world.client.get(set_key("leaves")) is None, "the set's end", context=world.logs)
    eventually(lambda: not world.app("ended"), "the Application's end", context=world.logs)
    assert world.live("ConfigMap", "ended", "settings") is None
    assert not world.app("left")["metadata"].get("ownerReferences")
    assert "deletionTimestamp" not in world.app("left")["metadata"]
