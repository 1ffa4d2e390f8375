"""The base of the end-to-end tests: stacks of real processes, recording clients, and the comparison with Daphne."""
