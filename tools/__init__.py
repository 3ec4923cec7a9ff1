"""One file a command; run as ``python -m tools.NAME`` from the root of the repository."""

import os
import sys

if not sys.stderr.isatty():  # a log wants few lines of progress
    os.environ.setdefault("TQDM_MININTERVAL", "15")
