"""Models and consumers of a small project, for the tests of the state."""
