"""docs/django/idioms.md as what runs: its sections, the two sides that run them, and a scenario's stage."""
