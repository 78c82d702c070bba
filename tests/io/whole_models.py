#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Has the program read one model in every layout and container of whole models: features equal to the byte, every certificate met.

Needs torch, diffusers, transformers and safetensors, best in a virtual environment of their own, and the program. PyTorch
makes Stable Diffusion 1.5 (in half precision; 2.2 GB a file) or its small likeness with random weights and
mmsegmentation's head. What the program converts to CompVis has to be the model again after diffusers' own conversion.
Prints seconds and peak memory of each pass, from the start of the program to its end. Exits with 1 on any difference.

A folder whose config.json is of another network with the same shapes has to be refused by the program and by the certificate's maker.

With --vocab, what the program converts to diffusers has to be a tokenizer that transformers pads with, in the program's ids.

  whole_models.py PROGRAM [--size tiny|sd15] [--picture 64x64] [--only diffusers.ckpt] [--folder FOLDER] [--vocab VOCAB.gz]
"""

import argparse
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as judge
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."
CERTIFICATE = pathlib.Path(__file__).resolve().parents[2] / "scripts/make_certificate.py"
SIZES = {
    "tiny": dict(width=32, heads=4, context=64, vae=16, vae_groups=8, head=32, text=dict(vocab_size=512, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=256, bos_token_id=510, eos_token_id=511)),
    "sd15": dict(width=320, heads=8, context=768, vae=128, vae_groups=32, head=256, text=dict(vocab_size=49408, hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072, bos_token_id=49406, eos_token_id=49407)),
}
failures = []


def check(good, what):
    print(f"{'ok   ' if good else 'WRONG'} {what}", flush=True)
    if not good:
        failures.append(what)


def head_of(size):
    """mmsegmentation's head of five classes, over the pyramid with the maps of a caption."""
    width, out, tensors = size["width"], size["head"], {}

    def conv(name, *shape, bias=True):
        tensors[name + ".weight"] = torch.randn(*shape) / (shape[1] * shape[2] * shape[3]) ** 0.5
        if bias:
            tensors[name + ".bias"] = torch.randn(shape[0]) / 10

    for i, channels in enumerate([width, 2 * width + 77, 4 * width + 77, 4 * width]):
        conv(f"neck.lateral_convs.{i}.conv", out, channels, 1, 1)
        conv(f"neck.fpn_convs.{i}.conv", out, out, 3, 3)
        for unit in range(max(1, i)):
            at = f"decode_head.scale_heads.{i}.{2 * unit}."
            conv(at + "conv", out, out, 3, 3, bias=False)
            tensors.update({at + "bn." + n: torch.rand(out) + 0.5 for n in ("weight", "bias", "running_mean", "running_var")})
    conv("decode_head.conv_seg", 5, out, 1, 1)
    return tensors


def make(size, folder, dtype):
    """A folder as diffusers saves it, and its tensors."""
    levels = [size["width"] * m for m in (1, 2, 4, 4)]
    unet = UNet2DConditionModel(in_channels=4, out_channels=4, block_out_channels=levels, layers_per_block=2, attention_head_dim=size["heads"], cross_attention_dim=size["context"], norm_num_groups=32,
                                down_block_types=["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"], up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3)
    vae = AutoencoderKL(block_out_channels=[size["vae"] * m for m in (1, 2, 4, 4)], layers_per_block=2, latent_channels=4, norm_num_groups=size["vae_groups"], down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4)
    text = CLIPTextModel(CLIPTextConfig(max_position_embeddings=77, hidden_act="quick_gelu", **size["text"]))
    with torch.no_grad():  # what starts as ones and zeros would hide a name taken for another
        for module in (unet, vae, text):
            for parameter in module.parameters():
                if parameter.dim() == 1:
                    parameter += 0.1 * torch.randn_like(parameter)
    for name, module in (("unet", unet), ("vae", vae), ("text_encoder", text)):
        module.to(dtype).save_pretrained(folder / name)
    (folder / "tadp").mkdir()
    head = {n: t.to(dtype) for n, t in head_of(size).items()}
    save_file(head, folder / "tadp/model.safetensors")
    return head


def part(tensors, prefix):
    return {n[len(prefix):]: t for n, t in tensors.items() if n.startswith(prefix)}


def with_prefix(tensors, prefix):
    return {prefix + n: t for n, t in tensors.items()}


def saved(folder, name):
    """A part of the folder, of one file or of shards."""
    tensors = {}
    for file in (folder / name).glob("*.safetensors"):
        tensors.update(load_file(file))
    return tensors


def judge_conversion(folder, compvis):
    """What the program called by CompVis' names is the folder again when diffusers converts it."""
    config = lambda name: json.loads((folder / name / "config.json").read_text())
    text = {"text_model." + n.removeprefix("text_model."): t for n, t in saved(folder, "text_encoder").items()}
    found_text = {n: t for n, t in judge.convert_ldm_clip_checkpoint(dict(compvis)).items()}
    pairs = (("unet", judge.convert_ldm_unet_checkpoint(dict(compvis), config("unet")), saved(folder, "unet")), ("vae", judge.convert_ldm_vae_checkpoint(dict(compvis), config("vae")), saved(folder, "vae")),
             ("text_encoder", {"text_model." + n.removeprefix("text_model."): t for n, t in found_text.items()}, text))
    for name, found, wanted in pairs:
        same = found.keys() == wanted.keys() and all(torch.equal(found[n].reshape(wanted[n].shape), wanted[n]) for n in wanted)
        check(same, f"{name}: diffusers' own conversion of the CompVis file is the folder, {len(wanted)} tensors")


def judge_tokenizer(program, vocabulary, compvis):
    """The tokenizer of a folder made from a single file, and of one that transformers saved anew, is CLIP's."""
    text = "a photo of a cat, \u00e9t\u00e9 2024!"
    tokens = lambda path: [int(i) for i in subprocess.run([program, "tokenize", "--vocab", path], input=text + "\n", capture_output=True, text=True).stdout.split()]
    wanted = tokens(vocabulary)
    check(len(wanted) == 77, "the program's own ids of a text")
    converted, saved_anew, again = (compvis.parent / name for name in ("with_tokenizer", "saved_anew", "again"))
    error, _, _ = run(program, "convert", compvis, "--layout", "diffusers", "--vocab", vocabulary, "--out", converted)
    check(error is None, "converted to diffusers with a tokenizer" + (f": {error}" if error else ""))
    if error:
        return
    padded = lambda tokenizer: tokenizer(text, padding="max_length", truncation=True)["input_ids"]
    check(padded(CLIPTokenizer.from_pretrained(converted / "tokenizer")) == wanted, "transformers pads with it as pipelines do")
    CLIPTokenizer.from_pretrained(converted / "tokenizer").save_pretrained(saved_anew)
    check(tokens(saved_anew) == wanted, "the program reads what transformers saves: " + ", ".join(sorted(f.name for f in saved_anew.iterdir())))
    shutil.rmtree(converted / "tokenizer")
    saved_anew.rename(converted / "tokenizer")
    error, _, _ = run(program, "convert", converted, "--layout", "diffusers", "--out", again)
    check(error is None and padded(CLIPTokenizer.from_pretrained(again / "tokenizer")) == wanted, "and takes it along to another folder" + (f": {error}" if error else ""))
    for folder in (converted, again):
        shutil.rmtree(folder)


def refuses_others(program, folder):
    """A configuration of another network, which shapes do not tell: neither converted nor certified, and the key is named."""
    for name, key, value in (("text_encoder", "hidden_act", "gelu"), ("text_encoder", "num_attention_heads", 2), ("text_encoder", "layer_norm_eps", 1e-6), ("unet", "attention_head_dim", 16), ("unet", "norm_eps", 1e-6),
                             ("unet", "norm_num_groups", 16), ("unet", "flip_sin_to_cos", False), ("vae", "scaling_factor", 0.5), ("vae", "norm_num_groups", 4)):
        path = folder / name / "config.json"
        before = path.read_text()
        path.write_text(json.dumps({**json.loads(before), key: value}))
        for what, command in (("convert", (program, "convert", folder, "--layout", "compvis", "--out", folder.parent / "none.safetensors")), ("certificate", (sys.executable, CERTIFICATE, folder))):
            error, _, _ = run(*command)
            check(error is not None and f"file: {path}; key: {key}; " in error, f"{what} refuses {name}/config.json with {key} {value}" + ("" if error is None else f": {error[-200:]}"))
        path.write_text(before)


def files(folder, make_all, head):
    """Each whole model in turn: its path and what saves it."""
    unet, vae, text = saved(folder, "unet"), saved(folder, "vae"), saved(folder, "text_encoder")
    compvis = load_file(folder.parent / "compvis.safetensors")
    yield folder, None
    yield folder.parent / "compvis.safetensors", None
    state = lambda tensors: {"state_dict": tensors, "global_step": 3, "callbacks": {}}
    yield folder.parent / "compvis.ckpt", lambda at: torch.save(state(compvis), at)
    twins = {("model_ema." + n.removeprefix("model.").replace(".", "") if n.startswith(UNET) else n): t for n, t in compvis.items()}
    yield folder.parent / "averaged.ckpt", lambda at: torch.save(state({**twins, "model_ema.decay": torch.tensor(0.9999)}), at)
    if make_all:
        yield folder.parent / "compvis.legacy.pth", lambda at: torch.save(state(compvis), at, _use_new_zipfile_serialization=False)
    one = {**with_prefix(unet, "unet."), **with_prefix(vae, "vae."), **with_prefix(text, "text_encoder."), **head}
    yield folder.parent / "diffusers.safetensors", lambda at: save_file(one, at)
    yield folder.parent / "diffusers.ckpt", lambda at: torch.save(state(one), at)


# A process of its own starts the program: what starts another counts towards that one's peak.
MEASURED = """
import resource, subprocess, sys, time
begin = time.monotonic()
code = subprocess.call(sys.argv[1:])
print(time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
sys.exit(code)
"""


def run(*command):
    """Runs a program and returns its error, seconds and peak memory in MiB."""
    done = subprocess.run([sys.executable, "-c", MEASURED, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    text, _, numbers = done.stdout.strip().rpartition("\n")
    return None if done.returncode == 0 else text or "failed", *map(float, numbers.split())


def reads(program, path, picture, size, first):
    """Features of the model, and its certificate; the features' digest."""
    bytes_ = sum(f.stat().st_size for f in ([path] if path.is_file() else path.rglob("*.safetensors")))
    print(f"     {path.name}, {bytes_ / 1e6:.0f} MB", flush=True)
    error, seconds, peak = run(program, "inspect", path, "--json")
    check(error is None, f"opened in {seconds:.2f} s, peak {peak:.0f} MiB" + (f": {error}" if error else ""))
    features = path.parent / "features.safetensors"
    error, seconds, peak = run(program, "features", picture, "--size", size, "--tokens", "320,120,39", "--model", path, "--out", features, "--quiet")
    if error:
        check(False, error)
        return first
    digest = hashlib.sha256(features.read_bytes()).hexdigest()
    features.unlink()
    check(first in (None, digest), f"features {digest[:12]}, {seconds:.1f} s, peak {peak:.0f} MiB")
    error, seconds, peak = run(sys.executable, CERTIFICATE, path, "--size", size, "--keep", "64")
    check(error is None, f"certificate made in {seconds:.1f} s, peak {peak:.0f} MiB" + (f": {error}" if error else ""))
    if error is None:
        error, seconds, peak = run(program, "verify", path, "--quiet")
        check(error is None, f"verified in {seconds:.1f} s, peak {peak:.0f} MiB" + (f": {error}" if error else ""))
    return digest


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--picture", default="64x64", help="height x width of the pass, multiples of 64")
    parser.add_argument("--only", help="the file to read, by its name; all of them when left out")
    parser.add_argument("--folder", help="where the files are made in turn, each removed after its check; sd15 needs 7 GB there")
    parser.add_argument("--vocab", type=pathlib.Path, help="CLIP's bpe_simple_vocab_16e6.txt.gz, for the tokenizer")
    options = parser.parse_args()
    torch.manual_seed(5)
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = pathlib.Path(temporary) / "diffusers"
        head = make(SIZES[options.size], folder, torch.float16 if options.size == "sd15" else torch.float32)
        error, seconds, peak = run(options.program, "convert", folder, "--layout", "compvis", "--out", folder.parent / "compvis.safetensors")
        if error:
            sys.exit(error)
        print(f"     converted to CompVis in {seconds:.1f} s, peak {peak:.0f} MiB", flush=True)
        refuses_others(options.program, folder)
        judge_conversion(folder, load_file(folder.parent / "compvis.safetensors"))
        if options.vocab:
            judge_tokenizer(options.program.resolve(), options.vocab, folder.parent / "compvis.safetensors")
        picture = CERTIFICATE.parents[1] / "docs/images/street-samples.png"
        digest, read = None, 0
        for path, save in files(folder, options.size == "tiny", head):
            if options.only not in (None, path.name):
                continue
            read += 1
            if save:
                save(path)
            digest = reads(options.program, path, picture, options.picture, digest)
            if save:
                path.unlink()
    check(read > 0, f"{read} files were read")
    print(f"{len(failures)} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
