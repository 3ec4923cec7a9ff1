"""One file a command; run as ``python -m tools.NAME`` from the root of the repository."""
