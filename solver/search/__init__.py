"""
The search: an answer always, a better one soon, and a bound that says how good it is. docs/optimiser.md tells the method.

Each room holds one method and builds on those below it:

- `consolidation`: which nodes go, with the engine for what is left;
- `exact`: small problems to the proof;
- `improvement`: neighbourhoods around the incumbent;
- `shares`: rules across nodes, as pods of each class per cell;
- `column_generation`, `construction`: the master over patterns; pod by pod under all rules;
- `packing`: nodes filled by amounts;
- `relaxation`: the linear program that guides all of them and bounds every plan.

Beside the rooms stands what all of them use (`field`, `linear`, `quota`, `params`, `incumbent`) and what runs them: `engine`
first.
"""
