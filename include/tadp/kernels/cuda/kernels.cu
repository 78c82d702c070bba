// SPDX-License-Identifier: Apache-2.0
// The one file of the library that nvcc compiles.
#include "tadp/kernels/cuda/kernels.cuh"
