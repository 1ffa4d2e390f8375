"""What the checks share: where the node and the site are, channelgate.toml, and what is known so far."""

import dataclasses
import os
from pathlib import Path

from channelgate.conf import conf
from channelgate.doctor.secret import Secrets
from channelgate.nodefile import Consumer, NodeFile, NodeFileError, place, read


@dataclasses.dataclass(slots=True)
class Context:
    """The options of the command, and the state of an examination."""

    node: str = ""
    #: Where Django answers, if `run` was started with it.
    backend: str | None = None
    site: str | None = None
    #: The user of logins; None: the first active one.
    user: str | None = None
    #: Paths at which sockets may be opened whatever their consumers do.
    allowed_paths: tuple[str, ...] = ()
    nginx_file: Path | None = None
    code: bool = False
    secrets: Secrets = dataclasses.field(default_factory=Secrets)
    node_file: NodeFile | None = None
    node_file_error: str | None = None
    #: Paths of channelgate.toml that the running node does not serve.
    not_served: set[str] = dataclasses.field(default_factory=set)
    #: The consumer in Django that has accepted a socket, which it does only when the node asks it.
    accepted_by: str | None = None
    #: Names of things that later checks need and that do not work: "redis", "node".
    broken: set[str] = dataclasses.field(default_factory=set)

    def __post_init__(self) -> None:
        self.node = (self.node or conf().url).rstrip("/")
        self.site = self.site.rstrip("/") if self.site else None
        if self.node_file is None:
            try:
                self.node_file = read()
            except NodeFileError as error:
                self.node_file_error = str(error)
        self.secrets.add(self.api_key)

    @property
    def api_key(self) -> str | None:
        """The key of the node's API."""
        key = conf().api_key or os.environ.get("CHANNELGATE_API_KEY")
        return key or None

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The consumers of channelgate.toml that the node serves."""
        found = self.node_file.consumers if self.node_file else ()
        return tuple(one for one in found if not self.not_served & set(one.paths))

    @property
    def node_file_name(self) -> str:
        """channelgate.toml, where it is or would be."""
        return str(self.node_file.path if self.node_file else place())
