"""Asking the planner and printing what it answers; importing this loads the optimiser."""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from catalog import region
from solver import plan as plans
from solver import planner
from solver import warm as earlier
from solver.cli import errors, progress, question
from solver.render import comparison, document, html, manifests, people

DUMPS = {"json": document.to_json, "yaml": document.to_yaml}


class Search:
    """The planner with a progress line, ended early by Ctrl-C."""

    def __init__(
        self, stop: threading.Event, meter: progress.Meter, warm: earlier.Earlier | None, *, debug: bool
    ) -> None:
        self._stop = stop
        self._run = planner.Run(
            clock=time.monotonic,
            stop=stop.is_set,
            progress=meter.show,
            warm=warm,
            relax=True,
            # The plan says so in a note.
            broken=None if debug else lambda _: None,
        )

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._stop.is_set()

    def plan(self, asked: question.Question, *, frontier: bool = False) -> plans.Plan:
        """The best plan found. Raises `errors.Failed` and `errors.Wrong`."""
        cluster, known, options = asked
        try:
            plan = planner.plan(cluster, known, options, self._run)
            if frontier:
                from solver import consolidation

                plan = consolidation.with_frontier(cluster, known, options, self._run, plan)
        except planner.RejectedPlanError as error:
            raise errors.Failed(str(error)) from error
        except region.UnknownRegionError as error:
            raise errors.Wrong(str(error)) from error
        return without_times(plan) if options.deterministic else plan

    def by_policy(self, asked: question.Question, policy: str) -> plans.Plan:
        """What another policy would do, judged."""
        from solver import compare

        cluster, known, options = asked
        quiet = dataclasses.replace(self._run, warm=None, relax=False)
        plan = compare.plan(cluster, known, options, quiet, policy)
        return without_times(plan) if options.deterministic else plan


@contextmanager
def searching(warm: earlier.Earlier | None = None, *, debug: bool = False) -> Iterator[Search]:
    """
    A search, perhaps from an earlier plan, with a progress line on standard error when that is a terminal.

    Unless `debug` is on, an error that ends the search is a note, and a plainer plan is given.
    """
    meter = progress.Meter(enabled=sys.stderr.isatty())
    with progress.interruptible() as stop, meter.running():
        yield Search(stop, meter, warm, debug=debug)


def without_times(plan: plans.Plan) -> plans.Plan:
    """The plan with all times 0, as `--deterministic` promises."""
    phases = tuple(dataclasses.replace(p, seconds=0.0) for p in plan.solve.phases)
    return dataclasses.replace(plan, solve=dataclasses.replace(plan.solve, wall_seconds=0.0, phases=phases))


def as_text(plan: plans.Plan, output: str, others: Sequence[comparison.Named], again: str) -> str:
    """A plan as one of the outputs, with the answers of other policies where the output has a place for them."""
    if output in DUMPS:
        return DUMPS[output](document.to_document(plan) | comparison.compared(others))
    if output == "name":
        return manifests.names(plan)
    if output == "manifests":
        return manifests.to_yaml(plan)
    named = [("this plan", plan), *others] if others else []
    if output == "html":
        return html.page(plan, named, again)
    return people.show(plan, wide=output == "wide", again=again, others=named)


def side_by_side(named: Sequence[comparison.Named], output: str, again: str) -> str:
    """The answers to several scenarios as one of the outputs; `wide` shows each plan in full below the table."""
    if output in DUMPS:
        return DUMPS[output](comparison.to_document(named))
    parts = [comparison.table(named, what="SCENARIO")]
    if output == "table" and (notes := comparison.own_notes(named)):
        parts.append("".join(f"note: {name}: {note}\n" for name, note in notes))
    if output == "wide":
        parts += [f"== {name}\n\n{people.show(plan, wide=True)}" for name, plan in named]
    return "\n".join([*parts, *([f"again: {again}\n"] if again else [])])
