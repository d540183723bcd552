"""python-ovh stays behind one module."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_one_module_imports_python_ovh() -> None:
    """Its pitfalls are dealt with in one place; everybody else uses the client."""
    packages = ("catalog", "controller", "crds", "solver")
    sources = [path for package in packages for path in (ROOT / package).rglob("*.py")]

    users = {str(path.relative_to(ROOT)) for path in sources if "ovh" in _imports(path)}

    assert users == {"controller/ovh/transport.py"}
