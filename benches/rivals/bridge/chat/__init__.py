"""The app of the benchmark."""
