// SPDX-License-Identifier: Apache-2.0
// Every kernel of the processor: include this where a model is to run on Cpu.
// A device is complete when it has an overload of each of these functions (see docs/design.md).
#pragma once

#include "tadp/kernels/cpu_attention.hpp"
#include "tadp/kernels/cpu_boxes.hpp"
#include "tadp/kernels/cpu_conv.hpp"
#include "tadp/kernels/cpu_conv_transpose.hpp"
#include "tadp/kernels/cpu_dense_loss.hpp"
#include "tadp/kernels/cpu_detection_loss.hpp"
#include "tadp/kernels/cpu_frame.hpp"
#include "tadp/kernels/cpu_loss.hpp"
#include "tadp/kernels/cpu_matching.hpp"
#include "tadp/kernels/cpu_norm.hpp"
#include "tadp/kernels/cpu_optimizer.hpp"
#include "tadp/kernels/cpu_pointwise.hpp"
#include "tadp/kernels/cpu_proposals.hpp"
#include "tadp/kernels/cpu_resize.hpp"
#include "tadp/kernels/cpu_roi.hpp"
#include "tadp/kernels/cpu_windows.hpp"
