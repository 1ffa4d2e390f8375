"""The rig of the benchmarks: how every candidate is started, what is measured, and how it is written down."""
