"""`manage.py channelgate publish GROUP JSON`: sends an event to a group, through the project's own channel layer."""

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from asgiref.sync import async_to_sync

from channelgate.commands import Output

HELP = "Sends an event to a group, through the project's own channel layer."


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("group", help="the group, as group_send names it")
    parser.add_argument("event", help='a JSON object: {"type": "order.status", "status": "paid"}; - reads it')
    parser.add_argument("--layer", default="default", metavar="ALIAS", help="another layer of CHANNEL_LAYERS")


def handle(options: Mapping[str, Any], output: Output) -> int:
    """Sends it."""
    text = sys.stdin.read() if options["event"] == "-" else options["event"]
    try:
        event = json.loads(text)
    except ValueError as error:
        output.error(f'The event is not JSON: {error}. Write it as \'{{"type": "order.status", "status": "paid"}}\'.')
        return 1
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        output.error('The event is an object with "type", which names the handler.')
        return 1
    try:
        from channels.layers import InMemoryChannelLayer, get_channel_layer
    except ModuleNotFoundError:
        output.error("channels is not installed: pip install channels channels_redis")
        return 1
    layer = get_channel_layer(options["layer"])
    if layer is None:
        output.error(f'CHANNEL_LAYERS has no "{options["layer"]}".')
        return 1
    if isinstance(layer, InMemoryChannelLayer):
        alias = options["layer"]
        output.error(f'CHANNEL_LAYERS["{alias}"] is InMemoryChannelLayer: the event would stay in this process.')
        return 1
    try:
        async_to_sync(layer.group_send)(options["group"], event)
    except Exception as error:
        output.error(f"The event was not sent: {type(error).__name__}: {error}")
        return 1
    output.line(f"Sent {event['type']} to {options['group']} through {type(layer).__name__}.")
    return 0
