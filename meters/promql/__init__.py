"""PromQL over our own store: a subset, evaluated in memory at many instants at once.

1. `parsing` reads an expression into the nodes of `tree`, or says what it can't.
2. `tree.selectors` tells which series are wanted, and how far back.
3. `evaluation` computes the expression over their points: tables of series by instants.

Nothing of these knows a framework or does I/O. `series` tells under which labels our metrics are
found.
"""
