#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the VOC head with the FPN decoder of segmentation_models_pytorch and its focal loss, and the transposed
convolution with torch's, over random weights, sizes and inputs: results, losses and every gradient.

Torch computes in double. Needs numpy, torch, segmentation_models_pytorch and safetensors, best in a virtual environment of their own, and the
program made from heads_tool.cpp:

    g++ -std=c++20 -O2 -march=native -Iinclude -pthread tests/heads/heads_tool.cpp -o /tmp/heads_tool
    python tests/heads/against_torch_heads.py /tmp/heads_tool [--trials 100] [--seed N]

The seed is drawn where none is given, and printed. smp takes the mean over classes in its focal loss since 0.5, the original the sum: the
script finds out which one is installed and says so. Prints the largest error of each trial, relative to the largest
number compared, and exits with 1 if one exceeds 1e-4.
"""

import argparse
import pathlib
import secrets
import subprocess
import sys
import tempfile

import numpy as np
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from segmentation_models_pytorch.base import SegmentationHead
from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder

BOUND = 1e-4
GATE = 5e-6  # a ReLU nearer to zero than this may open by rounding, and then the gradients are of another function


def channels_last(x):
    return x.detach().permute(0, 2, 3, 1).contiguous()


def planar(x):
    return x.permute(0, 3, 1, 2)


class Trials:
    def __init__(self, tool, seed):
        self.tool, self.worst, self.folder = tool, 0.0, tempfile.TemporaryDirectory()
        self.dice = np.random.default_rng(seed)

    def ask(self, verb, tensors, *numbers):
        at = pathlib.Path(self.folder.name)
        save_file({k: v.contiguous() for k, v in tensors.items()}, at / "in.safetensors")
        subprocess.run([self.tool, verb, at / "in.safetensors", at / "out.safetensors", *map(str, numbers)], check=True)
        return load_file(at / "out.safetensors")

    def compare(self, name, pairs, verbose):
        """pairs: (what, ours, theirs). A gradient that is zero in theory is held to the largest one beside it."""
        largest = max(theirs.abs().max().item() for what, _, theirs in pairs if what.startswith("grad"))
        worst, where = 0.0, ""
        for what, ours, theirs in pairs:
            if ours.shape != theirs.shape:
                sys.exit(f"{name}: {what} has shape {tuple(ours.shape)}, expected {tuple(theirs.shape)}")
            size = theirs.abs().max().item()
            if what.startswith("grad"):
                size = max(size, 1e-3 * largest)
            error = ((ours - theirs).abs().max() / max(size, 1e-30)).item()
            if not error <= worst:
                worst, where = error, what
        if not worst <= self.worst:
            self.worst = worst
        if verbose or not worst <= BOUND:
            print(f"{name:<70} largest error {worst:.2e} of {where}")


def smp_sums_over_classes():
    """Two classes, one pixel, logits of zero: each class costs 0.25 ln 2."""
    loss = smp.losses.FocalLoss(mode="multiclass", ignore_index=255)(torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1, dtype=torch.long)).item()
    return abs(loss - 0.5 * np.log(2.0)) < 1e-6


class Gates:
    """The smallest distance from zero of what a module's ReLUs were given."""

    def __init__(self, module):
        self.nearest = float("inf")
        for part in module.modules():
            if isinstance(part, torch.nn.ReLU):
                part.register_forward_pre_hook(self.look)

    def look(self, _, given):
        self.nearest = min(self.nearest, given[0].abs().min().item())


def voc_trial(trials, index, sums):
    """False where a gate was too near to zero: the trial has to be drawn again."""
    d = trials.dice
    paper = index % 10 == 0
    pyramid, segmentation = (256, 128) if paper else (64, 64)
    classes, batch, h, w = int(d.integers(1, 30)), int(d.integers(1, 4)), 8 * int(d.integers(2, 4)), 8 * int(d.integers(2, 4))
    cin = [int(c) for c in d.integers(3, 90, 4)]
    torch.manual_seed(int(d.integers(2**31)))
    lib = torch.nn.Module()
    lib.decoder = FPNDecoder(encoder_channels=cin, encoder_depth=4, pyramid_channels=pyramid, segmentation_channels=segmentation)
    lib.segmentation_head = SegmentationHead(segmentation, classes, activation=None, kernel_size=1, upsampling=8)
    with torch.no_grad():
        for name, parameter in lib.named_parameters():
            # Norms and biases, too, must not be what they start as.
            parameter.copy_(parameter + 0.3 * torch.randn_like(parameter) if parameter.ndim == 1 else parameter)
    levels = [torch.randn(batch, c, h >> i, w >> i) for i, c in enumerate(cin)]
    labels = torch.randint(classes, (batch, 8 * h, 8 * w))
    labels[torch.rand(labels.shape) < float(d.choice([0.0, 0.1, 0.9]))] = 255
    request = {f"level.{i}": channels_last(x) for i, x in enumerate(levels)}
    request |= {f"decode_head.{k}": v.detach().clone() for k, v in lib.named_parameters()}
    gates = Gates(lib.double().eval())
    levels = [x.double().requires_grad_() for x in levels]
    logits = lib.segmentation_head(lib.decoder(levels))
    if gates.nearest < GATE:
        return False
    answer = trials.ask("voc", request | {"labels": labels.to(torch.uint8)})
    loss = smp.losses.FocalLoss(mode="multiclass", ignore_index=255)(logits, labels) * (1 if sums else classes)
    loss.backward()
    pairs = [("logits", planar(answer["logits"]), logits.detach()), ("loss", answer["loss"].reshape(()), loss.detach())]
    pairs += [(f"grad.level.{i}", planar(answer[f"grad.level.{i}"]), x.grad) for i, x in enumerate(levels)]
    pairs += [(f"grad.{k}", answer[f"grad.decode_head.{k}"], v.grad) for k, v in lib.named_parameters()]
    trials.compare(f"voc {classes} classes, {batch} x {h} x {w}, channels {cin}{', paper widths' if paper else ''}", pairs, index < 12)
    return True


def transposed_trial(trials, index):
    d = trials.dice
    kernel, stride = int(d.integers(1, 6)), int(d.integers(1, 4))
    pad, extra = int(d.integers(0, (kernel - 1) // 2 + 1)), int(d.integers(0, stride))
    cin, cout = int(d.integers(1, 70)), int(d.integers(1, 70))
    torch.manual_seed(int(d.integers(2**31)))
    x = torch.randn(int(d.integers(1, 4)), cin, int(d.integers(3, 14)), int(d.integers(3, 14)))
    weight = torch.randn(cin, cout, kernel, kernel)
    dy = torch.randn_like(F.conv_transpose2d(x, weight, stride=stride, padding=pad, output_padding=extra))
    answer = trials.ask("transposed", {"x": channels_last(x), "weight": weight, "dy": channels_last(dy)}, stride, pad, extra)
    x, weight = x.double().requires_grad_(), weight.double().requires_grad_()
    y = F.conv_transpose2d(x, weight, stride=stride, padding=pad, output_padding=extra)
    y.backward(dy.double())
    trials.compare(f"transposed {tuple(x.shape)}, {cout} out, kernel {kernel}, stride {stride}, padding {pad}, {extra} more",
                   [("y", planar(answer["y"]), y.detach()), ("grad.x", planar(answer["grad.x"]), x.grad), ("grad.weight", answer["grad.weight"], weight.grad)], index < 12)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--trials", type=int, default=100, help="of each kind")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sums = smp_sums_over_classes()
    print(f"smp {smp.__version__}: its focal loss is the {'sum' if sums else 'mean'} over classes; ours is the sum" + ("" if sums else ", so smp's is multiplied by their count"))
    seed = secrets.randbits(31) if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    trials = Trials(args.tool, seed)
    again = 0
    for index in range(args.trials):
        while not voc_trial(trials, index, sums):
            again += 1
        transposed_trial(trials, index)
    print(f"{2 * args.trials} trials ({again} drawn again: a ReLU within {GATE} of zero), largest error {trials.worst:.2e}, allowed {BOUND}")
    return int(not trials.worst <= BOUND)


if __name__ == "__main__":
    sys.exit(main())
