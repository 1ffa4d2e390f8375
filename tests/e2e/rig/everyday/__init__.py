"""Ten everyday Django projects under Daphne and behind nodes, visited by the two clients of `shadow`."""
