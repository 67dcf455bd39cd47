"""The helm service: a confined, long-lived process that alone loads the helm library.

The library brings a Go runtime, which hangs in processes forked after it was loaded. So it is imported here, after the
fork, and nowhere else. Charts come as archives and leave as text; no file is opened.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import resource
import socket
from collections.abc import Callable
from typing import Any

from gitops.source.sandbox.channel import Channel, ChannelClosed

#: After so many renders, or beyond so many MiB, the process ends and the next render has a new one.
_MAX_JOBS, _MAX_RESIDENT_MIB = 5000, 400
_MAX_REQUEST = 256 << 20


def serve(control: socket.socket, confine: Callable[[], None]) -> None:
    """Answer one conversation after another until the control socket closes, or this process has grown too large."""
    confine()
    import helm_python

    helm_python.disable_logging()
    for _ in range(_MAX_JOBS):
        _data, fds, _flags, _address = socket.recv_fds(control, 64, 1)
        if not fds:
            return
        channel = Channel(socket.socket(fileno=fds[0]), max_frame=_MAX_REQUEST)
        with contextlib.suppress(ChannelClosed, BrokenPipeError):
            channel.send({"pid": os.getpid()})
            channel.send(_answer(helm_python, channel.receive()))
        channel.close()
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 > _MAX_RESIDENT_MIB:
            return


def _answer(helm: Any, request: dict[str, Any]) -> dict[str, Any]:
    try:
        helm.validate_release_name(request["options"]["name"])
        with helm.Chart.load_archive(base64.b64decode(request["archive"])) as chart:
            # The library's own render() does not pass on Capabilities; the call below it does.
            text = helm._native.call_string(
                "helm_render", chart._raw(), json.dumps(request["values"]), json.dumps(request["options"])
            )
            crds = [[c["filename"], c["data"]] for c in chart.crds] if request["crds"] else []
        return {"files": json.loads(text), "crds": crds}
    except helm.HelmError as error:
        return {"error": str(error)}
