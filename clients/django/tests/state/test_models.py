"""Model instances as snapshots and by key: what is in memory comes back, a password does not leave."""

import datetime
import decimal

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.db import connection
from django.db.models import Prefetch
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from harness.keeping import LIMIT, captured, kept, made, next_call
from library.models import Author, Book, Crate, Item, Member, Note, Shelf

from channelgate.bridge.refusals import Refused, Restart
from channelgate.bridge.state import capture, restore, restore_needs_database, seal
from channelgate.bridge.state import models as codec


@pytest.fixture
def user():
    user, _ = User.objects.get_or_create(username="nora", defaults={"email": "nora@example.org", "first_name": "Nora"})
    user.set_password("secret")
    user.save()
    return User.objects.get(pk=user.pk)


@pytest.fixture
def book():
    author = Author.objects.create(name="Ada", born=datetime.date(1815, 12, 10))
    extent = datetime.timedelta(hours=2)
    book = Book.objects.create(
        title="Notes", author=author, price="12.50", extent=extent, meta={"a": [1]}, shelf=Shelf("x")
    )
    book.readers.add(author, Author.objects.create(name="Bob"))
    return Book.objects.get(pk=book.pk)


def fields(instance):
    hidden = ("_state", "_prefetched_objects_cache", "password")
    return {name: value for name, value in vars(instance).items() if name not in hidden}


def silent(work):
    """Without a query."""
    with CaptureQueriesContext(connection) as queries:
        result = work()
    assert [query["sql"] for query in queries] == []
    return result


def test_a_snapshot_has_every_field_but_the_password_and_asks_nothing(user):
    payload = captured(*made(value=user))
    assert user.password not in str(payload)
    found = silent(lambda: kept(user))
    assert type(found) is User
    assert fields(found) == fields(user)
    assert found == user
    assert not found._state.adding
    assert found.get_deferred_fields() == {"password"}
    assert found.check_password("secret")
    found.first_name = "Anne"
    found.save()
    assert User.objects.get(pk=user.pk).check_password("secret")
    assert User.objects.get(pk=user.pk).first_name == "Anne"


def test_what_a_handler_changed_in_memory_stays(user):
    user.first_name, user.room = "Zoë", {"n": [1]}
    user.set_password("another")
    user.save()
    found = kept(user)
    assert (found.first_name, found.room) == ("Zoë", {"n": [1]})
    assert "_password" not in vars(found)


def test_parents_files_custom_fields_and_relations(book):
    book.author.favourite = book
    book.item_ptr.note = "parent"
    found = silent(lambda: kept(book))
    assert fields(found) == fields(book)
    assert type(found.price) is decimal.Decimal
    assert found.shelf == Shelf("x")
    author = silent(lambda: found.author)
    assert author.favourite is found
    assert type(found.item_ptr) is Item
    assert silent(lambda: found.item_ptr.note) == "parent"
    assert found.cover.name == ""
    assert not found.cover
    book.cover = "covers/a.png"
    assert kept(book).cover.name == "covers/a.png"
    assert book.cover.url == kept(book).cover.url
    book.cover = ContentFile(b"x", name="new.txt")
    with pytest.raises(Refused, match=r"self\.value\.cover is a file that is not saved yet"):
        kept(book)


def test_a_field_that_its_own_code_cannot_write_is_refused_by_name():
    with pytest.raises(Refused, match=r"self\.value\.shelf is a library\.models\.Shelf, which cannot be kept"):
        kept(Crate(shelf=Shelf("x")))


def test_prefetched_relations_stay_and_ask_nothing(book):
    authors = Prefetch("author", Author.objects.prefetch_related("books"))
    book = Book.objects.prefetch_related("readers", authors).get(pk=book.pk)
    found = silent(lambda: kept(book))
    assert [reader.name for reader in silent(lambda: list(found.readers.all()))] == ["Ada", "Bob"]
    assert [b.pk for b in silent(lambda: list(found.author.books.all()))] == [book.pk]
    assert found.readers.filter(name="Bob").count() == 1


def test_deferred_fields_stay_deferred(book):
    found = kept(Book.objects.defer("meta").only("title").get(pk=book.pk))
    assert "meta" not in vars(found)
    assert found.meta == {"a": [1]}


def test_a_generic_key_keeps_what_it_had_found(book):
    note = Note.objects.create(text="n", about=book)
    found = kept(note)
    assert silent(lambda: found.about).pk == book.pk
    assert kept(Note.objects.get(pk=note.pk)).about == book


def test_an_unsaved_instance_stays_unsaved():
    found = kept(Author(name="new"))
    assert (found.pk, found._state.adding, found._state.db) == (None, True, None)
    found.save()
    assert Author.objects.get(pk=found.pk).name == "new"
    unsaved = User(username="u")
    unsaved.set_password("x")
    with pytest.raises(Refused, match=r"self\.value\.password is the password of an object that is not saved"):
        kept(unsaved)


def test_what_a_models_init_hung_on_it_stays_but_not_the_password():
    member = Member.objects.create(username="m", password="pbkdf2_sha256$1$x$y")
    assert kept(member)._before == "m"
    member._original = dict(vars(member), _state=None)
    with pytest.raises(Refused, match="has the password hash in its attribute _original"):
        kept(member)


def test_lists_of_rows_are_kept_and_query_sets_are_named(book):
    rows = list(Book.objects.all())
    assert kept(rows) == rows
    with pytest.raises(Refused) as refused:
        kept(Book.objects.filter(title="x"))
    assert refused.value.text == (
        "library.Keeper: self.value is a QuerySet of library.Book, which cannot be kept from one call to the next: "
        "keep a list of it, or ask again in each handler"
    )
    with pytest.raises(Refused, match="is a manager of library"):
        kept(book.readers)
    assert kept(ContentType.objects.get_for_model(Book)).model == "book"


def test_by_key_each_call_reads_again(user):
    consumer, baseline = made(value=user, values=[user])
    user.backend = "x.Backend"
    payload = captured(consumer, baseline, models="pk")
    assert restore_needs_database(payload)
    User.objects.filter(pk=user.pk).update(is_active=False)
    again, _ = next_call(consumer, baseline, models="pk")
    assert not again.value.is_active
    assert again.value is again.values[0]
    assert again.value.backend == "x.Backend"
    User.objects.filter(pk=user.pk).delete()
    with pytest.raises(Restart, match=r"auth\.User \d+ is not there any more"):
        next_call(consumer, baseline, models="pk")


def changed(label, monkeypatch):
    """The model has other fields than when the state was written."""
    shape = codec.shape_of(codec.model_of(label))
    monkeypatch.setattr(shape, "sign", "00000000")


def test_a_model_with_other_fields_is_read_by_its_key(user, book, monkeypatch):
    consumer, baseline = made(value=user, book=book)
    user.first_name = "in memory"
    payload = captured(consumer, baseline)
    assert not restore_needs_database(payload)
    changed("auth.User", monkeypatch)
    assert restore_needs_database(payload)
    again = type(consumer)()
    restore(again, payload, scope={})
    assert again.value.first_name == "Nora"
    assert again.value.password
    assert again.book.title == "Notes"


def test_an_unsaved_or_unknown_model_restarts(monkeypatch):
    consumer, baseline = made(value=Author(name="n"))
    payload = captured(consumer, baseline)
    payload["m"] = {"library.Author": ["00000000", 0]}
    again = type(consumer)()
    with pytest.raises(Restart, match=r"library\.Author has other fields now, and the object was not saved"):
        restore(again, payload, scope={})
    assert not hasattr(again, "value")
    payload = captured(consumer, baseline)
    payload["m"] = {"library.Gone": ["00000000", 0]}
    with pytest.raises(Restart, match=r"the model library\.Gone is not there any more"):
        restore(again, payload, scope={})


def test_the_anonymous_user_and_when_it_has_attributes():
    assert type(kept(AnonymousUser())) is AnonymousUser
    guest = AnonymousUser()
    guest.name = "g"
    assert kept(guest).name == "g"


def test_a_user_costs_few_bytes(user):
    consumer, baseline = made(user=user)
    blob = seal(capture(consumer, scope={}, baseline=baseline, who="x"), connection="c", seq=0, limit=LIMIT)
    assert len(blob) < 300
    assert timezone.is_aware(kept(user).date_joined)
