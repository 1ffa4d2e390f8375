"""Publishes like any process of a Django project: calls `group_send` for each line `<group> <text>` from TCP.

It answers each line when `group_send` has returned. Arguments: the port, and `one` (one group for all) or `many`.
"""

import asyncio
import sys

from feed import get_channel_layer

PORT, GROUPS = int(sys.argv[1]), sys.argv[2]


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Handles one publisher's lines in order."""
    layer = get_channel_layer()
    while line := await reader.readline():
        number, _, text = line.decode().rstrip("\n").partition(" ")
        group = "broadcast" if GROUPS == "one" else f"group_{number}"
        await layer.group_send(group, {"type": "send_event", "event": "client_update", "data": text})
        writer.write(b"ok\n")
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", PORT)
    await server.serve_forever()


asyncio.run(main())
