"""Visitors: who was seen by a camera, and when (a CRUD feed on `/ws/`)."""
