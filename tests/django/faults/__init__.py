"""A project for the fault tests of the bridge; each test has a copy of it that it may change."""
