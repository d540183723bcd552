"""What a simple question must not load: it would take longer than the answer."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ASK = """
import sys
from controller import cli
sys.argv = ["karpenter-ovhcloud", "solve", "-f", "examples/inflate", "--deterministic", "-o", "name"]
try:
    cli.main()
except SystemExit as left:
    assert not left.code, left.code
print(*sys.modules, file=sys.stderr)
"""


OTHERS = {"solver.compare", "solver.consolidation", "solver.search.consolidation.consolidate"}
"""What other questions need."""


def test_a_question_of_one_class_loads_neither_the_exact_model_nor_a_client():
    """
    CP-SAT's Python side brings pandas, 0.15 s; the API server's and the spreadsheet's clients are as large. What removes nodes
    and what compares policies stays away, too.
    """
    ran = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(ran.stderr.split())

    assert ran.stdout
    assert "solver.search.engine" in loaded
    assert not loaded & {"pandas", "ortools.sat.python.cp_model", "kubernetes", "prometheus_client", "openpyxl"}
    assert not loaded & OTHERS


SOLVED = """
import sys
from solver.model.cp_sat import cp_model
model = cp_model.CpModel()
x, y = model.new_int_var(0, 5, "x"), model.new_bool_var("y")
model.add(x + 3 * y <= 6).only_enforce_if(y)
model.maximize(x + 3 * y)
solver = cp_model.CpSolver()
assert solver.solve(model) == cp_model.OPTIMAL
assert (solver.value(x), solver.boolean_value(y)) == (3, True)
assert "pandas" not in sys.modules
import pandas
assert pandas.Series([1, 2]).sum() == 3
"""


def test_the_exact_model_does_not_load_pandas():
    """CP-SAT's Python side imports it and takes four times as long then; who wants pandas later gets it."""
    subprocess.run([sys.executable, "-c", SOLVED], cwd=ROOT, check=True)


def test_cp_sat_is_imported_in_one_place():
    """Imported directly it would bring pandas."""
    direct = "from ortools.sat.python import cp_model"
    found = [path for path in ROOT.glob("solver/**/*.py") if direct in path.read_text(encoding="utf-8")]

    assert [str(path.relative_to(ROOT)) for path in found] == ["solver/model/cp_sat.py"]
