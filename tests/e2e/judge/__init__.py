"""
The real kube-scheduler as the last judge of a plan.

    with controlplane.ControlPlane(**court.SETTINGS) as plane:
        verdict = court.Court(plane).judge(cluster, catalogue, plan, options)

`legal` makes random clusters such that an API server takes them, `manifests` writes `solver.cluster` data as raw
objects, `scene` is a plan's outcome as those objects, `court` hands a scene to a control plane and reads what its
scheduler did. `python -m tests.e2e.judge` judges many plans and prints the counts.
"""
