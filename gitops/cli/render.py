"""`gitops render PATH…`: local directories as sources, through the engine's own code and sandbox."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
import yaml

from gitops.errors import GitOpsError, InvalidSpecError
from gitops.model.application import Application, Source
from gitops.model.objects import Object
from gitops.settings import settings
from gitops.source import BuildEnv, PluginCommand, Renderer, RenderRequest
from gitops.source.finishing import explode
from gitops.source.options import limits_of, plugins_of, renderer_of
from gitops.source.render.paths import is_text, shown
from gitops.source.render.yamlread import plain


class Format(StrEnum):
    YAML = "yaml"
    JSON = "json"
    NDJSON = "ndjson"


def render(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Directories to render.")],
    app: Annotated[Path | None, typer.Option("--app", help="An Application whose source spec to use.")] = None,
    output: Annotated[Format, typer.Option("-o", "--output", help="ndjson: one line a path, objects or error.")] = (
        Format.YAML
    ),
    ref: Annotated[list[str] | None, typer.Option(help="NAME=DIR: the checkout behind $NAME in value files.")] = None,
    kube_version: Annotated[str, typer.Option(help="The Kubernetes version that charts see, such as v1.35.0.")] = "",
    api_versions: Annotated[list[str] | None, typer.Option(help="A group/version that charts see; repeatable.")] = None,
    kustomize_build_options: Annotated[
        str, typer.Option(help="As kustomize.buildOptions of argocd-cm, such as --enable-helm.")
    ] = "",
) -> None:
    """Render local directories as sources: the type is detected, or the Application's own source spec is used.

    Without an Application the release name is the directory's. The repository is the Git work tree around the path;
    where there is none, references may reach the folder beside the path, and symlinks may not leave the path. With
    --app, PATH is the repository where it has the Application's path in it, else that path itself. Nothing is fetched:
    files at URLs, remote bases and charts that are not in PATH are errors.
    """
    try:
        application = read_app(app) if app else None
        refs = dict(_ref(entry) for entry in ref or [])
        plugins = plugins_of(settings())
    except GitOpsError as error:
        print(f"gitops: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    renderer = renderer_of(settings())
    job = RenderJob(
        renderer, application, refs, plugins, kube_version, tuple(api_versions or ()), kustomize_build_options
    )
    failed = 0
    try:
        with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
            for path, (objects, error_text) in zip(paths, pool.map(job.one, paths), strict=True):
                failed += error_text is not None
                _print(path, objects, error_text, output)
    finally:
        renderer.close()
    if failed:
        if output is Format.NDJSON:
            print(f"gitops: {failed} of {len(paths)} directories cannot be rendered", file=sys.stderr)
        raise typer.Exit(1)


class RenderJob:
    """What all paths of one call share."""

    def __init__(
        self,
        renderer: Renderer,
        app: Application | None,
        refs: dict[str, Path],
        plugins: dict[str, PluginCommand],
        kube: str,
        apis: tuple[str, ...],
        build_options: str,
    ) -> None:
        self.renderer = renderer
        self.app = app
        self.refs = refs
        self.plugins = plugins
        self.kube = kube
        self.apis = apis
        self.build_options = build_options

    def one(self, path: Path) -> tuple[list[Object], str | None]:
        """The objects of one directory, or why there are none, in one sentence."""
        try:
            return list(self._objects(path)), None
        except GitOpsError as error:
            return [], str(error)

    def _objects(self, path: Path) -> Iterator[Object]:
        # Not Path.is_dir, which raises where a name is too long or a folder above may not be entered.
        if not os.path.isdir(path):
            raise InvalidSpecError("it is not a directory")
        if not is_text(str(path.resolve())):
            raise InvalidSpecError("the folder's name, or one above it, is not UTF-8; rename it")
        sources = self.app.all_sources if self.app else [Source(repoURL="local", path=".")]
        for source in sources:
            if not source.renders:
                continue
            if source.chart:
                raise InvalidSpecError(f"the chart {source.chart} of {source.repo_url} is not local; render its folder")
            rendered = self.renderer.render(self.request(path, source))
            for warning in rendered.warnings:
                print(f"gitops: {shown(str(path))}: {warning}", file=sys.stderr)
            yield from explode([rendered])

    def request(self, path: Path, source: Source) -> RenderRequest:
        """What the renderer is asked for one source of the directory `path`."""
        root, inside, links = _place(path, source.path if self.app else ".")
        name = self.app.name if self.app else path.resolve().name.lower().replace("_", "-").replace(".", "-")
        refs = {s.ref: self.refs.get(s.ref, root) for s in (self.app.all_sources if self.app else []) if s.ref}
        return RenderRequest(
            root=root,
            path=inside,
            links=links,
            source=source,
            env=BuildEnv(
                app_name=name,
                namespace=self.app.spec.destination.namespace if self.app else "default",
                project=self.app.spec.project if self.app else "default",
                repo_url=source.repo_url,
                path=source.path or inside,
                target_revision=source.target_revision,
            ),
            refs={**refs, **self.refs},
            kube_version=self.kube,
            api_versions=self.apis,
            limits=limits_of(settings()),
            plugins=self.plugins,
            kustomize_build_options=self.build_options,
        )


def _place(path: Path, source_path: str) -> tuple[Path, str, str]:
    """(repository root, the source's path in it, how far symlinks may lead)."""
    path = path.resolve()
    if source_path not in ("", ".") and (path / source_path).is_dir():
        return path, source_path, "."
    for folder in (path, *path.parents):
        if (folder / ".git").exists():
            return folder, path.relative_to(folder).as_posix(), "."
    return path.parent, path.name or ".", path.name or "."


def read_app(file: Path) -> Application:
    """The Application in a YAML file. Raises InvalidSpecError naming the file where there is none, or several."""
    from gitops.source.render.yamlread import YamlError, documents

    try:
        found = [d.value for d in documents(file.read_bytes()) if isinstance(d.value, dict)]
    except OSError as error:
        raise InvalidSpecError(f"{shown(str(file))} cannot be read: {error.strerror}") from None
    except YamlError as error:
        raise InvalidSpecError(f"{shown(str(file))}, line {error.line}: {error.problem}") from None
    applications = [value for value in found if value.get("kind") == "Application"]
    if not applications:
        raise InvalidSpecError(f"{shown(str(file))} is not an Application")
    if len(applications) > 1:
        raise InvalidSpecError(f"{shown(str(file))} holds {len(applications)} Applications; name a file with one")
    return Application.from_object(applications[0])


def _ref(entry: str) -> tuple[str, Path]:
    name, equals, folder = entry.partition("=")
    if not equals or not os.path.isdir(folder):
        raise InvalidSpecError(f"--ref {shown(entry)}: write NAME=DIR, with a directory that exists")
    return name.removeprefix("$"), Path(folder).resolve()


def _print(path: Path, objects: list[Object], error: str | None, output: Format) -> None:
    if output is Format.NDJSON:
        # JSON is UTF-8, which a file's name need not be.
        name = os.fsencode(path).decode(errors="backslashreplace")
        line = {"path": name, "error": error} if error is not None else {"path": name, "objects": objects}
        sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
    elif error is not None:
        print(f"gitops: {shown(str(path))}: {error}", file=sys.stderr)
    elif output is Format.JSON:
        sys.stdout.buffer.write(orjson.dumps(objects, option=orjson.OPT_INDENT_2) + b"\n")
    else:
        for obj in objects:
            sys.stdout.buffer.write(b"---\n" + yaml.dump(obj, Dumper=_Dumper, sort_keys=False).encode())
    sys.stdout.flush()


class _Dumper(yaml.CSafeDumper):
    """Plain YAML that reads back as it was: no anchors for parts that come twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.CSafeDumper, data: str) -> yaml.ScalarNode:
    quoted = plain(data) is not data
    style = '"' if quoted else "|" if "\n" in data else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _text)


if __name__ == "__main__":
    typer.run(render)
