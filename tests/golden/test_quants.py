# SPDX-License-Identifier: MIT
"""Values of every tensor type against the gguf package's, through `brrr inspect --dequant`.

Reference: shared/golden/dev/quants, all_types.gguf and <type>.values.f32.bin; the values must be
equal to the last bit. Half precision: a file of one F16 tensor made here.
"""
import json
import struct

import numpy as np
import pytest

TYPES = ("F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K TQ1_0 TQ2_0 MXFP4 NVFP4 "
         "IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S IQ1_S IQ1_M IQ4_NL IQ4_XS").split()


@pytest.fixture(scope="session")
def quants(shared):
    folder = shared / "golden/dev/quants"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


def values(brrr, path, name):
    p = brrr(["inspect", path, "--tensor", name, "--dequant"])
    assert p.returncode == 0, p.stderr
    assert p.stderr == b""
    return np.frombuffer(p.stdout, "<u4")


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("cpu", ["c", "avx2", "avx512"])
def test_values(brrr, quants, name, cpu):
    p = brrr(["inspect", quants / "all_types.gguf", "--tensor", name, "--dequant"],
             env={"BRRR_CPU": cpu})
    assert p.returncode == 0, p.stderr
    got = np.frombuffer(p.stdout, "<u4")
    want = np.fromfile(quants / f"{name}.values.f32.bin", "<u4")
    assert got.size == want.size
    assert np.array_equal(got, want), f"{np.count_nonzero(got != want)} values differ"


def test_index_is_complete(quants):
    index = json.loads((quants / "index.json").read_text())
    assert set(index["types"]) == set(TYPES)


def one_tensor(path, type_id, shape, data):
    """A GGUF file of one tensor "t" and no metadata."""
    head = struct.pack("<4sIQQ", b"GGUF", 3, 1, 0)
    head += struct.pack("<Q1sI", 1, b"t", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
    head += struct.pack("<IQ", type_id, 0)
    path.write_bytes(head + b"\0" * (-len(head) % 32) + data)


def test_f16_patterns(brrr, quants, tmp_path):
    data = (quants / "f16_patterns.u16.bin").read_bytes()
    one_tensor(tmp_path / "f16.gguf", 1, [len(data) // 2], data)
    got = values(brrr, tmp_path / "f16.gguf", "t")
    assert np.array_equal(got, np.fromfile(quants / "f16_patterns.f32.bin", "<u4"))


@pytest.mark.parametrize("name,type_id", [("BF16", 30), ("Q4_0", 2), ("Q4_1", 3), ("Q5_0", 6),
                                          ("Q5_1", 7), ("Q8_0", 8), ("TQ1_0", 34), ("TQ2_0", 35),
                                          ("MXFP4", 39)])
def test_quantised_source(brrr, quants, tmp_path, name, type_id):
    """Blocks that a quantiser made give back what they were made from, within their step."""
    data = (quants / f"{name}.quantized_source.bin").read_bytes()
    source = np.fromfile(quants / "source.f32.bin", "<f4").reshape(8, -1)
    one_tensor(tmp_path / "q.gguf", type_id, [source.shape[1], source.shape[0]], data)
    got = values(brrr, tmp_path / "q.gguf", "t").view("<f4").reshape(source.shape)
    bits = {"Q4_0": 4, "Q4_1": 4, "Q5_0": 5, "Q5_1": 5, "Q8_0": 8, "BF16": 8}.get(name, 1)
    assert np.abs(got - source).max() <= 2 * np.abs(source).max() / 2 ** bits
    alike = 0.6 if name.startswith("TQ") else 0.98  # three values only
    assert np.corrcoef(got.ravel(), source.ravel())[0, 1] > alike
