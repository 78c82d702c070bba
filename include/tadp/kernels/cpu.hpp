// SPDX-License-Identifier: Apache-2.0
// Every kernel of the processor: include this where a model is to run on Cpu.
// A device is complete when it has an overload of each of these functions (see docs/design.md).
#pragma once

#include "tadp/kernels/cpu_attention.hpp"
#include "tadp/kernels/cpu_conv.hpp"
#include "tadp/kernels/cpu_loss.hpp"
#include "tadp/kernels/cpu_norm.hpp"
#include "tadp/kernels/cpu_optimizer.hpp"
#include "tadp/kernels/cpu_pointwise.hpp"
#include "tadp/kernels/cpu_resize.hpp"
#include "tadp/kernels/cpu_windows.hpp"
