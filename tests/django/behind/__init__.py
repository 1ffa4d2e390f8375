"""A small project behind a node's development proxy: a page, files, streams, and a consumer that stays in Django."""
