"""Citations as words: ``He and McAuley (2016)`` in the sentence, a full line at the end of the notebook."""

from __future__ import annotations

from pathlib import Path

from pybtex.database import Entry, parse_file

VENUES = ("journal", "booktitle", "howpublished", "publisher", "school", "institution")


def _plain(text: str) -> str:
    return " ".join(text.replace("{", "").replace("}", "").replace("--", "–").split())


class Bibliography:
    """The entries of one BibTeX file (written in UTF-8, without TeX accents), as words."""

    def __init__(self, path: Path) -> None:
        self.entries = parse_file(str(path)).entries
        self.used: set[str] = set()

    def cite(self, key: str, textual: bool) -> str:
        """``He and McAuley (2016)`` or, not textual, ``He and McAuley, 2016``. KeyError for an unknown key."""
        if key not in self.entries:
            raise KeyError(f"the citation {key!r} is not in references.bib.")
        self.used.add(key)
        entry = self.entries[key]
        year = entry.fields.get("year", "n.d.")
        return f"{self._names(entry)} ({year})" if textual else f"{self._names(entry)}, {year}"

    def line(self, key: str) -> str:
        """One full reference as Markdown."""
        fields = self.entries[key].fields
        venue = next((_plain(fields[field]) for field in VENUES if field in fields), "")
        url = f"https://doi.org/{fields['doi']}" if "doi" in fields else fields.get("url", "")
        title = f"[{_plain(fields['title'])}]({url})" if url else _plain(fields["title"])
        return f"- {self._names(self.entries[key], limit=6)} ({fields.get('year', 'n.d.')}). {title}. {f'*{venue}*.' if venue else ''}".rstrip()

    @staticmethod
    def _names(entry: Entry, limit: int = 2) -> str:
        people = entry.persons.get("author") or entry.persons.get("editor") or []
        names = [_plain(" ".join([*person.prelast_names, *person.last_names])) for person in people]
        if not names:
            return _plain(entry.fields.get("organization", "Anonymous"))
        if len(names) > limit:
            return f"{names[0]} et al."
        return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
