"""Well-known names: API groups, annotations, labels and finalizers, spelled once (specs section 1)."""

from __future__ import annotations

GROUP = "argoproj.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

IN_CLUSTER_SERVER = "https://kubernetes.default.svc"
IN_CLUSTER_NAME = "in-cluster"

#: The field manager of every server-side apply.
FIELD_MANAGER = "gitops-engine"

# On Applications
REFRESH = "argocd.argoproj.io/refresh"
#: On an ApplicationSet.
SET_REFRESH = "argocd.argoproj.io/application-set-refresh"
SKIP_RECONCILE = "argocd.argoproj.io/skip-reconcile"
MANIFEST_GENERATE_PATHS = "argocd.argoproj.io/manifest-generate-paths"
DELETION_APPROVED = "argocd.argoproj.io/deletion-approved"
FINALIZER_FOREGROUND = "resources-finalizer.argocd.argoproj.io"
FINALIZER_FOREGROUND_ALIAS = "resources-finalizer.argocd.argoproj.io/foreground"
FINALIZER_BACKGROUND = "resources-finalizer.argocd.argoproj.io/background"
PRE_DELETE_FINALIZER = "pre-delete-finalizer.argocd.argoproj.io"
POST_DELETE_FINALIZER = "post-delete-finalizer.argocd.argoproj.io"

# On objects
TRACKING_ID = "argocd.argoproj.io/tracking-id"
INSTALLATION_ID = "argocd.argoproj.io/installation-id"
INSTANCE_LABEL = "app.kubernetes.io/instance"
SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
SYNC_WAVE = "argocd.argoproj.io/sync-wave"
HOOK = "argocd.argoproj.io/hook"
HOOK_DELETE_POLICY = "argocd.argoproj.io/hook-delete-policy"
HOOK_FINALIZER = "argocd.argoproj.io/hook-finalizer"
COMPARE_OPTIONS = "argocd.argoproj.io/compare-options"
IGNORE_HEALTHCHECK = "argocd.argoproj.io/ignore-healthcheck"
IGNORE_RESTART_POLICY = "argocd.argoproj.io/ignore-restart-policy"
HELM_HOOK = "helm.sh/hook"
HELM_HOOK_WEIGHT = "helm.sh/hook-weight"
HELM_HOOK_DELETE_POLICY = "helm.sh/hook-delete-policy"
HELM_RESOURCE_POLICY = "helm.sh/resource-policy"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

#: Our own label on each managed object, so that one metadata-only watch a kind sees them all. Its value is the
#: Application's instance name, shortened to a valid label value. Ownership is decided by the tracking id, never by it;
#: a live object without it is not out of sync for that reason.
WATCH_LABEL = "gitops.engine/application"
