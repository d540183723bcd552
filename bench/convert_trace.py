"""
From the public trace to the sample that T5000 needs: distinct sizes and how many of the first pods have them.

    .venv/bin/python -m bench.convert_trace openb_pod_list_default.csv [--pods 5000]

The trace is `cluster-trace-gpu-v2023/csv/openb_pod_list_default.csv` of https://github.com/alibaba/clusterdata; see
`bench/data/README.md` for its terms.
"""

from __future__ import annotations

import argparse
import collections
import csv
import itertools
from pathlib import Path

from bench import workloads


def sizes(path: Path, pods: int) -> collections.Counter[tuple[int, int]]:
    """(milli-CPU, Mi) of the first `pods` pods of a trace that fit the largest flavor, with their numbers."""
    return collections.Counter(itertools.islice(workloads.fitting(path), pods))


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the sizes of a trace's first pods, with their numbers.")
    parser.add_argument("trace", type=Path)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--to", type=Path, default=workloads.TRACE_SAMPLE)
    asked = parser.parse_args()
    found = sizes(asked.trace, asked.pods)
    asked.to.parent.mkdir(exist_ok=True)
    with asked.to.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("cpu_milli", "memory_mib", "pods"))
        writer.writerows((cpu, memory, number) for (cpu, memory), number in sorted(found.items()))
    print(f"{asked.to}: {len(found)} sizes of {sum(found.values())} pods")


if __name__ == "__main__":
    main()
