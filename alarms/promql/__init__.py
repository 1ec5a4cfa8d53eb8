"""PromQL over our own store: a subset, evaluated at one instant in memory.

1. `parsing.parse` reads an expression into the nodes of `tree`, or says what it can't.
2. `tree.selectors` tells which series are wanted, and how far back.
3. `evaluation.evaluate` computes the expression over their points.

Nothing here knows a framework or does I/O.
"""
