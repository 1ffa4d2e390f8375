"""Nodes that listen on a unix socket, and what talks to them there."""

import asyncio
from pathlib import Path

import stack

from .raw import Raw, request
from .system import System


def start_node(system: System, path: Path, wait: bool = True, config: str | None = None, **env: str) -> stack.Part:
    """One more node, at `path`."""
    name = f"node{len(system.nodes) + 1}"
    file = None
    if config is not None:
        file = system.directory / f"{name}.toml"
        file.write_text(config)
    env = system.node_env(CHANNELGATE_LISTEN=f"unix:{path}", **env)
    node = stack.node(system.directory, 0, env, name, file)
    system.nodes.append(system._start(node, wait))
    return node


async def open_raw(path: Path, target: str, **headers: str) -> Raw:
    """A WebSocket through the socket itself."""
    raw = Raw(*await asyncio.open_unix_connection(str(path)))
    await raw.write(request(80, target, **headers))
    code, _ = await raw.head()
    assert code == 101, code
    return raw


def upstreams(paths: list[Path], ports: list[int]) -> dict[str, str]:
    """For `start_nginx(replace=…)`: the sockets in place of the nodes' ports."""
    servers = "".join(f"    server {stack.LOOPBACK}:{port} max_fails=0;\n" for port in ports)
    return {servers: "".join(f"    server unix:{path} max_fails=0;\n" for path in paths)}
