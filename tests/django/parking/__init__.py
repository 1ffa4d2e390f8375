"""Parking: reservations, and what their owners are told (`/ws/notifications/`)."""
