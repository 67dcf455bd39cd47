"""Conformance cases are synced as the integration tests of the sync room do."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

_path = Path(__file__).parents[2] / "integration" / "sync" / "conftest.py"
_spec = importlib.util.spec_from_file_location("sync_integration", _path)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["sync_integration"] = _module
_spec.loader.exec_module(_module)

client = _module.client
syncer = _module.syncer


@pytest.fixture
def case(conformance: Path) -> Callable[..., list[dict]]:
    """The objects of a case directory, its files in order; `files` names some of them."""

    def load(name: str, *files: str) -> list[dict]:
        folder = conformance / "cases" / name
        paths = [folder / file for file in files] or sorted(folder.glob("*.yaml"))
        docs = [doc for path in paths for doc in yaml.safe_load_all(path.read_text())]
        return [doc for doc in docs if doc and doc.get("kind") != "Kustomization" and "resources" not in doc]

    return load
