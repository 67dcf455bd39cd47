"""Lua checks of argocd-cm: run as they are, and unable to do harm."""

from __future__ import annotations

import pytest

from gitops.errors import InvalidSpecError
from gitops.health import LuaChecks, assess
from gitops.model.health import Health

KEY = "resource.customizations.health.example.org_Thing"
OBJ = {"apiVersion": "example.org/v1", "kind": "Thing", "status": {"phase": "Ok", "nodes": [{"n": 1}, {"n": 2}]}}

# As people write them for Argo CD.
TYPICAL = """
hs = {}
if obj.status ~= nil then
  local sum = 0
  for i, node in ipairs(obj.status.nodes) do sum = sum + node.n end
  if obj.status.phase == "Ok" then
    hs.status = "Healthy"
    hs.message = "sum " .. sum
    return hs
  end
end
hs.status = "Progressing"
hs.message = "Waiting"
return hs
"""


def run(script, obj=OBJ):
    return LuaChecks.from_config({KEY: script}).check(obj)


def test_a_typical_check():
    assert run(TYPICAL) == Health("Healthy", "sum 3", "lua/example.org/Thing")


def test_a_check_comes_before_the_rules():
    checks = LuaChecks.from_config({KEY: 'return {status="Degraded"}'})
    assert assess({**OBJ, "status": {"phase": "Ready"}}, overrides=checks).status == "Degraded"


@pytest.mark.parametrize(
    ("key", "covered"),
    [
        ("example.org_Thing", True),
        ("example.org_*", True),
        ("*.org_Thing", True),
        ("*_*", True),
        ("example.org_Other", False),
        ("Thing", False),
    ],
)
def test_keys_and_globs(key, covered):
    checks = LuaChecks.from_config({f"resource.customizations.health.{key}": "return {}"})
    assert checks.covers("example.org", "Thing") is covered


def test_a_kind_of_the_core_group_is_named_alone():
    checks = LuaChecks.from_config({"resource.customizations.health.Service": 'return {status="Suspended"}'})
    assert checks.check({"apiVersion": "v1", "kind": "Service"}).status == "Suspended"


def test_an_exact_key_wins_over_a_glob():
    prefix = "resource.customizations.health."
    checks = LuaChecks.from_config(
        {f"{prefix}*_*": 'return {status="Degraded"}', f"{prefix}example.org_Thing": 'return {status="Healthy"}'}
    )
    assert checks.check(OBJ).status == "Healthy"


def test_the_older_form_in_one_blob():
    blob = 'example.org/Thing:\n  health.lua.useOpenLibs: true\n  health.lua: |\n    return {status="Healthy"}\n'
    assert LuaChecks.from_config({"resource.customizations": blob}).check(OBJ).status == "Healthy"


@pytest.mark.parametrize("blob", ["[", "- a"])
def test_a_malformed_blob_is_told(blob):
    with pytest.raises(InvalidSpecError, match="argocd-cm"):
        LuaChecks.from_config({"resource.customizations": blob})


@pytest.mark.parametrize("script", ["return {}", "return nil", "local x = 1"])
def test_nothing_returned_is_no_health(script):
    assert run(script) is None


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("return 3", "must return a table"),
        ('return {status="Nice"}', "unknown health word"),
        ('error("boom")', "boom"),
        ("x = = 1", "unexpected symbol"),
        ("return obj.a.b", "attempt to index"),
        ("error({})", "raised an error"),
        ('return {status="\\255"}', "utf-8"),
    ],
)
def test_an_error_is_unknown_with_the_reason(script, reason):
    found = run(script)
    assert found.status == "Unknown"
    assert reason in found.message


# Each of these would run for ever, or take all memory, if nothing stopped it.
BOMBS = {
    "loop": "while true do end",
    "loop that swallows errors": "while true do pcall(function() while true do end end) end",
    "recursion": "local function f() return 1 + f() end return f()",
    "doubling text": 'local s = "x" while true do s = s .. s end',
    "copying text": 'local s = ("x"):rep(9e5) while true do local t = s .. "y" end',
    "repeated text": 'return {message=("x"):rep(1e10)}',
    "growing table": "local t = {} while true do t[#t + 1] = {} end",
    "shifting table": "local t = {} while true do table.insert(t, 1, 1) end",
    "backtracking pattern": 'return {message=("a"):rep(200):find((".-"):rep(30) .. "b")}',
    "backtracking method": 'local s = ("a"):rep(3000) while true do local x = s:match(".-.-b") end',
    "sorting": "local t = {} for i = 1, 1e6 do t[i] = -i end table.sort(t)",
    "joining": 'local t = {} for i = 1, 1e4 do t[i] = "abc" end while true do local x = table.concat(t) end',
    "printing": "while true do print(1) end",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("script", BOMBS.values(), ids=BOMBS)
def test_what_does_not_end_is_ended(script):
    assert run(script).status == "Unknown"


def test_a_check_works_again_after_one_that_was_ended():
    script = 'if obj.status.phase == "Loop" then while true do end end return {status="Healthy"}'
    checks = LuaChecks.from_config({KEY: script})
    assert checks.check({**OBJ, "status": {"phase": "Loop"}}).status == "Unknown"
    assert checks.check(OBJ).status == "Healthy"


@pytest.mark.parametrize(
    "name",
    [
        *("io", "require", "debug", "load", "loadstring", "loadfile", "dofile", "package", "python", "coroutine"),
        *("newproxy", "setfenv", "getfenv", "collectgarbage", "string.dump", "os.execute", "os.remove", "os.getenv"),
    ],
)
def test_what_could_reach_outside_is_not_there(name):
    assert run(f'return {{status="Healthy", message=type({name})}}').message == "nil"


def test_one_run_leaves_nothing_to_the_next():
    script = 'n = (n or 0) + 1 string.len = nil math.pi = nil return {status="Healthy", message=tostring(n)}'
    checks = LuaChecks.from_config({KEY: script})
    assert [checks.check(OBJ).message for _ in range(2)] == ["1", "1"]
    assert run('return {status="Healthy", message=tostring(math.pi > 3)}').message == "true"


def test_the_object_itself_cannot_be_changed():
    obj = {"apiVersion": "example.org/v1", "kind": "Thing", "status": {"phase": "Ok"}}
    run('obj.status.phase = "Changed" return {status="Healthy"}', obj)
    assert obj["status"]["phase"] == "Ok"


def test_an_object_too_large_to_be_handed_over_is_unknown():
    rows = [{"number": n} for n in range(400_000)]
    found = run('return {status="Healthy"}', {**OBJ, "status": {"rows": rows}})
    assert found.status == "Unknown"
    assert "too large" in found.message
