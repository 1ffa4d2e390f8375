"""What `doctor --code` finds in source: sends inside transactions, and names that Channels refuses."""

import ast
import sys
from pathlib import Path

import pytest
from django.test import override_settings

from channelgate.inspection import commits, inspect, names, sources

IMPORTS = ("asgiref.sync import async_to_sync", "django.db import transaction", "django.db.transaction import atomic")
HEAD = "".join(f"from {one}\n" for one in IMPORTS)
SEND = 'async_to_sync(layer.group_send)("g", {})'


def early(text, **others):
    modules = {Path("shop/views.py"): ast.parse(HEAD + text)}
    modules |= {Path(f"shop/{name}.py"): ast.parse(HEAD + other) for name, other in others.items()}
    return [(one.path.stem, one.line - HEAD.count("\n"), one.through) for one in commits.find(modules)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"def f():\n  with transaction.atomic():\n    {SEND}\n", [("views", 3, "")]),
        (f"def f():\n  with atomic(using='x'):\n    if 1:\n      {SEND}\n", [("views", 4, "")]),
        (f"@transaction.atomic\ndef f():\n  {SEND}\n", [("views", 3, "")]),
        (f"@atomic()\ndef f():\n  {SEND}\n", [("views", 3, "")]),
        (f"class V:\n  @method_decorator(transaction.atomic)\n  def post(self):\n    {SEND}\n", [("views", 4, "")]),
        (
            f"@method_decorator(transaction.atomic, name='dispatch')\nclass V:\n  def post(self):\n    {SEND}\n",
            [("views", 4, "")],
        ),
        (
            "async def f():\n  async with atomic():\n    await self.channel_layer.group_send('g', {})\n",
            [("views", 3, "")],
        ),
        (
            "send = async_to_sync(layer.group_send)\ndef f():\n  with atomic():\n    send('g', {})\n",
            [("views", 4, "")],
        ),
        (f"def tell():\n  {SEND}\ndef f():\n  with atomic():\n    tell()\n", [("views", 5, "tell")]),
        (
            f"def tell():\n  {SEND}\ndef more():\n  tell()\n@atomic\ndef f():\n  more()\n",
            [("views", 7, "more")],
        ),
        (
            f"class V:\n  def tell(self):\n    {SEND}\n  @atomic\n  def f(self):\n    self.tell()\n",
            [("views", 6, "tell")],
        ),
        # Run at once, whatever `on_commit` gets of it.
        (f"def f():\n  with atomic():\n    transaction.on_commit({SEND})\n", [("views", 3, "")]),
        # After the commit, outside, or not run there.
        (f"def f():\n  with atomic():\n    pass\n  {SEND}\n", []),
        (f"def f():\n  with atomic():\n    transaction.on_commit(lambda: {SEND})\n", []),
        ("def f():\n  with atomic():\n    on_commit(partial(async_to_sync(layer.group_send), 'g', {}))\n", []),
        (f"def f():\n  with atomic():\n    def tell():\n      {SEND}\n    transaction.on_commit(tell)\n", []),
        (f"def f():\n  with atomic():\n    @transaction.on_commit\n    def tell():\n      {SEND}\n", []),
        (f"def f():\n  with open('x'):\n    {SEND}\n", []),
        ("def f():\n  with atomic():\n    publish('g', {})\n", []),
        ("def f():\n  with atomic():\n    layer.group_add('g', 'c')\n", []),
    ],
)
def test_a_send_inside_a_transaction(text, expected):
    assert early(text) == expected


def test_a_send_of_another_module():
    broadcast = f"def tell():\n  {SEND}\n"
    for head, call in (
        ("from shop.broadcast import tell\n", "tell()"),
        ("from .broadcast import tell as t\n", "t()"),
        ("from shop import broadcast\n", "broadcast.tell()"),
    ):
        found = early(f"{head}@atomic\ndef f():\n  {call}\n", broadcast=broadcast)
        assert found == [("views", 4, call.removesuffix("()"))], head
    assert early("from other.broadcast import tell\n@atomic\ndef f():\n  tell()\n", broadcast=broadcast) == []


def wrong(text):
    return [(one.line, one.name) for one in names.find({Path("f.py"): ast.parse(text)})]


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ('f"notifications_{email}"', "notifications_{email}"),
        ('f"notifications_{self.user.email}"', "notifications_{self.user.email}"),
        ('f"u_{user.username}"', "u_{user.username}"),
        ('"u_%s" % user.email', "u_{user.email}"),
        ('"u_%s_%d" % (user.email, 7)', "u_{user.email}_{7}"),
        ('"u_{}".format(user.email.lower())', "u_{user.email.lower()}"),
        ('"u_" + str(user.email)', "u_{str(user.email)}"),
        ("f\"u_{event['email']}\"", "u_{event['email']}"),
        ("f\"u_{request.GET.get('query')}\"", "u_{request.GET.get('query')}"),
        ('f"user:{user.id}"', "user:{user.id}"),
        ('"all users"', "all users"),
        ('f"u_{user.id}"', None),
        ('f"u_{user.pk}_{order.uuid}"', None),
        ('f"u_{slugify(user.email)}"', None),
        ('f"u_{hashlib.sha256(user.email.encode()).hexdigest()}"', None),
        ('f"room-{room_id}.x"', None),
        ("group", None),
        ("name_of(user.email)", None),
    ],
)
def test_a_name_that_channels_refuses(argument, name):
    expected = [] if name is None else [(2, name)]
    assert wrong(f"def f():\n  layer.group_send({argument}, {{}})\n") == expected
    assert wrong(f"def f():\n  async_to_sync(layer.group_send)({argument}, {{}})\n") == expected
    # Where it is built, once, however often it is used.
    text = f"class C:\n  def a(self): self.group = {argument}\n  def b(self): l.group_add(self.group, c)\n"
    assert wrong(text + "  def c(self): l.group_discard(self.group, c)\n") == expected


def test_every_value_that_a_name_may_have_counts_where_it_is_known():
    text = "def f():\n  g = 'a'\n  if 1:\n    g = f'u_{email}'\n  l.group_send(g, {})\n"
    assert wrong(text) == [(4, "u_{email}")]
    # A variable of another function, and an attribute of another class, are others.
    assert wrong("def f():\n  g = 'a:b'\ndef h(g):\n  l.group_send(g, {})\n") == []
    assert wrong("class A:\n  def f(self): self.g = 'a:b'\nclass B:\n  def h(self): l.group_send(self.g, {})\n") == []
    assert wrong("G = 'a:b'\ndef f():\n  l.group_send(G, {})\n") == [(1, "a:b")]


def test_the_rule_is_that_of_channels():
    from channels.layers import BaseChannelLayer

    for number in range(1, 0x250):
        is_valid = BaseChannelLayer.group_name_regex.match(f"a{chr(number)}b") is not None
        # Channels' `$` lets a line break at the end pass; a node does not.
        assert (names.ALLOWED.fullmatch(f"a{chr(number)}b") is not None) is is_valid, chr(number)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An app of a project, found by Django."""
    shop = tmp_path / "inspected_shop"
    shop.mkdir()
    (shop / "__init__.py").write_text("")
    (shop / "views.py").write_text(f"{HEAD}@atomic\ndef f():\n    {SEND}\n")
    (shop / "consumers.py").write_text('def g(layer, email):\n    layer.group_add(f"n_{email}", "c")\n')
    (shop / "broken.py").write_text("def (:\n")
    for folder in ("migrations", "tests"):
        (shop / folder).mkdir()
        (shop / folder / "x.py").write_text(f"{HEAD}@atomic\ndef f():\n    {SEND}\n")
    (shop / "test_x.py").write_text(f"{HEAD}@atomic\ndef f():\n    {SEND}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with override_settings(INSTALLED_APPS=["channels", "channelgate", "inspected_shop"], BASE_DIR=tmp_path):
        yield shop
    sys.modules.pop(shop.name)


def test_a_project_with_file_and_line(project):
    found = {one.id: one for one in inspect() if "inspected_shop" in one.msg}
    assert found["channelgate.W008"].msg == (
        "group_send in inspected_shop/views.py:6 is inside a transaction and not in on_commit: clients may receive "
        "events that are rolled back."
    )
    assert found["channelgate.W009"].msg == (
        'Group name "n_{email}" in inspected_shop/consumers.py:2 can hold characters that Channels refuses.'
    )
    assert len([one for one in inspect() if "inspected_shop" in one.msg]) == 2
    assert all(one.hint for one in found.values())


def test_installed_packages_and_this_package_are_not_the_projects(project):
    folders = [str(one) for one in sources.folders()]
    assert str(project) in folders
    assert not any("site-packages" in one or one.endswith("src/channelgate") for one in folders)
