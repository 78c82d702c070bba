#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How far PyTorch in float departs from its own goldens of the depth head's training, where it computes in another order.

    python tests/golden/pytorch_against_itself.py SEED [SEED ...] [--reference ../shared/reference]

The case `depth_train` of the goldens is computed in double; its bounds are a few times the error of one run in float. A ReLU
in front of the last convolution opens or closes by rounding, and with it a sum in which most terms cancel. For each seed this
prints the largest error in parts of its bound, of the weights after three steps of AdamW and of the gradients: of the run
that gives the bounds (`plain`), without oneDNN, and in channels-last memory. Above 1 the goldens would be called missed.
Needs torch and numpy; 15 s of processor time a seed."""
import argparse
import sys
from collections import OrderedDict
from pathlib import Path

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("seeds", type=int, nargs="+")
ap.add_argument("--reference", default=str(Path(__file__).resolve().parents[3] / "shared" / "reference"))
a = ap.parse_args()
if not Path(a.reference, "make_goldens.py").is_file():
    sys.exit(f"skipped: the numeric reference is not at {a.reference}")
sys.path.insert(0, a.reference)
sys.dont_write_bytecode = True
import torch

import heads
import make_goldens as goldens
import sd15

torch.set_num_threads(1)  # sums do not depend on the machine then
size, batch, tokens = (128, 128), 2, ([5, 6, 7, 100, 200, 31, 44, 17], [33, 21])
ids = torch.tensor([sd15.pad_tokens(s, sd15.preset("tiny").clip) for s in tokens])


def run(seed, dtype, channels_last=False):
    """Gradients of the first step, and the chosen weights after three: (name -> tensor, name -> tensor, name -> rate)."""
    layout = dict(memory_format=torch.channels_last) if channels_last else {}
    backbone = sd15.build("tiny", seed).to(dtype).to(**layout)
    head = goldens.hashed(heads.DepthHead(**goldens.TINY_DEPTH), seed, dtype).to(**layout)
    head.train()
    for name, p in backbone.named_parameters():
        p.requires_grad_(not name.startswith("first_stage_model"))
    named = OrderedDict((n, p) for n, p in backbone.named_parameters() if p.requires_grad)
    named.update(head.named_parameters())
    picture = goldens.inp("image", (batch, 3, *size), seed=seed, dt=dtype).contiguous(**layout)

    def loss():
        depth, _ = head(sd15.pyramid(backbone.features(picture, ids, adapter=True), use_attn=False))
        return heads.silog_loss(depth[:, 0], goldens.depth_gt((batch, *size), seed).to(dtype))

    loss().backward()
    gradients = {n: p.grad.double().reshape(-1).clone() for n, p in named.items() if p.grad is not None}
    rates = {n: heads.depth_group(heads.original_name(n), p.ndim) for n, p in named.items()}
    learns = {n: p.requires_grad_(not n.startswith("cond_stage_model")) for n, p in named.items()}
    groups = [dict(params=[p], lr=rates[n][0], weight_decay=rates[n][1]) for n, p in learns.items() if p.requires_grad]
    optimizer = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.999), eps=1e-8)
    for _ in range(3):
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()
    chosen = {n: named[n].detach().double().reshape(-1)[:1024] for n in goldens.CHOSEN if n in named}
    return gradients, chosen, {n: rates[n][0] for n in chosen}


def rms(v):
    return float((v * v).mean().sqrt())


for seed in a.seeds:
    true_gradients, true_weights, rates = run(seed, torch.float64)
    plain = run(seed, torch.float32)
    torch.backends.mkldnn.enabled = False
    without = run(seed, torch.float32)
    torch.backends.mkldnn.enabled = True
    largest = max(float(g.norm()) for g in true_gradients.values())
    parts = []
    for name, (gradients, weights, _) in dict(plain=plain, without_onednn=without, channels_last=run(seed, torch.float32, True)).items():
        of_weights = max(rms(weights[n] - w) / max(0.05 * rates[n], 5 * rms(plain[1][n] - w)) for n, w in true_weights.items())
        of_gradients = 0.0
        for n, g in true_gradients.items():
            bound = max(1e-3 * float(g.norm()), 10 * float((plain[0][n] - g).norm()), 1e-6 * largest)
            of_gradients = max(of_gradients, abs(float(gradients[n].norm() - g.norm())) / bound, float((gradients[n][:64] - g[:64]).norm()) / bound)
        parts.append(f"{name}: weights {of_weights:.2f}, gradients {of_gradients:.2f}")
    print(f"seed {seed}: " + "; ".join(parts), flush=True)
