"""What a run leaves behind for people: a line for each step, Events on the Application, and no secret anywhere."""

from __future__ import annotations

from typing import Any

from gitops.model.objects import GVK, Manifest, Object, ObjectKey
from testbed.world import World, eventually

HIDDEN = "hunter2-of-the-repository"


def events_of(world: World, name: str) -> list[Object]:
    """The Events on an Application, by reason and message."""
    found = world.client.list(GVK("", "v1", "Event"), namespace="argocd")
    return [event for event in found if event["involvedObject"]["name"] == name]


def test_each_step_is_one_line_with_all_that_one_searches_for(
    observed: World, lines: Any, files: dict[str, str]
) -> None:
    repo = observed.repo(files)
    observed.application("logged", repo.http_url)
    observed.becomes("logged")

    def steps(name: str) -> list[dict[str, Any]]:
        return [line for line in lines("argocd/logged") if line["event"] == name and line["logger"] != "celery"]

    eventually(lambda: steps("diff"), "the line of the comparison", context=observed.logs)
    (fetch,), (diff,) = steps("fetch"), steps("diff")
    started = observed.app("logged")["status"]["operationState"]["startedAt"]
    for line in (fetch, diff):
        assert line["revision"] == repo.head
        assert line["outcome"] == "succeeded"
        assert line["duration_ms"] > 0
        assert len(line["task_id"]) == 32
        assert {"ts", "level", "logger"} <= line.keys()
    assert "operation" not in fetch
    # The operation is named by its beginning, as in the status: exactly, where the status has whole seconds.
    assert diff["operation"][:19] == started[:19]
    (step,) = steps("step")
    assert (step["task_id"], step["operation"]) == (diff["task_id"], diff["operation"])


def test_a_step_that_fails_says_why(observed: World, lines: Any) -> None:
    observed.application("unlogged", observed.git.http_url + "/team/there-is-none")
    observed.condition("unlogged", "ComparisonError")
    (failed,) = [line for line in lines("argocd/unlogged") if line["event"].startswith("fetch failed")]
    assert failed["level"] == "warning"
    assert "there-is-none" in failed["event"]


def test_events_on_an_application_tell_its_story(observed: World, files: dict[str, str]) -> None:
    repo = observed.repo(files)
    observed.application("storied", repo.http_url, syncPolicy={"syncOptions": ["CreateNamespace=true"]})
    observed.becomes("storied", sync="OutOfSync", health="Missing")
    observed.engine.gitops("app", "sync", "storied")

    def story() -> set[tuple[str, str, str]]:
        return {(event["type"], event["reason"], event["message"]) for event in events_of(observed, "storied")}

    done = ("Normal", "OperationCompleted", f"Sync operation to {repo.head} succeeded")
    eventually(lambda: done in story(), "the Event of its end", context=observed.logs)
    begun = [message for _, reason, message in story() if reason == "OperationStarted"]
    assert len(begun) == 1
    assert begun[0].endswith(f"initiated sync to {repo.head}")
    assert ("Normal", "ResourceUpdated", "Updated health status: Missing -> Healthy") in story()
    for event in events_of(observed, "storied"):
        assert event["involvedObject"]["kind"] == "Application"
        assert event["involvedObject"]["uid"] == observed.app("storied")["metadata"]["uid"]
        assert event["source"]["component"]


def test_no_secret_is_in_a_log_an_event_or_a_metric(observed: World, scrape: Any, files: dict[str, str]) -> None:
    """Of the repository, the Application's own objects, the engine's key: after syncs, failures and a retry."""
    repo = observed.repo(files)
    credentials = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "repo-secretive",
            "namespace": "argocd",
            "labels": {"argocd.argoproj.io/secret-type": "repository"},
        },
        "stringData": {"url": repo.http_url, "username": "eve", "password": HIDDEN},
    }
    observed.client.apply(Manifest.of(credentials))
    retry = {"limit": 1, "backoff": {"duration": "1s", "factor": 1, "maxDuration": "1s"}}
    policy = {"automated": {}, "retry": retry, "syncOptions": ["CreateNamespace=true"]}
    observed.application("secretive", repo.http_url, syncPolicy=policy)
    observed.becomes("secretive")
    # A Secret that the API server refuses, and says so with a part of it.
    repo.write({"app/access.yaml": files["app/access.yaml"].replace("stringData", "stringData: {}\ndata")})
    repo.commit("broken")
    repo.push()
    refresh = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
    observed.client.merge_patch(ObjectKey("argoproj.io", "Application", "argocd", "secretive"), refresh)
    eventually(
        lambda: (observed.app("secretive")["status"].get("operationState") or {}).get("phase") in ("Failed", "Error"),
        "the failure",
        context=observed.logs,
    )

    def warned() -> list[Object]:
        return [event for event in events_of(observed, "secretive") if event["type"] == "Warning"]

    eventually(warned, "its Event", context=observed.logs)
    read = {
        "log": "".join(observed.engine.log(component) for component in observed.engine.components),
        "events": str(list(observed.client.list(GVK("", "v1", "Event")))),
        "metrics": str(scrape.all),
        "status": str(observed.app("secretive")),
    }
    for where, text in read.items():
        assert "secretive" in text, f"{where} speaks of it"
        for secret in ("hunter2", observed.engine.env["GITOPS_SEAL_KEY"]):
            assert secret not in text, where
