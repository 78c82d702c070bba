# SPDX-License-Identifier: Apache-2.0
"""Steps of torch.optim.Muon on two small matrices, for tests/train/muon_test.cpp.

    python tests/train/make_muon_fixture.py tests/train/muon.json

PyTorch 2.9 or later. Its iterations run in bfloat16; here the same code runs in float32, so that the numbers can be compared.
"""
import json
import sys

import torch


def numbers(t):
    return [round(float(v), 9) for v in t.detach().flatten()]


torch.bfloat16 = torch.float32  # read by the optimizer at each step
torch.manual_seed(4)
cases = []
for rows, columns in ((16, 24), (24, 16)):
    weight = torch.nn.Parameter(0.2 * torch.randn(rows, columns))
    optimizer = torch.optim.Muon([weight], lr=0.01, weight_decay=0.1, momentum=0.9, nesterov=True, ns_steps=5, adjust_lr_fn="match_rms_adamw")
    case = {"rows": rows, "columns": columns, "weight": numbers(weight), "steps": []}
    for _ in range(3):
        weight.grad = torch.randn(rows, columns)
        optimizer.step()
        case["steps"].append({"gradient": numbers(weight.grad), "weight": numbers(weight)})
    cases.append(case)
with open(sys.argv[1], "w") as f:
    json.dump({"lr": 0.01, "weight_decay": 0.1, "momentum": 0.9, "cases": cases}, f, separators=(",", ":"))
    f.write("\n")
