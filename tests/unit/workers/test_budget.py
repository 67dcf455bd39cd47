"""What a task may use is bounded before it starts."""

from __future__ import annotations

import pytest

from gitops.errors import SourceError
from gitops.model.objects import Manifest
from gitops.reconcile.budget import check
from gitops.settings import Settings


def objects(count: int, size: int) -> list[Manifest]:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v" * size}}
    return [Manifest.of({**body, "metadata": {"name": f"c-{n}"}}) for n in range(count)]


def test_an_application_as_large_as_a_source_may_have_objects_fits_in_a_process_of_the_default_size():
    check(objects(Settings().render_objects, 100), Settings().child_hard_limit_mib)


def test_one_that_a_process_could_not_hold_is_refused_with_what_to_do_before_any_task_loads_it():
    with pytest.raises(SourceError, match=r"needs? about \d+ MiB .* split the Application, or raise"):
        check(objects(30, 1 << 20), Settings().child_hard_limit_mib)


def test_a_larger_process_may_hold_more():
    check(objects(30, 1 << 20), Settings(child_memory_limit_kib=512 * 1024).child_hard_limit_mib)
