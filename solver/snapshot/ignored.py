"""
Pods that Karpenter passes over because of what their spec asks of nodes, and why.

The checks and their words are upstream's (karpenter core, `pkg/controllers/provisioning/provisioner.go` and
`pkg/apis/v1/nodeclaim_validation.go`). One wrong term is enough, even where another one would do. Volumes are not
looked at here.
"""

from __future__ import annotations

from collections.abc import Iterator

from catalog import labels as known_labels
from crds import labels
from solver import cluster

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")


def reason(spec: cluster.PodSpec) -> str | None:
    """Why pods with this spec are passed over, or None."""
    wrong = dict.fromkeys((*_unmanaged(spec), *_malformed(spec)))
    return ", ".join(wrong) or None


def _unmanaged(spec: cluster.PodSpec) -> Iterator[str]:
    """Pods that ask for nodes of no NodePool, in their first required or their heaviest preferred term."""
    terms = [*(spec.node_terms or ())[:1]]
    if spec.preferred_node_terms:
        terms.append(max(spec.preferred_node_terms, key=lambda preferred: preferred.weight).term)
    for term in terms:
        for expression in term.expressions:
            if expression.key == labels.NODEPOOL and expression.operator == "DoesNotExist":
                yield (
                    "configured to not run on a Karpenter provisioned node "
                    f"(requirement={labels.NODEPOOL} DoesNotExist)"
                )


def _malformed(spec: cluster.PodSpec) -> Iterator[str]:
    for key, value in spec.node_selector:
        yield from _requirement(cluster.Expression(key, "In", (value,)))
    if spec.node_terms == ():
        yield "required node affinity must have at least one node selector term"
    for term in spec.node_terms or ():
        if term.fields:
            yield "node selector term with matchFields is not supported"
        for expression in term.expressions:
            yield from _requirement(expression)


def _requirement(expression: cluster.Expression) -> Iterator[str]:
    key, operator, values = known_labels.translate(expression.key), expression.operator, expression.values
    if operator not in OPERATORS:
        yield f"key {key} has an unsupported operator {operator} not in [{' '.join(OPERATORS)}]"
    if restricted(key):
        yield (
            f"using label {key} is not allowed as it might interfere with the internal provisioning logic; specify a well "
            f"known label, or a custom label that does not use a restricted domain: [{labels.DOMAIN}]"
        )
    if not labels.is_qualified_name(key):
        yield f"key {key} is not a qualified name"
    for value in values:
        if not labels.is_label_value(value):
            yield f"invalid value {value} for key {key}"
    if operator == "In" and not values:
        yield f"key {key} with operator In must have a value defined"
    if operator in ("Gt", "Lt") and not (len(values) == 1 and values[0].isascii() and values[0].isdigit()):
        yield f"key {key} with operator {operator} must have a single positive integer value"
    if key == labels.CAPACITY_TYPE and operator == "In" and values and not set(values) & set(labels.CAPACITY_TYPES):
        known = " ".join(labels.CAPACITY_TYPES)
        yield f"no valid values found in [{' '.join(values)}] for {key}, expected one of: [{known}]"


def restricted(key: str) -> bool:
    """Whether Karpenter keeps the label to itself: its own domain and the hostname, less the well-known ones."""
    if key in known_labels.WELL_KNOWN:
        return False
    domain, slash, _ = key.rpartition("/")
    return key == labels.HOSTNAME or bool(slash and (domain == labels.DOMAIN or domain.endswith(f".{labels.DOMAIN}")))
