#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a parity certificate of a model: what PyTorch computes with its weights, stage by stage, for `tadp verify MODEL`.

Needs torch and safetensors, and Pillow for --picture. Reads a whole model of any layout that tadp reads (CompVis, diffusers
as a folder or one file, the released TADP and VPD files, tadp's own; averaged weights where it has no others), refuses a folder
whose config.json is of other networks than those that are run here, runs autoencoder, text encoder, UNet and the heads of labels
(mmseg's and smp's), depth and detection in double precision on one picture and one text, and writes two files beside the model, to be kept together:

  MODEL.certificate.json         what was run, a checksum of every tensor, and mean, rms and absmax of every stage
  MODEL.certificate.safetensors  the picture, and at most --keep numbers of every stage

  make_certificate.py MODEL [--out BASE] [--picture FILE] [--size 64x128] [--tokens 320,1125] [--keep 256] [--trust]
"""

import argparse
import json
import math
import pathlib
import re
import sys
import zlib

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.text_model."
DIFFUSERS = {UNET: "unet", VAE: "vae", TEXT: "text_encoder"}  # folders, or the begin of names in one file
# Where released files have the parts: what comes first is taken where it is there.
PLACES = {
    UNET: [UNET, "encoder.unet.unet.diffusion_model.", "unet.unet.diffusion_model.", "model.unet.diffusion_model."],
    VAE: [VAE, "encoder.encoder_vq.", "encoder_vq.", "encoder.sd_model.first_stage_model.", "sd_model.first_stage_model."],
    TEXT: [p + t for p in ("", "sd_model.", "encoder.sd_model.") for t in (TEXT, "cond_stage_model.transformer.")],
}
AVERAGED = "model_ema.diffusion_model"
BEFORE = ("", "module.", "model.", "model.module.", "module.model.")  # what may stand before all names of a file
SCALE = 0.18215
# Heads and groups cannot be told from shapes: those of the known networks, by the UNet's first width.
PRESETS = {
    320: dict(heads=8, groups=32, vae_groups=32, text_heads=12, begin=49406, end=49407, vocabulary=49408, length=77),
    32: dict(heads=4, groups=32, vae_groups=8, text_heads=4, begin=510, end=511, vocabulary=512, length=77),
    48: dict(heads=3, groups=8, vae_groups=2, text_heads=4, begin=510, end=511, vocabulary=512, length=32),
}


# --- files ---


def load_safetensors(path):
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}


def load_file(path, trust):
    """Tensors by name, and the metadata."""
    if path.suffix == ".json":
        tensors = {}
        for shard in sorted(set(json.loads(path.read_text())["weight_map"].values())):
            tensors.update(load_file(path.parent / shard, trust)[0])
        return tensors, {}
    if path.suffix == ".safetensors":
        return load_safetensors(path)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=not trust)
    except Exception as error:  # pickle's own kinds of error
        sys.exit(f"{path}: {error}\nIf its maker can be trusted, give --trust: code in the file will then run.")
    for wrapper in ("state_dict", "model"):
        if isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    return {k: v for k, v in loaded.items() if isinstance(v, torch.Tensor)}, {}


def weights_in(folder):
    for variant in ("", ".fp32", ".fp16", ".bf16", ".non_ema"):
        for name in ("diffusion_pytorch_model{}.safetensors", "model{}.safetensors", "diffusion_pytorch_model.safetensors.index{}.json", "model.safetensors.index{}.json",
                     "diffusion_pytorch_model{}.bin", "pytorch_model{}.bin", "diffusion_pytorch_model.bin.index{}.json", "pytorch_model.bin.index{}.json"):
            if (folder / name.format(variant)).is_file():
                return folder / name.format(variant)
    return None


def config_beside(weights):
    """config.json beside the weights of a part, or nothing. CLIP with both towers has one in it for each."""
    path = weights.parent / "config.json"
    if not path.is_file():
        return path, {}
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
        for tower in ("text_config", "text_config_dict"):
            config = {**config, **(config.get(tower) or {})}
    except (ValueError, AttributeError, TypeError) as error:
        sys.exit(f"{path}: this is no configuration of a network: {error}")
    return path, config


def config_rules(w, config):
    """What config.json of each part may say, where it says anything: by the table of include/tadp/io/layouts/config_keys.hpp."""
    count = lambda prefix, pattern: len({m[1] for m in (re.match(pattern, k) for k in w.parts[prefix]) if m})
    unet_blocks = [("CrossAttn" if f"down_blocks.{i}.attentions.0.norm.weight" in w.parts[UNET] else "") for i in range(count(UNET, r"down_blocks\.(\d+)\."))]
    levels = count(VAE, r"encoder\.down_blocks\.(\d+)\.")
    silu, unset = ["silu", "swish"], [None]
    return {
        UNET: dict(attention_head_dim=[config["heads"]], num_attention_heads=[config["heads"], None], norm_num_groups=[config["groups"]], norm_eps=[1e-5], act_fn=silu, layers_per_block=[w.blocks],
                   transformer_layers_per_block=[1], reverse_transformer_layers_per_block=unset, down_block_types=[[b + "DownBlock2D" for b in unet_blocks]], mid_block_type=["UNetMidBlock2DCrossAttn"],
                   up_block_types=[[b + "UpBlock2D" for b in reversed(unet_blocks)]], only_cross_attention=[False], mid_block_only_cross_attention=[None, False], dual_cross_attention=[False],
                   flip_sin_to_cos=[True], freq_shift=[0], time_embedding_type=["positional"], time_embedding_act_fn=unset, timestep_post_act=unset, resnet_time_scale_shift=["default"],
                   resnet_skip_time_act=[False], class_embed_type=unset, num_class_embeds=unset, class_embeddings_concat=[False], addition_embed_type=unset, encoder_hid_dim=unset,
                   encoder_hid_dim_type=unset, attention_type=["default"], cross_attention_norm=unset, center_input_sample=[False], downsample_padding=[1], mid_block_scale_factor=[1],
                   resnet_out_scale_factor=[1]),
        VAE: dict(norm_num_groups=[config["vae_groups"]], act_fn=silu, scaling_factor=[config["vae_scale"]], shift_factor=[None, 0], latents_mean=unset, latents_std=unset,
                  layers_per_block=[count(VAE, r"encoder\.down_blocks\.0\.resnets\.(\d+)\.")], down_block_types=[["DownEncoderBlock2D"] * levels], up_block_types=[["UpDecoderBlock2D"] * levels],
                  mid_block_add_attention=[any(k.startswith("encoder.mid_block.attentions.") for k in w.parts[VAE])], use_quant_conv=[True]),
        TEXT: dict(hidden_act=["quick_gelu"], num_attention_heads=[config["text_heads"]], layer_norm_eps=[1e-5], num_hidden_layers=[count(TEXT, r"(?:text_model\.)?encoder\.layers\.(\d+)\.")]),
    }


def require_own_configs(w, config):
    """Ends where a folder's configuration is of another network than the one that is run below: the certificate would vouch for it."""

    def same(a, b):
        number = lambda v: isinstance(v, (int, float)) and not isinstance(v, bool)
        return math.isclose(a, b, rel_tol=1e-6) if number(a) and number(b) else type(a) is type(b) and a == b

    for prefix, rules in config_rules(w, config).items():
        path, said = w.configs[prefix]
        for key, allowed in rules.items():
            fits = lambda value: any(same(value, a) for a in allowed)
            if key in said and not fits(said[key]) and not (isinstance(said[key], list) and said[key] and all(map(fits, said[key]))):
                sys.exit(f"the weights are of another network than this script computes, though of the same shapes; file: {path}; key: {key}; expected: {json.dumps(allowed[0])}; found: {json.dumps(said[key])}")


def renamed(key, rules):
    for pattern, text in rules:
        key = re.sub(pattern, text, key)
    return key


def diffusers_res(key):
    return renamed(key, [(r"\.in_layers\.0\.", ".norm1."), (r"\.in_layers\.2\.", ".conv1."), (r"\.emb_layers\.1\.", ".time_emb_proj."),
                         (r"\.out_layers\.0\.", ".norm2."), (r"\.out_layers\.3\.", ".conv2."), (r"\.skip_connection\.", ".conv_shortcut.")])


def diffusers_unet(key, blocks):
    """CompVis name of a UNet parameter as diffusers has it; blocks: residual blocks a level."""
    part, _, rest = key.partition(".")
    if part in ("time_embed", "out"):
        return renamed(key, [(r"^time_embed\.0", "time_embedding.linear_1"), (r"^time_embed\.2", "time_embedding.linear_2"), (r"^out\.0", "conv_norm_out"), (r"^out\.2", "conv_out")])
    if part == "middle_block":
        return diffusers_res(renamed(key, [(r"^middle_block\.0", "mid_block.resnets.0"), (r"^middle_block\.1", "mid_block.attentions.0"), (r"^middle_block\.2", "mid_block.resnets.1")]))
    index, module, rest = rest.split(".", 2)
    kind = {"0": "resnets", "1": "attentions"}.get(module, "")
    if part == "output_blocks":
        level, layer = divmod(int(index), blocks + 1)
        return f"up_blocks.{level}.upsamplers.0.{rest}" if rest.startswith("conv.") and layer == blocks else diffusers_res(f"up_blocks.{level}.{kind}.{layer}.{rest}")
    if index == "0":
        return "conv_in." + rest
    level, layer = divmod(int(index) - 1, blocks + 1)
    if layer == blocks:
        return f"down_blocks.{level}.downsamplers.0.conv." + rest.removeprefix("op.")
    return diffusers_res(f"down_blocks.{level}.{kind}.{layer}.{rest}")


def diffusers_vae(key):
    return renamed(key, [(r"\.down\.(\d)\.block\.", r".down_blocks.\1.resnets."), (r"\.down\.(\d)\.downsample\.", r".down_blocks.\1.downsamplers.0."),
                         (r"\.mid\.block_1\.", ".mid_block.resnets.0."), (r"\.mid\.block_2\.", ".mid_block.resnets.1."), (r"\.mid\.attn_1\.norm\.", ".mid_block.attentions.0.group_norm."),
                         (r"\.mid\.attn_1\.([qkv])\.", r".mid_block.attentions.0.to_\1."), (r"\.mid\.attn_1\.proj_out\.", ".mid_block.attentions.0.to_out.0."),
                         (r"\.norm_out\.", ".conv_norm_out."), (r"\.nin_shortcut\.", ".conv_shortcut.")])


OLD_ATTENTION = [(r"\.to_q\.", ".query."), (r"\.to_k\.", ".key."), (r"\.to_v\.", ".value."), (r"\.to_out\.0\.", ".proj_attn.")]


class Weights:
    """Tensors of any layout under CompVis names; remembers which of them were read."""

    def __init__(self, path, trust):
        self.metadata, self.parts, self.used, self.configs = {}, {}, {}, {}
        if path.is_dir():
            for prefix, folder in DIFFUSERS.items():
                file = weights_in(path / folder)
                if file is None:
                    sys.exit(f"{path}: no weights in {folder}/")
                self.parts[prefix], metadata = load_file(file, trust)
                self.metadata.update(metadata)
                self.configs[prefix] = config_beside(file)
            head = weights_in(path / "tadp")
            self.all, metadata = load_file(head, trust) if head else ({}, {})
            self.metadata.update(metadata)
        else:
            self.all, self.metadata = load_file(path, trust)
            unets = (*PLACES[UNET], AVERAGED, "unet.down_blocks.")
            before = next((b for b in BEFORE if any(k.startswith(b + unet) for unet in unets for k in self.all)), "")
            self.all = {k.removeprefix(before): v for k, v in self.all.items()}
            if any(k.startswith("unet.down_blocks.") for k in self.all):
                for prefix, folder in DIFFUSERS.items():
                    self.parts[prefix] = {k.removeprefix(folder + "."): v for k, v in self.all.items() if k.startswith(folder + ".")}
            self.place = {p: next((q for q in places if any(k.startswith(q) for k in self.all)), p) for p, places in PLACES.items()}
            self.averaged = not any(k.startswith(self.place[UNET]) for k in self.all)
        if self.parts:
            self.blocks = 1 + max(int(m[1]) for m in (re.match(r"down_blocks\.0\.resnets\.(\d+)\.", k) for k in self.parts[UNET]) if m)

    def stored(self, name):
        """The tensor of this name, or None."""
        prefix = next((p for p in (UNET, VAE, TEXT) if name.startswith(p)), None)
        if prefix is None:
            return self.all.get(name, self.all.get("encoder." + name))
        rest = name[len(prefix):]
        if not self.parts:
            if prefix == UNET and self.averaged:  # LitEma takes the dots out of names
                return self.all.get(AVERAGED + rest.replace(".", ""))
            return self.all.get(self.place[prefix] + rest)
        part = self.parts[prefix]
        if prefix == TEXT:
            return part.get("text_model." + rest, part.get(rest))
        found = diffusers_unet(rest, self.blocks) if prefix == UNET else diffusers_vae(rest)
        return part.get(found, part.get(renamed(found, OLD_ATTENTION)))

    def __contains__(self, name):
        return self.stored(name) is not None

    def __call__(self, name, rows=None):
        """As doubles. rows: of a table that learned tokens made longer."""
        tensor = self.stored(name)
        if tensor is None:
            sys.exit(f"the model lacks {name}")
        tensor = tensor.float()[:rows]
        if name not in self.used:
            self.used[name] = f"{zlib.crc32(tensor.contiguous().numpy().tobytes()):08x}"
        return tensor.double()


# --- the pass ---


class Stages:
    """What was computed, in its order."""

    def __init__(self):
        self.values = {}

    def __call__(self, name, value):
        self.values[name] = value
        return value


def linear(w, name, x, bias=True):
    return F.linear(x, w(name + ".weight").flatten(1), w(name + ".bias") if bias else None)


def conv(w, name, x, stride=1, bias=True):
    weight = w(name + ".weight")
    weight = weight[..., None, None] if weight.dim() == 2 else weight
    return F.conv2d(x, weight, w(name + ".bias") if bias else None, stride, weight.shape[-1] // 2)


def group_norm(w, name, x, groups, eps):
    return F.group_norm(x, groups, w(name + ".weight"), w(name + ".bias"), eps)


def layer_norm(w, name, x):
    return F.layer_norm(x, x.shape[-1:], w(name + ".weight"), w(name + ".bias"), 1e-5)


def attend(q, k, v, heads, causal=False):
    """(N, tokens, C) each -> the result, and the probabilities averaged over heads."""
    q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k, v))
    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -math.inf)
    p = scores.softmax(-1)
    return (p @ v).transpose(1, 2).flatten(2), p.mean(1)


def encode_picture(w, stage, x, groups):
    def res(name, x):
        h = conv(w, name + ".conv1", F.silu(group_norm(w, name + ".norm1", x, groups, 1e-6)))
        h = conv(w, name + ".conv2", F.silu(group_norm(w, name + ".norm2", h, groups, 1e-6)))
        return h + (conv(w, name + ".nin_shortcut", x) if name + ".nin_shortcut.weight" in w else x)

    at = VAE + "encoder."
    x = stage("vae.conv_in", conv(w, at + "conv_in", x))
    for level in range(8):
        for block in range(8):
            if f"{at}down.{level}.block.{block}.conv1.weight" in w:
                x = stage(f"vae.down.{level}.block.{block}", res(f"{at}down.{level}.block.{block}", x))
        name = f"{at}down.{level}.downsample.conv"
        if name + ".weight" in w:
            x = stage(f"vae.down.{level}.downsample", F.conv2d(F.pad(x, (0, 1, 0, 1)), w(name + ".weight"), w(name + ".bias"), 2))
    x = stage("vae.mid.block_1", res(at + "mid.block_1", x))
    if at + "mid.attn_1.q.weight" in w:
        tokens = group_norm(w, at + "mid.attn_1.norm", x, groups, 1e-6).flatten(2).transpose(1, 2)
        out, _ = attend(*(linear(w, at + "mid.attn_1." + n, tokens) for n in "qkv"), 1)
        x = stage("vae.mid.attn_1", x + linear(w, at + "mid.attn_1.proj_out", out).transpose(1, 2).unflatten(2, x.shape[2:]))
    x = stage("vae.mid.block_2", res(at + "mid.block_2", x))
    x = stage("vae.conv_out", conv(w, at + "conv_out", F.silu(group_norm(w, at + "norm_out", x, groups, 1e-6))))
    return stage("vae.moments", conv(w, VAE + "quant_conv", x))


def encode_text(w, stage, ids, heads, vocabulary):
    x = w(TEXT + "embeddings.token_embedding.weight", vocabulary)[ids] + w(TEXT + "embeddings.position_embedding.weight")
    stage("clip.embed", x)
    layer = 0
    while f"{TEXT}encoder.layers.{layer}.layer_norm1.weight" in w:
        at = f"{TEXT}encoder.layers.{layer}."
        h = layer_norm(w, at + "layer_norm1", x)
        x = x + linear(w, at + "self_attn.out_proj", attend(*(linear(w, f"{at}self_attn.{n}_proj", h) for n in "qkv"), heads, True)[0])
        h = linear(w, at + "mlp.fc1", layer_norm(w, at + "layer_norm2", x))
        x = stage(f"clip.layer.{layer}", x + linear(w, at + "mlp.fc2", h * torch.sigmoid(1.702 * h)))
        layer += 1
    return stage("clip.last_hidden", layer_norm(w, TEXT + "final_layer_norm", x))


def adapt(w, stage, context):
    h = linear(w, "text_adapter.fc.2", F.gelu(linear(w, "text_adapter.fc.0", context)))
    return stage("text.adapted", context + w("gamma") * h)


class UNet:
    def __init__(self, w, stage, config):
        self.w, self.stage, self.heads, self.groups = w, stage, config["heads"], config["groups"]
        self.maps = {1: [], 2: []}

    def res(self, name, x, emb):
        w = self.w
        h = conv(w, name + ".in_layers.2", F.silu(group_norm(w, name + ".in_layers.0", x, self.groups, 1e-5)))
        h = h + linear(w, name + ".emb_layers.1", F.silu(emb))[:, :, None, None]
        h = conv(w, name + ".out_layers.3", F.silu(group_norm(w, name + ".out_layers.0", h, self.groups, 1e-5)))
        return h + (conv(w, name + ".skip_connection", x) if name + ".skip_connection.weight" in w else x)

    def transformer(self, name, x, context):
        w, b = self.w, name + ".transformer_blocks.0."
        h = linear(w, name + ".proj_in", group_norm(w, name + ".norm", x, self.groups, 1e-6).flatten(2).transpose(1, 2))
        for attention, norm in (("attn1", "norm1"), ("attn2", "norm2")):
            n = layer_norm(w, b + norm, h)
            source = n if attention == "attn1" else context.expand(len(n), -1, -1)
            out, p = attend(linear(w, f"{b}{attention}.to_q", n, False), linear(w, f"{b}{attention}.to_k", source, False), linear(w, f"{b}{attention}.to_v", source, False), self.heads)
            h = h + linear(w, f"{b}{attention}.to_out.0", out)
        inner, gate = linear(w, b + "ff.net.0.proj", layer_norm(w, b + "norm3", h)).chunk(2, -1)
        h = h + linear(w, b + "ff.net.2", inner * F.gelu(gate))
        plane = lambda t: t.transpose(1, 2).unflatten(2, x.shape[2:])
        return x + plane(linear(w, name + ".proj_out", h)), plane(p)

    def block(self, name, x, emb, context, level):
        """All modules of an entry of input_blocks, middle_block or output_blocks."""
        module = 0
        at = lambda: f"{UNET}{name}.{module}"
        while True:
            if at() + ".in_layers.2.weight" in self.w:
                x = self.res(at(), x, emb)
            elif at() + ".proj_in.weight" in self.w:
                x, p = self.transformer(at(), x, context)
                self.stage(f"unet.{name}.{module}.attn2.map", p)
                if level in self.maps:
                    self.maps[level].append(p)
            else:  # what has one convolution ends its block
                if at() + ".op.weight" in self.w:
                    x = conv(self.w, at() + ".op", x, stride=2)
                elif at() + ".conv.weight" in self.w:
                    x = conv(self.w, at() + ".conv", F.interpolate(x, scale_factor=2, mode="nearest"))
                elif at() + ".weight" in self.w:
                    x = conv(self.w, at(), x)
                else:
                    return x
                return self.stage(f"unet.{name}.{module}", x)
            self.stage(f"unet.{name}.{module}", x)
            module += 1

    def __call__(self, latent, context):
        w, width = self.w, self.w(UNET + "time_embed.0.weight").shape[1]
        angles = torch.exp(-math.log(10000) * torch.arange(width // 2, dtype=torch.float64) / (width // 2))  # t = 1
        emb = linear(w, UNET + "time_embed.2", F.silu(linear(w, UNET + "time_embed.0", torch.cat([angles.cos(), angles.sin()])[None])))
        self.stage("unet.emb", emb)
        x, skips, level = latent, [], 0
        while any(f"{UNET}input_blocks.{len(skips)}.0.{n}weight" in w for n in ("", "in_layers.2.", "op.")):
            down = f"{UNET}input_blocks.{len(skips)}.0.op.weight" in w
            x = self.block(f"input_blocks.{len(skips)}", x, emb, context, -1 if down else level)
            level += down
            skips.append(x)
        x = self.block("middle_block", x, emb, context, -1)
        features, index = {}, 0
        while skips:
            up = any(f"{UNET}output_blocks.{index}.{m}.conv.weight" in w for m in (1, 2))
            before = x
            x = self.block(f"output_blocks.{index}", torch.cat([x, skips.pop()], 1), emb, context, level)
            # A level's feature is its last block that does not double the size, at the finest level the very last one.
            if up:
                features[level] = before
                level -= 1
            index += 1
        features[0] = x
        averaged = {k: self.stage(f"map.level{2 * k}", torch.stack(v).mean(0)) for k, v in self.maps.items() if v}
        features = [features[k] for k in range(4)]
        return features, [torch.cat([f, averaged[k]], 1) if k in averaged else f for k, f in enumerate(features)]


def batch_norm(w, name, x):
    return F.batch_norm(x, w(name + ".running_mean"), w(name + ".running_var"), w(name + ".weight"), w(name + ".bias"), False, 0.0, 1e-5)


def segmentation_head(w, stage, pyramid):
    neck = [conv(w, f"neck.lateral_convs.{i}.conv", x) for i, x in enumerate(pyramid)]
    for i in (3, 2, 1):
        neck[i - 1] = neck[i - 1] + F.interpolate(neck[i], size=neck[i - 1].shape[2:], mode="nearest")
    neck = [stage(f"seg.neck.{i}", conv(w, f"neck.fpn_convs.{i}.conv", x)) for i, x in enumerate(neck)]
    total = 0
    for i, x in enumerate(neck):
        for unit in range(max(1, i)):
            name = f"decode_head.scale_heads.{i}.{2 * unit}."
            x = conv(w, name + "conv", x, bias=False)
            x = F.relu(batch_norm(w, name + "bn", x))
            if i > 0:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        total = total + x
    return stage("seg.logits", conv(w, "decode_head.conv_seg", total))


def fixed_rois(height, width):
    """Boxes of many sizes, some beyond the edge: a detector's own would depend on how numbers are rounded.
    No sample lies one cell outside to the bit, where rounding decides whether it counts."""
    parts = [(0, 0, 1, 1), (0.1, 0.2, 0.4, 0.9), (0.5, 0.1, 0.55, 0.3), (0.7, 0.6, 0.99, 0.97), (0.33, 0.4, 0.36, 0.46), (-0.1, 0.5, 0.3, 1.1), (0.8, -0.17, 1.2, 0.5), (0.6, 0.6, 0.6, 0.6)]
    return torch.tensor([[x1 * width, y1 * height, x2 * width, y2 * height] for x1, y1, x2, y2 in parts])


def roi_align(levels, rois, first_level, size=7, samples=2):
    """torchvision's MultiScaleRoIAlign, aligned=False, 224 pixels on the level of stride 16."""
    pooled = []
    for x1, y1, x2, y2 in rois.double():
        area = float((x2 - x1) * (y2 - y1))
        level = 0 if area <= 0 else min(max(math.floor(4 + math.log2(math.sqrt(area) / 224) + 1e-6) - first_level, 0), len(levels) - 1)
        x, scale = levels[level][0], 2.0 ** -(first_level + level)
        taps = []
        for low, high, extent in ((y1, y2, x.shape[1]), (x1, x2, x.shape[2])):
            cell = max(float(high - low) * scale, 1.0) / size
            at = float(low) * scale + (torch.arange(size * samples, dtype=torch.float64) + 0.5) * cell / samples
            inside = (at >= -1) & (at <= extent)
            at = at.clamp(0, extent - 1)
            first = at.floor().long()
            taps.append((first, (first + 1).clamp(max=extent - 1), at - first, inside))
        (ya, yb, fy, iny), (xa, xb, fx, inx) = taps
        rows = x[:, ya] * (1 - fy)[:, None] + x[:, yb] * fy[:, None]
        values = (rows[:, :, xa] * (1 - fx) + rows[:, :, xb] * fx) * (iny[:, None] & inx)
        pooled.append(F.avg_pool2d(values, samples))
    return torch.stack(pooled)


def detection_head(w, stage, pyramid, rois, first_level):
    """Pyramid and proposal network of torchvision's Faster R-CNN, and the box head on boxes that are given."""
    levels = [conv(w, f"fpn.inner_blocks.{i}.0", x) for i, x in enumerate(pyramid)]
    for i in (3, 2, 1):
        levels[i - 1] = levels[i - 1] + F.interpolate(levels[i], size=levels[i - 1].shape[2:], mode="nearest")
    levels = [stage(f"det.fpn.{i}", conv(w, f"fpn.layer_blocks.{i}.0", x)) for i, x in enumerate(levels)]
    at = "decode_head.rpn.head."
    for i, x in enumerate(levels):
        h = F.relu(conv(w, at + "conv.0.0", x))
        stage(f"det.rpn.objectness.{i}", conv(w, at + "cls_logits", h))
        stage(f"det.rpn.deltas.{i}", conv(w, at + "bbox_pred", h))
    at = "decode_head.roi_heads."
    h = stage("det.roi_pooled", roi_align(levels, rois, first_level).flatten(1))
    for layer in ("fc6", "fc7"):
        h = F.relu(linear(w, at + "box_head." + layer, h))
    stage("det.box_regression", linear(w, at + "box_predictor.bbox_pred", h))
    return stage("det.class_logits", linear(w, at + "box_predictor.cls_score", h))


def voc_head(w, stage, pyramid):
    """The FPN decoder of segmentation_models_pytorch; corners are aligned throughout."""
    at = "decode_head.decoder."
    levels = [conv(w, at + "p5", pyramid[3])]
    for level in (2, 1, 0):
        skip = conv(w, f"{at}p{2 + level}.skip_conv", pyramid[level])
        levels.append(F.interpolate(levels[-1], size=skip.shape[2:], mode="nearest") + skip)
    total = 0
    for i, x in enumerate(levels):
        for unit in range(max(1, 3 - i)):
            name = f"{at}seg_blocks.{i}.block.{unit}.block."
            x = F.relu(group_norm(w, name + "1", conv(w, name + "0", x, bias=False), 32, 1e-5))
            if i < 3:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        total = total + x
    logits = conv(w, "decode_head.segmentation_head.0", stage("voc.decoder", total))
    return stage("voc.logits", F.interpolate(logits, scale_factor=8, mode="bilinear", align_corners=True))


def depth_head(w, stage, features, max_depth):
    """VPD's decoder over the features without maps, on the grid of level 2."""
    a = conv(w, "encoder.layer1.3", F.relu(group_norm(w, "encoder.layer1.1", conv(w, "encoder.layer1.0", features[0], 2), 16, 1e-5)), 2)
    d = F.interpolate(features[3], size=features[2].shape[2:], mode="nearest")
    joined = torch.cat([a, conv(w, "encoder.layer2.0", features[1], 2), features[2], d], 1)
    x = stage("depth.conv_feats", F.relu(group_norm(w, "encoder.out_layer.1", conv(w, "encoder.out_layer.0", joined), 16, 1e-5)))
    layer = 0
    while f"decoder.deconv_layers.{layer}.weight" in w:
        weight = w(f"decoder.deconv_layers.{layer}.weight")
        padding, extra = {2: (0, 0), 3: (1, 1), 4: (1, 0)}[weight.shape[-1]]
        x = F.relu(batch_norm(w, f"decoder.deconv_layers.{layer + 1}", F.conv_transpose2d(x, weight, None, 2, padding, extra)))
        layer += 3
    x = F.relu(batch_norm(w, "decoder.conv_layers.1", conv(w, "decoder.conv_layers.0", x)))
    for _ in range(2):
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    logit = stage("depth.logit", conv(w, "last_layer_depth.2", F.relu(conv(w, "last_layer_depth.0", x))))
    return stage("depth.pred", max_depth * logit.sigmoid())


# --- what is run ---


def config_of(w):
    """From the model's own description where it has one, else of the known network of this width."""
    width = w.stored(UNET + "input_blocks.0.0.weight")
    if width is None:
        sys.exit("there is no UNet of Stable Diffusion in this file")
    if "tadp.version" in w.metadata:
        part = lambda key: json.loads(w.metadata["tadp." + key])
        unet, vae, text, given = part("unet"), part("vae"), part("text"), part("input")
        return dict(heads=unet["num_heads"], groups=unet["norm_groups"], vae_groups=vae["norm_groups"], text_heads=text["heads"], begin=text["begin_token"], end=text["end_token"],
                    vocabulary=text["vocabulary"], length=text["length"], vae_scale=vae["latent_scale"], scale=given["latent"]["scale"], mean=given["mean"], deviation=given["deviation"], prompt=part("prompt")["parts"],
                    max_depth=next((h["depth"]["max_depth"] for h in json.loads(w.metadata.get("tadp.heads", "[]")) if "depth" in h), 10.0))
    if width.shape[0] not in PRESETS:
        sys.exit(f"a UNet of {width.shape[0]} channels is no known network, and the file does not describe itself")
    config = dict(PRESETS[width.shape[0]], mean=[127.5] * 3, deviation=[127.5] * 3, scale=1.0 if width.shape[0] == 48 else SCALE, vae_scale=1.0 if width.shape[0] == 48 else SCALE, prompt=[], max_depth=10.0)
    if w.parts == {} and w.place[VAE].endswith("encoder_vq."):
        config["scale"] = 1.0
    config["prompt"].append("caption" if TEXT + "final_layer_norm.weight" in w else "averaged_eos")
    if "text_adapter.fc.0.weight" in w and (w.parts or w.place[UNET] != "model.unet.diffusion_model."):
        config["prompt"].append("adapter")
    return config


def picture_of(args, config):
    """(1, 3, H, W) as the network reads it: a file, or colours that change at every scale."""
    height, width = (int(n) for n in args.size.split("x"))
    if args.picture:
        from PIL import Image

        data = torch.frombuffer(bytearray(Image.open(args.picture).convert("RGB").resize((width, height), Image.BILINEAR).tobytes()), dtype=torch.uint8).reshape(height, width, 3).float()
    else:
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        data = torch.stack([(x * 255) // (width - 1), (y * 255) // (height - 1), ((x // 5 + y // 3) % 2) * 160 + (x * y) % 64], -1).float()
    return ((data - torch.tensor(config["mean"])) / torch.tensor(config["deviation"])).permute(2, 0, 1)[None].contiguous()


def run(w, stage, config, picture, ids, rois):
    """Returns what describes the pass beside its stages."""
    moments = encode_picture(w, stage, picture.double(), config["vae_groups"])
    latent = stage("latents", moments.chunk(2, 1)[0] * config["scale"])
    parts = config["prompt"]
    context = []
    if "caption" in parts or "null" in parts:
        context.append(encode_text(w, stage, torch.tensor(ids), config["text_heads"], config["vocabulary"]))
    if "averaged_eos" in parts:
        context.append(w("class_embeddings")[None])
    meta = {"caption": "caption" in parts or "null" in parts, "class_embeddings": context[-1].shape[1] if "averaged_eos" in parts else 0, "adapter": "adapter" in parts,
            "head_classes": 0, "voc_classes": 0, "detection_classes": 0, "max_depth": 0.0}
    context = torch.cat(context, 1)
    if meta["adapter"]:
        context = adapt(w, stage, context)
    features, pyramid = UNet(w, stage, config)(latent, context)
    if "decode_head.conv_seg.weight" in w:
        meta["head_classes"] = segmentation_head(w, stage, pyramid).shape[1]
    if "decode_head.segmentation_head.0.weight" in w:
        meta["voc_classes"] = voc_head(w, stage, pyramid).shape[1]
    if "decode_head.rpn.head.cls_logits.weight" in w:
        stride = picture.shape[2] // pyramid[0].shape[2]
        meta["detection_classes"] = detection_head(w, stage, pyramid, rois, stride.bit_length() - 1).shape[1]
    if "last_layer_depth.2.weight" in w:
        meta["max_depth"] = config["max_depth"]
        depth_head(w, stage, features, config["max_depth"])
    return meta


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, help="the certificate's files without their endings")
    parser.add_argument("--picture", help="a picture in place of the built-in pattern")
    parser.add_argument("--size", default="64x128", help="height x width, multiples of 64")
    parser.add_argument("--tokens", default="320,120,39,7,401", help="ids of the text, without begin and end")
    parser.add_argument("--keep", type=int, default=256, help="numbers of a stage at most")
    parser.add_argument("--trust", action="store_true", help="run the code that a pickle holds")
    args = parser.parse_args()
    w, stage = Weights(args.model, args.trust), Stages()
    config = config_of(w)
    if w.configs:
        require_own_configs(w, config)
    ids = [config["begin"]] + [int(t) for t in args.tokens.split(",") if t]
    ids = ids[:config["length"] - 1]
    ids = [ids + [config["end"]] * (config["length"] - len(ids))]
    picture = picture_of(args, config)
    inputs = {"input.image": picture}
    rois = fixed_rois(*picture.shape[2:])
    with torch.no_grad():
        meta = run(w, stage, config, picture, ids, rois)
    if meta["detection_classes"] > 0:
        inputs["input.rois"] = rois
    tensors, table = {}, {}
    for name, value in {**inputs, **stage.values}.items():
        flat = value.double().flatten()
        stride = 1 if name in inputs else -(-flat.numel() // args.keep) | 1  # odd: meets every row and column
        tensors[name] = flat[::stride].float().contiguous().reshape(value.shape if name in inputs else (-1,))
        table[name] = {"shape": list(value.shape), "stride": stride, "count": tensors[name].numel(), "dtype": "float32", "mean": flat.mean().item(), "rms": flat.square().mean().sqrt().item(),
                       "absmax": flat.abs().max().item()}
    manifest = {"meta": {"certificate": 1, "model": args.model.name, "torch": torch.__version__, "image": list(picture.shape), "token_ids": ids, "latent_scale": config["scale"], **meta,
                         "weights": w.used},
                "tensors": table}
    base = str(args.out or (args.model if args.model.is_dir() else args.model.with_suffix(""))) + ".certificate"
    save_file(tensors, base + ".safetensors")
    pathlib.Path(base + ".json").write_text(json.dumps(manifest, indent=1) + "\n")
    print(f"{base}.json, {base}.safetensors: {len(stage.values)} stages, {len(w.used)} tensors")


if __name__ == "__main__":
    main()
