"""
The bench: every workload and seed in a fresh process, peers beside it, results as JSON.

    scripts/bench [--workloads K2000,R1000/30] [--seeds 3] [--peers karpenter,first-fit,direct] [--quick] [--add | --resume]

bench/README.md is the protocol; `bench.report` makes the table and the picture.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import book as books
from bench import report, workloads

Json = dict[str, Any]
KEPT = Path(__file__).parent / "results" / "results.json"
"""Results that the documents show."""

PEERS = ("karpenter", "first-fit", "direct")

LIMITS: dict[str, tuple[float, ...]] = {
    "KD2000": (5,),
    "KD10000": (10,),
    "X2000": (5,),
    "T5000": (1, 5),
    "R10000/1000": (5,),
    "V5000": (5,),
    "B32000/30": (5, 20),
    "G20000": (5,),
}
"""Seconds after which a workload is looked at; others after 1 s and 5 s."""

QUICK = ("K2000", "R1000/30", "T5000", "X2000")
GROWTH_PODS = tuple(1000 * 2**i for i in range(6))
GROWTH_CLASSES = tuple(30 * 2**i for i in range(6))


def growth() -> Iterator[tuple[str, Callable[[int], list[workloads.Manifest]]]]:
    """Growth series: pods at 30 classes, classes at 10,000 pods."""
    for pods in GROWTH_PODS:
        yield f"pods/{pods}", lambda seed, pods=pods: workloads.random_classes(pods, 30, seed)  # type: ignore[misc]
    for classes in GROWTH_CLASSES:
        yield f"classes/{classes}", lambda seed, classes=classes: workloads.random_classes(10000, classes, seed)  # type: ignore[misc]


def measure(file: Path, *arguments: str, timeout: float = 900.0) -> Json:
    """Run `bench.measure` in a process of its own; what went wrong comes as {"error": ...}."""
    command = [sys.executable, "-m", "bench.measure", str(file), "--started", str(time.monotonic()), *arguments]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {timeout:.0f} s"}
    if ended.returncode:
        return {"error": (ended.stderr.strip().splitlines() or ["ended without a word"])[-1]}
    answer: Json = json.loads(ended.stdout)
    return answer


def environment(clock: str) -> Json:
    """Date, machine, load and versions."""
    versions = {name: importlib.metadata.version(name) for name in ("karpenter-ovhcloud", "ortools", "numpy")}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    model = next((x.split(":")[1].strip() for x in _lines("/proc/cpuinfo") if x.startswith("model name")), "unknown")
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": shlex.join(["scripts/bench", *(Path(x).name if Path(x).is_file() else x for x in sys.argv[1:])]),
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "versions": versions,
        "cpu": model,
        "cores": os.cpu_count(),
        "load": [round(x, 1) for x in os.getloadavg()],
        "clock": clock,
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def one(
    name: str, seed: int, manifests: list[workloads.Manifest], asked: argparse.Namespace, book: books.Book
) -> Iterator[Json]:
    """All measurements of one workload and seed."""
    with tempfile.TemporaryDirectory() as folder:
        file, problem = _written(folder, manifests)
        limits = ",".join(str(x) for x in LIMITS.get(name, (1, 5)))
        common = ("--limits", limits, "--clock", asked.clock, "--seed", str(seed))
        about = {"workload": name, "seed": seed, "problem": problem, "load": os.getloadavg()[0]}
        if not book.known(name, seed, "search", problem):
            yield {**about, "what": "search", **measure(file, "--what", "search", *common)}
        for peer in asked.peers:
            if book.known(name, seed, peer, problem):
                continue
            if (slow := book.slow(name, seed, peer)) is not None:
                yield {**about, "what": peer, "missing": slow}
                continue
            start = time.monotonic()
            found = measure(file, "--what", peer, "--timeout", str(asked.timeout), *common)
            answer = found.get(peer, {"error": found.get("error", "no answer")})
            yield {**about, "what": peer, "asked_for": time.monotonic() - start, **answer}


def grow(
    name: str, seed: int, manifests: list[workloads.Manifest], asked: argparse.Namespace, book: books.Book
) -> Iterator[Json]:
    """Time to a gap of 1 %."""
    with tempfile.TemporaryDirectory() as folder:
        file, problem = _written(folder, manifests)
        if not book.known(name, seed, "growth", problem):
            limits = ("--limits", "10", "--gap", "0.01", "--clock", asked.clock, "--seed", str(seed))
            about = {"workload": name, "seed": seed, "problem": problem, "load": os.getloadavg()[0]}
            yield {**about, "what": "growth", **measure(file, *limits)}


def _written(folder: str, manifests: list[workloads.Manifest]) -> tuple[Path, str]:
    """A file of these manifests, and a fingerprint of it: answers to another problem of the same name are told by it."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    file = Path(folder, "problem.json")
    file.write_text(text)
    return file, hashlib.sha256(text.encode()).hexdigest()[:12]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure plans against a proven bound.")
    parser.add_argument("--workloads", default=None, help="names separated by commas; all without it")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--peers", default=",".join(PEERS), help="karpenter,first-fit,direct, or nothing")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for one answer of Karpenter")
    parser.add_argument(
        "--patience", type=float, default=60.0, help="a peer that took longer is not asked for further seeds"
    )
    parser.add_argument("--quick", action="store_true", help="one seed of " + ", ".join(QUICK))
    parser.add_argument("--growth", action="store_true", help="the growth series instead of workloads")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="what a second is")
    parser.add_argument("--trace", type=Path, default=None, help="openb_pod_list_default.csv instead of the sample")
    parser.add_argument("--to", type=Path, default=None, help="results file; without it, and not --quick, the kept one")
    parser.add_argument("--add", action="store_true", help="keep what --to holds of other workloads, seeds and peers")
    parser.add_argument("--resume", action="store_true", help="the same, and measure nothing that it holds already")
    asked = parser.parse_args()
    asked.peers = [p for p in asked.peers.split(",") if p]
    unknown = set(asked.peers) - set(PEERS)
    if unknown:
        parser.error(f"unknown peer {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    known = list(QUICK) if asked.quick else list(workloads.WORKLOADS)
    asked.names = asked.workloads.split(",") if asked.workloads else known
    strange = [n for n in asked.names if n not in workloads.WORKLOADS]
    if strange:
        parser.error(f"unknown workload {', '.join(strange)}; there are {', '.join(workloads.WORKLOADS)}")
    if asked.quick:
        asked.seeds = 1
    asked.to = asked.to or (Path(tempfile.gettempdir(), "bench-quick.json") if asked.quick else KEPT)
    return asked


def main() -> None:
    asked = arguments()
    asked.to.parent.mkdir(exist_ok=True)
    earlier = json.loads(asked.to.read_text()) if (asked.add or asked.resume) and asked.to.exists() else None
    book = books.Book(asked.to, environment(asked.clock), earlier, again=not asked.resume, patience=asked.patience)
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        if asked.growth:
            for name, make in growth():
                for result in grow(name, seed, make(seed), asked, book):
                    book.keep(result)
            continue
        for name in asked.names:
            full = name == "T5000" and asked.trace is not None
            manifests = workloads.trace(5000, asked.trace) if full else workloads.WORKLOADS[name](seed)
            for result in one(name, seed, manifests, asked, book):
                book.keep(result)
    print("\n" + report.tables(book.kept))
    if asked.to == KEPT:
        report.write(book.kept, KEPT.parent)


if __name__ == "__main__":
    main()
