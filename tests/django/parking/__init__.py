"""Parking: reservations, and notifications for their owners (`/ws/notifications/`)."""
