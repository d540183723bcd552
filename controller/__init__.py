"""Everything with side effects: API server, OVHcloud API, simulator, loops, metrics, the root of the command line."""

import os

# The search shares the cores out itself: threads of BLAS would wait for the one that the exact model is at work on. To be set
# before numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
