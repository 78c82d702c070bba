// SPDX-License-Identifier: Apache-2.0
// The seam between what a host compiler sees and what nvcc compiles: one function, declared here for every kernel and
// made for the kernels of kernels.cuh.
#pragma once

#include "tadp/core/shape.hpp"

namespace tadp::cuda {

/// Puts `blocks` blocks of a kernel on a stream (a cudaStream_t); returns the runtime's code (a cudaError_t), 0 for none.
template <class Kernel>
int enqueue(void* stream, index_t blocks, Kernel const& kernel);

}  // namespace tadp::cuda
