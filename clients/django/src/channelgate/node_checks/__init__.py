"""System checks of what Django and its nodes must agree on: the layer, the cache, hosts, and the node's file.

They are silent where a node has the same value already, from its file or from this environment, and where
`manage.py channelgate run` would not change a thing.
"""

from django.core.checks import register

from channelgate.checks import TAG
from channelgate.node_checks.caches import check_cache, check_token_cache
from channelgate.node_checks.files import check_file
from channelgate.node_checks.hosts import check_hosts
from channelgate.node_checks.layers import check_layer
from channelgate.node_checks.unreadable import check_values

__all__ = ["check_cache", "check_file", "check_hosts", "check_layer", "check_token_cache", "check_values"]

register(check_layer, TAG)
register(check_token_cache, TAG)
register(check_cache, TAG)
register(check_hosts, TAG, deploy=True)
register(check_file, TAG)
register(check_values, TAG)
