"""Status conditions: times, order, and what Ready follows from."""

from __future__ import annotations

from typing import Any

from controller.kube import conditions

T0 = "2026-01-01T00:00:00Z"
LATER = 1767229200.0
DEPENDENTS = ("Launched", "Registered")


def item(*known: conditions.Condition, generation: int = 1) -> dict[str, Any]:
    return {"metadata": {"creationTimestamp": T0, "generation": generation}, "status": {"conditions": list(known)}}


def by_type(found: list[conditions.Condition] | None) -> dict[str, conditions.Condition]:
    assert found is not None
    return {each["type"]: each for each in found}


def test_dependents_are_there_from_the_first_touch_and_count_from_the_creation():
    """Timers of claims run from when they were made, not from when somebody looked."""
    found = by_type(conditions.Draft(item(), DEPENDENTS, LATER).finish())

    assert found["Launched"]["status"] == "Unknown"
    assert found["Launched"]["lastTransitionTime"] == T0
    assert found["Ready"]["status"] == "Unknown"
    assert found["Ready"]["lastTransitionTime"] != T0


def test_a_new_reason_for_the_same_status_does_not_move_the_time():
    """Unknown for another reason is still Unknown since then."""
    first = conditions.Draft(item(), DEPENDENTS, LATER).finish() or []
    draft = conditions.Draft(item(*first), DEPENDENTS, LATER + 60)
    draft.set("Registered", "Unknown", "NodeNotFound", "Node not registered with cluster")
    found = by_type(draft.finish())

    assert found["Registered"]["lastTransitionTime"] == T0
    assert found["Registered"]["reason"] == "NodeNotFound"


def test_ready_follows_from_all_dependents():
    """One False makes it False, all True make it True."""
    draft = conditions.Draft(item(), DEPENDENTS, LATER)
    draft.true("Launched")
    draft.set("Registered", "False", "MultipleNodesFound", "two")
    assert by_type(draft.finish())["Ready"]["status"] == "False"
    draft.true("Registered")
    assert by_type(draft.finish())["Ready"]["status"] == "True"


def test_nothing_changed_means_nothing_to_write():
    """The same twice is None."""
    draft = conditions.Draft(item(), DEPENDENTS, LATER)
    draft.true("Launched")
    first = draft.finish() or []
    again = conditions.Draft(item(*first), DEPENDENTS, LATER + 60)
    again.true("Launched")

    assert again.finish() is None
