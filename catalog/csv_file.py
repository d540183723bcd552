"""
Flavors as CSV: the form of the embedded data file, of `--catalog` files, and of `catalog refresh -o csv`.

Columns may stand in any order and unknown ones are ignored. Every mistake is collected as one sentence that names
file, line and column, so that all of them are seen at once.
"""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from catalog import allocatable as model
from catalog import flavor, money
from crds import quantity

T = TypeVar("T")

REQUIRED = ("name", "vcpus", "memory_gib", "hourly_eur")
COLUMNS = (
    "name",
    "category",
    "generation",
    "vcpus",
    "memory_gib",
    "disk_gib",
    "gpu_model",
    "gpus",
    "nvme_gib",
    "bandwidth_mbps",
    "hourly_eur",
    "monthly_eur",
    "monthly_billable",
    "mks",
    "unavailable_zones",
    "capacity_memory",
    "allocatable_cpu",
    "allocatable_memory",
    "allocatable_pods",
)
MAX_BYTES = 10 * model.MIB
MAX_NUMBER = 1_000_000
MAX_PROBLEMS = 100

_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", re.ASCII)
_WHOLE = re.compile(r"\d{1,7}", re.ASCII)
_MONTHLY = {"yes": True, "true": True, "no": False, "false": False, "unknown": False, "": False}


class CatalogueError(ValueError):
    """A catalogue file cannot be used; `problems` holds one sentence per mistake, in the order of the file."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read(path: Path) -> tuple[str, str]:
    """Text and SHA-256 (hex) of a file. Raises CatalogueError when it cannot be read or is not text."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CatalogueError([f"{path}: cannot read this catalogue file: {error.strerror}"]) from None
    if len(raw) > MAX_BYTES:
        raise CatalogueError([f"{path}: larger than {MAX_BYTES // model.MIB} MiB: this is no catalogue of flavors"])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CatalogueError([f"{path}: not UTF-8 text (byte {error.start}): save the file as UTF-8 CSV"]) from None
    return text, hashlib.sha256(raw).hexdigest()


def parse(text: str, source: str) -> dict[str, flavor.Flavor]:
    """
    Flavors by name, in the order of the file; `source` names the file in messages.

    Raises
    ------
    CatalogueError
        With every mistake.
    """
    problems: list[str] = []
    flavors: dict[str, flavor.Flavor] = {}
    first_seen: dict[str, int] = {}
    for line, cells in _rows(text, source, problems):
        row = _Row(cells, f"{source}: line {line}", problems)
        made = row.flavor()
        name = cells.get("name", "")
        if name in first_seen:
            row.problem("name", f'flavor "{name}" is already on line {first_seen[name]}: keep one of them')
            continue
        if name:
            first_seen[name] = line
        if made is not None:
            flavors[name] = made
    if not problems and not flavors:
        problems.append(f"{source}: no flavors in this file: write one line per flavor below the column names")
    if len(problems) > MAX_PROBLEMS:
        problems[MAX_PROBLEMS:] = [f"{source}: and {len(problems) - MAX_PROBLEMS} more mistakes"]
    if problems:
        raise CatalogueError(problems)
    return flavors


def write(flavors: Iterable[flavor.Flavor]) -> str:
    """CSV text that `parse` reads back to equal flavors; figures that follow from the model are left empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for each in flavors:
        writer.writerow(_cells(each))
    return out.getvalue()


def _rows(text: str, source: str, problems: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [column.strip() for column in next(reader, [])]
        bad = _header_problem(header, source)
        if bad:
            problems.append(bad)
            return
        before = reader.line_num
        for fields in reader:
            line, before = before + 1, reader.line_num
            if not any(field.strip() for field in fields):
                continue
            if len(fields) != len(header):
                problems.append(
                    f"{source}: line {line}: {len(fields)} fields where the first line names {len(header)} columns: "
                    "quote fields that contain a comma"
                )
                continue
            yield line, dict(zip(header, (field.strip() for field in fields), strict=True))
    except csv.Error as error:
        problems.append(f"{source}: line {reader.line_num}: not CSV ({error})")


def _header_problem(header: list[str], source: str) -> str | None:
    if not any(header):
        return f"{source}: no first line with column names: write {', '.join(REQUIRED)} and further columns"
    missing = [column for column in REQUIRED if column not in header]
    if missing and len(header) == 1 and ";" in header[0]:
        return f"{source}: line 1: columns are separated by semicolons: separate them by commas"
    if missing:
        return f"{source}: line 1: column {', '.join(missing)} is missing: name it in the first line"
    twice = [column for column in COLUMNS if header.count(column) > 1]
    if twice:
        return f"{source}: line 1: column {', '.join(twice)} is named twice: keep one of them"
    return None


class _Row:
    """One line of the file: reads its cells and notes what is wrong with them."""

    def __init__(self, cells: Mapping[str, str], where: str, problems: list[str]) -> None:
        self._cells = cells
        self._where = where
        self._problems = problems

    def problem(self, column: str, what: str) -> None:
        self._problems.append(f"{self._where}, column {column}: {what}")

    def flavor(self) -> flavor.Flavor | None:
        """The flavor of this line, or None after noting what is wrong."""
        noted = len(self._problems)
        name = self._name()
        vcpus = self._number("vcpus", least=1, needed=True) or 1
        memory_gib = self._number("memory_gib", least=1, needed=True) or 1
        gpus = self._number("gpus") or 0
        made = flavor.make(
            name,
            vcpus,
            memory_gib,
            category=self._label_value("category"),
            generation=self._number("generation"),
            disk_gib=self._number("disk_gib"),
            gpu_model=self._text("gpu_model"),
            gpus=gpus,
            nvme_gib=self._number("nvme_gib"),
            bandwidth_mbps=self._number("bandwidth_mbps"),
            hourly_micro_eur=self._price("hourly_eur"),
            monthly_micro_eur=self._price("monthly_eur"),
            monthly_billable=self._monthly_billable(),
            mks=self._text("mks") or flavor.LISTED,
            unavailable_zones=self._zones(),
            **self._known_figures(vcpus),
        )
        return made if len(self._problems) == noted else None

    def _text(self, column: str) -> str:
        return self._cells.get(column, "")

    def _read(self, column: str, read: Callable[[str], T], expected: str) -> T | None:
        text = self._text(column)
        if not text:
            return None
        try:
            return read(text)
        except ValueError:
            self.problem(column, f'"{text}" is not {expected}')
            return None

    def _name(self) -> str:
        name = self._text("name")
        if not name:
            self.problem("name", "empty: write the flavor's name, such as b3-8")
        elif not _LABEL_VALUE.fullmatch(name):
            self.problem(
                "name",
                f'"{name}" cannot be a node label: use letters, digits, "-", "_" and ".", at most 63, '
                "with a letter or digit at both ends",
            )
        return name or "-"

    def _label_value(self, column: str) -> str:
        text = self._text(column)
        if text and not _LABEL_VALUE.fullmatch(text):
            self.problem(column, f'"{text}" cannot be a label value: use letters, digits, "-", "_" and "."')
        return text

    def _zones(self) -> frozenset[str]:
        zones = self._text("unavailable_zones").split()
        for zone in zones:
            if not _LABEL_VALUE.fullmatch(zone):
                self.problem("unavailable_zones", f'"{zone}" is not a zone: write names separated by blanks')
        return frozenset(zones)

    def _number(self, column: str, *, least: int = 0, needed: bool = False) -> int | None:
        expected = f"a whole number from {least} to {MAX_NUMBER}"
        if needed and not self._text(column):
            self.problem(column, f"empty: write {expected}")

        def whole(text: str) -> int:
            if not _WHOLE.fullmatch(text) or not least <= int(text) <= MAX_NUMBER:
                raise ValueError(text)
            return int(text)

        return self._read(column, whole, expected)

    def _price(self, column: str) -> int | None:
        period = "hour" if column == "hourly_eur" else "month"
        return self._read(
            column, money.parse, f"a price: write euro per {period} such as 0.0512, or nothing when it is not known"
        )

    def _monthly_billable(self) -> bool:
        text = self._text("monthly_billable").lower()
        if text not in _MONTHLY:
            self.problem("monthly_billable", f'"{text}" is not yes, no or unknown')
        return _MONTHLY.get(text, False)

    def _quantity(self, column: str, resource: str, example: str) -> int | None:
        def amount(text: str) -> int:
            value = quantity.resource_units(resource, text)
            if value < 0:
                raise ValueError(text)
            return value

        return self._read(column, amount, f"a quantity that is not negative, such as {example}")

    def _known_figures(self, vcpus: int) -> dict[str, dict[str, int]]:
        capacity_memory = self._quantity("capacity_memory", model.MEMORY, "7938364Ki")
        cpu = self._quantity("allocatable_cpu", model.CPU, "1840m")
        memory = self._quantity("allocatable_memory", model.MEMORY, "6054204Ki")
        pods = self._quantity("allocatable_pods", model.PODS, "110")
        if cpu is not None and cpu > vcpus * 1000:
            self.problem("allocatable_cpu", f'"{self._text("allocatable_cpu")}" is more than its vcpus, {vcpus}')
        if memory is not None and capacity_memory is not None and memory > capacity_memory:
            self.problem(
                "allocatable_memory",
                f'"{self._text("allocatable_memory")}" is more than its capacity_memory, '
                f'"{self._text("capacity_memory")}"',
            )
        known = {model.CPU: cpu, model.MEMORY: memory, model.PODS: pods}
        return {
            "capacity": {} if capacity_memory is None else {model.MEMORY: capacity_memory},
            "allocatable": {resource: amount for resource, amount in known.items() if amount is not None},
        }


def _cells(of: flavor.Flavor) -> dict[str, str]:
    def blank(number: int | None) -> str:
        return "" if number is None else str(number)

    def price(micro: int | None) -> str:
        return "" if micro is None else money.text(micro)

    def unless(amount: int, modelled: int, resource: str) -> str:
        return "" if amount == modelled else quantity.format_units(resource, amount)

    capacity = model.capacity(of.vcpus, of.memory_gib, of.disk_gib, of.gpus)
    left = model.allocatable(of.vcpus, {**capacity, model.MEMORY: of.capacity[model.MEMORY]}, of.disk_gib)
    return {
        "name": of.name,
        "category": of.category,
        "generation": blank(of.generation),
        "vcpus": str(of.vcpus),
        "memory_gib": str(of.memory_gib),
        "disk_gib": blank(of.disk_gib),
        "gpu_model": of.gpu_model,
        "gpus": str(of.gpus),
        "nvme_gib": blank(of.nvme_gib),
        "bandwidth_mbps": blank(of.bandwidth_mbps),
        "hourly_eur": price(of.hourly_micro_eur),
        "monthly_eur": price(of.monthly_micro_eur),
        "monthly_billable": "yes" if of.monthly_billable else "no",
        "mks": of.mks,
        "unavailable_zones": " ".join(sorted(of.unavailable_zones)),
        "capacity_memory": unless(of.capacity[model.MEMORY], capacity[model.MEMORY], model.MEMORY),
        "allocatable_cpu": unless(of.allocatable[model.CPU], left[model.CPU], model.CPU),
        "allocatable_memory": unless(of.allocatable[model.MEMORY], left[model.MEMORY], model.MEMORY),
        "allocatable_pods": unless(of.allocatable[model.PODS], left[model.PODS], model.PODS),
    }
