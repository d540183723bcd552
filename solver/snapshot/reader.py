"""
Manifests as a `solver.cluster.Cluster`.

`read` takes what `solve -f` is given, `from_objects` what is in memory already. Both find all problems before they
stop.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO, TypeVar

from catalog import region
from crds import labels, ovhnodeclass
from solver import cluster
from solver.snapshot import edit, errors, objects, pending, pods, source, workloads
from solver.snapshot.view import Report, View, shown

T = TypeVar("T")

_API_VERSIONS = {
    "Pod": "v1",
    "Node": "v1",
    "Namespace": "v1",
    "PersistentVolume": "v1",
    "PersistentVolumeClaim": "v1",
    "ReplicationController": "v1",
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "PodDisruptionBudget": "policy/v1",
    "StorageClass": "storage.k8s.io/v1",
    "CSINode": "storage.k8s.io/v1",
    "PriorityClass": "scheduling.k8s.io/v1",
    "NodePool": "karpenter.sh/v1",
    "NodeClaim": "karpenter.sh/v1",
    "OVHNodeClass": "karpenter.ovhcloud.sh/v1alpha1",
}
"""The kinds that are read, with the API version to write."""

_GROUPS = {kind: version.rpartition("/")[0] for kind, version in _API_VERSIONS.items()}
_BY_FOLDED_NAME = {kind.lower(): kind for kind in _API_VERSIONS}
_OLD_GROUPS = {"extensions": ("Deployment", "ReplicaSet", "DaemonSet")}
_NAMESPACED = frozenset({"Pod", "PersistentVolumeClaim", "DaemonSet", "PodDisruptionBudget", *workloads.KINDS})
_SILENT = frozenset({"Secret", "ConfigMap"})
_BUILT_IN_SUFFIX = ".k8s.io"

_DAEMON_TOLERATIONS = tuple(
    cluster.Toleration(f"node.kubernetes.io/{key}", "Exists", "", effect)
    for key, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
)
"""What the DaemonSet controller adds to its pods (https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/)."""


def read(paths: Sequence[str], stdin: TextIO | None = None, *, scale: Sequence[str] = ()) -> cluster.Cluster:
    """
    The cluster that files, directories and "-" (`stdin`) describe, after the `scale` edits (see `edit.scale`).

    Raises `errors.SnapshotError` with everything that is wrong.
    """
    return load(paths, stdin).cluster(scale)


@dataclasses.dataclass(frozen=True, slots=True)
class Input:
    """What was read, before it is understood: one input may be asked about with several edits."""

    objects: Sequence[source.RawObject]
    problems: tuple[errors.Problem, ...]
    notes: tuple[str, ...]

    def cluster(self, scale: Sequence[str] = (), *, elsewhere: bool = False) -> cluster.Cluster:
        """
        The cluster after the `scale` edits; `elsewhere` when nodes are to be bought in another region than the node classes'.

        Raises `errors.SnapshotError` with everything that is wrong.
        """
        reading = _Reading(elsewhere=elsewhere)
        reading.problems += self.problems
        reading.notes += self.notes
        with _no_garbage():
            return reading.finish(edit.scale(self.objects, scale, reading.problems) if scale else self.objects)


def load(paths: Sequence[str], stdin: TextIO | None = None) -> Input:
    """The raw objects of files, directories and "-" (`stdin`); problems wait until they are understood."""
    problems: list[errors.Problem] = []
    notes: list[str] = []
    with _no_garbage():
        return Input(source.load(paths, stdin, problems, notes), tuple(problems), tuple(notes))


def from_objects(
    manifests: Iterable[dict[str, Any]], *, strict: bool = True, scale: Sequence[str] = (), name: str = "input"
) -> cluster.Cluster:
    """
    The cluster that manifests in memory describe; `name` is what messages call them.

    Raises `errors.SnapshotError`, unless `strict` is off: then objects with problems are left out, each problem is a
    note, and a NodePool may name a node class that is not there. Nodes on which such a pod runs take no pods and stay.
    """
    reading = _Reading(strict=strict)
    raw = source.wrap(manifests, name, reading.problems)
    return reading.finish(edit.scale(raw, scale, reading.problems) if scale else raw)


@contextlib.contextmanager
def _no_garbage() -> Iterator[None]:
    """
    Holds the garbage collector back.

    Millions of raw values are made and none is part of a cycle; looking through them takes a quarter of the time of
    reading.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Reading:
    """One run: the problems and notes so far, and the objects by kind."""

    def __init__(self, *, strict: bool = True, elsewhere: bool = False) -> None:
        self.problems: list[errors.Problem] = []
        self.notes: list[str] = []
        self._strict = strict
        self._elsewhere = elsewhere
        self._kinds: dict[str, list[source.RawObject]] = {kind: [] for kind in _API_VERSIONS}
        self._origins: dict[tuple[str, str], errors.Origin] = {}

    def finish(self, raw: Iterable[source.RawObject]) -> cluster.Cluster:
        """The cluster. Raises `errors.SnapshotError`."""
        self._sort(raw)
        found = cluster.Cluster(notes=self.notes)
        defaults = self._defaults(found)
        reader = pods.PodReader(defaults)
        self._expand(reader)
        self._read_all(found, reader, defaults)
        if self._strict:
            self._check_references(found)
            self._check_regions(found)
        self._add_notes(found, reader)
        if self.problems and self._strict:
            raise errors.SnapshotError(self.problems)
        self.notes += [f"passed over: {problem}" for problem in self.problems]
        return found

    def _sort(self, raw: Iterable[source.RawObject]) -> None:
        """Known kinds by kind, each name once; what is not known is counted."""
        unknown: collections.Counter[str] = collections.Counter()
        for item in raw:
            kind = item.kind
            if kind in _API_VERSIONS and (item.group == _GROUPS[kind] or kind in _OLD_GROUPS.get(item.group, ())):
                self._add(item)
            elif not self._misnamed(item) and (kind not in _SILENT or item.group):
                unknown[f"{kind} of {item.group}" if kind in _API_VERSIONS else kind] += 1
        self.notes += [
            f"passed over {number} {'object' if number == 1 else 'objects'} of kind {kind}"
            for kind, number in sorted(unknown.items())
        ]

    def _misnamed(self, item: source.RawObject) -> bool:
        """Whether kind or API version is a slip for one that is read; noted as a problem then."""
        kind = _BY_FOLDED_NAME.get(item.kind.lower())
        built_in = "." not in item.group or item.group.endswith(_BUILT_IN_SUFFIX)
        if kind is None or not (built_in or item.group == _GROUPS[kind]):
            return False
        report = Report(item.origin, self.problems)
        if kind != item.kind:
            report.wrong("kind", f"there is no kind {item.kind}", f"write {kind}")
        else:
            written = item.manifest["apiVersion"]
            report.wrong("apiVersion", f"there is no {kind} in {written}", f"write {_API_VERSIONS[kind]}")
        return True

    def _add(self, item: source.RawObject) -> None:
        """Takes an object in, when it has a name that no other of its kind has."""
        kind, namespace, name = workloads.key(item)
        full = f"{namespace}/{name}" if kind in _NAMESPACED else name
        if name and item.origin.name != full:
            item = dataclasses.replace(item, origin=dataclasses.replace(item.origin, name=full))
        report = Report(item.origin, self.problems)
        _check_name(item, report)
        if not report.clean:
            return
        first = self._origins.setdefault((kind, full), item.origin)
        if first is not item.origin:
            report.wrong("", f"stands twice, first in {first.place}", "keep one of the two")
            return
        self._kinds[kind].append(item)

    def _each(self, kind: str, parse: Callable[[View], T]) -> Iterable[tuple[str, T]]:
        """What `parse` makes of the objects of a kind, by name; those with problems are left out."""
        for item in self._kinds[kind]:
            report = Report(item.origin, self.problems)
            value = parse(View(item.manifest, report))
            if report.clean:
                yield item.origin.name, value

    def _defaults(self, found: cluster.Cluster) -> pods.Defaults:
        """What pods get from PriorityClasses and StorageClasses."""
        classes = dict(self._each("PriorityClass", objects.priority_class))
        found.storage_classes = dict(self._each("StorageClass", objects.storage_class))
        created = {
            item.origin.name: str(item.manifest["metadata"].get("creationTimestamp") or "")
            for item in self._kinds["StorageClass"]
        }
        newest = sorted(name for name, made in found.storage_classes.items() if made.default)
        return pods.Defaults(
            priorities={**pods.SYSTEM_PRIORITIES, **{name: value for name, (value, _) in classes.items()}},
            priority=max((value for value, is_default in classes.values() if is_default), default=0),
            storage_class=max(newest, key=lambda name: created[name]) if newest else None,
        )

    def _expand(self, reader: pods.PodReader) -> None:
        """Adds pods and claims for workloads that have no pods; templates are checked either way."""
        ownership = workloads.Ownership(item for items in self._kinds.values() for item in items)
        taken = {workloads.key(item)[1:] for item in self._kinds["Pod"]}
        held = {workloads.key(item)[1:] for item in self._kinds["PersistentVolumeClaim"]}
        for kind in workloads.KINDS:
            for item in self._kinds[kind]:
                root = View(item.manifest, Report(item.origin, self.problems))
                number = workloads.count(root)
                _template(root, reader)
                if kind == "StatefulSet":
                    workloads.check_stateful_set(root)
                if root.report.clean and ownership.stands_for_replicas(item):
                    replicas = list(workloads.replicas(item, number, taken))
                    self._kinds["Pod"] += replicas
                    self._kinds["PersistentVolumeClaim"] += workloads.claims(item, replicas, held)

    def _read_all(self, found: cluster.Cluster, reader: pods.PodReader, defaults: pods.Defaults) -> None:
        unread: dict[str, str] = {}
        for item in self._kinds["Pod"]:
            report = Report(item.origin, self.problems)
            pod = reader.pod(item, report)
            if report.clean:
                found.pods[item.origin.name] = pod
            elif isinstance(spec := item.manifest.get("spec"), dict):
                unread.setdefault(str(spec.get("nodeName") or ""), item.origin.name)
        found.nodes = dict(self._each("Node", objects.node))
        self._leave_alone(found, unread)
        found.node_claims = _present(self._each("NodeClaim", objects.node_claim))
        found.node_pools = _present(
            self._each("NodePool", lambda root: objects.node_pool(root, admitted=not self._strict))
        )
        found.node_classes = _present(self._each("OVHNodeClass", objects.node_class))
        found.budgets = dict(self._each("PodDisruptionBudget", objects.budget))
        found.volume_claims = {
            name: _with_class(claim, defaults.storage_class)
            for name, claim in self._each("PersistentVolumeClaim", objects.volume_claim)
        }
        found.volumes = dict(self._each("PersistentVolume", objects.volume))
        found.csi_limits = dict(self._each("CSINode", objects.csi_limits))
        found.namespaces = dict(self._each("Namespace", objects.namespace))
        for pod in found.pods.values():
            if pod.namespace not in found.namespaces:
                found.namespaces[pod.namespace] = {objects.NAMESPACE_NAME: pod.namespace}
        newest: dict[str, cluster.Pod] = {}
        for pod in found.pods.values():
            if pod.owner is not None and pod.owner.kind == "DaemonSet":
                name = f"{pod.namespace}/{pod.owner.name}"
                if name not in newest or pod.created > newest[name].created:
                    newest[name] = pod
        found.daemon_sets = {
            name: _with_real_pod(daemon_set, newest.get(name), reader)
            for name, daemon_set in self._each("DaemonSet", lambda root: _daemon_set(root, reader))
        }

    def _leave_alone(self, found: cluster.Cluster, unread: Mapping[str, str]) -> None:
        """Nodes with a pod that was left out, by node: nobody knows what it takes or bears, so none comes and none goes."""
        for name in sorted(unread.keys() & found.nodes.keys()):
            node = found.nodes[name]
            node.unschedulable = True
            node.annotations = {**node.annotations, pending.DO_NOT_DISRUPT: "true"}
            self.notes.append(f"node {name} is left alone: pod {unread[name]} on it cannot be read")

    def _check_references(self, found: cluster.Cluster) -> None:
        """Every NodePool must name a node class of the input."""
        written = {item.origin.name for item in self._kinds["OVHNodeClass"]}
        for name, pool in found.node_pools.items():
            reference = pool.manifest.spec.template.spec.node_class_ref
            field = "spec.template.spec.nodeClassRef"
            report = Report(self._origins["NodePool", name], self.problems)
            if (reference.group, reference.kind) != (ovhnodeclass.GROUP, ovhnodeclass.KIND):
                message = f"{reference.group}/{reference.kind} is no node class of OVHcloud"
                report.wrong(field, message, f"write group {ovhnodeclass.GROUP} and kind {ovhnodeclass.KIND}")
            elif reference.name not in written:
                hint = (
                    f"write {' or '.join(sorted(written))}, or add it" if written else "add the OVHNodeClass manifest"
                )
                report.wrong(f"{field}.name", f'there is no OVHNodeClass "{reference.name}" in the input', hint)

    def _check_regions(self, found: cluster.Cluster) -> None:
        """Every node class must name a region that is known, or report its zones."""
        for name, each in found.node_classes.items():
            if self._elsewhere or each.manifest.status.zones:
                continue
            try:
                region.get(each.manifest.spec.region)
            except region.UnknownRegionError as error:
                message, _, hint = str(error).partition(": ")
                Report(self._origins["OVHNodeClass", name], self.problems).wrong("spec.region", message, hint)

    def _add_notes(self, found: cluster.Cluster, reader: pods.PodReader) -> None:
        if found.pods and not found.node_pools:
            self.notes.append("no NodePool is in the input: only nodes that exist can take pods")
        for name in sorted(reader.unknown_priorities):
            self.notes.append(f'PriorityClass "{name}" is not in the input: its pods count with priority 0; add it')
        strangers = sum(1 for pod in found.pods.values() if pod.node and pod.node not in found.nodes)
        if strangers:
            what = "1 pod runs on a node that is" if strangers == 1 else f"{strangers} pods run on nodes that are"
            self.notes.append(f"{what} not in the input; add the nodes")
        classless = [c for c in found.volume_claims.values() if c.storage_class is None and not c.volume]
        if classless and not found.storage_classes:
            self.notes.append(
                f"no StorageClass is in the input: {len(classless)} unbound volume claims have none; "
                "add them (kubectl get storageclasses -o yaml)"
            )


def _check_name(item: source.RawObject, report: Report) -> None:
    """Notes what keeps an object from being called by its name."""
    metadata = item.manifest.get("metadata")
    given = metadata if isinstance(metadata, dict) else {}
    name = given.get("name")
    if metadata is not None and metadata is not given:
        report.wrong("metadata", f"{shown(metadata)} is not a mapping", "write keys and values")
    elif name in (None, ""):
        report.wrong("metadata.name", "is missing", 'write it, for instance "web"')
    elif not item.name:
        report.wrong("metadata.name", f"{shown(name)} is not a text", "write it in quotes")
    elif len(item.name) > labels.LONGEST_PREFIX:
        report.wrong("metadata.name", f"is longer than {labels.LONGEST_PREFIX} characters", "write a shorter one")
    elif not labels.is_object_name(item.name):
        report.wrong("metadata.name", "is not a name", "write lower-case letters, digits, '-' and '.'")
    if given.get("namespace") not in (None, "") and not item.namespace:
        report.wrong("metadata.namespace", f"{shown(given['namespace'])} is not a text", "write it in quotes")
    elif item.namespace and not labels.is_object_name(item.namespace):
        report.wrong("metadata.namespace", "is not a name", "write lower-case letters, digits and '-'")


def _present(pairs: Iterable[tuple[str, T | None]]) -> dict[str, T]:
    return {name: value for name, value in pairs if value is not None}


def _template(root: View, reader: pods.PodReader) -> tuple[cluster.PodSpec, dict[str, str]]:
    """Spec and labels of the pod template in `spec.template`."""
    spec = root.mapping("spec")
    spec.misspelled(f"{root.raw['kind']}Spec")
    if "template" not in spec:
        spec.wrong("is missing", "write the pod's metadata and spec", "template")
        return cluster.PodSpec(), {}
    template = spec.mapping("template")
    metadata = template.mapping("metadata")
    metadata.misspelled("ObjectMeta")
    labels_of_pods = metadata.labels("labels")
    return reader.spec(template, View({}, root.report)), labels_of_pods


def _daemon_set(root: View, reader: pods.PodReader) -> cluster.DaemonSet:
    metadata = root.mapping("metadata")
    spec, labels_of_pods = _template(root, reader)
    tolerated = (*spec.tolerations, *(added for added in _DAEMON_TOLERATIONS if added not in spec.tolerations))
    return cluster.DaemonSet(
        namespace=metadata.text("namespace") or "default",
        name=metadata.text("name"),
        spec=reader.shared(dataclasses.replace(spec, tolerations=tolerated)),
        labels=labels_of_pods,
    )


def _with_real_pod(daemon_set: cluster.DaemonSet, pod: cluster.Pod | None, reader: pods.PodReader) -> cluster.DaemonSet:
    """
    The DaemonSet as its newest real pod shows it, which webhooks and LimitRanges have seen.

    The node affinity is the template's, because the controller pins real pods to their nodes.
    """
    if pod is None:
        return daemon_set
    template = daemon_set.spec
    spec = dataclasses.replace(pod.spec, node_terms=template.node_terms, invalid=template.invalid)
    return dataclasses.replace(daemon_set, spec=reader.shared(spec), labels=pod.labels)


def _with_class(claim: cluster.VolumeClaim, default_class: str | None) -> cluster.VolumeClaim:
    """An unbound claim without a class gets the default one, as the API server gives it."""
    if claim.storage_class is None and not claim.volume and default_class is not None:
        return dataclasses.replace(claim, storage_class=default_class)
    return claim
