"""Runs a project's own Channels consumers, one event of a connection at a time."""
