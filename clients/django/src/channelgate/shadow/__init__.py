"""Opens the same path on two servers as the same user, and compares what arrives.

login → handshake → record (with script) → compare → report. Nothing is sent unless a script says so.
"""
