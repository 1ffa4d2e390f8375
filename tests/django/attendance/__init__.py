"""Live attendance for a manager dashboard (`/ws/attendance/`)."""
