"""`gitops health PATH…`: the health of live objects in files and folders, without a cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
import yaml
from rich.console import Console
from rich.progress import track

from gitops.errors import InvalidSpecError
from gitops.health import LuaChecks, assess
from gitops.model.health import HEALTHY, Health
from gitops.model.objects import Object, key_of

_SUFFIXES = (".yaml", ".yml", ".json")
_MANY = 2000


class Output(StrEnum):
    """tsv: path and word; wide: also the object, the rule that decided and the message."""

    tsv = "tsv"
    wide = "wide"


class _Loader(yaml.CSafeLoader):
    """YAML as the API server would hold it: a time stays text, as in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def files_of(paths: Iterable[Path]) -> Iterator[Path]:
    """The files named, and those in the folders named, in order of their names."""
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
        else:
            yield path


def objects_of(path: Path) -> Iterator[Object]:
    """The objects in a file, lists taken apart. InvalidSpecError where it cannot be read or holds something else."""
    try:
        data = path.read_bytes()
        documents: list[Any] = [orjson.loads(data)] if path.suffix == ".json" else list(yaml.load_all(data, _Loader))
    except OSError as error:
        raise InvalidSpecError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is malformed"
        raise InvalidSpecError(f"{path}{where}: no valid {_language(path)}: {problem}") from error
    for number, document in enumerate(documents, 1):
        if document is None:
            continue
        if not isinstance(document, dict):
            raise InvalidSpecError(f"{path}, document {number}: not a Kubernetes object; a mapping is expected")
        items = document.get("items")
        if str(document.get("kind") or "").endswith("List") and isinstance(items, list):
            yield from (item for item in items if isinstance(item, dict))
        else:
            yield document


def _language(path: Path) -> str:
    return "JSON" if path.suffix == ".json" else "YAML"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _row(shown: str, obj: Object, health: Health | None, output: Output) -> str:
    found = health or Health(HEALTHY, "this kind has no health check", "none")
    if output is Output.tsv:
        return f"{shown}\t{found.status}"
    return "\t".join((shown, found.status, str(key_of(obj)), found.rule, _one_line(found.message)))


def health(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders of live objects (YAML or JSON).")],
    output: Annotated[Output, typer.Option("-o", "--output", help="tsv, or wide with rule and message.")] = Output.tsv,
    generic_only: Annotated[
        bool, typer.Option("--generic-only", help="Leave out the specific rules of third-party kinds.")
    ] = False,
    checks: Annotated[
        Path | None, typer.Option("--checks", help="An argocd-cm manifest with your own Lua health checks.")
    ] = None,
) -> None:
    """Print the health of live objects in files, without a cluster: `path <TAB> status`, one line an object.

    A second object of the same file is shown as `path#2`. What cannot be read is told on stderr, the others go on, and
    the exit status is 1.
    """
    overrides: LuaChecks | None = None
    failed = False
    try:
        if checks is not None:
            data = next(objects_of(checks), {}).get("data")
            overrides = LuaChecks.from_config(data if isinstance(data, dict) else {})
    except InvalidSpecError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    files = list(files_of(paths))
    console = Console(stderr=True)
    quiet = len(files) < _MANY or not console.is_terminal
    write = sys.stdout.write
    for path in track(files, "Reading", console=console, transient=True, disable=quiet):
        try:
            for number, obj in enumerate(objects_of(path), 1):
                shown = str(path) if number == 1 else f"{path}#{number}"
                found = assess(obj, overrides=overrides, generic_only=generic_only)
                write(_row(shown, obj, found, output) + "\n")
        except InvalidSpecError as error:
            sys.stdout.flush()
            typer.echo(str(error), err=True)
            failed = True
    if failed:
        raise typer.Exit(1)


command = health

if __name__ == "__main__":
    typer.run(health)
