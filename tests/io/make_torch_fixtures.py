#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/io/torch_fixtures: small files of torch.save in every form, and what their tensors hold.

Usage: make_torch_fixtures.py (with a Python that has torch and numpy). expected.txt has a line for each tensor:
file, name, dtype, shape, and the elements in row-major order as hexadecimal bytes.
"""
import argparse
import collections
import datetime
import functools
import http
import os
import pathlib
import re
import signal
import sys
import types
import zipfile

import numpy
import torch

OUT = pathlib.Path(__file__).resolve().parent / "torch_fixtures"
NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64", torch.int64: "I64",
         torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
         torch.complex64: "C64", torch.uint16: "U16", torch.float8_e4m3fn: "F8_E4M3"}
expected = []


def expect(file, tensors):
    for name, tensor in tensors.items():
        if tensor.dtype not in NAMES:
            continue
        flat = tensor.detach().contiguous().reshape(-1)
        data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
        shape = ",".join(map(str, tensor.shape)) or "-"
        expected.append(f"{file} {name} {NAMES[tensor.dtype]} {shape} {data.hex() or '-'}")


def save(file, value, tensors, **options):
    torch.save(value, OUT / file, **options)
    expect(file, tensors)


def dtypes():
    base = torch.tensor([[1.5, -2.0, 0.25], [3.0, 0.0, 100.0]])
    tensors = {str(t)[6:]: base.to(t) for t in NAMES}
    tensors["int64"] = torch.tensor([2**62, -1, 0])
    tensors["float64"] = torch.tensor([1e300, -1e-300, 3.141592653589793], dtype=torch.float64)
    return tensors


def layouts():
    base = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
    return {"whole": base, "transposed": base.transpose(0, 2), "slice": base[1], "column": base[:, 2, 1],
            "step": base[:, ::2, 1::3], "expanded": base[0, :, :1].expand(4, 3), "scalar": torch.tensor(7.0),
            "element": base[2, 3, 4], "empty": torch.zeros(0, 3), "channels_last": torch.arange(48.0).reshape(
                2, 3, 4, 2).contiguous(memory_format=torch.channels_last),
            "parameter": torch.nn.Parameter(base[0].clone()), "tied.a": base[0, 0], "tied.b": base[0, 0]}


def metadata():
    return {"epoch": 3, "global_step": 40000, "lr": 1e-4, "best": None, "done": True, "arch": "tadp", "raw": b"\x00\xff",
            "sizes": [1, 2, 3], "shape": torch.Size([4, 5]), "device": torch.device("cuda", 1), "dtype": torch.bfloat16,
            "classes": {"wall", }, "pair": (1, "x"), "huge": 2**80, "nested": {"a": {"b": -5}}}


def lightning():
    module = types.ModuleType("somebody.callbacks")

    class Checkpointer:
        def __init__(self):
            self.history = [1.0, 2.0]
            self.me = self

    Checkpointer.__module__, Checkpointer.__qualname__ = module.__name__, "Checkpointer"
    module.Checkpointer = Checkpointer
    sys.modules["somebody"], sys.modules[module.__name__] = types.ModuleType("somebody"), module
    state = torch.nn.Linear(3, 2).state_dict()
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2, 2))])
    optimizer.param_groups[0]["params"][0].grad = torch.ones(2, 2)
    optimizer.step()
    cyclic = [1]
    cyclic.append(cyclic)
    value = {"state_dict": state, "hyper_parameters": {"args": argparse.Namespace(lr=0.1), "root": pathlib.PurePosixPath("/a/b")},
             "callbacks": {"ckpt": Checkpointer()}, "score": numpy.float64(0.5), "count": numpy.int32(-7),
             "array": numpy.arange(3.0), "when": datetime.datetime(2024, 1, 2), "call": functools.partial(print, 1),
             "optimizer_states": [optimizer.state_dict()], "cyclic": cyclic, "default": collections.defaultdict(list, {"k": [1]}),
             "pytorch-lightning_version": "2.0.0"}
    tensors = dict(state)
    tensors["optimizer_states.0.state.0.exp_avg"] = optimizer.state_dict()["state"][0]["exp_avg"]
    return value, tensors


def made_class(module, *names):
    """An empty class of a module that there is not, the later names within the earlier ones."""
    modules = module.split(".")
    for i in range(len(modules)):
        sys.modules.setdefault(".".join(modules[:i + 1]), types.ModuleType(".".join(modules[:i + 1])))
    home = sys.modules[module]
    for i, name in enumerate(names):
        if not hasattr(home, name):
            setattr(home, name, type(name, (), {"__module__": module, "__qualname__": ".".join(names[:i + 1])}))
        home = getattr(home, name)
    return home


def beside():
    """Tensors and harmless values beside the weights, as trainers keep them."""
    state = {"a.weight": torch.arange(6.0).reshape(2, 3), "scale": torch.tensor([3.0])}
    deep = []
    for _ in range(100):
        deep = [deep]
    config = made_class("code.models", "Config")()
    config.width = 8
    value = {"state_dict": state, "best_acc1": torch.tensor(61.5), "scale": torch.tensor(2.0), "nested": made_class("somebody.trainer", "Outer", "Inner")(),
             "deeper": made_class("somebody.trainer", "Outer", "Middle", "Last")(), "signal": signal.SIGINT, "status": http.HTTPStatus.OK, "terminal": os.terminal_size((80, 24)),
             "config": config, "half": torch.ones(2, dtype=torch.float32).to(torch.complex32), "bits": torch.zeros(4, dtype=torch.uint8).view(torch.bits8), "deep": deep,
             "repeated": torch.ones(1).expand(5000, 5000)}
    return value, {"a.weight": state["a.weight"], "state_dict.scale": state["scale"], "scale": value["scale"], "best_acc1": value["best_acc1"]}


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(2, 3)
        self.norm = torch.nn.BatchNorm1d(3)


def repack(source, file, method, tensors):
    with zipfile.ZipFile(OUT / source) as old, zipfile.ZipFile(OUT / file, "w", method) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), old.read(name), method)
    expect(file, tensors)


def forget_folders(file):
    """A module of the older form names the source files of its classes: their folders are this machine's affair."""
    path = OUT / file
    path.write_bytes(re.sub(rb"/(?:[\w.-]+/)+(?=\w+\.py)", lambda m: b"/" + b"_" * (len(m.group()) - 2) + b"/", path.read_bytes()))


def main():
    torch.manual_seed(1)
    OUT.mkdir(exist_ok=True)
    for form, options in (("zip", {}), ("legacy", {"_use_new_zipfile_serialization": False})):
        save(f"dtypes.{form}.pth", {"state_dict": dict(dtypes(), complex128=torch.ones(2, dtype=torch.complex128))}, dtypes(), **options)
        save(f"layouts.{form}.pth", {"model": collections.OrderedDict(layouts()), **metadata()}, layouts(), **options)
        value, tensors = lightning()
        save(f"lightning.{form}.ckpt", value, tensors, **options)
        value, tensors = beside()
        save(f"beside.{form}.ckpt", value, tensors, **options)
        pair = torch.tensor([1 + 2j, 3 + 4j])
        save(f"negated.{form}.pth", {"a": pair.conj().imag}, {}, **options)
        save(f"conjugated.{form}.pth", {"a": pair.conj()}, {}, **options)
        net = Net()
        save(f"module.{form}.pt", net, net.state_dict(), **options)
        if form == "legacy":
            forget_folders(f"module.{form}.pt")
        words = torch.nn.ParameterDict({"*": torch.nn.Parameter(torch.arange(6.0).reshape(1, 6))})
        save(f"words.{form}.pt", {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": words, "name": "night"},
             {"string_to_token.*": torch.tensor(265), "string_to_param.*": words["*"]}, **options)
        for protocol in (3, 4, 5):
            save(f"protocol{protocol}.{form}.pth", layouts(), layouts(), pickle_protocol=protocol, **options)
    save("tensor.zip.pt", torch.arange(4.0), {"tensor": torch.arange(4.0)})
    torch.serialization.set_crc32_options(False)
    save("no_checksums.zip.pth", layouts(), layouts())
    torch.serialization.set_crc32_options(True)
    repack("layouts.zip.pth", "deflated.zip.pth", zipfile.ZIP_DEFLATED, layouts())
    (OUT / "expected.txt").write_text("\n".join(expected) + "\n")
    print(sum(f.stat().st_size for f in OUT.iterdir()), "bytes")


if __name__ == "__main__":
    main()
