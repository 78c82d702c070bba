#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/io/tokenizer_fixture.json: the tokenizer.json that transformers 5 saves of a small CLIP tokenizer of three merges.

Usage: make_tokenizer_fixture.py (with a Python that has transformers 5).
"""
import pathlib
import tempfile

from transformers import CLIPTokenizer

MERGES = [("c", "a"), ("ca", "t</w>"), ("c", "\u0120")]


def main():
    printing = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    others = [b for b in range(256) if b not in printing]
    letters = [chr(b) for b in printing] + [chr(256 + i) for i in range(len(others))]
    names = letters + [letter + "</w>" for letter in letters] + [a + b for a, b in MERGES] + ["<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        CLIPTokenizer(vocab={name: i for i, name in enumerate(names)}, merges=MERGES).save_pretrained(folder)
        text = (pathlib.Path(folder) / "tokenizer.json").read_text()
    (pathlib.Path(__file__).resolve().parent / "tokenizer_fixture.json").write_text(text)


if __name__ == "__main__":
    main()
