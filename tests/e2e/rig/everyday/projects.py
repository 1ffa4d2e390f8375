"""All ten."""

from .sessions import SESSIONS
from .tokens import TOKENS

PROJECTS = (*SESSIONS, *TOKENS)
