"""Consumers as public projects write them: one project that Daphne serves, and that the bridge serves unchanged."""
