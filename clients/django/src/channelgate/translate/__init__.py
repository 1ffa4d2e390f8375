"""From a project's consumers to a configuration: what `manage.py channelgate init` writes.

routes → source → run (with values, names, calls) → connect, messages, handlers → verdict → write, nginx, report.
The law: the result never admits, joins or sends more than the consumer does. What is not understood stays in Python.
"""
