#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Detection beside torchvision: every operation, and the whole head with losses and gradients, on random inputs.

    g++ -std=c++20 -O2 -march=native -Iinclude -pthread tests/heads/detection_tool.cpp -o /tmp/detection_tool
    python tests/heads/against_torchvision.py /tmp/detection_tool [--inputs 100] [--seed N]

Needs torch, torchvision, numpy, safetensors, and the numeric reference (../shared/reference, or --reference DIR) for its
head and its evenly spaced sampler. The seed is drawn where none is given, and printed. Lists of boxes that are kept,
matched or drawn have to be the same, row by row; numbers agree within the bounds below. Where two scores differ by less
than what the softmax or the sigmoid of two libraries differ by, their order is a matter of rounding: such a pair may
change places, and is counted. In the whole head every stage reads what the one before it rounded, and one overlap or
score beside its threshold decides which boxes remain: a head may decide otherwise where torchvision's own decides
otherwise once its pyramid is moved by its last bits, and one in twenty at most; all others have to agree."""
import argparse
import json
import secrets
import subprocess
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path

ap = argparse.ArgumentParser()
ap.add_argument("tool")
ap.add_argument("--inputs", type=int, default=100)
ap.add_argument("--seed", type=int, default=None)
ap.add_argument("--reference", default=str(Path(__file__).resolve().parents[3] / "shared" / "reference"))
a = ap.parse_args()
if not Path(a.reference).is_dir():
    print(f"skipped: no reference in {a.reference}")
    sys.exit(77)
sys.path.insert(0, a.reference)
import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import MultiScaleRoIAlign, batched_nms, box_iou, roi_align

import heads

torch.set_num_threads(1)
seed = secrets.randbits(32) if a.seed is None else a.seed
rng = np.random.default_rng(seed)
NUMBERS, HEAD, LOSS, GRADIENT, TIE = 2e-5, 2e-4, 1e-4, 1e-3, 2e-6
CLASSES, WIDTH, REPRESENTATION, CHANNELS = 6, 16, 24, (5, 6, 7, 8)

inputs, checks, worst, swapped = {}, [], {}, 0


def case(name, **arrays):
    for k, v in arrays.items():
        v = v.detach().numpy() if torch.is_tensor(v) else v
        inputs[f"{name}/{k}"] = np.ascontiguousarray(np.atleast_1d(np.asarray(v, np.float32)))


def check(name):
    """Runs a function with the outputs of a case, once they are there."""
    def keep(f):
        checks.append((name, f))
        return f
    return keep


class Departure(Exception):
    pass


def take(what, error, bound):
    if not error <= bound:
        raise Departure(f"{what}: error {error}, bound {bound}")
    worst[what] = max(worst.get(what, (0.0, bound)), (float(error), bound))


def same(what, ours, theirs):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.shape != theirs.shape or not np.array_equal(ours, theirs):
        raise Departure(f"{what} is not the same: {ours[:20]} against {theirs[:20]} of {ours.shape} and {theirs.shape}")
    worst.setdefault(what, (0.0, 0.0))


def close(what, ours, theirs, bound=NUMBERS):
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.shape != theirs.shape:
        raise Departure(f"{what} has shape {ours.shape}, not {theirs.shape}")
    if ours.size:
        take(what, np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-30), bound)


def kept_rows(what, ours, count, boxes, scores, labels=None, bound=NUMBERS, tie=TIE):
    """Rows (x1, y1, x2, y2, score, group, ..) against torchvision's lists; ties may change places."""
    global swapped
    rows = ours[:int(count)]
    if len(rows) != len(scores):
        raise Departure(f"{what}: {len(rows)} rows kept, not {len(scores)}")
    theirs = np.concatenate([boxes.numpy(), scores.numpy()[:, None], (np.zeros(len(scores)) if labels is None else labels.numpy())[:, None]], 1)
    mine = rows[:, :6].copy()
    if labels is None:
        mine[:, 5] = 0
    size = max(np.abs(theirs[:, :4]).max(initial=1), 1)
    left = list(range(len(theirs)))
    for i in range(len(mine)):
        at = next((j for j in left if abs(theirs[j, 4] - mine[i, 4]) <= tie and theirs[j, 5] == mine[i, 5] and np.abs(theirs[j, :4] - mine[i, :4]).max() <= bound * size), None)
        if at is None:
            raise Departure(f"{what}: row {i} {mine[i]} is not among torchvision's; its own is {theirs[i]}")
        swapped += at != left[0]
        left.remove(at)
        take(what, max(np.abs(theirs[at, :4] - mine[i, :4]).max() / size, abs(theirs[at, 4] - mine[i, 4])), bound)
    if not np.array_equal(ours[int(count):], np.zeros_like(ours[int(count):])):
        raise Departure(f"{what}: rows past the count are not empty")


def f32(x):
    return torch.from_numpy(np.asarray(x, np.float32))


def boxes(n, w, h, low=0.02, high=0.9, outside=0.2):
    cx, cy = rng.uniform(-outside, 1 + outside, (2, n)) * [[w], [h]]
    bw, bh = rng.uniform(low, high, (2, n)) * [[w], [h]]
    return f32(np.stack([cx - bw / 2, cy - bh / 2, cx + bw / 2, cy + bh / 2], 1))


def inside(n, w, h):
    b = boxes(n, w, h, 0.1, 0.5, 0.0).clamp(min=0)
    b[:, 0::2].clamp_(max=w), b[:, 1::2].clamp_(max=h)
    return b


def nhwc(x):
    return x.detach().permute(0, 2, 3, 1)


def roi_align_input(i):
    name, levels = f"roi_align.{i}", int(rng.choice([1, 4]))
    n, c, size, sampling, first = int(rng.integers(1, 3)), int(rng.integers(1, 40)), int(rng.integers(1, 8)), int(rng.integers(1, 4)), int(rng.integers(2, 5))
    h, w = (int(rng.integers(1, 4)) * 8 for _ in range(2))
    maps = [f32(rng.normal(size=(n, c, max(1, h >> l), max(1, w >> l)))).requires_grad_() for l in range(levels)]
    hw = (h << first, w << first)
    bx = [boxes(9, hw[1], hw[0]) for _ in range(n)]
    bx[0][0, 2:] = bx[0][0, :2]
    if levels == 1:
        y = roi_align(maps[0], bx, size, 2.0 ** -first, sampling)
    else:
        y = MultiScaleRoIAlign(list("0123"), size, sampling)(OrderedDict(zip("0123", maps)), bx, [hw] * n)
    dy = f32(rng.normal(size=y.shape))
    y.backward(dy)
    case(name, boxes=torch.stack(bx), size=size, sampling=sampling, first_level=first, dy=dy, **{f"x{l}": nhwc(m) for l, m in enumerate(maps)})

    @check(name)
    def _(out):
        close("roi_align", out["y"].reshape(y.shape), y.detach())
        for l, m in enumerate(maps):
            theirs = nhwc(m.grad) if m.grad is not None else torch.zeros_like(nhwc(m))
            if theirs.abs().max() > 0:
                close("roi_align gradient", out[f"dx{l}"], theirs)
            else:
                same("roi_align gradient of nothing", out[f"dx{l}"], theirs)


def nms_input(i):
    name, n = f"nms.{i}", int(rng.integers(1, 1600))
    percent, groups = int(rng.choice([30, 50, 70])), int(rng.choice([1, 5]))
    b, s, g = inside(n, 200, 150), f32(rng.uniform(size=n)), torch.from_numpy(rng.integers(0, groups, n))
    keep = batched_nms(b, s, g, percent / 100)
    case(name, rows=torch.cat([b, s[:, None], g[:, None].float()], 1), percent=percent)

    @check(name)
    def _(out):
        count = int(out["count"].item())
        same("batched_nms", out["kept"].reshape(-1, 7)[:count, 6].astype(np.int64), keep)


def coder_input(i):
    name, n, k = f"coder.{i}", int(rng.integers(1, 60)), int(rng.integers(1, 6))
    w = ((1., 1., 1., 1.), (10., 10., 5., 5.))[i % 2]
    src, dst = boxes(n, 300, 200), boxes(n, 300, 200)
    codes = f32(rng.normal(size=(n, 4 * k)) * np.tile(w, k) * 2)
    coder = BoxCoder(w)
    case(name, weights=w, codes=codes, to=dst, picks=torch.arange(n).float()[:, None].expand(n, 2), **{"from": src})

    @check(name)
    def _(out):
        close("BoxCoder.decode", out["decoded"].reshape(n, -1), coder.decode_single(codes, src))
        close("BoxCoder.encode", out["targets"].reshape(n, 5)[:, 1:], coder.encode_single(dst, src))


def anchors_input(i):
    sizes = tuple((int(s),) for s in rng.integers(4, 400, 4))
    hw = [int(v) * 64 for v in rng.integers(1, 6, 2)]
    grids = [(hw[0] >> (3 + l), hw[1] >> (3 + l)) for l in range(4)]
    theirs = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 4)(ImageList(torch.zeros(1, 3, *hw), [tuple(hw)]), [torch.zeros(1, 1, *g) for g in grids])[0]
    case(f"anchors.{i}", levels=[v for g, s in zip(grids, sizes) for v in (*g, hw[0] // g[0], hw[1] // g[1], s[0])])

    @check(f"anchors.{i}")
    def _(out):
        same("AnchorGenerator", out["anchors"].reshape(-1, 4), theirs)


def matcher_input(i):
    b, g = boxes(int(rng.integers(1, 400)), 200, 150), inside(int(rng.integers(1, 8)), 200, 150)
    b = torch.cat([b, g + f32(rng.normal(size=g.shape))])
    q = box_iou(g, b)
    theirs = {"rpn": Matcher(0.7, 0.3, allow_low_quality_matches=True)(q), "roi": Matcher(0.5, 0.5)(q)}
    case(f"match.{i}", boxes=b, truths=g, count=len(g))

    @check(f"match.{i}")
    def _(out):
        for k, v in theirs.items():
            same(f"Matcher {k}", out[k].reshape(-1).astype(np.int64), v)


def rpn(best, kept):
    return RegionProposalNetwork(None, None, 0.7, 0.3, 256, 0.5, dict(training=best, testing=best), dict(training=kept, testing=kept), 0.7)


def proposals_input(i):
    n, hw, segments = int(rng.integers(1, 3)), (160, 224), [int(v) for v in rng.integers(1, (900, 300, 100, 30))]
    best, kept = int(rng.integers(20, 600)), int(rng.integers(10, 500))
    count = sum(segments)
    b, o = torch.stack([boxes(count, hw[1], hw[0]) for _ in range(n)]), f32(rng.normal(size=(n, count)) * 3)
    b[:, ::7, 2] = b[:, ::7, 0]  # no area
    bx, sc = rpn(best, kept).eval().filter_proposals(b, o[..., None], [hw] * n, segments)
    case(f"proposals.{i}", segments=segments, best_of_level=best, proposals=kept, height=hw[0], width=hw[1], objectness=o[..., None], boxes=b)

    @check(f"proposals.{i}")
    def _(out):
        for k in range(n):
            kept_rows("filter_proposals", out["kept"][k, 0], out["count"].reshape(-1)[k], bx[k], sc[k])


def postprocess_input(i):
    n, hw, most = int(rng.integers(1, 3)), (160, 224), int(rng.integers(1, 120))
    counts = [int(v) for v in rng.integers(1, most + 1, n)]
    props = [inside(c, hw[1], hw[0]) for c in counts]
    logits = [f32(rng.normal(size=(c, CLASSES)) * 2) for c in counts]
    codes = [f32(rng.normal(size=(c, 4 * CLASSES)) * 2) for c in counts]
    roi = RoIHeads(None, None, None, 0.5, 0.5, 512, 0.25, None, 0.05, 0.5, 40)
    b, s, l = roi.postprocess_detections(torch.cat(logits), torch.cat(codes), props, [hw] * n)
    pad = lambda rows: torch.stack([torch.cat([r, torch.zeros(most - len(r), r.shape[1])]) for r in rows])
    flat = lambda rows: pad(rows).reshape(1, n * most, -1)
    case(f"postprocess.{i}", proposals=pad(props), counts=np.reshape(counts, (n, 1, 1)), logits=flat(logits), codes=flat(codes), height=hw[0], width=hw[1])

    @check(f"postprocess.{i}")
    def _(out):
        for k in range(n):
            kept_rows("postprocess_detections", out["kept"][k, 0], out["count"].reshape(-1)[k], b[k], s[k], l[k])


def reference_head():
    det = heads.DetHead(CHANNELS, CLASSES, WIDTH, REPRESENTATION)
    for key, p in det.named_parameters():
        scale = 0.3 if "bbox_pred" in key else 1.0  # boxes grow with the exponential of their codes
        p.data = f32(rng.normal(size=p.shape) * (scale / np.sqrt(p[0].numel()) if p.dim() > 1 else 0.1))
    r, h = det.decode_head.rpn, det.decode_head.roi_heads
    r._pre_nms_top_n, r._post_nms_top_n = dict(training=300, testing=150), dict(training=250, testing=200)
    r.fg_bg_sampler, h.fg_bg_sampler, h.detections_per_img = heads.EvenSampler(64, 0.5), heads.EvenSampler(48, 0.25), 40
    return det


def outcome(det, maps, image, truths, labels):
    """What torchvision finds, and its losses."""
    with torch.no_grad():
        found = det.eval()(maps, image)["detections"]
    return found, det.train()(maps, image, [dict(boxes=t, labels=l) for t, l in zip(truths, labels)])["losses"]


def differs(one, other):
    """Whether two outcomes are of different decisions."""
    for f, g in zip(one[0], other[0]):
        if f["scores"].shape != g["scores"].shape:
            return True
        if len(f["scores"]) and ((f["scores"] - g["scores"]).abs().max() > HEAD or (f["boxes"] - g["boxes"]).abs().max() > HEAD * 200):
            return True
    return any(abs(one[1][k].item() - other[1][k].item()) > LOSS * max(abs(other[1][k].item()), 1e-3) for k in one[1])


def head_input(i):
    name, n, hw = f"head.{i}", int(rng.integers(1, 3)), (64 * int(rng.integers(1, 4)), 64 * int(rng.integers(1, 4)))
    det = reference_head()
    maps = [f32(rng.normal(size=(n, c, hw[0] >> (3 + l), hw[1] >> (3 + l)))).requires_grad_() for l, c in enumerate(CHANNELS)]
    truths = [inside(int(rng.integers(0 if n > 1 and k else 1, 5)), hw[1], hw[0]) for k in range(n)]
    labels = [torch.from_numpy(rng.integers(1, CLASSES, len(t))) for t in truths]
    image = torch.zeros(n, 3, *hw)
    found, losses = outcome(det, maps, image, truths, labels)
    sum(losses.values()).backward()
    most = max(1, max(map(len, truths)))
    pad = lambda rows, c: torch.stack([torch.cat([r.float().reshape(-1, c), torch.zeros(most - len(r), c)]) for r in rows])
    case(name, truths=pad(truths, 4), labels=pad(labels, 1), counts=[len(t) for t in truths], **{f"x{l}": nhwc(m) for l, m in enumerate(maps)},
         **{f"weights.{k}": p for k, p in det.named_parameters()})

    def compare(out):
        for k, f in enumerate(found):
            kept_rows("the head's detections", out["kept"][k, 0], out["count"].reshape(-1)[k], f["boxes"], f["scores"], f["labels"], HEAD, HEAD)
        for k, key in enumerate(("loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg")):
            take(f"the head's {key}", abs(out["losses"][k] - losses[key].item()) / max(abs(losses[key].item()), 1e-3), LOSS)
        largest = max(p.grad.norm().item() for p in det.parameters())
        for key, p in det.named_parameters():
            take("the head's gradients", np.linalg.norm(out[f"gradient.{key}"].astype(np.float64) - p.grad.numpy()) / max(p.grad.norm().item(), 1e-3 * largest), GRADIENT)
        for l, m in enumerate(maps):
            take("gradients of the pyramid", np.linalg.norm(out[f"dx{l}"].astype(np.float64) - nhwc(m.grad).numpy()) / m.grad.norm().item(), GRADIENT)

    @check(name)
    def _(out):
        try:
            compare(out)
        except Departure as e:
            moved = lambda: [m.detach() * (1 + 3e-7 * torch.randn(m.shape)) for m in maps]
            if not any(differs(outcome(det, moved(), image, truths, labels), (found, losses)) for _ in range(50)):
                raise
            otherwise.append(f"{name}: {e}")


otherwise = []
for make in (roi_align_input, nms_input, coder_input, anchors_input, matcher_input, proposals_input, postprocess_input, head_input):
    for i in range(a.inputs):
        make(i)
with tempfile.TemporaryDirectory() as folder:
    save_file(inputs, f"{folder}/in.safetensors")
    subprocess.run([a.tool, f"{folder}/in.safetensors", f"{folder}/out.safetensors"], check=True)
    outputs = load_file(f"{folder}/out.safetensors")
for name, f in checks:
    prefix = name + "/"
    try:
        f({k[len(prefix):]: v for k, v in outputs.items() if k.startswith(prefix)})
    except Departure as e:
        sys.exit(f"seed {seed}, {name}: {e}")
print(json.dumps(dict(seed=seed, inputs=a.inputs, pairs_in_another_order=int(swapped), heads_that_decided_otherwise=otherwise,
                      largest={k: dict(error=e, bound=b) for k, (e, b) in worst.items()}), indent=1))
sys.exit(len(otherwise) > a.inputs / 20)
