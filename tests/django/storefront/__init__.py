"""A site of templates: an order that its own script keeps fresh, and one that htmx does, under a strict policy."""
