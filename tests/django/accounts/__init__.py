"""Users, and the short-lived tokens that a browser opens a WebSocket with."""
