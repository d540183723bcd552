"""Judge random plans: `python -m tests.e2e.judge --plans 300`."""
import sys, time
from solver import planner
from tests.e2e import controlplane
from tests.e2e.judge import court, legal
from tests.solver.build import random_clusters
from tests.solver.rules import world
first,last=int(sys.argv[1]),int(sys.argv[2])
loose = len(sys.argv)>3
tot=court.Verdict(); st=0.0
with controlplane.ControlPlane(**court.SETTINGS) as plane, court.Court(plane) as c:
    t0=time.time()
    for seed in range(first,last):
        of,asked=random_clusters.draw(seed)
        of=legal.admissible(of)
        t=time.time()
        p=planner.plan(of,world.shelf(),asked,planner.Run(clock=time.monotonic))
        st+=time.time()-t
        t=time.time()
        v=(c.let_loose if loose else c.judge)(of,world.shelf(),p,asked)
        print(seed,p.status,v.planned,v.bound,v.left_out,len(v.taken),round(time.time()-t,2),flush=True,file=sys.stderr)
        for w in v.wrong+v.taken: print('   ',w,file=sys.stderr)
        for f in ('planned','bound','left_out','elsewhere','waiting'): setattr(tot,f,getattr(tot,f)+getattr(v,f))
        tot.taken+=v.taken
    print(tot, 'solve',st,'all',time.time()-t0,file=sys.stderr)
