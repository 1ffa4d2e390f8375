"""All ten projects in one process, as one would run them on a small machine; each keeps its routes and middleware."""

NAMES = ("orders", "notifications", "chat", "feed", "presence", "tasks", "helpdesk", "delivery", "teams", "polls")
