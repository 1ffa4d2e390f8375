"""Handlers of which connections may share a call; not part of the comparison of all consumers."""
