"""What the benchmarks share: the load, the stage and how figures are printed."""
