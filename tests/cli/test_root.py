"""The root command, `catalog`, `crds` and completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml

from controller import cli
from solver.snapshot import reader
from tests.cli.run import ROOT, run


@pytest.mark.parametrize("command", ["solve", "catalog", "crds", "completion", "simulate-ovh"])
def test_every_command_has_help(capsys, monkeypatch, command):
    """Each command explains itself."""
    outcome = run(capsys, monkeypatch, command, "--help")

    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: karpenter-ovhcloud {command}")


def test_an_interrupt_while_modules_load_is_quiet():
    """Ctrl-C in the first tenth of a second ends the process with 130 and without a traceback."""
    program = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'click':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from controller.__main__ import main\n"
        "main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")


def test_blas_has_one_thread():
    """Products of matrices stay on the thread that asks for them; the search shares the cores out itself."""
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"


def test_help_lists_the_commands(capsys, monkeypatch):
    """`--help` names every command without importing it."""
    outcome = run(capsys, monkeypatch, "--help")

    assert outcome.code == 0
    assert all(name in outcome.out for name in ("solve", "catalog", "crds", "completion"))


def test_help_as_a_word(capsys, monkeypatch):
    """`help` explains a command as `--help` does."""
    assert run(capsys, monkeypatch, "help", "solve").out == run(capsys, monkeypatch, "solve", "--help").out


def test_a_controller_without_a_cluster_says_so_in_one_line(capsys, monkeypatch, tmp_path):
    """As every other mistake, without a traceback."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    outcome = run(capsys, monkeypatch, "controller", "--log-level", "error")

    assert outcome.code == 1
    assert outcome.err.startswith("error: no access to a cluster: ")
    assert outcome.err.count("\n") == 1


def test_version(capsys, monkeypatch):
    """`--version` prints name and version."""
    assert run(capsys, monkeypatch, "--version").out.startswith("karpenter-ovhcloud, version ")


def test_unknown_command(capsys, monkeypatch):
    """An unknown command is wrong usage."""
    outcome = run(capsys, monkeypatch, "slove")

    assert outcome.code == 2
    assert outcome.err == (
        "error: no such command 'slove'. Did you mean 'solve'? (karpenter-ovhcloud --help shows what there is)\n"
    )


def test_crds_are_what_the_chart_ships(capsys, monkeypatch):
    """`crds` prints the three files of the chart."""
    printed = list(yaml.safe_load_all(run(capsys, monkeypatch, "crds").out))
    files = sorted((ROOT / "charts" / "karpenter-ovhcloud" / "crds").glob("*.yaml"))
    shipped = [yaml.safe_load(path.read_text()) for path in files]

    assert len(shipped) == 3
    assert sorted(printed, key=lambda d: d["metadata"]["name"]) == sorted(shipped, key=lambda d: d["metadata"]["name"])


def test_catalogue_as_json(capsys, monkeypatch):
    """`catalog list -o json` can be read by programs and filtered."""
    outcome = run(capsys, monkeypatch, "catalog", "list", "-o", "json", "--flavor", "b3-8")

    assert outcome.code == 0
    assert "b3-8" in json.dumps(json.loads(outcome.out))


def test_catalogue_mistake(capsys, monkeypatch):
    """A quantity that is none gets a sentence and exit code 2."""
    outcome = run(capsys, monkeypatch, "catalog", "list", "--min-cpu", "many")

    assert (outcome.code, outcome.out) == (2, "")
    assert "invalid value for '--min-cpu': 'many' is not a quantity" in outcome.err
    assert run(capsys, monkeypatch, "catalog", "list", "--min-memory", "-1").code == 2


def test_closed_streams(monkeypatch):
    """A caller that closes standard error, as daemons do, still gets an exit code."""
    monkeypatch.setattr(sys, "argv", ["karpenter-ovhcloud", "solve", "-f", "/nowhere"])
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(SystemExit) as stop:
        cli.main()

    assert stop.value.code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(capsys, monkeypatch, shell):
    """Each shell gets a script that asks this program."""
    assert "karpenter-ovhcloud" in run(capsys, monkeypatch, "completion", shell).out


def test_completion_of_the_kubectl_plugin(capsys, monkeypatch):
    """The plugin is asked by kubectl with the words so far and wants one suggestion a line, then a directive."""
    lines = run(capsys, monkeypatch, "completion", "--answer", "--", "so").out.splitlines()

    assert lines[0].startswith("solve")
    assert lines[-1].startswith(":")


@pytest.mark.parametrize("words", [("--debug", "solve", "-f"), ("solve", "--debug", "-f"), ("solve", "-f")])
def test_a_defect_of_this_program(capsys, monkeypatch, words):
    """One line, and a traceback for those who ask for it, before the command or after it."""

    def fail(*_):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(reader, "load", fail)
    if "--debug" in words:
        with pytest.raises(RuntimeError):
            run(capsys, monkeypatch, *words, "x.yaml")
    else:
        outcome = run(capsys, monkeypatch, *words, "x.yaml")
        assert (outcome.code, outcome.err) == (1, "error: RuntimeError: out of luck (--debug shows where)\n")
