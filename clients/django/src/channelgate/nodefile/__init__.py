"""channelgate.toml as the project's commands read it: where it is, its consumers, and their paths."""

from channelgate.nodefile.consumers import Consumer, NodeFile
from channelgate.nodefile.read import NodeFileError, place, read

__all__ = ["Consumer", "NodeFile", "NodeFileError", "place", "read"]
