"""One file for each system: `seed` makes its beginning, `MOVES` is what happens then, `touch` makes one
event for a burst.

A move is a function of a random generator. It does one thing that a person would do, which publishes few events, or
none if there is nothing to do.
"""
