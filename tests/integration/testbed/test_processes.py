"""What the testbed starts ends with the process that started it, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from testbed import warden
from testbed.controlplane import ControlPlane
from testbed.processes import ProcessGroup, TestbedError, wait_until

# Starts a cluster from a thread that has ended before anything is said about it.
OWNER = """
import json, os, sys, threading, time
from testbed import warden
from testbed.controlplane import ControlPlane

made = []
thread = threading.Thread(target=lambda: made.append(ControlPlane(controllers=False)))
thread.start()
thread.join()
cluster = made[0]
cluster.create_namespace("alive")
print(json.dumps({"pids": [cluster.pid(name) for name in cluster.components], "directory": str(cluster.directory)}))
sys.stdout.flush()
time.sleep(600)
"""


def runs(pid: int) -> bool:
    """Whether a process is there and not just waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.cluster
def test_a_killed_parent_leaves_no_process_and_no_data(control_plane: ControlPlane) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None
            said = json.loads(owner.stdout.readline())
            assert all(runs(pid) for pid in said["pids"])
            assert Path(said["directory"]).is_dir()
        finally:
            owner.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(runs(pid) for pid in said["pids"]), 30, "the end of the cluster's processes")
    wait_until(lambda: not Path(said["directory"]).exists(), 30, "the end of the cluster's data")


def test_children_end_with_their_group_and_so_does_its_directory() -> None:
    with ProcessGroup("example") as group:
        pid = group.start("sleeper", ["sleep", "600"])
        assert runs(pid)
        assert group.exit_code("sleeper") is None
    assert not runs(pid)
    assert not group.directory.exists()


def test_children_of_a_killed_warden_are_killed() -> None:
    with ProcessGroup("example") as group:
        pid = group.start("sleeper", ["sleep", "600"])
        keeper = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        os.kill(keeper, signal.SIGKILL)
        wait_until(lambda: not runs(pid), 30, "the child's end")
        with pytest.raises(TestbedError, match="closed"):
            group.exit_code("sleeper")
    assert not group.directory.exists()


def test_children_see_nothing_of_the_parents_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "abc")
    with ProcessGroup("example") as group:
        group.start("env", ["env"], env={"GIVEN": "1"})
        wait_until(lambda: group.exit_code("env") == 0, 30, "the end of env")
        assert "GIVEN=1" in group.log_tail("env")
        assert "SOME_TOKEN" not in group.log_tail("env")


def test_a_child_that_ends_early_is_reported_with_what_it_said() -> None:
    with ProcessGroup("example") as group:
        group.start("liar", ["sh", "-c", "echo no disk; exit 3"])
        with pytest.raises(TestbedError, match=r"(?s)liar ended with code 3.*no disk"):
            group.wait_ready("liar", lambda: False, 30)


def test_a_program_that_is_not_there_is_named() -> None:
    with ProcessGroup("example") as group, pytest.raises(TestbedError, match="ghost: FileNotFoundError"):
        group.start("ghost", ["/nowhere/ghost"])


def test_a_log_is_bounded() -> None:
    with ProcessGroup("example") as group:
        spill = f"head -c {warden.LOG_LIMIT_BYTES + 1} /dev/zero; touch spilt; exec sleep 600"
        group.start("chatter", ["sh", "-c", spill])
        wait_until((group.directory / "spilt").exists, 30, "a large log")
        wait_until(lambda: group.log("chatter").stat().st_size == 0, 30, "an emptied log")
