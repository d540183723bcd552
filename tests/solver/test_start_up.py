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
