"""Meters that are derived on read from a stored one: `cpu_util` of `cpu`, `*.rate`, `cpu.delta`.

`definitions` says which there are, `series` finds them (nothing is stored of a derived series but
its source), `rule` computes their samples, and `reading` reads them beside stored ones: it takes
the place of `meters.store.read` for whoever may be asked for a meter by its name. `metrics` has
them as metrics, for whoever works with those.
"""
