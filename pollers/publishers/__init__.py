"""Publishers: samples and events handed on to other systems, each target by a queue of its own.

`targets` reads what is asked for, `backlog` is the queue, `feed` the loop that all share, `schemes`
one module a kind of target, `process` the role's process. No database here.
"""
