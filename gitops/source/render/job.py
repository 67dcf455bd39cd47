"""One render, inside its confined process: reads the job, dispatches on the kind of source, answers."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from typing import Any

import orjson

from gitops.source.render import directory, helm, kustomize, plugin
from gitops.source.render.context import Context
from gitops.source.render.detection import DIRECTORY, HELM, KUSTOMIZE, PLUGIN, detect
from gitops.source.render.errors import Refused, Retry, WrongSpec
from gitops.source.render.given import Given
from gitops.source.render.manifests import Output
from gitops.source.render.overrides import read_overrides
from gitops.source.render.paths import below, normal, shown
from gitops.source.render.tree import Budget, Tree
from gitops.source.sandbox.channel import Channel, ChannelClosed

_MIB = 1 << 20


def serve(channel: Channel, refused: str, temp: str) -> bool:
    """Answer the one job that comes by the channel; `refused` says why this process may not, or nothing.

    Returns whether the process is fit for another.
    """
    objects = b""
    try:
        channel.send({"started": True})
        if refused:
            channel.receive()
            channel.send({"error": "refused", "text": refused})
            return False
        try:
            answer, objects = _answer(channel, temp)
        except MemoryError:
            answer = {"error": "memory"}
        except OSError as error:
            answer = {"error": "refused", "text": f"the render process was refused: {error.strerror or error}"}
        channel.send(answer)
        if "done" in answer:
            channel.send(objects)
    except ChannelClosed:
        return False
    return "done" in answer


def _answer(channel: Channel, temp: str) -> tuple[dict[str, Any], bytes]:
    job = channel.receive()
    try:
        result, objects = run(job, _ask(channel), temp)
        return {"done": result}, objects
    except Retry as retry:
        return {"retry": retry.kind, "items": retry.items}, b""
    except WrongSpec as error:
        return {"error": "spec", "text": str(error)}, b""
    except Refused as error:
        return {"error": "refused", "text": str(error)}, b""
    except RecursionError:
        return {"error": "refused", "text": "the source is nested too deeply"}, b""
    except OSError as error:
        root = os.path.realpath(job["root"])
        if not isinstance(error.filename, str) or not error.filename.startswith(root + "/"):
            raise
        name = os.path.relpath(error.filename, root)
        return {"error": "refused", "text": f"{shown(name)} cannot be read: {error.strerror}"}, b""


def _ask(channel: Channel) -> Callable[[dict[str, Any]], Any]:
    def ask(question: dict[str, Any]) -> Any:
        channel.send(question)
        answer = channel.receive()
        if "abort" in answer:
            raise Refused("aborted")
        return answer["answer"]

    return ask


def run(job: dict[str, Any], ask: Callable[[dict[str, Any]], Any], temp: str) -> tuple[dict[str, Any], bytes]:
    """Render a job; answers the result without its objects, and the objects as a JSON list."""
    limits = job["limits"]
    budget = Budget(limits["input_mib"], limits["files"])
    path = normal(job["path"])
    given = None
    if job["given"]:
        # As text that has a character for each byte: a frame is JSON.
        given = Given(path, {file: text.encode("latin-1") for file, text in job["given"].items()})
    tree = Tree(job["root"], budget, lambda p: ask({"need": p}), present=path, links=job["links"], given=given)
    refs = {
        name: Tree(root, budget, lambda p, name=name: ask({"need_ref": name, "path": p}))  # type: ignore[misc]
        for name, root in job["refs"].items()
    }
    if path.startswith(("/", "../")) or path == "..":
        raise WrongSpec(f"spec.source.path leads out of the repository: {shown(path)}")
    if not tree.is_dir(path):
        raise Refused(f"the path {shown(path)} does not exist in the repository, or is not a folder")
    source = job["source"]
    overrides = [] if job["chart"] else read_overrides(tree, path, job["env"]["ARGOCD_APP_NAME"])
    if overrides:
        source = ask({"override": overrides})
    disabled = set(job["disabled"])
    kind = HELM if job["chart"] else detect(source, tree, path, job["plugins"], disabled)
    context = Context(
        source=source,
        tree=tree,
        path=path,
        refs=refs,
        env=job["env"],
        job=job,
        limits=limits,
        disabled=disabled,
        temp=temp,
        service=lambda name, request: ask({"service": name, "request": request}),
        need_base=lambda url, p: ask({"need_base": url, "path": p}),
    )
    output = _render(kind, context)
    objects = _serialise(output, limits)
    result = {
        "origins": output.origins,
        "kind": kind,
        "source": source if overrides else None,
        "inputs": sorted({path, *(p for p in tree.inputs if not below(p, path))}),
        "ref_inputs": {name: sorted(t.inputs) for name, t in refs.items()},
        "base_inputs": {
            url: sorted(context.bases[root].inputs) for url, root in job["remotes"].items() if root in context.bases
        },
        "warnings": output.warnings[:100],
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    return result, objects


def _render(kind: str, context: Context) -> Output:
    if kind == DIRECTORY:
        return directory.render(context)
    if kind == KUSTOMIZE:
        return kustomize.render(context)
    if kind == HELM:
        return helm.render(context)
    assert kind == PLUGIN
    return plugin.render(context)


def _serialise(output: Output, limits: dict[str, Any]) -> bytes:
    size, parts = 0, []
    for value, origin in zip(output.objects, output.origins, strict=True):
        try:
            part = orjson.dumps(value)
        except (TypeError, orjson.JSONEncodeError):
            raise Refused(f"{origin}: it holds a value that JSON cannot hold, or is nested too deeply") from None
        size += len(part) + 1
        if size > limits["output_mib"] * _MIB:
            raise Refused(f"the rendered objects are larger than {limits['output_mib']} MiB together")
        parts.append(part)
    return b"[" + b",".join(parts) + b"]"
