"""The tables: medians over seeds, aims met and missed, and the parts of a document that are made of them."""

from __future__ import annotations

from typing import Any

from bench import report
from bench.measured import Results

Json = dict[str, Any]


def run(cost: float, seconds: float = 1.0, **more: Any) -> Json:
    """A plan of so many EUR/h; the bound is 100."""
    return {
        "cost": cost * 1e6,
        "bound": 100e6,
        "seconds": seconds,
        "accepted": True,
        "left_out": 0,
        "violations": 0,
        **more,
    }


def ours(seed: int, first: float, after: float, workload: str = "KD2000") -> Json:
    """Our plans: the first one after 0.1 s, one after 5 s."""
    found = {"first": run(first, 0.1), "runs": [run(after, 5.0, until=5.0)], "process_wall": 5.5, "rss_mb": 150.0}
    return {"workload": workload, "seed": seed, "what": "search", "problem": f"p{seed}", **found}


def karpenter(seed: int, cost: float, workload: str = "KD2000", **more: Any) -> Json:
    """An answer of Karpenter after 2 s with one worker."""
    found = {"problem": f"p{seed}", "workers": {"1": 2.0, "2": 3.0}, "timed_out": 0, "said_cost": cost * 1e6, **more}
    return {"workload": workload, "seed": seed, "what": "karpenter", **run(cost, 2.0), **found}


def row(of: str, name: str) -> list[str]:
    """The cells of a table's first row that starts with a name."""
    line = next(line for line in of.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def results(*found: Json) -> Results:
    return Results({"environment": [], "results": [*found]})


def test_medians_over_seeds_with_what_was_aimed_at():
    """Three seeds of ours, two of Karpenter: its number of seeds is said."""
    cells = row(
        report.table(
            results(
                *(ours(s, 110, c) for s, c in ((1, 100.5), (2, 100.7), (3, 109))), karpenter(1, 200), karpenter(2, 202)
            )
        ),
        "KD2000",
    )

    assert cells[2] == "5 s: 0.70 % (aim 1.00 %)"
    assert cells[3] == "49.95 % (aim 10.00 %), 2 of 3 seeds"
    assert cells[4:] == ["0.10 s, 45.27 % cheaper", "2.00 s: 20 x"]


def test_what_is_missed_stands_out():
    """Over the bound by more than aimed at, cheaper by less."""
    cells = row(report.table(results(ours(1, 110, 102), karpenter(1, 103))), "KD2000")

    assert cells[2:4] == ["5 s: **2.00 %** (missed: 1.00 %)", "**0.97 %** (missed: 10.00 %)"]


def test_only_plans_that_hold_are_compared_and_only_on_the_same_problem():
    """Refused, of another problem, or cut off: then ours for all pods is cheaper than what it had bought for some."""
    assert row(report.table(results(ours(1, 110, 100), karpenter(1, 200, accepted=False))), "KD2000")[3] == "–"
    assert row(report.table(results(ours(1, 110, 100), karpenter(1, 200, problem="q"))), "KD2000")[3] == "–"
    cut = karpenter(1, 200, left_out=5, timed_out=1)
    assert row(report.table(results(ours(1, 110, 100), cut)), "KD2000")[3] == "at least 50.00 %"
    less = karpenter(1, 90, left_out=5, timed_out=1)
    assert row(report.table(results(ours(1, 110, 100), less)), "KD2000")[3] == "–"


def test_seconds_of_a_peer_count_where_nothing_else_was_at_work():
    """Prices do not depend on the load, seconds do."""
    cells = row(report.table(results(ours(1, 110, 100), karpenter(1, 200, load=4.0))), "KD2000")

    assert cells[3:] == ["50.00 % (aim 10.00 %)", "0.10 s, 45.00 % cheaper", "–"]


def test_plans_in_turns_have_a_table_of_their_own():
    """What the checker says without turns, who waited, and what all rounds cost."""
    told: Json = {"in_the_end": {"violations": 240}, "turns": 11, "waited": [["a", "b"], ["b"]], "said_cost": 51e6}

    assert report.in_turns(results(ours(1, 110, 100))) == ""
    cells = row(report.in_turns(results(ours(1, 110, 100), karpenter(1, 52, **told))), "KD2000")
    assert cells == ["KD2000", "1", "240", "11, accepted", "2, 1", "51.00", "52.00", "100.00"]


def test_a_document_gets_its_tables_anew_and_keeps_its_words():
    """Between the marks everything is replaced, however often; marks that are not there are not missed."""
    text = "Words.\n\n<!-- table -->\nold\n<!-- end of table -->\n\nMore words.\n"
    known = results(ours(1, 110, 100))

    once = report.filled(text, known)

    assert once == f"Words.\n\n<!-- table -->\n\n{report.table(known)}\n<!-- end of table -->\n\nMore words.\n"
    assert report.filled(once, known) == once
