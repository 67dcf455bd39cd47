"""ApplicationSet: Applications made from a template and generators, so that hundreds of them are one manifest.

`generate` gives the Applications, from what the caller lets it read (`Inputs`: clusters, repository content);
`reconcile_plan` says what to create, update and delete; `rolling` which of them sync when; `conditions` what to write
into `status`. Nothing here speaks to a cluster or a repository.
"""

from gitops.applicationset import rolling
from gitops.applicationset.conditions import conditions
from gitops.applicationset.generate import generate
from gitops.applicationset.generators import requeue_after
from gitops.applicationset.inputs import ClusterInfo, Inputs, RepositoryContent
from gitops.applicationset.plan import Plan, Policy, reconcile_plan

__all__ = [
    "ClusterInfo",
    "Inputs",
    "Plan",
    "Policy",
    "RepositoryContent",
    "conditions",
    "generate",
    "reconcile_plan",
    "requeue_after",
    "rolling",
]
