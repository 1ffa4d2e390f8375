"""Employees, and their attendance as cameras record it (published on the same feed as visitors)."""
