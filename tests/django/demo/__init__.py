"""A small Django project that publishes the way real Channels projects do.

Django serves REST and publishes with `channel_layer.group_send`; the consumers are what Daphne serves for the same
paths as Channelgate, so that the two can be compared frame by frame. Only the package `channelgate` knows of
the nodes: it answers their calls.
"""
