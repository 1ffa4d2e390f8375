"""The rig of the benchmarks: starts every candidate, measures it, and writes the results."""
