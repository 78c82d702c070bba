#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares tadp's VAE decoder and DDIM sampler with diffusers, on the tiny networks with hashed weights.

Needs numpy, torch, diffusers and safetensors, best in a virtual environment of their own, and the
program made from diffusion_tool.cpp, which also writes the weights. Prints the largest error of each comparison,
relative to the largest number compared, and exits with 1 if one exceeds 1e-4.

  against_diffusers.py TOOL [--seed 0] [--size 64x128] [--steps 10] [--guidance 7.5]
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file

BOUND = 1e-4
SCALE = 0.18215
LENGTH, BEGIN, END, HEADS, LAYERS = 77, 510, 511, 4, 2


def renamed(key, rules):
    for pattern, text in rules:
        key = re.sub(pattern, text, key)
    return key


def res_names(key):
    return renamed(key, [(r"\.in_layers\.0\.", ".norm1."), (r"\.in_layers\.2\.", ".conv1."), (r"\.emb_layers\.1\.", ".time_emb_proj."),
                         (r"\.out_layers\.0\.", ".norm2."), (r"\.out_layers\.3\.", ".conv2."), (r"\.skip_connection\.", ".conv_shortcut.")])


def unet_name(key):
    """CompVis name of a UNet parameter, without its prefix, as diffusers has it."""
    part, _, rest = key.partition(".")
    if part == "time_embed":
        return renamed(key, [(r"^time_embed\.0", "time_embedding.linear_1"), (r"^time_embed\.2", "time_embedding.linear_2")])
    if part == "out":
        return renamed(key, [(r"^out\.0", "conv_norm_out"), (r"^out\.2", "conv_out")])
    if part == "middle_block":
        return res_names(renamed(key, [(r"^middle_block\.0", "mid_block.resnets.0"), (r"^middle_block\.1", "mid_block.attentions.0"), (r"^middle_block\.2", "mid_block.resnets.1")]))
    index, module, rest = rest.split(".", 2)
    index, module = int(index), int(module)
    if part == "input_blocks":
        if index == 0:
            return "conv_in." + rest
        level, layer = divmod(index - 1, 3)
        if layer == 2:
            return f"down_blocks.{level}.downsamplers.0.conv." + rest.removeprefix("op.")
        return res_names(f"down_blocks.{level}.{('resnets', 'attentions')[module]}.{layer}.{rest}")
    level, layer = divmod(index, 3)
    if rest.startswith("conv."):
        return f"up_blocks.{level}.upsamplers.0.{rest}"
    return res_names(f"up_blocks.{level}.{('resnets', 'attentions')[module]}.{layer}.{rest}")


def vae_name(key, levels=4):
    """CompVis name of an autoencoder parameter, without its prefix, as diffusers has it; levels of the decoder turn around."""
    key = re.sub(r"^decoder\.up\.(\d)\.", lambda m: f"decoder.up.{levels - 1 - int(m[1])}.", key)
    return renamed(key, [(r"\.(down|up)\.(\d)\.block\.", r".\1_blocks.\2.resnets."), (r"\.(down|up)\.(\d)\.(down|up)sample\.", r".\1_blocks.\2.\3samplers.0."),
                         (r"\.mid\.block_1\.", ".mid_block.resnets.0."), (r"\.mid\.block_2\.", ".mid_block.resnets.1."), (r"\.mid\.attn_1\.norm\.", ".mid_block.attentions.0.group_norm."),
                         (r"\.mid\.attn_1\.([qkv])\.", r".mid_block.attentions.0.to_\1."), (r"\.mid\.attn_1\.proj_out\.", ".mid_block.attentions.0.to_out.0."),
                         (r"\.norm_out\.", ".conv_norm_out."), (r"\.nin_shortcut\.", ".conv_shortcut.")])


def load(model, weights, prefix, name_of):
    state = model.state_dict()
    named = {name_of(k.removeprefix(prefix)): v for k, v in weights.items() if k.startswith(prefix)}
    if set(named) != set(state):
        sys.exit(f"names differ: {sorted(set(named) ^ set(state))[:10]}")
    model.load_state_dict({k: v.reshape(state[k].shape) for k, v in named.items()})
    return model.eval()


def text_states(weights, ids):
    """The CLIP text encoder in plain torch: the last hidden states after the final norm."""
    w = lambda name: weights["cond_stage_model.transformer.text_model." + name]
    linear = lambda x, name: F.linear(x, w(name + ".weight"), w(name + ".bias"))
    norm = lambda x, name: F.layer_norm(x, x.shape[-1:], w(name + ".weight"), w(name + ".bias"), 1e-5)
    x = w("embeddings.token_embedding.weight")[ids] + w("embeddings.position_embedding.weight")[None]
    for i in range(LAYERS):
        at = f"encoder.layers.{i}."
        h = norm(x, at + "layer_norm1")
        q, k, v = (linear(h, at + f"self_attn.{n}_proj").unflatten(-1, (HEADS, -1)).transpose(1, 2) for n in "qkv")
        x = x + linear(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2), at + "self_attn.out_proj")
        h = linear(norm(x, at + "layer_norm2"), at + "mlp.fc1")
        x = x + linear(h * torch.sigmoid(1.702 * h), at + "mlp.fc2")
    return norm(x, "final_layer_norm")


def make_models(weights):
    blocks = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
    unet = UNet2DConditionModel(in_channels=4, out_channels=4, block_out_channels=(32, 64, 128, 128), layers_per_block=2, attention_head_dim=HEADS, cross_attention_dim=64,
                                norm_num_groups=32, down_block_types=blocks, up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3)
    vae = AutoencoderKL(block_out_channels=(16, 32, 64, 64), layers_per_block=2, norm_num_groups=8, latent_channels=4, down_block_types=("DownEncoderBlock2D",) * 4,
                        up_block_types=("UpDecoderBlock2D",) * 4)
    return load(unet, weights, "model.diffusion_model.", unet_name), load(vae, weights, "first_stage_model.", vae_name)


def sample(unet, states, blank, noise, steps, guidance):
    scheduler = DDIMScheduler(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    scheduler.set_timesteps(steps)
    z = noise * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        eps = unet(z, t, states).sample
        if guidance != 1:
            without = unet(z, t, blank.expand_as(states)).sample
            eps = without + guidance * (eps - without)
        z = scheduler.step(eps, t, z, eta=0.0).prev_sample
    return z


def padded(ids):
    return [BEGIN] + ids + [END] * (LENGTH - 1 - len(ids))


def read(path, shape):
    n, c, h, w = shape
    return torch.from_numpy(np.fromfile(path, np.float32).reshape(n, h, w, c)).permute(0, 3, 1, 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", default="64x128", help="height x width, multiples of 64")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--guidance", type=float, default=7.5)
    args = parser.parse_args()
    height, width = map(int, args.size.split("x"))
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    texts = [[5, 6, 7], [100, 200, 300, 400]]
    worst = 0.0

    def compare(name, ours, theirs):
        nonlocal worst
        error = ((ours - theirs).abs().max() / theirs.abs().max()).item()
        print(f"{name:<40} largest error {error:.2e} of {theirs.abs().max().item():.3g}")
        worst = max(worst, error)

    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        at = pathlib.Path(folder)
        subprocess.run([args.tool, "weights", str(args.seed), at / "weights.safetensors"], check=True)
        weights = load_file(at / "weights.safetensors")
        unet, vae = make_models(weights)
        states = text_states(weights, torch.tensor([padded(t) for t in texts]))
        blank = text_states(weights, torch.tensor([padded([])]))
        noise = torch.randn(len(texts), 4, height // 8, width // 8)
        noise.permute(0, 2, 3, 1).contiguous().numpy().tofile(at / "noise.f32")
        for guidance in (args.guidance, 1.0):
            for steps in (args.steps, 7):
                subprocess.run([args.tool, "run", str(args.seed), str(width), str(height), str(steps), str(guidance), ";".join(",".join(map(str, t)) for t in texts), at / "noise.f32",
                                at / "latent.f32", at / "picture.f32"], check=True)
                latent = read(at / "latent.f32", noise.shape)
                name = f"{steps} steps, guidance {guidance}"
                compare(name + ": latent", latent, sample(unet, states, blank, noise, steps, guidance))
                picture = read(at / "picture.f32", (len(texts), 3, height, width))
                compare(name + ": decoder", picture, vae.decode(latent / SCALE).sample)
    print("largest", f"{worst:.2e}", "allowed", BOUND)
    return int(not worst <= BOUND)


if __name__ == "__main__":
    sys.exit(main())
