"""A site whose pages have signed groups, and a consumer for whoever is logged in."""
