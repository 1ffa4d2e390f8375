"""One script for each consumer of tests/django/corpus, run against Daphne and against Channelgate, and compared."""
