"""Plugins: a command that the operator declares in settings, run on a copy of the path (specs section 2)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from gitops.source.render.context import Context
from gitops.source.render.detection import discovering
from gitops.source.render.errors import Refused, WrongSpec
from gitops.source.render.manifests import Output
from gitops.source.render.paths import shown

_MIB = 1 << 20


def render(context: Context) -> Output:
    """What the plugin's `generate` command prints. Raises Refused, WrongSpec."""
    spec = context.source.get("plugin") or {}
    plugins: dict[str, Any] = context.job["plugins"]
    name = spec.get("name") or discovering(context.tree, context.path, plugins)
    if not name or name not in plugins:
        known = ", ".join(sorted(plugins)) or "none"
        raise WrongSpec(f"the plugin {name or '(none named)'} is not declared in the settings; declared: {known}")
    plugin = plugins[name]
    folder = _copy(context)
    environment = _environment(context, spec)
    if plugin["init"]:
        _run(context, plugin["init"], folder, environment, name)
    output = context.output()
    output.add_yaml(_run(context, plugin["generate"], folder, environment, name), f"plugin {name}")
    return output


def _copy(context: Context) -> Path:
    """The application's path, where the command may write. Symlinks become what they point to."""
    target = Path(context.temp) / "source"
    prefix = 0 if context.path == "." else len(context.path) + 1
    target.mkdir()
    for path, _entry in context.tree.walk(context.path):
        if not context.tree.is_file(path):
            continue
        file = target / path[prefix:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(context.tree.read(path))
        mode = os.stat(context.tree.locate(path) or "").st_mode
        file.chmod(0o700 if mode & 0o100 else 0o600)
    return target


def _environment(context: Context, spec: dict[str, Any]) -> dict[str, str]:
    """The build environment, the source's own variables as ARGOCD_ENV_*, its parameters as JSON and as PARAM_*."""
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": context.temp,
        "TMPDIR": context.temp,
        "LANG": "C.UTF-8",
        **context.env,
        "KUBE_VERSION": context.job["kube_version"],
        "KUBE_API_VERSIONS": ",".join(context.job["api_versions"]),
    }
    for entry in spec.get("env") or []:
        environment[f"ARGOCD_ENV_{entry['name']}"] = context.expand(entry.get("value") or "")
    parameters = [{k: v for k, v in p.items() if v is not None} for p in spec.get("parameters") or []]
    environment["ARGOCD_APP_PARAMETERS"] = json.dumps(parameters)
    for parameter in parameters:
        stem = "PARAM_" + "".join(c if c.isalnum() else "_" for c in parameter["name"]).upper()
        if "string" in parameter:
            environment[stem] = parameter["string"]
        for number, item in enumerate(parameter.get("array") or []):
            environment[f"{stem}_{number}"] = item
        for key, item in (parameter.get("map") or {}).items():
            environment[f"{stem}_{''.join(c if c.isalnum() else '_' for c in key).upper()}"] = item
    if any("\0" in value for value in environment.values()):
        raise WrongSpec("the plugin's variables hold a zero byte")
    return environment


def _run(context: Context, command: list[str], folder: Path, environment: dict[str, str], name: str) -> bytes:
    printed, complained = Path(context.temp) / "stdout", Path(context.temp) / "stderr"
    with printed.open("wb") as stdout, complained.open("wb") as stderr:
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                check=False,
            )
        except OSError as error:
            raise Refused(f"the plugin {name} cannot be started: {error.strerror}") from None
    if done.returncode:
        with complained.open("rb") as file:
            last = file.read(20_000).decode(errors="replace").strip().splitlines()[-1:]
        raise Refused(
            f"the plugin {name} failed (exit code {done.returncode}): {shown(''.join(last)) or 'it said nothing'}"
        )
    if printed.stat().st_size > context.limits["output_mib"] * _MIB:
        raise Refused(f"the plugin {name} printed more than {context.limits['output_mib']} MiB")
    return printed.read_bytes()
