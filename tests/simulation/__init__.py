"""A whole platform in a simulated world: its own time, scripted carriers, crashes anywhere, an independent auditor.

`python -m tests.simulation --seed N` replays one world, `--seeds N` runs many.
"""
