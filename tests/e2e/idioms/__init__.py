"""What is done for each section of docs/django/idioms.md, once under Daphne and once on a node."""

import importlib
import pkgutil

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")
