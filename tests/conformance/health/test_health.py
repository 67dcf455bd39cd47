"""Our words for the objects of the conformance folder, against the expected ones."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("health_report", Path(__file__).with_name("report.py"))
assert _spec
assert _spec.loader
report = importlib.util.module_from_spec(_spec)
sys.modules["health_report"] = report
_spec.loader.exec_module(report)

pytestmark = pytest.mark.skipif(not report.FOLDER.is_dir(), reason="the conformance folder is not here")


@pytest.fixture(scope="module")
def found():
    return list(report.cases())


@pytest.mark.parametrize("name", list(report.BOUNDS))
def test_share_of_right_cases(found, name):
    right, count = report.shares(found)[name]
    assert count > 0
    assert 100 * right / count >= report.BOUNDS[name]


def test_each_difference_has_its_reason(found):
    assert [case.path for case in report.unexplained(found)] == []


def test_no_reason_is_kept_for_a_case_that_comes_out_right(found):
    differing = {case.path for case in found if case.full != case.expected}
    known = {case.path for case in found}
    assert {path for path in report.DIFFERENCES if path in known} <= differing
