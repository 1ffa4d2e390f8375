"""Attendance of sessions: browsers mark it over Socket.IO, and the gateway asks here (`actions.py`)."""
