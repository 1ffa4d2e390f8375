"""What makes the demonstration live: a beginning, people who come and go, and a number on every event.

Everything happens through the models, services and signals that REST uses, so its events are ordinary ones. Only the
channel layer (`layer.py`) differs: it numbers what is sent, and writes it down.
"""
