"""Every scenario, by app."""

from . import chat, identity, mistakes, notify, packaged, presence, states, streams

SCENARIOS = [
    scenario
    for app in (chat, notify, presence, identity, streams, states, mistakes, packaged)
    for scenario in app.SCENARIOS
]
