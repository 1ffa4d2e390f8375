"""What the end-to-end tests stand on: stacks of real processes, clients that record, and the comparison with Daphne."""
