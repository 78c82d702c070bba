#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What depth can be had without a network: two baselines and their nine measures, beside which `tadp evaluate --task depth` stands.

    python bench/depth_baselines.py sevenscenes/train sevenscenes/test [--units 1000] [--max-depth 10]

The per-pixel median of the training depths, and the depths of the training picture that looks most alike (least squared
difference of pictures of 40 x 30 pixels). Folders have a list.txt of "picture depth [focal]". Needs numpy and Pillow."""
import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ap = argparse.ArgumentParser()
ap.add_argument("train", type=Path)
ap.add_argument("test", type=Path)
ap.add_argument("--units", type=float, default=1000.0, help="of the depth files, a metre")
ap.add_argument("--min-depth", type=float, default=1e-3)
ap.add_argument("--max-depth", type=float, default=10.0)
a = ap.parse_args()


def read(folder):
    """Small pictures (n, 30, 40, 3), and metres (n, h, w), 0 where nothing was measured."""
    rows = [line.split() for line in (folder / "list.txt").read_text().splitlines() if line.strip()]
    if not rows:
        sys.exit(f"{folder / 'list.txt'} lists nothing")
    small = [np.asarray(Image.open(folder / row[0]).convert("RGB").resize((40, 30), Image.Resampling.BOX), np.float64) for row in rows]
    metres = [np.asarray(Image.open(folder / row[1]), np.float64) / a.units for row in rows]
    return np.stack(small), np.stack(metres)


def measures(predicted, truth):
    """Of one picture, over the pixels where both know something; and the share of the known truth that is left out."""
    counted = (truth > a.min_depth) & (truth < a.max_depth)
    known = counted & (predicted > 0)
    p, t = predicted[known], truth[known]
    ratio, d, log = np.maximum(p / t, t / p), p - t, np.log(p) - np.log(t)
    return {"d1": np.mean(ratio < 1.25), "d2": np.mean(ratio < 1.25**2), "d3": np.mean(ratio < 1.25**3), "abs_rel": np.mean(np.abs(d) / t), "sq_rel": np.mean(d * d / t),
            "rmse": np.sqrt(np.mean(d * d)), "rmse_log": np.sqrt(np.mean(log * log)), "log10": np.mean(np.abs(np.log10(p) - np.log10(t))),
            "silog": np.sqrt(np.mean(log * log) - 0.5 * np.mean(log) ** 2), "left out": 1 - known.sum() / counted.sum()}


pictures, depths = read(a.train)
asked, truths = read(a.test)
median = np.zeros(depths.shape[1:])  # 0 where no training picture knows anything
ever = (depths > 0).any(axis=0)
median[ever] = np.nanmedian(np.where(depths > 0, depths, np.nan)[:, ever], axis=0)
nearest = [depths[np.argmin(((pictures - picture) ** 2).sum(axis=(1, 2, 3)))] for picture in asked]
for name, answers in (("median", [median] * len(truths)), ("nearest", nearest)):
    each = [measures(answer, truth) for answer, truth in zip(answers, truths)]
    print(name + ": " + ", ".join(f"{key} {np.mean([m[key] for m in each]):.4f}" for key in each[0]))
