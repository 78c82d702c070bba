#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training steps of a street model beside PyTorch: the same weights, the same batches, the losses side by side.

    g++ -std=c++20 -O3 -march=native -Iinclude -pthread tests/runs/training_steps_tool.cpp -o /tmp/steps -lpng -ljpeg -lutf8proc
    python tests/runs/against_pytorch_training.py /tmp/steps models/street.safetensors ../shared/data/camvid/day/train [--steps 200]

Needs torch, numpy, safetensors, and the numeric reference (../shared/reference, or --reference DIR). Fails where one of
the first 20 losses differs by more than 1e-3 of it, or the mean of the last 50 by more than 2 %."""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ap = argparse.ArgumentParser()
ap.add_argument("tool")
ap.add_argument("model")
ap.add_argument("data")
ap.add_argument("--steps", type=int, default=200)
ap.add_argument("--threads", type=int, default=2)
ap.add_argument("--reference", default=str(Path(__file__).resolve().parents[3] / "shared" / "reference"))
a = ap.parse_args()
sys.path.insert(0, a.reference)
import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open

import heads
import sd15

torch.set_num_threads(a.threads)
BATCH, HEIGHT, WIDTH = 4, 128, 160


def preset_of(path):
    """The networks that the model file describes."""
    with safe_open(path, "pt") as f:
        unet, vae, text = (json.loads(f.metadata()["tadp." + part]) for part in ("unet", "vae", "text"))
    return sd15.Preset(
        sd15.UNetCfg(unet["in_channels"], unet["out_channels"], unet["model_channels"], tuple(unet["channel_mult"]), unet["num_res_blocks"],
                     tuple(2**i for i, there in enumerate(unet["attention"]) if there), unet["num_heads"], unet["context_dim"], unet["norm_groups"]),
        sd15.VAECfg(vae["in_channels"], vae["base_channels"], tuple(vae["channel_mult"][: vae["levels"]]), vae["num_res_blocks"], vae["z_channels"], vae["norm_groups"]),
        sd15.CLIPCfg(text["vocabulary"], text["width"], text["layers"], text["heads"], text["mlp"], text["length"], text["begin_token"], text["end_token"])), vae.get("mid_attention", True)


class Street(torch.nn.Module):
    def __init__(self, path, classes):
        super().__init__()
        cfg, mid_attention = preset_of(path)
        self.backbone = sd15.Backbone(cfg, with_adapter=False)
        if not mid_attention:
            self.backbone.first_stage_model.encoder.mid.attn_1 = torch.nn.Identity()
        self.unet = cfg.unet
        c = [cfg.unet.base * m for m in cfg.unet.mult]
        self.head = heads.SegHead([c[0], c[1] + cfg.clip.length, c[2] + cfg.clip.length, c[3]], classes, 64, 64)

    def forward(self, image, ids, scale):
        taken = {}
        with torch.no_grad():
            latent = self.backbone.latents(image, scale)
            context = self.backbone.text(ids)
        t = torch.ones(image.shape[0], dtype=torch.long)
        out = self.backbone.model.diffusion_model(latent, t, context, lambda name, value: taken.__setitem__(name, value))

        def level(i):
            """What a level hands up, before it is enlarged."""
            blocks = self.unet.res_blocks + 1
            block = (3 - i) * blocks + (blocks - 2 if i > 0 else blocks - 1)
            return taken[f"unet.output_blocks.{block}.{1 if 2**i in self.unet.attention_ds else 0}"]

        maps = {k: v.detach() for k, v in out["maps"].items()}  # gradient-free, as in the original
        return self.head([level(0), torch.cat([level(1), maps[2]], 1), torch.cat([level(2), maps[4]], 1), level(3)])[0]


def load(path):
    with safe_open(path, "pt") as f:
        weights = {k: f.get_tensor(k) for k in f.keys()}
        return weights, float(f.metadata()["latent_scale"])


with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    printed = subprocess.run([a.tool, a.model, a.data, folder, str(a.steps)], check=True, stdout=subprocess.PIPE, text=True).stdout
    ours = [tuple(map(float, line.split())) for line in printed.splitlines()]
    weights, scale = load(folder / "weights.safetensors")
    model = Street(a.model, weights["decode_head.conv_seg.weight"].shape[0])
    own = model.state_dict()
    inner = {name: name.removeprefix("backbone.").removeprefix("head.") for name in own}
    missing = [n for n in inner.values() if n not in weights and not n.endswith("num_batches_tracked")]
    if missing:
        sys.exit(f"the model file lacks {missing[:5]}")
    model.load_state_dict({n: weights[k].reshape(own[n].shape) if k in weights else own[n] for n, k in inner.items()})
    model.train()
    learning = [(inner[n], p) for n, p in model.named_parameters() if not inner[n].startswith(("first_stage_model", "cond_stage_model"))]
    rate, decay = 4e-4, 0.01
    groups = []
    for name, p in learning:
        original = heads.original_name(name)
        groups.append({"params": [p], "lr": rate * (0.5 if "unet" in original else 1.0), "weight_decay": 0.0 if "norm" in original else decay})
    for g in groups:
        g["first"] = g["lr"]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8)
    theirs, rates = [], []
    for step in range(a.steps):
        read = lambda name, kind: np.fromfile(folder / f"{step}.{name}", kind)
        image = torch.from_numpy(read("pictures", np.float32).reshape(BATCH, HEIGHT, WIDTH, 3)).permute(0, 3, 1, 2).contiguous()
        label = torch.from_numpy(read("labels", np.uint8).reshape(BATCH, HEIGHT, WIDTH).astype(np.int64))
        ids = torch.from_numpy(read("ids", np.int32).reshape(BATCH, -1).astype(np.int64))
        factor = (1 - step / a.steps) ** 0.9  # mmcv's poly, with its linear warm-up over 20 steps
        if step < 20:
            factor *= 1 - (1 - step / 20) * (1 - 1e-3)
        for g in groups:
            g["lr"] = g["first"] * factor
        rates.append(rate * factor)
        loss = heads.ce_loss(model(image, ids, scale), label, avg_non_ignore=True)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for _, p in learning if p.grad is not None], 1.0)
        optimizer.step()
        theirs.append(loss.item())

first = max(abs(x - y) / y for (x, _), y in zip(ours[:20], theirs[:20]))
mine, other = (float(np.mean(v[-50:])) for v in ([x for x, _ in ours], theirs))
apart = max(abs(r - s) / rate for (_, r), s in zip(ours, rates))
print(json.dumps({"steps": a.steps, "first 20, largest relative difference": first, "last 50, ours": mine, "last 50, PyTorch": other, "relative difference": abs(mine - other) / other, "rates apart": apart,
                  "loss at the first step": [ours[0][0], theirs[0]], "at the last": [ours[-1][0], theirs[-1]]}, indent=1))
sys.exit(0 if first <= 1e-3 and abs(mine - other) <= 0.02 * other and apart < 1e-6 else 1)
