"""The actions of all sections, for the bridge."""

from office.sections import load_actions

load_actions()
