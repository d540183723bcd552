"""Workloads, measurements and peers; with as many threads of BLAS as the program has."""

import controller as controller
