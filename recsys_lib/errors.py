"""The errors a reader can meet. Each message is one sentence: what is wrong, where, and what to do next."""


class RecsysError(Exception):
    """Base of every error this library raises on purpose."""


class BadData(RecsysError, ValueError):
    """The user's table, file or argument is not usable as it is."""


class NotFitted(BadData, AttributeError):
    """A model is asked before it has learned."""


class SourceUnreachable(RecsysError, OSError):
    """A file is in no cache and no mirror, and its home does not answer."""


class ChecksumMismatch(RecsysError, OSError):
    """A file was fetched, but its sha256 is not the registered one."""
