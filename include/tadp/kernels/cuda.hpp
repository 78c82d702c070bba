// SPDX-License-Identifier: Apache-2.0
// Everything that a model needs to run on a CUDA device: include this, and link tadp::cuda (CUDA, cuBLASLt, cuDNN, kernels).
// The umbrella tadp.hpp knows nothing of it: a program without CUDA is built without CUDA's headers.
#pragma once

#include "tadp/kernels/cuda/cuda.hpp"
#include "tadp/kernels/cuda/libraries.hpp"
