// SPDX-License-Identifier: Apache-2.0
// Every operation as a kernel of ours, on any device that runs kernels: a CUDA device, or the host in their tests.
// A device's own overload of one of these functions (a library's convolution, say) goes before the kernel.
#pragma once

#include "tadp/kernels/cuda/attention.hpp"
#include "tadp/kernels/cuda/boxes.hpp"
#include "tadp/kernels/cuda/conv.hpp"
#include "tadp/kernels/cuda/dense_loss.hpp"
#include "tadp/kernels/cuda/detection_loss.hpp"
#include "tadp/kernels/cuda/loss.hpp"
#include "tadp/kernels/cuda/matching.hpp"
#include "tadp/kernels/cuda/norm.hpp"
#include "tadp/kernels/cuda/optimizer.hpp"
#include "tadp/kernels/cuda/pointwise.hpp"
#include "tadp/kernels/cuda/proposals.hpp"
#include "tadp/kernels/cuda/resize.hpp"
#include "tadp/kernels/cuda/roi.hpp"
#include "tadp/kernels/cuda/windows.hpp"
