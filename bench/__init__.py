"""Benchmarks: the whole engine against a real control plane, and the parts that have a limit of their own.

    python -m bench [SCENARIO...]   the engine; APPS applications (default 500), workers of PROCESSES processes each
                                    (default 1: the machine has two cores); figures go to bench/results.json
    python -m bench health          health checks alone
    python -m bench render          rendering alone
    python -m bench beat            a beat that schedules 10,000 applications: memory and CPU
    python -m bench index           the live index: bytes for each object, in beat and in Redis
    python -m bench soak            a day's tasks through one worker process: whether it grows
    python -m bench fairness        small applications beside one of 5,000 objects
    python -m bench large           one application of 5,000 objects, and the bare client
    python -m bench floor           what the requests of a first sync cost where nobody thinks

    fleet.py      what is in Git, and the Applications of it
    raw.py        the yardstick: a bare client that applies the same objects
    client.py     what a request of the engine's client costs; `python -m bench.client`
    session.py    what the scenarios of one run share: the bare client's figures, a synced fleet
    stage.py      one arrangement of control plane, Redis, Git server and engine
    measure.py    CPU and memory of processes
    writes.py     when objects were written and what was asked for, from the API server's audit log
    watching.py   when one object changed, from a watch
    scenarios/    one file for each key of results.json
    figures.py    percentiles
    machine.py    the machine and the versions that figures belong to
    peers.py      figures of other engines, for comparison
    report.py     the table and results.json

No figure is ever asserted: a benchmark tells, a test judges.
"""


class BenchError(Exception):
    """What was to be measured did not come about; the message says what."""
