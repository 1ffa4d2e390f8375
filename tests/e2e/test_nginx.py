"""The nginx configuration of the repository, in front of real nodes and the real Django."""

import asyncio

from rig.client import Client, refusal
from rig.http import Http


async def test_sockets_and_tokens_go_to_the_nodes_and_the_rest_to_django(site):
    web = Http(site.nginx.port)
    client = await Client.open(site.nginx.port, "/ws/")
    image = {"image": ("a.png", b"\x89PNG" * 100_000)}
    form = {"first_seen": "2025-06-01T09:00:00Z", "last_seen": "2025-06-01T09:00:00Z", "gender": "male", "age": 3}
    assert (await web.post("/api/clients/", form=form, files=image)).status == 201
    assert (await client.count(1))[0]["event"] == "client_create"
    reply = await web.get("/api/user/ws-token/", token="noise")
    assert reply.status == 401
    # The publish API, the metrics and what the nodes ask Django are not for the public.
    for path in ("/api/publish", "/metrics", "/health/ready", "/channelgate/findUser"):
        assert (await web.post(path, data={})).status == 404, path
    await client.close()


async def test_the_host_reaches_the_node_unchanged_so_that_origins_compare(site):
    # Same host and port as the page: allowed. Another host: refused.
    client = await Client.open(site.nginx.port, "/ws/")
    await client.close()
    assert await refusal(site.nginx.port, "/ws/", origin="http://evil.example") == 403


async def test_a_socket_through_nginx_outlives_silence_and_carries_large_events_at_once(site):
    client = await Client.open(site.nginx.port, "/ws/")
    loop = asyncio.get_running_loop()
    async with site.publisher() as publisher:
        for number, size in enumerate((1, 100_000, 1), start=1):
            began = loop.time()
            await publisher.group_send("broadcast", {"type": "send_event", "event": "n", "data": "x" * size})
            await client.count_of(number)
            assert loop.time() - began < 1, "nginx held a frame back"
    await client.close()
