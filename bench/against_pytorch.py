#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The sd15 backbone of tadp beside PyTorch eager: same weights, same picture, same threads, passes taken in turn.

    python bench/against_pytorch.py build/release/bench/backbone [--size 512 512] [--rounds 3] [--threads 2]
    python bench/against_pytorch.py build/cuda/bench/backbone_cuda --device cuda      # float on both sides, no TF32
    python bench/against_pytorch.py build/cuda/bench/backbone_cuda --device cuda --element half --peer graph   # or tf32, bfloat16

Needs torch, numpy and safetensors, and the numeric reference (../shared/reference, or --reference DIR) for the PyTorch
model. Prints both times, their ratio, tadp's peak memory against its weights, and the errors of the features."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ap = argparse.ArgumentParser()
ap.add_argument("program")
ap.add_argument("--size", type=int, nargs=2, default=[512, 512])
ap.add_argument("--rounds", type=int, default=3)
ap.add_argument("--threads", type=int, default=2)
ap.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="of PyTorch; the program has its own built in")
ap.add_argument("--element", choices=["float", "tf32", "half", "bfloat16"], default="float", help="of features and products, on both sides")
ap.add_argument("--peer", choices=["eager", "fused", "graph"], default="eager", help="PyTorch as the reference writes it; with fused attention where no map "
                "is wanted and channels-last memory; the same with a pass recorded as one CUDA graph")
ap.add_argument("--reference", default=str(Path(__file__).resolve().parents[2] / "shared" / "reference"))
a = ap.parse_args()
if not Path(a.reference, "sd15.py").is_file():
    sys.exit(f"skipped: the numeric reference is not at {a.reference}")
sys.path.insert(0, a.reference)
import numpy as np
import torch
from safetensors.numpy import load_file

import hash_weights
import sd15


def fill_in_threads(module, seed):
    """What hash_weights.fill_module does, on all threads: a billion numbers take one of them half a minute."""
    with torch.no_grad(), ThreadPoolExecutor(a.threads) as pool:
        list(pool.map(lambda item: item[1].data.copy_(torch.from_numpy(hash_weights.weight(item[0], item[1].shape, seed))),
                      [(k, t) for k, t in module.state_dict(keep_vars=True).items() if torch.is_floating_point(t)]))
    return module


hash_weights.fill_module = fill_in_threads
if a.peer != "eager":
    explicit = sd15.attend

    def attend(q, k, v, heads, want_map=False, bias=None, **more):
        if want_map or bias is not None:
            return explicit(q, k, v, heads, want_map, bias, **more)
        apart = lambda x: x.unflatten(2, (heads, -1)).transpose(1, 2)
        return torch.nn.functional.scaled_dot_product_attention(apart(q), apart(k), apart(v)).transpose(1, 2).flatten(2), None

    sd15.attend = attend
torch.set_num_threads(a.threads)
element = {"half": torch.float16, "bfloat16": torch.bfloat16}.get(a.element, torch.float32)
wait = torch.cuda.synchronize if a.device == "cuda" else (lambda: None)
height, width = a.size
with tempfile.TemporaryDirectory() as folder, torch.no_grad():
    out = os.path.join(folder, "features.safetensors")
    ours = subprocess.Popen([a.program, str(height), str(width), str(a.threads), out, a.element], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ready = json.loads(ours.stdout.readline())
    model = sd15.build("sd15", 0, with_adapter=False).to(a.device)
    image = torch.from_numpy(hash_weights.uniform("input.image", (1, 3, height, width))).to(a.device)
    ids = torch.tensor([sd15.pad_tokens([320, 1125, 539, 320, 1929, 525, 518, 2117], sd15.preset("sd15").clip)]).to(a.device)

    def pyramid_of_torch():
        with torch.device(a.device):  # where the model makes its constants
            return sd15.pyramid(model.features(image, ids))

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    exact = [level.cpu().numpy() for level in pyramid_of_torch()]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = a.element == "tf32"
    layout = {} if a.peer == "eager" else {"memory_format": torch.channels_last}
    model, image = model.to(a.device, element, **layout), image.to(a.device, element, **layout)
    if a.peer == "graph":
        pyramid_of_torch()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            recorded = pyramid_of_torch()

    def pass_of_ours():
        ours.stdin.write("run\n")
        ours.stdin.flush()
        return json.loads(ours.stdout.readline())

    def pass_of_torch():
        wait()
        begin = time.perf_counter()
        pyramid = (graph.replay(), recorded)[1] if a.peer == "graph" else pyramid_of_torch()
        wait()
        return time.perf_counter() - begin, pyramid

    mine, theirs, peak, ratios = [], [], 0.0, []
    for round_ in range(a.rounds + 1):
        row = pass_of_ours()
        seconds, pyramid = pass_of_torch()
        peak = max(peak, row["peak_gib"])
        if round_ == 0:
            continue  # both warm up
        mine.append(row["seconds"])
        theirs.append(seconds)
        ratios.append(row["seconds"] / seconds)
        print(f"round {round_}: tadp {row['seconds']:.4g} s, PyTorch {seconds:.4g} s, ratio {ratios[-1]:.3f}", flush=True)
    ours.stdin.write("quit\n")
    ours.stdin.flush()
    ours.wait()
    features = load_file(out)

def error(of):
    """Root mean square of a pyramid's errors and its largest error, over the root mean square of the level; the worst level."""
    pairs = [(np.abs(x - want), np.sqrt((want.astype(np.float64) ** 2).mean())) for x, want in zip(of, exact)]
    return "{:.2e} (an element {:.2e})".format(max(np.sqrt((off.astype(np.float64) ** 2).mean()) / rms for off, rms in pairs), max(off.max() / rms for off, rms in pairs))


on = torch.cuda.get_device_name() if a.device == "cuda" else f"{a.threads} threads"
print(f"sd15 backbone {height}x{width} in {a.element}, {on}, torch {torch.__version__} ({a.peer}): tadp {statistics.median(mine):.4g} s, "
      f"PyTorch {statistics.median(theirs):.4g} s, ratio {statistics.median(ratios):.3f}")
if a.device == "cpu":  # a device's memory is shared by both
    print(f"peak memory of tadp {peak:.2f} GiB = weights {ready['weights_gib']:.2f} GiB + {peak - ready['weights_gib']:.2f} GiB (arena {ready['arena_gib']:.2f} GiB)")
print(f"errors of features, against PyTorch in float: tadp {error([features[f'pyramid.{level}'] for level in range(4)])}, PyTorch {error([level.float().cpu().numpy() for level in pyramid])}")
