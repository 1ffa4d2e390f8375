"""Consumers with one condition per connection, as projects write them."""
