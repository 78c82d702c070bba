#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the goldens of tests/golden/fixture with the numeric reference: other seed, sizes and tokens than its public set,
and few numbers a tensor, so that a checkout alone can hold the library to the reference.

make_fixture.py [REFERENCE_FOLDER]      (torch, torchvision, safetensors, numpy; half a minute)
"""
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REFERENCE = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parents[2] / "shared" / "reference"
sys.path.insert(0, str(REFERENCE))
import torch  # noqa: E402

import make_goldens as reference  # noqa: E402

PROFILE = dict(reference.PUBLIC, name="fixture", seed=20, fixture=[64, 128], slide=[128, 192, 64, 43], depth_pad=[96, 32],
               depth_tta=[96, 128], tokens_a=[44, 180, 7, 301, 12], tokens_b=[2, 60, 499, 21, 333, 90, 8], ti_token=77,
               grad_size=[64, 128])
NUMBERS = 256          # a tensor, at most
UPDATED = 64           # a parameter after steps of AdamW
# Parameters of every kind of layer, by the end of their names.
GRADIENTS = ("time_embed.0.weight", "input_blocks.0.0.weight", "input_blocks.1.0.in_layers.0.weight", "input_blocks.4.0.skip_connection.bias",
             "input_blocks.3.0.op.weight", "input_blocks.5.1.proj_in.weight", "input_blocks.5.1.transformer_blocks.0.attn1.to_q.weight",
             "input_blocks.5.1.transformer_blocks.0.attn2.to_k.weight", "middle_block.1.transformer_blocks.0.ff.net.0.proj.weight",
             "output_blocks.5.2.conv.weight", "output_blocks.8.1.transformer_blocks.0.norm3.bias", "output_blocks.11.0.out_layers.3.weight",
             "diffusion_model.out.2.weight", "token_embedding.weight", "layers.1.self_attn.q_proj.weight", "layers.0.mlp.fc2.bias",
             "final_layer_norm.weight", "text_adapter.fc.0.weight", "gamma", "neck.lateral_convs.1.conv.weight", "neck.fpn_convs.3.conv.bias",
             "scale_heads.0.0.bn.weight", "scale_heads.3.4.conv.weight", "decode_head.conv_seg.bias", "encoder.layer1.1.weight", "encoder.out_layer.0.weight",
             "decoder.deconv_layers.0.weight", "decoder.conv_layers.1.bias", "last_layer_depth.2.weight")
LEFT_OUT = ("det.",)


class SmallStore(reference.Store):
    """The reference's storage with fewer numbers, and without what the library does not compute yet."""

    def __init__(self, out, case, meta, limit=0):
        super().__init__(out, case, dict(meta, some_gradients=True) if case.endswith("grads") else meta, NUMBERS)

    def add(self, name, t, ref32=None, limit=None, full=False):
        if name.startswith(LEFT_OUT):
            return
        if ".adamw." in name:
            t, ref32 = t[:UPDATED], ref32[:UPDATED]
        full = name.endswith("grad_first64") or name.startswith("diffusion.")
        super().add(name, t, ref32, None, full)

    def scalar(self, name, v, ref32=None):
        if not name.startswith(LEFT_OUT):
            super().scalar(name, v, ref32)

    def table(self, name, v):
        if not name.startswith(LEFT_OUT):
            super().table(name, v)

    def save(self):
        super().save()
        manifest = json.loads(Path(self.path + ".json").read_text())
        Path(self.path + ".json").write_text(json.dumps(manifest, separators=(",", ":")) + "\n")


def some_gradients(original):
    def store(st, case, g64, g32):
        # The largest gradient stays: a part of the bounds is relative to it.
        largest = max((k for k in g64 if g64[k] is not None), key=lambda k: float(g64[k].double().norm()))
        original(st, case, {k: v for k, v in g64.items() if k.endswith(GRADIENTS) or k == largest}, g32)
    return store


def main():
    torch.set_num_threads(1)
    out = HERE / "fixture"
    out.mkdir(exist_ok=True)
    reference.Store = SmallStore
    reference.store_grads = some_gradients(reference.store_grads)
    reference.det_outputs = lambda *unused: None
    reference.tiny(str(out), PROFILE, "fixture", 2, True)
    reference.tiny_windows(str(out), PROFILE)
    reference.grads(str(out), PROFILE)
    print(f"{sum(p.stat().st_size for p in out.iterdir())} bytes")


if __name__ == "__main__":
    main()
