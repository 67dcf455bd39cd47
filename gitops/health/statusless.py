"""Kinds that have no status, so that an object without one is not waited for: Kubernetes' own and others."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Groups that Kubernetes itself serves. A kind of these without a rule has no health.
BUILTIN_GROUPS = _words(
    """apps batch autoscaling policy extensions networking.k8s.io rbac.authorization.k8s.io storage.k8s.io
    admissionregistration.k8s.io apiextensions.k8s.io apiregistration.k8s.io authentication.k8s.io
    authorization.k8s.io certificates.k8s.io coordination.k8s.io discovery.k8s.io events.k8s.io
    flowcontrol.apiserver.k8s.io node.k8s.io scheduling.k8s.io resource.k8s.io internal.apiserver.k8s.io
    storagemigration.k8s.io metrics.k8s.io"""
) | {""}

#: Third-party kinds that never have a status, by their own API: `*` stands for a whole group.
#: Any other object without one is taken to be new, so that a wave waits for its controller's first word.
WITHOUT_STATUS: dict[str, frozenset[str]] = {
    "argoproj.io": _words(
        "AppProject WorkflowTemplate ClusterWorkflowTemplate AnalysisTemplate ClusterAnalysisTemplate"
    ),
    "monitoring.coreos.com": _words("PrometheusRule ServiceMonitor PodMonitor Probe ScrapeConfig AlertmanagerConfig"),
    "networking.istio.io": _words("*"),
    "apiextensions.crossplane.io": _words("Composition CompositionRevision EnvironmentConfig"),
    "pkg.crossplane.io": _words("DeploymentRuntimeConfig ControllerConfig ImageConfig"),
    "wgpolicyk8s.io": _words("*"),
    "security.istio.io": _words("*"),
    "telemetry.istio.io": _words("*"),
    "extensions.istio.io": _words("*"),
    "traefik.io": _words("*"),
    "traefik.containo.us": _words("*"),
    "cilium.io": _words(
        "CiliumNetworkPolicy CiliumClusterwideNetworkPolicy CiliumLoadBalancerIPPool CiliumEnvoyConfig"
    ),
    "crd.projectcalico.org": _words("*"),
    "projectcalico.org": _words("*"),
    "metallb.io": _words("IPAddressPool L2Advertisement BGPAdvertisement BGPPeer BFDProfile Community"),
    "notification.toolkit.fluxcd.io": _words("Alert Provider"),
    "tekton.dev": _words("Pipeline Task ClusterTask"),
    "triggers.tekton.dev": _words("Trigger TriggerBinding TriggerTemplate ClusterTriggerBinding"),
    "kustomize.config.k8s.io": _words("*"),
    "linkerd.io": _words("ServiceProfile"),
    "policy.linkerd.io": _words("Server ServerAuthorization AuthorizationPolicy MeshTLSAuthentication"),
    "config.gatekeeper.sh": _words("Config"),
    "externaldns.k8s.io": _words("DNSEndpoint"),
    "secrets-store.csi.x-k8s.io": _words("SecretProviderClass"),
    "snapshot.storage.k8s.io": _words("VolumeSnapshotClass"),
    "crd.k8s.amazonaws.com": _words("ENIConfig"),
    "keda.sh": _words("TriggerAuthentication ClusterTriggerAuthentication"),
    "gateway.networking.k8s.io": _words("ReferenceGrant"),
    "jenkins.io": _words("*"),
    "k8s.cni.cncf.io": _words("NetworkAttachmentDefinition"),
    "velero.io": _words("VolumeSnapshotLocation"),
    "aquasecurity.github.io": _words("*"),
    "reports.kyverno.io": _words("*"),
    "openreports.io": _words("*"),
    "dapr.io": _words("*"),
    "fluentbit.fluent.io": _words("ClusterInput ClusterFilter ClusterOutput ClusterParser Filter Output Parser"),
    "helm.cattle.io": _words("HelmChartConfig"),
    "instancetype.kubevirt.io": _words("*"),
    "nfd.k8s-sigs.io": _words("*"),
    "security.openshift.io": _words("*"),
    "console.openshift.io": _words("*"),
    "template.openshift.io": _words("Template"),
    "user.openshift.io": _words("*"),
    "oauth.openshift.io": _words("*"),
    "elbv2.k8s.aws": _words("IngressClassParams"),
    "eks.amazonaws.com": _words("IngressClassParams"),
    "vpcresources.k8s.aws": _words("SecurityGroupPolicy"),
    "networking.gke.io": _words("FrontendConfig"),
    "cloud.google.com": _words("BackendConfig"),
    "serving.kserve.io": _words("ServingRuntime ClusterServingRuntime"),
    "kubeflow.org": _words("PodDefault"),
    "opentelemetry.io": _words("Instrumentation"),
    "aadpodidentity.k8s.io": _words("AzureIdentity AzureIdentityBinding AzurePodIdentityException"),
    "*": _words("ProviderConfig ClusterProviderConfig ProviderConfigUsage StoreConfig"),
}


def has_no_status(group: str, kind: str) -> bool:
    """Whether a kind is known never to have a status."""
    kinds = WITHOUT_STATUS.get(group)
    return (
        group in BUILTIN_GROUPS
        or kind in WITHOUT_STATUS["*"]
        or (kinds is not None and (kind in kinds or "*" in kinds))
    )
