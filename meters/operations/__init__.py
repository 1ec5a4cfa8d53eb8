"""Dynamic aggregates: a tree of operations over several series at once, in numpy.

1. `parsing.parse` reads either notation of the operations into the nodes of `tree`.
2. `tree.references` tells which (metric, aggregation) pairs are needed, so that all points can
   be read at once; `query.common_granularities` tells at which granularities.
3. `evaluation.evaluate` computes the tree over the points, once a group.

What is wrong with the input is always an `errors.OperationsError`. Nothing here knows a
framework or does I/O.
"""
