"""
What the planner does, rule by rule: small questions whose best answer can be worked out on paper.

Every module has, for each item of a rule, an optimum with its price, a question that has no answer with the reason that
is given, and at least one property over many questions. All go the whole way: build, search, checker. Without further
words a b3-8 (1.84 cores for pods) costs 50, a b3-16 (3.83) 100 and a b3-32 (7.81) 200, in thousandths of a euro an hour.
"""
