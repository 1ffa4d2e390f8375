"""One file for each system: `seed` makes its beginning, `MOVES` is what happens then, `touch` makes one
event for a burst.

A move is a function of a random generator. It does one thing that a person would do, and publishes 1 to 4 events.
"""
