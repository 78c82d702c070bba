#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares tadp's resizing with OpenCV, torch and Pillow on random sizes.

Needs numpy, opencv-python-headless, torch and pillow, best in a virtual environment of their own, and the program
made from resize_tool.cpp. Prints the largest difference of each method and exits with 1 if one exceeds a grey level.

  resize_against_originals.py TOOL [--sizes 50] [--seed 42] [--fixture FILE]

--fixture writes small inputs and the originals' answers as text, for resize_test.cpp.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import cv2
import numpy as np
import PIL
import torch
import torch.nn.functional as F
from PIL import Image

# Pillow 13 changed the order of its two passes for pictures that lose many rows.
PILLOW = "pillow_lanczos" if int(PIL.__version__.split(".")[0]) >= 13 else "pillow12_lanczos"


def with_torch(picture, width, height, antialias):
    def interpolate(batch, width, height):
        return F.interpolate(batch, size=(height, width), mode="bilinear", align_corners=False, antialias=antialias)

    batch = torch.from_numpy(picture).permute(2, 0, 1)[None].float().contiguous()
    if antialias and width == 1:
        # torch (2.15, CPU) repeats the first row if the column pass meets a width of 1: let it meet a wider picture.
        if batch.shape[3] == 1:
            batch = batch.repeat(1, 1, 1, 2)
        batch = interpolate(batch, batch.shape[3], height)
    return interpolate(batch, width, height).round().clamp(0, 255).byte()[0].permute(1, 2, 0).numpy()


ORIGINALS = {
    "cv2_bilinear": lambda p, w, h: cv2.resize(p, (w, h), interpolation=cv2.INTER_LINEAR),
    "cv2_cubic": lambda p, w, h: cv2.resize(p, (w, h), interpolation=cv2.INTER_CUBIC),
    "torch_bilinear": lambda p, w, h: with_torch(p, w, h, False),
    "torch_bilinear_antialias": lambda p, w, h: with_torch(p, w, h, True),
    PILLOW: lambda p, w, h: np.asarray(Image.fromarray(p).resize((w, h), Image.Resampling.LANCZOS)),
    "nearest": lambda p, w, h: cv2.resize(p, (w, h), interpolation=cv2.INTER_NEAREST),
}


def make_picture(random, width, height):
    """Noise of full contrast, smooth waves, or bars and blocks: what rounds badly, what is common, what overshoots."""
    kind = random.integers(3)
    if kind == 0:
        return random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    y, x = np.mgrid[0:height, 0:width]
    if kind == 1:
        waves = [np.sin(x * a + y * b + c) for a, b, c in random.uniform(0, 0.5, (3, 3))]
        return np.round(127.5 + 127.5 * np.stack(waves, -1)).astype(np.uint8)
    bars = [((x // a + y // b) % 2) * 255 for a, b in random.integers(1, 9, (3, 2))]
    return np.stack(bars, -1).astype(np.uint8)


def random_sizes(random, count):
    """(width, height) of input and output; the first ones are the edges of the range."""
    yield from [(1, 1, 7, 5), (64, 48, 1, 1), (1, 40, 40, 1), (640, 480, 3, 2), (3, 2, 640, 480), (64, 64, 32, 32),
                (32, 32, 64, 64), (2048, 1024, 1280, 640), (683, 512, 512, 512), (512, 512, 512, 512)][:count]
    for _ in range(count - 10):
        yield tuple(int(side) for side in np.exp(random.uniform(0, np.log(900), 4)).round())


def compare(tool, folder, sizes, seed):
    random = np.random.default_rng(seed)
    worst = dict.fromkeys(ORIGINALS, 0)
    unequal = dict.fromkeys(ORIGINALS, 0)
    total = 0
    for width, height, to_width, to_height in random_sizes(random, sizes):
        picture = make_picture(random, width, height)
        Image.fromarray(picture).save(folder / "in.png")
        total += to_width * to_height * 3
        for name, original in ORIGINALS.items():
            subprocess.run([tool, folder / "in.png", name, str(to_width), str(to_height), folder / "out.png"], check=True)
            ours = np.asarray(Image.open(folder / "out.png")).astype(int)
            difference = np.abs(ours - original(picture, to_width, to_height).reshape(ours.shape).astype(int))
            unequal[name] += int((difference > 0).sum())
            if difference.max() > worst[name]:
                worst[name] = int(difference.max())
                print(f"{name}: {worst[name]} at {width}x{height} -> {to_width}x{to_height}", flush=True)
    for name, value in worst.items():
        print(f"{name:26s} largest difference {value}, samples that differ {100 * unequal[name] / total:.4f} %")
    return max(worst.values())


def write_fixture(path, seed):
    """Lines: 'in W H bytes...' then 'METHOD W H bytes...' for that input."""
    random = np.random.default_rng(seed)
    with open(path, "w", encoding="ascii") as out:
        out.write("# made by resize_against_originals.py --fixture: inputs, and what the originals make of them\n")
        for width, height, to_width, to_height in [(1, 1, 3, 2), (7, 5, 1, 1), (6, 4, 9, 7), (13, 9, 5, 4), (12, 8, 6, 4),
                                                   (5, 1, 2, 6), (16, 16, 11, 3), (3, 20, 6, 4)]:
            picture = make_picture(random, width, height)
            out.write(f"in {width} {height} {picture.tobytes().hex()}\n")
            for name, original in ORIGINALS.items():
                answer = np.ascontiguousarray(original(picture, to_width, to_height))
                out.write(f"{name} {to_width} {to_height} {answer.tobytes().hex()}\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--sizes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--fixture")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if options.fixture:
        write_fixture(options.fixture, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        worst = compare(options.tool, pathlib.Path(folder), options.sizes, options.seed)
    sys.exit(0 if worst <= 1 else 1)


if __name__ == "__main__":
    main()
