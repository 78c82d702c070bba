#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Class embeddings of the program beside those of transformers, on a text encoder of Stable Diffusion 1's size with random
weights, CLIP's vocabulary and two learned tokens.

against_transformers.py PROGRAM [SHARED_FOLDER]      (torch, transformers, safetensors; 0.5 GB of temporary files, some minutes)
"""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

HERE = Path(__file__).resolve().parent
NAMES = ["traffic light", "<night> sky", "my <comic> dining_table"]


def templates():
    import re
    text = (HERE / "make_prompt_fixtures.py").read_text()
    return re.search(r'TEMPLATES = """(.*?)"""', text, re.S).group(1).replace("\n", "|").split("|")


def main():
    program, shared = sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else HERE.parents[2] / "shared"
    torch.manual_seed(3)
    torch.set_grad_enabled(False)
    config = CLIPTextConfig(vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, max_position_embeddings=77, hidden_act="quick_gelu",
                            bos_token_id=49406, eos_token_id=49407, pad_token_id=49407)
    model = CLIPTextModel(config).eval()
    night, comic = torch.randn(1, 768) * 0.02, torch.randn(2, 768) * 0.02
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "text_encoder").mkdir()
        (folder / "tokenizer").mkdir()
        save_file({k if k.startswith("text_model.") else "text_model." + k: v.contiguous() for k, v in model.state_dict().items() if "position_ids" not in k}, folder / "text_encoder/model.safetensors")
        for name in ("vocab.json", "merges.txt"):
            shutil.copy(shared / "data/tokenizer" / name, folder / "tokenizer")
        torch.save({"<night>": night}, folder / "learned_embeds.bin")
        torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": comic}, "name": "style"}, folder / "style.pt")
        subprocess.run([program, "class-embeddings", "--model", folder, "--learned-token", folder / "learned_embeds.bin", "--learned-token", f"<comic>={folder / 'style.pt'}", "--names", ",".join(NAMES),
                        "--out", folder / "out.safetensors"], check=True)
        found = load_file(folder / "out.safetensors")["class_embeddings"]
        tokenizer = CLIPTokenizer(str(folder / "tokenizer/vocab.json"), str(folder / "tokenizer/merges.txt"))
    # As diffusers does: a token a vector, the second of "<comic>" under a name of its own.
    assert tokenizer.add_tokens(["<night>", "<comic>", "<comic>_1"]) == 3
    model.resize_token_embeddings(len(tokenizer))
    table = model.get_input_embeddings().weight
    table[49408:49411] = torch.cat([night, comic])
    worst = 0.0
    for name, row in zip(NAMES, found):
        filled = [t.format(name.replace("_", " ").replace("<comic>", "<comic> <comic>_1")) for t in templates()]
        ids = tokenizer(filled, padding="max_length", truncation=True, max_length=20, return_tensors="pt").input_ids
        hidden = model(input_ids=ids).last_hidden_state
        first_end = (ids == 49407).int().argmax(1)
        mean = hidden[torch.arange(len(filled)), first_end].double().mean(0)
        worst = max(worst, ((row.double() - mean).abs().max() / mean.abs().max()).item())
        print(f"{name}: largest difference {(row.double() - mean).abs().max().item():.2e}, largest number {mean.abs().max().item():.2f}")
    print("within" if worst < 1e-4 else "BEYOND", "1e-4")
    sys.exit(worst >= 1e-4)


main()
