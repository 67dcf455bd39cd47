"""Which connections the chart's NetworkPolicies leave open, as a network plugin would decide it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]


def opened(objects: list[Object], labels: Mapping[str, str], direction: str) -> set[tuple[str, str]]:
    """(port, peer) that a pod with these labels may speak to ("egress") or be reached at ("ingress").

    A peer is "any", or what a rule says of it in short. Raises AssertionError where no policy closes the direction.
    """
    rules: list[Object] = []
    closed = False
    for policy in objects:
        spec = policy.get("spec", {})
        if policy["kind"] != "NetworkPolicy" or not selects(spec["podSelector"], labels):
            continue
        if direction.capitalize() in spec["policyTypes"]:
            closed = True
            rules += spec.get(direction) or []
    assert closed, f"{direction} of {labels} is open to everything"
    found = set()
    for rule in rules:
        peers = rule.get("to" if direction == "egress" else "from") or [{}]
        for port in rule.get("ports") or [{"port": "any"}]:
            for peer in peers:
                found.add((f"{port.get('protocol', 'TCP')} {port['port']}".removeprefix("TCP "), short(peer)))
    return found


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector means these labels."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    for term in selector.get("matchExpressions", []):
        assert term["operator"] == "NotIn", term
        if labels.get(term["key"]) in term["values"]:
            return False
    return True


def short(peer: Object) -> str:
    """A peer in a word."""
    if not peer:
        return "any"
    if "ipBlock" in peer:
        return str(peer["ipBlock"]["cidr"])
    pods = (peer.get("podSelector") or {}).get("matchLabels", {})
    spaces = (peer.get("namespaceSelector") or {}).get("matchLabels", {})
    word = pods.get("app.kubernetes.io/component") or pods.get("k8s-app") or spaces.get("kubernetes.io/metadata.name")
    return str(word or ("release" if pods else "every namespace"))
