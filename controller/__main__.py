"""Where a process begins: an interrupt while modules are still loading ends it as quietly as one during the work."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of `karpenter-ovhcloud`, of the kubectl plugin, and of `python -m controller`."""
    try:
        from controller import cli

        cli.main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
