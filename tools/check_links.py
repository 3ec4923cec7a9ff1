"""``make links``: asks every address outside the built book whether it is still there. Reports, and blocks nothing: the exit status is 0.

    python -m tools.check_links
"""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path

from tools import common

LINK = re.compile(r'<a\b[^>]*?href="(https?://[^"#]+)')
SECONDS = 15


def addresses(html: Path, own: str) -> dict[str, list[str]]:
    """Address → pages that link to it; the repository's own pages are left out, since they exist only once it is published."""
    found = defaultdict(list)
    for path in sorted(html.rglob("*.html")):
        for link in set(LINK.findall(path.read_text(encoding="utf8"))):
            if own not in link and "colab.research.google.com" not in link:
                found[unescape(link)].append(str(path.relative_to(html)))
    return dict(found)


def answer(address: str) -> str:
    """ "ok", or in words what came back."""
    request = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0 (link check of the book Across Scenes)"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as reply:
            return "ok" if reply.status < 400 else f"status {reply.status}"
    except urllib.error.HTTPError as error:
        return "ok, but closed to programs" if error.code in (401, 403, 405, 406, 418, 429) else f"status {error.code}"
    except (urllib.error.URLError, OSError, ValueError) as error:
        return f"no answer: {getattr(error, 'reason', error)}"


def main() -> int:
    """Ask all; always 0 where there is a book."""
    html = common.ROOT / "_build" / "html"
    if not html.is_dir():
        print("There is no book yet; run `make book`.", file=sys.stderr)
        return 1
    owner = common.repository()[0].removeprefix("https://github.com/").partition("/")[0]
    links = addresses(html, owner)
    with ThreadPoolExecutor(16) as pool:
        answers = dict(zip(links, pool.map(answer, links), strict=True))
    bad = {address: words for address, words in answers.items() if not words.startswith("ok")}
    for address, words in sorted(bad.items()):
        print(f"{address}\n    {words}; on {', '.join(links[address][:3])}")
    print(
        f"{len(links)} addresses, {len(bad)} without an answer or gone, {sum(w != 'ok' and w.startswith('ok') for w in answers.values())} closed to programs"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
