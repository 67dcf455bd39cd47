"""Other engines with the same fleet: 500 applications of 5 objects, one monorepo, automated, self-heal, defaults.

Figures of earlier measurements on a machine of 2 cores with the same kind of control plane, Argo CD 3.5.1 and
kustomize-controller 1.9.4; they are shown beside ours and take part in no calculation.
"""

from __future__ import annotations

TITLE = "other engines: measured earlier, 500 applications, 2 cores"

#: (key of results.json, figure) -> (Argo CD, Flux)
PEERS: dict[tuple[str, str], tuple[str, str]] = {
    ("initial_sync", "seconds"): ("286.8", "about 450"),
    ("initial_sync", "ratio_to_raw_client"): ("16.2", "about 25"),
    ("initial_sync", "cpu_s"): ("272", "340"),
    ("no_change", "cpu_ms_per_app"): ("58", "not measured"),
    ("commit_to_cluster", "p50_ms"): ("690", "not measured"),
    ("commit_to_cluster", "p95_ms"): ("710", "not measured"),
    ("drift_to_heal.deleted", "p50_ms"): ("220", "next interval"),
    ("drift_to_heal.deleted", "p95_ms"): ("240", "next interval"),
    ("drift_to_heal.edited", "p50_ms"): ("350", "next interval"),
    ("drift_to_heal.edited", "p95_ms"): ("390", "next interval"),
    ("memory", "pss_mib"): ("671 (RSS)", "265 (RSS)"),
}
