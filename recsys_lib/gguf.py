"""Reads a GGUF file of the llama family into a folder that transformers loads: config, tokenizer, safetensors.

GGUF (specification in the ggml repository) is one file: a header, named settings, tensor names with shapes and kinds, then
the numbers, most of them quantised in blocks of 32. Three kinds occur in the files of this book and are read here: float32;
Q8_0, eight bits and one scale a block; Q4_1, four bits, one scale and one offset a block. Nothing in such a file is code.
"""

from __future__ import annotations

import json
import re
import shutil
import struct
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors.numpy import save

from recsys_lib.data.sources import explained
from recsys_lib.errors import BadData

NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}  # kinds of settings
BLOCKS = {0: (1, np.dtype("<f4")), 3: (32, np.dtype([("d", "<f2"), ("m", "<f2"), ("q", "u1", 16)])), 8: (32, np.dtype([("d", "<f2"), ("q", "i1", 32)]))}
PARTS = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
}  # fmt: skip


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == 8:
        return file.read(struct.unpack("<Q", file.read(8))[0]).decode("utf-8")
    if kind == 9:
        inner, n = struct.unpack("<IQ", file.read(12))
        return [_value(file, inner) for _ in range(n)]
    return struct.unpack("<" + NUMBERS[kind], file.read(struct.calcsize(NUMBERS[kind])))[0]


def read_gguf(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Settings by name, and tensors by name as float32 arrays, in the file's own layout.

    Raises:
        BadData: not a GGUF file of version 2 or 3, one cut short, or a tensor of a kind that is not read here.
    """
    try:
        return _read(path)
    except (struct.error, UnicodeDecodeError, KeyError) as error:
        raise BadData(f"{path} is cut short or damaged ({error}); fetch it again.") from error


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with path.open("rb") as file:
        magic, version, n_tensors, n_settings = struct.unpack("<4sIQQ", file.read(24))
        if magic != b"GGUF" or version not in (2, 3):
            raise BadData(f"{path} is not a GGUF file of version 2 or 3; fetch it again.")
        settings = {_value(file, 8): _value(file, struct.unpack("<I", file.read(4))[0]) for _ in range(n_settings)}
        table = []
        for _ in range(n_tensors):
            name, rank = _value(file, 8), struct.unpack("<I", file.read(4))[0]
            table.append((name, struct.unpack(f"<{rank}Q", file.read(8 * rank))[::-1], *struct.unpack("<IQ", file.read(12))))
        step = settings.get("general.alignment", 32)
        start = -(-file.tell() // step) * step
    raw, tensors = np.memmap(path, mode="r"), {}
    for name, shape, kind, offset in table:
        if kind not in BLOCKS:
            raise BadData(f"tensor {name} of {path.name} is of GGUF kind {kind}; only F32, Q4_1 and Q8_0 are read here.")
        size, block = BLOCKS[kind]
        n = int(np.prod(shape)) // size * block.itemsize
        if start + offset + n > len(raw):
            raise BadData(f"{path} ends within tensor {name}; fetch it again.")
        data = np.frombuffer(raw[start + offset : start + offset + n], block)
        tensors[name] = _numbers(data, kind).reshape(shape)
    return settings, tensors


def _numbers(data: np.ndarray, kind: int) -> np.ndarray:
    """Blocks → float32, flat: value = d · q, or d · q + m."""
    if kind == 0:
        return data.astype(np.float32)
    scale = data["d"].astype(np.float32)[:, None]
    if kind == 8:
        return (scale * data["q"]).ravel()
    four = np.concatenate([data["q"] & 15, data["q"] >> 4], axis=1)  # low halves are the first 16 values
    return (scale * four + data["m"].astype(np.float32)[:, None]).ravel()


def is_whole(folder: Path) -> bool:
    """Whether ``folder`` has what :func:`unpack` writes."""
    return all((folder / name).is_file() for name in ("config.json", "tokenizer.json", "model.safetensors"))


def unpack(path: Path, folder: Path) -> Path:
    """Write the model of a GGUF file into ``folder`` (config.json, tokenizer, model.safetensors in float16), whole or not at all.

    Raises:
        BadData: another architecture than llama, a tokenizer that is not byte-level BPE, or a tensor that has no place in such a model.
        RecsysError: the disk is full, or the folder cannot be written.
    """
    settings, tensors = read_gguf(path)
    if (settings["general.architecture"], settings["tokenizer.ggml.model"]) != ("llama", "gpt2"):
        raise BadData(f"{path.name} holds a {settings['general.architecture']} with a {settings['tokenizer.ggml.model']} tokenizer; only llama with byte-level BPE is read.")
    config = _config(settings)
    weights = {"model.embed_tokens.weight": tensors.pop("token_embd.weight").astype(np.float16), "model.norm.weight": tensors.pop("output_norm.weight").astype(np.float16)}
    for name in list(tensors):
        if not (found := re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", name)) or found[2] not in PARTS:
            raise BadData(f"{path.name} has a tensor {name}, which is not read here; the model would be another without it.")
        (layer, part), array = found.groups(), tensors.pop(name).astype(np.float16)
        if part in ("attn_q", "attn_k"):  # the file stores the two halves of each head interleaved
            heads = config["num_attention_heads" if part == "attn_q" else "num_key_value_heads"]
            array = array.reshape(heads, -1, 2, array.shape[1]).swapaxes(1, 2).reshape(array.shape)
        weights[f"model.layers.{layer}.{PARTS[part]}.weight"] = array
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _write(settings, config, weights, folder)
    return folder


def _write(settings: dict[str, Any], config: dict[str, Any], weights: dict[str, np.ndarray], folder: Path) -> None:
    """The files in a folder of their own, which is then renamed."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = Path(scratch) / "model"
        _tokenizer(settings).save_pretrained(made)
        facts = json.loads((made / "tokenizer_config.json").read_text(encoding="utf-8"))
        facts["tokenizer_class"] = "PreTrainedTokenizerFast"  # transformers 5 writes a name that 4 does not know, and reads this one too
        (made / "tokenizer_config.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
        (made / "model.safetensors").write_bytes(save({k: np.ascontiguousarray(v) for k, v in weights.items()}, {"format": "pt"}))  # its own way to write hides that a disk is full
        (made / "config.json").write_text(json.dumps(config, indent=1))
        if folder.exists() and not is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)  # what an earlier version or a cleaner left of it
        try:
            made.rename(folder)
        except OSError:
            if not is_whole(folder):  # else another process was faster
                raise


def _config(s: dict[str, Any]) -> dict[str, Any]:
    """config.json of transformers. Input and output embeddings are one table."""
    return {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "torch_dtype": "float16", "tie_word_embeddings": True,
        "hidden_act": "silu", "hidden_size": s["llama.embedding_length"], "intermediate_size": s["llama.feed_forward_length"],
        "num_hidden_layers": s["llama.block_count"], "num_attention_heads": s["llama.attention.head_count"],
        "num_key_value_heads": s["llama.attention.head_count_kv"], "max_position_embeddings": s["llama.context_length"],
        "rms_norm_eps": s["llama.attention.layer_norm_rms_epsilon"], "rope_theta": s["llama.rope.freq_base"], "vocab_size": s["llama.vocab_size"],
        "bos_token_id": s["tokenizer.ggml.bos_token_id"], "eos_token_id": s["tokenizer.ggml.eos_token_id"], "pad_token_id": s["tokenizer.ggml.padding_token_id"],
    }  # fmt: skip


def _tokenizer(s: dict[str, Any]) -> Any:
    """Byte-level BPE; digits stand alone, as the pre-tokenizer "smollm" wants them."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words, kinds = s["tokenizer.ggml.tokens"], s["tokenizer.ggml.token_type"]
    merges = [tuple(pair.split(" ", 1)) for pair in s["tokenizer.ggml.merges"]]
    backend = Tokenizer(models.BPE(vocab={word: k for k, word in enumerate(words)}, merges=merges))
    parts = [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    if s.get("tokenizer.ggml.pre") == "smollm":
        parts.insert(0, pre_tokenizers.Digits(individual_digits=True))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Sequence(parts), decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(word, special=True, normalized=False) for word, kind in zip(words, kinds, strict=True) if kind == 3])
    named = {name: words[s[f"tokenizer.ggml.{key}_token_id"]] for name, key in (("bos_token", "bos"), ("eos_token", "eos"), ("pad_token", "padding"))}
    return PreTrainedTokenizerFast(tokenizer_object=backend, clean_up_tokenization_spaces=False, chat_template=s.get("tokenizer.chat_template"), **named)
