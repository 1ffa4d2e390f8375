"""channelgate.toml as the project's commands read it: where it is, its consumers, and their paths."""

from channelgate.nodefile.consumers import Consumer, NodeFile
from channelgate.nodefile.place import NAME, find, folder, place
from channelgate.nodefile.read import NodeFileError, loads, read, read_or_empty

__all__ = ["NAME", "Consumer", "NodeFile", "NodeFileError", "find", "folder", "loads", "place", "read", "read_or_empty"]
