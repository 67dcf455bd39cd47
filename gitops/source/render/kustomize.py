"""Kustomize (specs section 2): files are gathered, edited in memory, and built by the warm renderer or kubectl."""

from __future__ import annotations

import base64
import os
import posixpath
import shlex
import subprocess
from pathlib import Path
from typing import Any

from gitops.source.render import kustomize_edit
from gitops.source.render.context import Context
from gitops.source.render.errors import Refused, WrongSpec
from gitops.source.render.kustomize_files import Bundle
from gitops.source.render.kustomize_helm import Charts
from gitops.source.render.manifests import Output
from gitops.source.render.paths import shown

_MIB = 1 << 20
#: Where the warm renderer sees the bundle.
_ROOT = "/repository"


def render(context: Context) -> Output:
    """Build the kustomization of the source's path with `spec.source.kustomize` applied. Raises Refused, Retry."""
    spec = context.source.get("kustomize") or {}
    options = _options(context.job["build_options"])
    output = context.output()
    if spec.get("version"):
        output.warnings.append(f"kustomize.version {spec['version']} was passed over: the engine brings one version")

    def edit(kustomization: dict[str, Any]) -> None:
        kustomize_edit.edit(kustomization, spec, context.env)
        _add_components(context, kustomization, spec)

    edits = any(value for key, value in spec.items() if key not in ("version", "kubeVersion", "apiVersions"))
    charts = Charts(context, restrict=options["restrict"]) if options.pop("helm") else None
    bundle = Bundle(context, root_only=options["restrict"], charts=charts)
    target = bundle.gather(context.tree, context.path, edit if edits else None)
    if context.job["kustomize"] == "service":
        _by_service(context, bundle, target, options, output)
    elif context.job["kubectl"]:
        _by_kubectl(context, bundle, target, options, output)
    else:
        raise Refused("kustomize cannot run: neither the warm renderer nor kubectl is installed")
    return output


def _add_components(context: Context, kustomization: dict[str, Any], spec: dict[str, Any]) -> None:
    """`kustomize edit add component`: what is not listed already, and where asked for only what is there."""
    listed = kustomization.setdefault("components", []) if spec.get("components") else []
    for component in spec.get("components") or []:
        joined = context.tree.join(context.path, component, "kustomize.components")
        if not context.tree.is_dir(joined):
            if spec.get("ignoreMissingComponents"):
                continue
            raise Refused(
                f"the component {shown(component)} does not exist; kustomize.ignoreMissingComponents passes over it"
            )
        if component not in listed:
            listed.append(component)


def _options(text: str) -> dict[str, Any]:
    """`kustomize.buildOptions` as far as they change the result. Raises WrongSpec for what is not supported."""
    options: dict[str, Any] = {"restrict": True, "reorder": "", "helm": False}
    words = shlex.split(text.replace("=", " "))
    while words:
        word = words.pop(0)
        value = words.pop(0) if words and not words[0].startswith("-") else ""
        if word == "--load-restrictor":
            options["restrict"] = value not in ("LoadRestrictionsNone", "none")
        elif word == "--reorder" and value in ("none", "legacy"):
            options["reorder"] = value
        elif word == "--enable-helm":
            options["helm"] = value in ("", "true")
        elif word != "--enable-managedby-label":
            raise WrongSpec(f"kustomize.buildOptions: {word} is not supported")
    return options


def _by_service(context: Context, bundle: Bundle, target: str, options: dict[str, Any], output: Output) -> None:
    reply = context.service(
        "kustomize",
        {
            "files": {f"{_ROOT}/{path}": base64.b64encode(data).decode() for path, data in bundle.files.items()},
            "target": posixpath.normpath(f"{_ROOT}/{target}"),
            **options,
        },
    )
    if "error" in reply:
        raise Refused(_sentence(str(reply["error"]), _ROOT))
    for number, value in enumerate(reply["objects"], 1):
        output.add(value, f"kustomize build, object {number}")


def _by_kubectl(context: Context, bundle: Bundle, target: str, options: dict[str, Any], output: Output) -> None:
    root = Path(context.temp) / "tree"
    for path, data in bundle.files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    (root / target).mkdir(parents=True, exist_ok=True)
    command = [context.job["kubectl"], "kustomize", os.path.normpath(root / target)]
    if not options["restrict"]:
        command += ["--load-restrictor", "LoadRestrictionsNone"]
    if options["reorder"]:
        command += ["--reorder", options["reorder"]]
    printed = Path(context.temp) / "stdout"
    with printed.open("wb") as stdout, (Path(context.temp) / "stderr").open("wb") as stderr:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env={"HOME": context.temp, "GOMAXPROCS": "2", "GOMEMLIMIT": f"{context.limits['memory_mib'] * 3 // 4}MiB"},
            cwd=root,
            check=False,
        )
    if done.returncode:
        text = (Path(context.temp) / "stderr").read_bytes()[-20_000:].decode(errors="replace")
        raise Refused(_sentence(text, str(root)))
    if printed.stat().st_size > context.limits["output_mib"] * _MIB:
        raise Refused(f"the rendered objects are larger than {context.limits['output_mib']} MiB together")
    output.add_yaml(printed.read_bytes(), "kustomize build")


def _sentence(text: str, root: str) -> str:
    """A tool's error on one line, in the repository's paths."""
    lines = [line for line in text.replace(root + "/", "").replace(root, ".").splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("# Warning", "W1", "I1"))] or ["it failed without a word"]
    joined = " ".join(line.strip().removeprefix("error: ") for line in lines)
    return "kustomize: " + (joined if len(joined) <= 600 else joined[:300] + " … " + joined[-300:])
