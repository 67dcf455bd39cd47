"""python -m bench [SCENARIO...] | health [ARGS] | render [ARGS] | beat [APPLICATIONS] | index [OBJECTS] | soak [TASKS]
                    | fairness [OBJECTS] | large [OBJECTS] | floor

Without a name every scenario of the engine is measured. APPS is the number of applications.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from importlib import import_module

from rich.console import Console
from rich.markup import escape

#: Benchmarks of one part, with a module and a table of their own.
ALONE = ("health", "beat", "index", "soak", "fairness", "large", "floor")


def main() -> int:
    """Dispatch by the first argument; the exit code is 1 where something could not be measured."""
    name, rest = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    if name in ALONE:
        return int(import_module(f"bench.{name}").main(rest))
    if name == "render":
        from bench import render

        sys.argv = [f"{sys.argv[0]} render", *rest]
        render.main()
        return 0
    return engine(sys.argv[1:])


def engine(names: list[str]) -> int:
    """Measure the scenarios that are named, or all."""
    from bench import BenchError, report
    from bench.machine import machine, versions
    from bench.scenarios import SCENARIOS
    from bench.session import Session
    from testbed.api import ApiError
    from testbed.processes import TestbedError

    console = Console()
    if unknown := set(names) - SCENARIOS.keys():
        console.print(f"No such benchmark: {', '.join(sorted(unknown))}. There are: {', '.join(SCENARIOS)}.")
        return 2
    apps = int(os.environ.get("APPS", "500"))
    head = {
        "machine": machine(),
        "versions": versions(),
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    failed = False
    # SIGTERM ends it as Ctrl-C does: everything that was started is ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with console.status("starting") as status, Session(apps, status.update) as session:
        for name in names or SCENARIOS:
            begun = time.monotonic()
            try:
                figures = {name: SCENARIOS[name](session)}
            except (BenchError, TestbedError, ApiError) as error:
                console.print(f"[red]{name}[/red] could not be measured: {escape(str(error))}", highlight=False)
                failed = True
                continue
            console.print(f"{name}: measured in {time.monotonic() - begun:.0f} s")
            report.save(apps, head, figures)
    if report.RESULTS.exists():
        report.show(report.save(apps, head, {}), console)
    return int(failed)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
