#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains torchvision's own detection heads on the frozen backbone of a street model, for `tadp evaluate` to score beside those of `tadp train`.

    for n in $(cat bccd/ImageSets/Main/train.txt); do
      build/release/tadp features bccd/JPEGImages/$n.jpg --size 192x256 --caption "a photo" --out kept/$n.safetensors -q
    done
    python bench/torchvision_heads.py bccd --split train --features kept --start models/street.safetensors --like cells.safetensors --out peer.safetensors --steps 300 --seed 1

The pyramid, the proposal network, the pooling, the box head, matching, sampling and losses are torchvision's, with the sizes of
the street model's head (spec 4.4); whole pictures, and the optimizer and schedule of `tadp train --freeze backbone --no-augmentation`.
--start has the head that learning goes on from, with new layers of classes; --like is a model that `tadp train` made of the same
data: the file that comes out is that one with the head replaced. Needs torch, torchvision, safetensors."""
import argparse
import json
import time
import xml.etree.ElementTree as xml
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

ap = argparse.ArgumentParser()
ap.add_argument("data", type=Path)
ap.add_argument("--split", default="train")
ap.add_argument("--features", type=Path, required=True)
ap.add_argument("--start", required=True)
ap.add_argument("--like", required=True)
ap.add_argument("--out", required=True)
ap.add_argument("--steps", type=int, required=True)
ap.add_argument("--batch", type=int, default=4)
ap.add_argument("--rate", type=float, default=1e-3)
ap.add_argument("--seed", type=int, default=1)
ap.add_argument("--threads", type=int, default=2)
a = ap.parse_args()
torch.manual_seed(a.seed)
torch.set_num_threads(a.threads)
STRIDE, WIDTH, REPRESENTATION = 4, 64, 256
LEAST_SIDE, LEAST_AREA = 3.0, 12.0  # of a box that the program learns from, in pixels of the window

with safe_open(a.like, "pt") as f:
    metadata = f.metadata()
classes = [c["name"] for c in json.loads(metadata["tadp.heads"])[0]["classes"]]


class Heads(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fpn = FeaturePyramidNetwork(channels, WIDTH)
        anchors = AnchorGenerator(((8,), (16,), (32,), (64,)), ((0.5, 1.0, 2.0),) * 4)
        self.decode_head = torch.nn.Module()
        self.decode_head.rpn = RegionProposalNetwork(anchors, RPNHead(WIDTH, 3), 0.7, 0.3, 256, 0.5, dict(training=400, testing=200), dict(training=400, testing=100), 0.7)
        self.decode_head.roi_heads = RoIHeads(MultiScaleRoIAlign(list("0123"), 7, 2), TwoMLPHead(49 * WIDTH, REPRESENTATION), FastRCNNPredictor(REPRESENTATION, len(classes)),
                                              0.5, 0.5, 128, 0.25, None, 0.05, 0.5, 50)

    def forward(self, pyramid, targets):
        n, _, h, w = pyramid[0].shape
        sizes = [(STRIDE * h, STRIDE * w)] * n
        levels = self.fpn(OrderedDict(zip("0123", pyramid)))
        proposals, of_anchors = self.decode_head.rpn(ImageList(torch.zeros(n, 3, *sizes[0]), sizes), levels, targets)
        _, of_boxes = self.decode_head.roi_heads(levels, proposals, sizes, targets)
        return sum({**of_anchors, **of_boxes}.values())


def truths(name, height, width):
    """Boxes in pixels of the window, as written in the file."""
    root = xml.parse(a.data / "Annotations" / f"{name}.xml").getroot()
    size = root.find("size")
    sx, sy = width / float(size.findtext("width")), height / float(size.findtext("height"))
    boxes, labels = [], []
    for thing in root.iter("object"):
        x1, y1, x2, y2 = (float(thing.findtext(f"bndbox/{k}")) for k in ("xmin", "ymin", "xmax", "ymax"))
        w, h = (x2 - x1) * sx, (y2 - y1) * sy
        if w >= LEAST_SIDE and h >= LEAST_SIDE and w * h >= LEAST_AREA:
            boxes.append([x1 * sx, y1 * sy, x2 * sx, y2 * sy])
            labels.append(classes.index(thing.findtext("name")))
    return dict(boxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), labels=torch.tensor(labels, dtype=torch.int64))


pyramids, answers = [], []
for name in (a.data / "ImageSets" / "Main" / f"{a.split}.txt").read_text().split():
    kept = load_file(a.features / f"{name}.safetensors")
    pyramids.append([kept[f"pyramid.{l}"][0] for l in range(4)])
    answers.append(truths(name, *(STRIDE * s for s in pyramids[-1][0].shape[-2:])))

heads = Heads([p.shape[0] for p in pyramids[0]])
start = load_file(a.start)
own = heads.state_dict()
for key in own:
    if "box_predictor" not in key:
        own[key] = start[key].float()
heads.load_state_dict(own)
heads.train()
adamw = torch.optim.AdamW(heads.parameters(), lr=a.rate, weight_decay=0.01)
draws = torch.Generator().manual_seed(a.seed)
began, total = time.time(), 0.0
for step in range(a.steps):
    factor = (1 - step / a.steps) ** 0.9
    if step < 50:
        factor *= 1 - (1 - step / 50) * (1 - 1e-3)
    for group in adamw.param_groups:
        group["lr"] = a.rate * factor
    at = torch.randint(len(answers), (a.batch,), generator=draws).tolist()
    loss = heads([torch.stack([pyramids[i][l] for i in at]) for l in range(4)], [answers[i] for i in at])
    adamw.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(heads.parameters(), 1.0)
    adamw.step()
    total += loss.item()
    if (step + 1) % 50 == 0:
        print(f"step {step + 1} of {a.steps}: mean loss of 50 {total / 50:.4f}, {(time.time() - began) / (step + 1):.2f} s a step", flush=True)
        total = 0.0

out = load_file(a.like)
for key, value in heads.state_dict().items():
    if value.shape != out[key].shape:
        raise SystemExit(f"{key}: {a.like} has {tuple(out[key].shape)}, torchvision {tuple(value.shape)}")
    out[key] = value.to(out[key].dtype).contiguous()
save_file(out, a.out, metadata)
