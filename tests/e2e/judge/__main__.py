"""
Judge plans and print the counts.

    python -m tests.e2e.judge --plans 300              # random plans and all examples
    python -m tests.e2e.judge --plans 300 --loose      # the same without anything that keeps pods to their places
    python -m tests.e2e.judge --packing 400 --loose    # plans that fill nodes closely
"""

import argparse
import sys
import time

from tests.e2e.controlplane import binaries
from tests.e2e.judge import docket


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.e2e.judge", description="Judge plans with the real scheduler."
    )
    parser.add_argument("--plans", type=int, default=300, help="random plans")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--courts", type=int, default=2, help="control planes at once")
    parser.add_argument("--loose", action="store_true", help="keep no pod to its place")
    parser.add_argument("--packing", type=int, metavar="PODS", help="ten plans for so many pods that only take room")
    parser.add_argument("--alike", action="store_true", help="random clusters whose workloads count each other")
    parser.add_argument("--no-examples", action="store_true", help="random plans only")
    asked = parser.parse_args()
    if missing := binaries.missing():
        sys.exit(missing)
    started = time.monotonic()
    cases = docket.random_cases(asked.first, asked.plans, alike=asked.alike)
    if not asked.no_examples:
        cases = [*docket.examples(), *cases]
    if asked.packing:
        cases = docket.packing_cases(10, asked.packing)
    record = docket.hear(cases, courts=asked.courts, loose=asked.loose, tell=lambda words: print(words, flush=True))
    print(record)
    print(f"{record.whole} of {record.plans} plans with no pod left over, {time.monotonic() - started:.0f} s")
    if record.faults and not asked.loose:
        sys.exit(1)


if __name__ == "__main__":
    main()
