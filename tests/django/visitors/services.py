"""What the REST API and the demonstration's activity do with visitors."""


def count_visit(client, save):
    """Counts a visit that `save` makes.

    The client is counted first, so its update is published before the visit, and does not list it yet.
    """
    client.visit_count += 1
    client.save()
    return save()
