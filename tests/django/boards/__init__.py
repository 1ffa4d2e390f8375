"""A board per room: its items at the connect, then its events."""
