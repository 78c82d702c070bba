#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The sd15 backbone of tadp beside PyTorch: same weights, same picture, same threads, passes taken in turn.

    python bench/against_pytorch.py build/release/bench/backbone [--size 512 512] [--rounds 3] [--threads 2]
    cmake --build build/release --target bench_backbone_cuda
    python bench/against_pytorch.py build/release/bench/backbone_cuda --device cuda --element float tf32 half bfloat16 --peer eager fused graph

Needs torch, numpy and safetensors, and the numeric reference (../shared/reference, or --reference DIR) for the PyTorch
model. For each element and peer it prints both times and their ratio; then tadp's peak memory against its weights (on the
processor), and the errors of the features of both against PyTorch in float."""
import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PEERS = {"eager": "PyTorch as the reference writes it", "fused": "fused attention where no map is wanted, channels-last memory", "graph": "the same, a pass recorded as one CUDA graph"}
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("program")
ap.add_argument("--size", type=int, nargs=2, default=[512, 512])
ap.add_argument("--rounds", type=int, default=3)
ap.add_argument("--threads", type=int, default=2)
ap.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="of PyTorch; the program has its own built in")
ap.add_argument("--element", nargs="+", choices=["float", "tf32", "half", "bfloat16"], default=["float"], help="of features and products, on both sides")
ap.add_argument("--peer", nargs="+", choices=list(PEERS), default=["eager"], help="; ".join(f"{name}: {what}" for name, what in PEERS.items()))
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

height, width = a.size
torch.set_num_threads(a.threads)
wait = torch.cuda.synchronize if a.device == "cuda" else (lambda: None)
explicit_attention = sd15.attend


def fill_in_threads(module, seed):
    """What hash_weights.fill_module does, on all threads: a billion numbers take one of them half a minute."""
    with torch.no_grad(), ThreadPoolExecutor(a.threads) as pool:
        list(pool.map(lambda item: item[1].data.copy_(torch.from_numpy(hash_weights.weight(item[0], item[1].shape, seed))),
                      [(k, t) for k, t in module.state_dict(keep_vars=True).items() if torch.is_floating_point(t)]))
    return module


def fused_attention(q, k, v, heads, want_map=False, bias=None, **more):
    if want_map or bias is not None:
        return explicit_attention(q, k, v, heads, want_map, bias, **more)
    apart = lambda x: x.unflatten(2, (heads, -1)).transpose(1, 2)
    return torch.nn.functional.scaled_dot_product_attention(apart(q), apart(k), apart(v)).transpose(1, 2).flatten(2), None


class Ours:
    """The program, waiting for its next pass; its first answer says that it is ready."""

    def __init__(self, element, folder):
        self.out = os.path.join(folder, element + ".safetensors")
        self.process = subprocess.Popen([a.program, str(height), str(width), str(a.threads), self.out, element], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{a.program} ended with status {self.process.wait()}")
        return json.loads(line)

    def run(self):
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        return self.answer()

    def features(self):
        self.process.stdin.write("quit\n")
        self.process.stdin.flush()
        self.process.wait()
        levels = load_file(self.out)
        return [levels[f"pyramid.{level}"] for level in range(4)]


def tf32(allowed):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


def torch_pass(model, image, ids, peer):
    """A function that computes the pyramid."""
    sd15.attend = explicit_attention if peer == "eager" else fused_attention

    def run():
        with torch.device(a.device):  # where the model makes its constants
            return sd15.pyramid(model.features(image, ids))

    if peer != "graph":
        return run
    run()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        recorded = run()
    return lambda: (graph.replay(), recorded)[1]


def error(pyramid, exact):
    """Root mean square of the errors and the largest one, over the root mean square of the level; of the worst level."""
    pairs = [(np.abs(x - want).astype(np.float64), np.sqrt((want.astype(np.float64) ** 2).mean())) for x, want in zip(pyramid, exact)]
    return f"{max(np.sqrt((off**2).mean()) / rms for off, rms in pairs):.2e} (an element {max(off.max() / rms for off, rms in pairs):.2e})"


def on_host(pyramid):
    return [level.float().cpu().numpy() for level in pyramid]


def in_turn(ours, theirs):
    """Seconds of both in each round after one that warms up, and the largest memory of ours."""
    rows, peak = [], 0.0
    for _ in range(a.rounds + 1):
        row = ours.run()
        wait()
        begin = time.perf_counter()
        theirs()
        wait()
        rows.append((row["seconds"], time.perf_counter() - begin))
        peak = max(peak, row["peak_gib"])
    return rows[1:], peak


with tempfile.TemporaryDirectory() as folder, torch.no_grad():
    programs = {element: Ours(element, folder) for element in a.element}  # first: a process starts with the peak memory of its parent
    hash_weights.fill_module = fill_in_threads
    model = sd15.build("sd15", 0, with_adapter=False).to(a.device)
    image = torch.from_numpy(hash_weights.uniform("input.image", (1, 3, height, width))).to(a.device)
    ids = torch.tensor([sd15.pad_tokens([320, 1125, 539, 320, 1929, 525, 518, 2117], sd15.preset("sd15").clip)]).to(a.device)
    tf32(False)
    exact = on_host(torch_pass(model, image, ids, "eager")())
    on = torch.cuda.get_device_name() if a.device == "cuda" else f"{a.threads} threads"
    print(f"sd15 backbone {height}x{width}, {on}, torch {torch.__version__}, {a.rounds} rounds")
    for element in a.element:
        number = {"half": torch.float16, "bfloat16": torch.bfloat16}.get(element, torch.float32)
        rounded, seen = copy.deepcopy(model).to(number), image.to(number)
        tf32(element == "tf32")
        ours = programs[element]
        ready = ours.answer()
        for peer in a.peer:
            layout = torch.contiguous_format if peer == "eager" else torch.channels_last
            theirs = torch_pass(rounded.to(memory_format=layout), seen.to(memory_format=layout), ids, peer)
            rows, peak = in_turn(ours, theirs)
            mine, yours = (statistics.median(column) for column in zip(*rows))
            ratios = [one / other for one, other in rows]
            print(f"{element:8} tadp {mine:.4g} s, PyTorch {peer} {yours:.4g} s, ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})", flush=True)
        last = on_host(theirs())
        print(f"{element:8} errors of features: tadp {error(ours.features(), exact)}, PyTorch {error(last, exact)}", flush=True)
        if a.device == "cpu":  # a device's memory is shared by both
            print(f"{element:8} peak memory of tadp {peak:.2f} GiB = weights {ready['weights_gib']:.2f} GiB + {peak - ready['weights_gib']:.2f} GiB (arena {ready['arena_gib']:.2f} GiB)")
