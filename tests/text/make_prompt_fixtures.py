#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/text/prompt_fixtures: learned tokens of Textual Inversion in the forms that people hold, and what the text
encoder of transformers says with them and of class names in CLIP's 80 sentences.

make_prompt_fixtures.py [REFERENCE_FOLDER]      (torch, transformers, safetensors, numpy; the rule of hashed weights is the
numeric reference's, ../shared/reference)
"""
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parents[2] / "shared" / "reference"))
import numpy as np  # noqa: E402
import torch  # noqa: E402
from hash_weights import weight  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers import CLIPTextConfig, CLIPTextModel  # noqa: E402

OUT = HERE / "prompt_fixtures"
WIDTH, LENGTH, BEGIN, END = 64, 77, 510, 511
PREFIX = "cond_stage_model.transformer.text_model."

# The list of CLIP's notebook, written out: the library has it factored.
TEMPLATES = """a bad photo of a {}.|a photo of many {}.|a sculpture of a {}.|a photo of the hard to see {}.|a low resolution photo of the {}.
a rendering of a {}.|graffiti of a {}.|a bad photo of the {}.|a cropped photo of the {}.|a tattoo of a {}.|the embroidered {}.
a photo of a hard to see {}.|a bright photo of a {}.|a photo of a clean {}.|a photo of a dirty {}.|a dark photo of the {}.
a drawing of a {}.|a photo of my {}.|the plastic {}.|a photo of the cool {}.|a close-up photo of a {}.|a black and white photo of the {}.
a painting of the {}.|a painting of a {}.|a pixelated photo of the {}.|a sculpture of the {}.|a bright photo of the {}.
a cropped photo of a {}.|a plastic {}.|a photo of the dirty {}.|a jpeg corrupted photo of a {}.|a blurry photo of the {}.
a photo of the {}.|a good photo of the {}.|a rendering of the {}.|a {} in a video game.|a photo of one {}.|a doodle of a {}.
a close-up photo of the {}.|a photo of a {}.|the origami {}.|the {} in a video game.|a sketch of a {}.|a doodle of the {}.
a origami {}.|a low resolution photo of a {}.|the toy {}.|a rendition of the {}.|a photo of the clean {}.|a photo of a large {}.
a rendition of a {}.|a photo of a nice {}.|a photo of a weird {}.|a blurry photo of a {}.|a cartoon {}.|art of a {}.
a sketch of the {}.|a embroidered {}.|a pixelated photo of a {}.|itap of the {}.|a jpeg corrupted photo of the {}.
a good photo of a {}.|a plushie {}.|a photo of the nice {}.|a photo of the small {}.|a photo of the weird {}.|the cartoon {}.
art of the {}.|a drawing of the {}.|a photo of the large {}.|a black and white photo of a {}.|the plushie {}.|a dark photo of a {}.
itap of a {}.|graffiti of the {}.|a toy {}.|itap of my {}.|a photo of a cool {}.|a photo of a small {}.|a tattoo of the {}.""".replace("\n", "|").split("|")
NAMES = ["road", "dining_room", "conveyer belt very very very very very very very very very very long"]


def words(text):
    return re.findall(r"[a-z0-9]+", text.lower())


def encoder(rows):
    config = CLIPTextConfig(vocab_size=512 + len(rows), hidden_size=WIDTH, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=LENGTH,
                            hidden_act="quick_gelu", bos_token_id=BEGIN, eos_token_id=END, pad_token_id=END, attn_implementation="eager")
    model = CLIPTextModel(config).eval()
    state = {}
    for name, value in model.state_dict().items():
        if name.endswith("position_ids"):
            continue
        inner = name.removeprefix("text_model.")
        shape = (512, WIDTH) if inner.endswith("token_embedding.weight") else tuple(value.shape)
        state[name] = torch.from_numpy(np.asarray(weight(PREFIX + inner, shape), dtype=np.float32))
        if inner.endswith("token_embedding.weight"):
            state[name] = torch.cat([state[name], rows])
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all("position_ids" in m for m in missing), (missing, unexpected)
    return model.double()


def learned():
    g = torch.Generator().manual_seed(5)
    night, comic = torch.randn(1, WIDTH, generator=g) * 0.5, torch.randn(2, WIDTH, generator=g) * 0.5
    torch.save({"<night>": night}, OUT / "diffusers_matrix.bin")
    torch.save({"<night>": torch.nn.Parameter(night[0].clone())}, OUT / "diffusers_vector_legacy.bin", _use_new_zipfile_serialization=False)
    torch.save({"<night>": night[0].half()}, OUT / "half.pt")
    torch.save({"<night>": night, "<comic>": comic}, OUT / "two_tokens.pt")
    save_file({"<comic>": comic}, OUT / "diffusers.safetensors")
    save_file({"emb_params": comic}, OUT / "kohya.safetensors")
    torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": torch.nn.Parameter(comic)}, "name": "comicstyle", "step": 3000, "sd_checkpoint": "81761151",
                "sd_checkpoint_name": "v1-5"}, OUT / "a1111.pt")
    torch.save({"string_to_token": {"*": torch.tensor(265)}, "string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(night)})}, OUT / "inversion.pt")
    torch.save(comic, OUT / "bare.pt")
    torch.save({"<night>": torch.zeros(1, 768)}, OUT / "wrong_width.bin")
    torch.save({"<night>": torch.zeros(1, 1, WIDTH)}, OUT / "wrong_rank.bin")
    torch.save({"<night>": torch.zeros(WIDTH, dtype=torch.int64)}, OUT / "integers.bin")
    torch.save({"<night>": torch.full((WIDTH,), float("nan"))}, OUT / "nan.bin")
    torch.save({"string_to_token": {"*": torch.tensor(265)}, "name": "empty"}, OUT / "no_vector.pt")
    torch.save({"name": "nothing", "step": 1}, OUT / "no_tensor.pt")
    save_file({"clip_g": torch.zeros(1, 1280), "clip_l": torch.zeros(1, WIDTH)}, OUT / "sdxl.safetensors")
    return night, comic


def main():
    OUT.mkdir(exist_ok=True)
    torch.set_grad_enabled(False)
    assert len(TEMPLATES) == 80 == len(set(TEMPLATES))
    night, comic = learned()
    numbers = {"night": night, "comic": comic}
    ids = [BEGIN, 20, 512, 33, 513, 514, 7, END] + [END] * (LENGTH - 8)
    model = encoder(torch.cat([night, comic]))
    hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    numbers["learned.ids"], numbers["learned.hidden"] = torch.tensor(ids, dtype=torch.int32), hidden[:12].float().contiguous()

    model = encoder(torch.zeros(0, WIDTH))
    filled = [[t.format(n.replace("_", " ")) for t in TEMPLATES] for n in NAMES]
    vocabulary = sorted({w for texts in filled for t in texts for w in words(t)})
    means = []
    for texts in filled:
        rows = []
        for text in texts:
            row = [BEGIN] + [vocabulary.index(w) for w in words(text)][:18] + [END]
            rows.append(row + [END] * (20 - len(row)))
        means.append(model(input_ids=torch.tensor(rows)).pooler_output.mean(0))
    numbers["averaged_eos"] = torch.stack(means).float()
    save_file(numbers, OUT / "numbers.safetensors", metadata={"vocabulary": " ".join(vocabulary), "names": "|".join(NAMES), "templates": "|".join(TEMPLATES)})
    print("\n".join(f"{p.stat().st_size:8d} {p.name}" for p in sorted(OUT.iterdir())))


main()
