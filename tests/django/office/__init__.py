"""The project of docs/django/idioms.md. Its consumers are the blocks of that document, written beside it."""
