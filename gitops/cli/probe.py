"""`gitops probe worker|beat`: for Kubernetes' liveness probes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from gitops.observe import probe as probes
from gitops.settings import settings
from gitops.state.store import connect


class Part(StrEnum):
    """What runs in the container."""

    worker = "worker"
    beat = "beat"


def probe(
    part: Annotated[Part, typer.Argument(help="What runs in this container.")],
    queues: Annotated[str, typer.Option(help="The queues that the worker serves, by comma; empty: all.")] = "",
) -> None:
    """Exit with 0 while it makes progress, with 1 and one sentence when it is wedged. A busy worker is not wedged."""
    if part is Part.beat:
        probes.check_beat(settings().data_dir)
    else:
        redis = connect(settings().redis_url.get_secret_value(), timeout=2.0, retries=0)
        served = tuple(name for name in queues.split(",") if name) or probes.QUEUES
        probes.check_worker(
            settings().data_dir, redis, settings().redis_prefix, settings().hard_time_limit, queues=served
        )
