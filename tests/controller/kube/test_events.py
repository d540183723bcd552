"""Events: where they are kept, that they are not repeated, and what is told twice."""

from __future__ import annotations

from controller.kube import events
from tests.controller.kube import memory
from tests.controller.loops import make

POOL = {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "general", "uid": "u"}}
OWN = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "controller-0", "namespace": "karpenter"}}


def told(api: memory.Memory, recorder: events.Recorder) -> list[tuple[str, str, str, str]]:
    recorder.close()
    return [
        (each["metadata"]["namespace"], each["regarding"]["kind"], each["reason"], each["note"]) for each in api.created
    ]


def test_a_warning_about_an_object_without_a_namespace_is_put_on_the_own_pod_too():
    """`kubectl get events -n karpenter` shows it; what is normal, or about a pod, is told once."""
    api = memory.Memory()
    recorder = events.Recorder(api, own=OWN)
    recorder.event(POOL, "QuotaReached", "3 pod(s) wait", warning=True)
    recorder.event(make.claim("general-a"), "Planned", "b3-16")
    recorder.event(make.pod("web-0"), "FailedScheduling", "no room", warning=True)

    assert told(api, recorder) == [
        ("default", "NodePool", "QuotaReached", "3 pod(s) wait"),
        ("karpenter", "Pod", "QuotaReached", "NodePool general: 3 pod(s) wait"),
        ("default", "NodeClaim", "Planned", "b3-16"),
        ("default", "Pod", "FailedScheduling", "no room"),
    ]


def test_the_same_event_is_not_repeated_before_its_silence_is_over():
    """What is the same is said by the note, or by `dedupe` where the note has changing figures."""
    api, clock = memory.Memory(), [0.0]
    recorder = events.Recorder(api, clock=lambda: clock[0])
    for moment, minutes in ((0.0, 4), (60.0, 3), (121.0, 2)):
        clock[0] = moment
        recorder.event(make.pod(), "Nominated", f"ready in {minutes} min", dedupe=("general-a",))

    assert [note for *_, note in told(api, recorder)] == ["ready in 4 min", "ready in 2 min"]


def test_a_note_that_is_too_long_for_the_api_server_is_cut():
    """1024 characters, the last of which says that there was more."""
    api = memory.Memory()
    recorder = events.Recorder(api)
    recorder.event(make.pod(), "FailedScheduling", "x" * 3000, warning=True)

    ((*_, note),) = told(api, recorder)
    assert len(note) == 1024
    assert note.endswith("…")
