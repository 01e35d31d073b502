"""The docs' reference pages, written from the code: config keys, command line, metrics,
signatures, errors of a request, server flags.

`python -m pipeline.reference docs/reference` writes them; `make docs` does so first, and a
test compares the committed pages with what the code says.
"""
