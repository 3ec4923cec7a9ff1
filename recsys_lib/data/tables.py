"""One table of a user's folder: read as text, checked column by column, complaints with file, row and column."""

from __future__ import annotations

import gzip
import re
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_lib.errors import BadData

ENDINGS = (".csv", ".csv.gz", ".parquet")
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?")
_LONGEST_SHOWN = 60
FIRST_MONTHS = 10_000_000  # seconds, until April 1970: a table whose every time is a smaller number counts years or days


def read_table(folder: Path, name: str, columns: Sequence[str], optional: bool = False) -> Table | None:
    """Read ``<name>.csv``, ``.csv.gz`` or ``.parquet`` of a folder; ``None`` for an optional table that is not there."""
    found = [folder / (name + ending) for ending in ENDINGS if (folder / (name + ending)).is_file()]
    if not found and optional:
        return None
    if not found:
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
        raise BadData(f"{folder} has no {name} table (it holds {there}); add {name}.csv, {name}.csv.gz or {name}.parquet.")
    if len(found) > 1:
        raise BadData(f"{folder} has both {found[0].name} and {found[1].name}, and they may differ; keep one of them.")
    path = found[0]
    if path.stat().st_size == 0:
        raise BadData(f"{path.name} is empty; it needs a header and at least one row.")
    table = Table(path, _parquet(path) if path.suffix == ".parquet" else _csv(path))
    table.need(columns)
    if table.frame.empty:
        raise BadData(f"{path.name} has a header but no rows; fill it, or take it out if it is optional.")
    return table


def _csv(path: Path) -> pd.DataFrame:
    """Every value as text, "" where nothing stands; the index is the data row, from 0. Rows with nothing in them are left out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False, skip_blank_lines=False, index_col=False, encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadData(_not_utf8(path)) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise BadData(f"{path.name} is not a whole gzip file ({problem}); pack it again.") from problem
    except (pd.errors.ParserError, pd.errors.EmptyDataError, pd.errors.ParserWarning) as problem:
        what = str(problem).strip().removeprefix("Error tokenizing data. C error: ")
        raise BadData(f"{path.name} is not a readable csv table ({what}); put text that holds commas, quotes or line breaks in double quotes.") from problem
    frame = frame.fillna("").astype(object)
    return frame[(frame != "").any(axis=1)]


def _not_utf8(path: Path) -> str:
    opened = gzip.open(path) if path.suffix == ".gz" else path.open("rb")
    with opened as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as problem:
                return f"{path.name}, line {number}: byte 0x{line[problem.start]:02x} at position {problem.start + 1} is not UTF-8; save the file as UTF-8."
    return f"{path.name} is not UTF-8; save the file as UTF-8."


def _parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pq.read_table(path).to_pandas()
        return frame.reset_index(drop=not any(frame.index.names))
    except (pa.ArrowException, OSError, ValueError) as problem:
        raise BadData(f"{path.name} is not a readable parquet file ({str(problem).splitlines()[0]}); write it again.") from problem


@dataclass
class Table:
    """A file and its frame; the frame's index is the data row, counted from 0. Each check changes or keeps a column, or raises BadData."""

    path: Path
    frame: pd.DataFrame

    def refuse(self, bad: np.ndarray, column: str, wrong: Callable[[int], str], remedy: str) -> NoReturn:
        """Raise BadData about the first of the ``bad`` rows, bool [rows]; ``wrong`` says of its position what is wrong there. How many others there are is added."""
        at, more = int(np.argmax(bad)), int(np.count_nonzero(bad)) - 1
        row = int(self.frame.index[at]) + 1
        line = ""
        if self.path.suffix != ".parquet":
            line = f" (line {row + 1 + self._breaks(at)} of the file)"
        others = f" and {more:,} more row{'s' * (more > 1)}" if more else ""
        raise BadData(f"{self.path.name}, data row {row}{line}{others}, column {column}: {wrong(at)}; {remedy}.")

    def _breaks(self, at: int) -> int:
        """Line breaks inside the column names and the quoted values before a row, which move its line down."""
        text = self.frame.iloc[:at].select_dtypes(object)
        header = sum(str(c).count("\n") for c in self.frame)
        return header + sum(int(text[c].map(lambda v: v.count("\n") if isinstance(v, str) else 0).sum()) for c in text)

    def need(self, columns: Sequence[str]) -> None:
        """All these columns are there."""
        have = list(self.frame.columns)
        for column in columns:
            if column not in have:
                hint = " (are they separated by commas?)" if len(have) == 1 else ""
                near = [name for name in have if str(name).strip().lower().replace(" ", "_") == column] or get_close_matches(column, [str(name) for name in have], 1, 0.8)
                meant = f"; did you mean {str(near[0])!r}?" if near else ""
                raise BadData(f"{self.path.name} has no column {column!r} (its columns are {', '.join(repr(str(name)) for name in have)[:300]}{hint}{meant}); add or rename one.")

    def keys(self, column: str) -> pd.Series:
        """A column of keys as text, none of them empty; whole numbers become their digits."""
        values = self.frame[column]
        missing = values.isna() | (values == "")
        if missing.any():
            self.refuse(missing.to_numpy(bool), column, lambda at: "the key is missing", "fill it in or leave the row out")
        if pd.api.types.infer_dtype(values, skipna=False) not in ("string", "integer"):
            values = values.astype(object)
            kinds = values.map(lambda v: type(v).__name__)
            wrong = ~kinds.isin(["str", "int"]) | (kinds != kinds.iloc[0])
            if wrong.any():
                self.refuse(wrong.to_numpy(), column, lambda at: f"the key {_short(values.iloc[at])} is a {kinds.iloc[at]}", "make all keys text, or all whole numbers")
        self.frame[column] = values.astype(str).astype(object)
        return self.frame[column]

    def once(self, columns: list[str]) -> None:
        """No combination of these keys stands twice."""
        twice = self.frame.duplicated(columns).to_numpy()
        if twice.any():
            key = self.frame[columns].iloc[int(np.argmax(twice))]
            first = int(self.frame.index[np.argmax((self.frame[columns] == key).all(axis=1))]) + 1
            self.refuse(twice, ", ".join(columns), lambda at: f"{', '.join(_short(v) for v in key)} stands in data row {first} already", "keep one of them")

    def known(self, columns: list[str], values: set[str], where: str, remedy: str) -> None:
        """Every value of a key column is one of these."""
        unknown = ~self.frame[columns[0]].isin(values).to_numpy()
        if unknown.any():
            self.refuse(unknown, columns[0], lambda at: f"{_short(self.frame[columns[0]].iloc[at])} is a value {where}", remedy)

    def text(self, column: str, limit: int, lists: bool = False) -> None:
        """A text column (if it is there): missing becomes "", nothing but text (and, with ``lists``, lists of texts), none longer than ``limit`` characters."""
        if column not in self.frame:
            return
        values = self.frame[column].astype(object).where(self.frame[column].notna(), "")
        if lists:
            values = values.map(lambda v: list(v) if isinstance(v, (list, tuple, np.ndarray)) else v)
        wrong = ~values.map(lambda v: all(isinstance(part, str) for part in (v if lists and isinstance(v, list) else [v]))).to_numpy(bool)
        if wrong.any():
            what, remedy = ("neither text nor a list of texts", "write it as one of them") if lists else ("not text", "write it as text")
            self.refuse(wrong, column, lambda at: f"{_short(values.iloc[at])} is a {type(values.iloc[at]).__name__}, {what}", remedy)
        length = values.map(lambda v: len("".join(v))).to_numpy()
        if (length > limit).any():
            self.refuse(length > limit, column, lambda at: f"the text has {length[at]:,} characters, more than {limit:,}", "shorten it, or look for a missing quote in the row before")
        self.frame[column] = values

    def numbers(self, column: str) -> pd.Series:
        """A column of finite numbers as float64; missing values are allowed and become NaN."""
        values = self.frame[column]
        number = pd.to_numeric(values.where(values != ""), errors="coerce").astype(float)
        wrong = ((values.notna() & (values != "") & number.isna()) | np.isinf(number)).to_numpy()
        if wrong.any():
            self.refuse(wrong, column, lambda at: f"{_short(values.iloc[at])} is not a finite number", "write a number or leave it empty")
        return number

    def times(self, column: str, latest: int) -> pd.Series:
        """A column of times as int64 Unix seconds: all numbers, or all ISO dates; none missing, negative or at ``latest`` or later."""
        values = self.frame[column]
        missing = (values.isna() | (values == "") | (values.astype(str).str.lower() == "nan")).to_numpy()
        if missing.any():
            self.refuse(missing, column, lambda at: "the time is missing", "fill it in or leave the row out")
        if pd.api.types.is_datetime64_any_dtype(values):
            seconds = _unix(values)
        else:
            number = pd.to_numeric(values, errors="coerce").astype(float)
            dates = number.isna().to_numpy()
            if not dates.any():
                digits = number.astype(np.int64).astype(str) if number.between(19_000_101, 21_001_231).all() else None
                if digits is not None and pd.to_datetime(digits, format="%Y%m%d", errors="coerce").notna().all():
                    self.refuse(number > 0, column, lambda at: f"the time {_short(values.iloc[at])} looks like a date without dashes", "write it as 2024-05-01, or as Unix seconds")
                if number.between(0, FIRST_MONTHS, inclusive="left").all() and (number > 0).any():
                    wrong = "would lie in the first months of 1970 as Unix seconds, like all the others, so it looks like a year or a count of days"
                    self.refuse(number > 0, column, lambda at: f"the time {_short(values.iloc[at])} {wrong}", "write dates as 2024-05-01, or Unix seconds")
                seconds = number
            else:
                parsed = pd.to_datetime(values.where(dates), errors="coerce", utc=True, format="ISO8601")
                neither = dates & parsed.isna().to_numpy()
                if neither.any() or not dates.all():
                    wrong = "neither a number nor an ISO date" if neither.any() else "of another kind than the rows before"
                    said = "write all times as Unix seconds, or all as ISO dates (2024-05-01)"
                    self.refuse(neither if neither.any() else dates != dates[0], column, lambda at: f"the time {_short(values.iloc[at])} is {wrong}", said)
                seconds = _unix(parsed)
        for bad, wrong, remedy in (
            ((seconds < 0).to_numpy(), "is before 1970", "write Unix seconds, zero or later"),
            ((seconds >= latest).to_numpy(), "lies after the year 9999", "if it counts milliseconds, divide by 1000"),
        ):
            if bad.any():
                self.refuse(bad, column, lambda at, wrong=wrong: f"the time {_short(values.iloc[at])} {wrong}", remedy)
        return np.floor(seconds).astype(np.int64)

    def plain(self, but: set[str]) -> None:
        """Columns of a csv, other than those named, that hold only plain numbers (no leading zero) become numbers."""
        for column in self.frame.columns.difference(list(but)):
            values = self.frame[column]
            filled = values[values != ""] if self.path.suffix != ".parquet" else values[:0]
            if len(filled) and filled.map(lambda v: bool(_PLAIN_NUMBER.fullmatch(v))).all():
                self.frame[column] = pd.to_numeric(values.where(values != ""))


def _unix(times: pd.Series) -> pd.Series:
    return (pd.to_datetime(times, utc=True) - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(seconds=1)  # not Timestamp(0): its nanoseconds end in 2262


def _short(value: object) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
