#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares tadp's tables of layouts with PyTorch, diffusers and transformers on small models.

Needs torch, diffusers, transformers and safetensors, best in a virtual environment of their own, and the program made
from layouts_tool.cpp. Makes a file of every container and layout from one model and has the tool read each: names,
shapes and every bit must be those of the model. The other way, what the tool writes must equal what diffusers' own
conversion makes of the CompVis checkpoint, and load into diffusers' and transformers' classes. Exits with 1 on any
difference.

  against_layouts.py TOOL [--keep FOLDER]
"""

import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import zlib

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as judge
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

torch.set_num_threads(1)
UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."
DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}
failures = []


def check(good, what):
    print(f"{'ok   ' if good else 'WRONG'} {what}")
    if not good:
        failures.append(what)


def rows(tensors):
    """What the tool prints of these tensors."""
    out = {}
    for name, t in tensors.items():
        shape = list(t.shape)
        if ".mid.attn_1." in name and name.startswith(VAE) and name.endswith("weight") and len(shape) == 2:
            shape += [1, 1]
        data = t.contiguous().view(torch.uint8 if t.dim() else t.dtype).numpy().tobytes()
        out[name] = (DTYPES[t.dtype], "[" + ", ".join(map(str, shape)) + "]", f"{zlib.crc32(data):08x}")
    return out


def tool(*args):
    done = subprocess.run([TOOL, *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return done.stdout


def reads(path, tensors, layout, *more):
    try:
        found = {line.split("\t")[0]: tuple(line.split("\t")[1:]) for line in tool("print", path, *more).splitlines()}
        title = tool("layout", path).strip()
    except RuntimeError as error:
        return check(False, f"{path.name}: {error}")
    wanted = rows(tensors)
    different = [n for n in wanted if found.get(n) != wanted[n]] + [n for n in found if n not in wanted]
    check(not different, f"{path.name} ({path.parent.name}): {len(wanted)} tensors" + (f", {len(different)} differ: {different[:3]}" if different else ""))
    check(title == layout, f"{path.name}: layout {title}, expected {layout}")


def part(tensors, prefix):
    return {n[len(prefix):]: t for n, t in tensors.items() if n.startswith(prefix)}


def with_prefix(tensors, prefix):
    return {prefix + n: t for n, t in tensors.items()}


def old_attention_names(vae):
    """As diffusers wrote them before 0.18."""
    out = {}
    for name, t in vae.items():
        for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
            if ".mid_block.attentions.0." in name:
                name = name.replace("." + new + ".", "." + old + ".")
        out[name] = t
    return out


def shards(folder, stem, tensors, torch_form):
    """Three shards and their index."""
    names = sorted(tensors)
    index = {"metadata": {"total_size": 1}, "weight_map": {}}
    for i in range(3):
        ending = "bin" if torch_form else "safetensors"
        file = f"{stem}-{i + 1:05}-of-00003.{ending}"
        shard = {n: tensors[n].clone() for n in names[i::3]}
        torch.save(shard, folder / file) if torch_form else save_file(shard, folder / file)
        index["weight_map"].update({n: file for n in shard})
    (folder / f"{stem}.{'bin' if torch_form else 'safetensors'}.index.json").write_text(json.dumps(index))


def diffusers_folder(folder, unet, vae, text, form):
    for name, stem, tensors in (("unet", "diffusion_pytorch_model", unet), ("vae", "diffusion_pytorch_model", vae),
                                ("text_encoder", "pytorch_model" if "bin" in form else "model", text)):
        at = folder / name
        at.mkdir(parents=True)
        if form.startswith("sharded"):
            shards(at, stem, tensors, "bin" in form)
        elif form == "bin":
            torch.save(collections.OrderedDict(tensors), at / f"{stem}.bin")
        else:
            save_file({n: t.contiguous() for n, t in tensors.items()}, at / f"{stem}{'.fp16' if form == 'fp16' else ''}.safetensors")
    return folder


def averaged_twins(unet):
    """As LitEma stores them: no dots, and its own two numbers."""
    twins = {"model_ema." + (UNET.removeprefix("model.") + n).replace(".", ""): t * 2 for n, t in unet.items()}
    return {**twins, "model_ema.decay": torch.tensor(0.9999), "model_ema.num_updates": torch.tensor(7)}


def heads(kind):
    g = torch.Generator().manual_seed(3)
    r = lambda *s: torch.randn(*s, generator=g)
    if kind == "mmseg":
        return {"neck.lateral_convs.1.conv.weight": r(8, 141, 1, 1), "decode_head.scale_heads.0.0.conv.weight": r(8, 8, 3, 3),
                "decode_head.scale_heads.0.0.bn.running_mean": r(8), "decode_head.scale_heads.0.0.bn.num_batches_tracked": torch.tensor([5]),
                "decode_head.conv_seg.weight": r(19, 8, 1, 1), "gamma": r(64), "text_adapter.fc.0.weight": r(64, 64), "class_embeddings": r(19, 64)}
    if kind == "depth":
        return {"encoder.layer1.0.weight": r(8, 8, 3, 3), "encoder.out_layer.0.weight": r(8, 8, 1, 1), "decoder.deconv_layers.0.weight": r(8, 8, 2, 2), "last_layer_depth.0.bias": r(8)}
    return {"fpn.inner_blocks.0.0.weight": r(8, 8, 1, 1), "fpn.layer_blocks.3.0.bias": r(8), "decode_head.rpn.head.conv.0.0.weight": r(8, 8, 3, 3),
            "decode_head.rpn.head.cls_logits.weight": r(3, 8, 1, 1), "decode_head.roi_heads.box_head.fc6.weight": r(8, 8), "gamma": r(64)}


def schedule(prefix):
    return {prefix + n: torch.rand(1000) for n in ("betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "posterior_mean_coef2", "posterior_variance")}


def containers(folder, name, tensors, wrap):
    """The same names in every container."""
    torch.save(wrap(tensors), folder / f"{name}.ckpt")
    torch.save(wrap(tensors), folder / f"{name}.legacy.pth", _use_new_zipfile_serialization=False)
    save_file({n: t.contiguous().clone() for n, t in tensors.items()}, folder / f"{name}.safetensors")
    return [folder / f"{name}.ckpt", folder / f"{name}.legacy.pth", folder / f"{name}.safetensors"]


def compvis(folder, model, unet, vae, text):
    extra = {"cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None], **schedule(""), **{"loss.logvar": torch.zeros(1)}}
    lightning = lambda t: {"state_dict": t, "global_step": 3, "callbacks": {}}
    for path in containers(folder, "compvis", {**model, **extra}, lightning):
        reads(path, model, "CompVis")
    for path in containers(folder, "averaged", {**model, **averaged_twins(unet)}, lightning):
        reads(path, model, "CompVis")
        reads(path, {n: t * 2 if n.startswith(UNET) else t for n, t in model.items()}, "CompVis", "averaged")
    twins = averaged_twins(unet)
    for path in containers(folder, "averaged_alone", twins, lightning):
        reads(path, with_prefix({n: t * 2 for n, t in unet.items()}, UNET), "CompVis")
    for path in containers(folder, "module", with_prefix(model, "module."), lightning):
        reads(path, model, "CompVis")
    for path in containers(folder, "wrapped", with_prefix(model, "model."), lightning):
        reads(path, model, "CompVis")
    new_text = {n.replace("transformer.text_model.", "transformer."): t for n, t in model.items()}
    for path in containers(folder, "new_transformers", new_text, lightning):
        reads(path, model, "CompVis")
    for path in containers(folder, "vae_alone", {**vae, "loss.discriminator.main.0.weight": torch.zeros(2)}, lightning):
        reads(path, with_prefix(vae, VAE), "the autoencoder of CompVis alone")
    for path in containers(folder, "unet_alone", unet, lightning):
        reads(path, with_prefix(unet, UNET), "the UNet of CompVis alone")
    text_model = {"text_model." + n.removeprefix("text_model."): t for n, t in text.items()}
    for name, tensors in (("clip", {**text_model, "logit_scale": torch.tensor(1.0), "vision_model.x.weight": torch.zeros(2)}),
                          ("clip_new", {n.removeprefix("text_model."): t for n, t in text_model.items()})):
        for path in containers(folder, name, tensors, dict):
            reads(path, with_prefix(text, TEXT), "CLIP of transformers")


def released(folder, model, unet, vae, text):
    vae = {n: t for n, t in vae.items() if not n.startswith("decoder.")}
    for scaled in (True, False):
        vae_part = with_prefix(vae, "sd_model.first_stage_model." if scaled else "encoder_vq.")
        text_part = with_prefix(with_prefix(text, "transformer."), "sd_model.cond_stage_model.") if scaled else {}
        plain = {**with_prefix(unet, UNET), **with_prefix(vae, VAE), **(with_prefix(text, TEXT) if scaled else {})}
        name = "scaled" if scaled else "plain"
        mmseg = {**with_prefix(unet, "unet.unet.diffusion_model."), **vae_part, **text_part, **heads("mmseg"), **schedule("sd_model.")}
        meta = lambda t: {"meta": {"CLASSES": tuple("abc"), "config": "x = 1"}, "state_dict": t, "optimizer": {"state": {0: {"step": 1}}, "param_groups": [{"lr": 1e-4}]}}
        for path in containers(folder, f"mmseg_{name}", mmseg, meta):
            reads(path, {**plain, **heads("mmseg")}, "TADP or VPD on mmseg")
        old_rpn = {n.replace("conv.0.0.", "conv.").replace("inner_blocks.0.0.", "inner_blocks.0.").replace("layer_blocks.3.0.", "layer_blocks.3."): t for n, t in heads("det").items()}
        for torchvision, head in (("new", heads("det")), ("old", old_rpn)):
            twin = with_prefix(text, "text_encoder.") if scaled else {}
            det = {**with_prefix(unet, "model.unet.diffusion_model."), **vae_part, **text_part, **twin, **head, "decode_head.backbone.body.conv1.weight": torch.zeros(3)}
            for path in containers(folder, f"lightning_{name}_{torchvision}", det, lambda t: {"state_dict": t, "epoch": 1, "pytorch-lightning_version": "1.9", "optimizer_states": []}):
                reads(path, {**plain, **heads("det")}, "TADP on Lightning")
        twice = {**with_prefix(unet, "sd_model.model.diffusion_model."), **with_prefix(vae, "sd_model.first_stage_model."), **text_part} if scaled else {}
        no_out = {n: t for n, t in unet.items() if not n.startswith("out.")}
        inside = {**with_prefix(no_out, "unet.unet.diffusion_model."), **with_prefix(vae, "encoder_vq."), **twice, **({} if scaled else {"gamma": torch.ones(64), "class_embeddings": torch.ones(27, 64)})}
        depth = {**with_prefix(inside, "encoder."), **heads("depth")}
        wanted = {**plain, **heads("depth"), **({} if scaled else {"gamma": torch.ones(64), "class_embeddings": torch.ones(27, 64)})}
        if not scaled:  # VPD has no second copy, so no `out`
            wanted = {n: t for n, t in wanted.items() if not n.startswith(UNET + "out.")}
        for path in containers(folder, f"depth_{name}", with_prefix(depth, "module." if scaled else ""), lambda t: {"model": t, "optimizer": {}}):
            reads(path, wanted, "TADP or VPD, depth")
    first = next(n for n in depth if n.startswith("encoder.unet."))
    other = {**depth, first.replace("encoder.unet.unet.", "encoder.sd_model.model."): depth[first] + 1}
    save_file({n: t.contiguous().clone() for n, t in other.items()}, folder / "disagree.safetensors")
    try:
        tool("print", folder / "disagree.safetensors")
        check(False, "copies that differ were accepted")
    except RuntimeError as error:
        check("twice" in str(error), f"copies that differ are refused: {str(error)[:60]}")


def judged(folder, source, model, preset):
    """What the tool writes against what diffusers makes of the CompVis checkpoint."""
    out = folder / "by_tool"
    tool("convert", source, "diffusers", out)
    unet_config, vae_config = json.loads((out / "unet/config.json").read_text()), json.loads((out / "vae/config.json").read_text())
    if preset == "tiny":  # the conversion of diffusers assumes two blocks a level and transformers on all but the last
        unet = judge.convert_ldm_unet_checkpoint(dict(model), unet_config)
        vae = judge.convert_ldm_vae_checkpoint(dict(model), vae_config)
    else:
        unet = vae = None
    text = judge.convert_ldm_clip_checkpoint(dict(model))
    for name, stem, wanted in (("unet", "diffusion_pytorch_model", unet), ("vae", "diffusion_pytorch_model", vae), ("text_encoder", "model", text)):
        if wanted is None:
            continue
        found = load_file(out / name / f"{stem}.safetensors")
        same = found.keys() == wanted.keys() and all(torch.equal(found[n], wanted[n].reshape(found[n].shape)) for n in found)
        check(same, f"{preset}: {name} equals diffusers' own conversion, {len(found)} tensors" + ("" if same else f"; {sorted(found.keys() ^ wanted.keys())[:4]}"))
        if name == "vae":
            check(all(found[n].shape == wanted[n].shape for n in found), f"{preset}: vae has diffusers' shapes")
    for cls, name in ((UNet2DConditionModel, "unet"), (AutoencoderKL, "vae"), (CLIPTextModel, "text_encoder")):
        loaded, info = cls.from_pretrained(out / name, output_loading_info=True)
        clean = not any(info.get(k) for k in ("missing_keys", "unexpected_keys", "mismatched_keys"))
        check(clean, f"{preset}: {name} loads as {cls.__name__}" + ("" if clean else f": {info}"))
    reads(out, model, "diffusers folder")
    return load_file(out / "unet/diffusion_pytorch_model.safetensors"), load_file(out / "vae/diffusion_pytorch_model.safetensors"), load_file(out / "text_encoder/model.safetensors")


def folders(folder, model, unet, vae, text):
    for form in ("safetensors", "bin", "sharded safetensors", "sharded bin", "fp16"):
        for old in (False, True):
            names = old_attention_names(vae) if old else vae
            half = (lambda d: {n: t.half() for n, t in d.items()}) if form == "fp16" else (lambda d: d)
            at = diffusers_folder(folder / f"diffusers {form}{' old' if old else ''}", half(unet), half(names), half(text), form)
            reads(at, half(model), "diffusers folder")
    for path in containers(folder, "unet", unet, dict):
        reads(path, {n: t for n, t in model.items() if n.startswith(UNET)}, "the UNet of diffusers")
    for path in containers(folder, "vae", old_attention_names(vae), dict):
        reads(path, {n: t for n, t in model.items() if n.startswith(VAE)}, "the autoencoder of diffusers")
    for path in containers(folder, "all", {**with_prefix(unet, "unet."), **with_prefix(vae, "vae."), **with_prefix(text, "text_encoder.")}, dict):
        reads(path, model, "diffusers")
    saved = folder / "saved"
    UNet2DConditionModel.from_pretrained(folder / "by_tool/unet").save_pretrained(saved / "unet", max_shard_size="4MB")
    AutoencoderKL.from_pretrained(folder / "by_tool/vae").save_pretrained(saved / "vae", safe_serialization=False)
    CLIPTextModel.from_pretrained(folder / "by_tool/text_encoder").save_pretrained(saved / "text_encoder")
    reads(saved, model, "diffusers folder")


def round_trips(folder, source, model):
    for layout in ("mmseg", "lightning", "depth", "compvis"):
        tool("convert", source, layout, folder / f"to_{layout}.safetensors")
        tool("convert", folder / f"to_{layout}.safetensors", "compvis", folder / f"from_{layout}.safetensors")
        back = load_file(folder / f"from_{layout}.safetensors")
        check(back.keys() == model.keys() and all(torch.equal(back[n], model[n]) for n in model), f"compvis -> {layout} -> compvis")
    for name, dtype in (("F16", torch.float16), ("BF16", torch.bfloat16)):
        tool("convert", folder / "by_tool", "compvis", folder / f"{name}.safetensors", name)
        found = load_file(folder / f"{name}.safetensors")
        check(all(torch.equal(found[n], model[n].to(dtype)) for n in model), f"numbers as {name} are torch's")


def run(preset, folder):
    folder.mkdir()
    source = folder / "made.safetensors"
    tool("make", preset, source)
    model = load_file(source)
    plain_unet, plain_vae, plain_text = part(model, UNET), part(model, VAE), part(model, TEXT)
    unet, vae, text = judged(folder, source, model, preset)
    folders(folder, model, unet, vae, text)
    compvis(folder, model, plain_unet, plain_vae, plain_text)
    released(folder, model, plain_unet, plain_vae, plain_text)
    round_trips(folder, source, model)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool")
    parser.add_argument("--keep", help="write the files here and leave them")
    options = parser.parse_args()
    TOOL = options.tool
    with tempfile.TemporaryDirectory() as temporary:
        base = pathlib.Path(options.keep or temporary)
        base.mkdir(parents=True, exist_ok=True)
        for preset in ("tiny", "street"):
            run(preset, base / preset)
    print(f"{len(failures)} failed")
    sys.exit(1 if failures else 0)
