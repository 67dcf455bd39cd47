"""`python -m testbed build` builds the control plane, `python -m testbed up` runs one until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time

from testbed import build
from testbed.controlplane import ControlPlane
from testbed.processes import TestbedError


def main() -> int:
    """Parse the command line and do what it says; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m testbed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="build the control plane, or the tools named, into the cache")
    building.add_argument("tools", nargs="*", help="names of tools, such as helm; none: the control plane and sshgit")
    building.add_argument("--all", action="store_true", help="all that tests ask for: none is to build it in its time")
    running = commands.add_parser("up", help="run a control plane until Ctrl-C")
    running.add_argument("--nodes", type=int, default=2, help="how many fake nodes (default: 2)")
    arguments = parser.parse_args()
    try:
        return _build(arguments.tools, whole=arguments.all) if arguments.command == "build" else _up(arguments.nodes)
    except (build.BuildError, TestbedError) as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1


def _build(tools: list[str], *, whole: bool) -> int:
    paths = {name: build.tool(name) for name in tools} or {**build.control_plane(), "sshgit": build.tool("sshgit")}
    paths |= build.whatever_can_be() if whole else {}
    for name, path in paths.items():
        print(f"{name}: {path}")
    return 0


def _up(nodes: int) -> int:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    began = time.monotonic()
    with ControlPlane(nodes=nodes) as cluster:
        print(f"Kubernetes is up after {time.monotonic() - began:.1f} s at {cluster.server}")
        print(f"\n    export KUBECONFIG={cluster.kubeconfig}\n    kubectl get nodes\n\nCtrl-C ends it.", flush=True)
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
