// SPDX-License-Identifier: Apache-2.0
// A policy that asks a device for half or bfloat16 which computes in float alone.
// expect g++: struct tadp::device_computes_in_halves<
// expect clang++: template class 'tadp::device_computes_in_halves<
// only error: tadp: this device computes in float alone: take bf16 or fp16 out of the policy, or name a device that has them, as Inference<Cuda, bf16> does; see docs/errors.md#device_computes_in_halves
#include "tadp/device/cpu.hpp"
#include "tadp/exec/policy.hpp"

namespace td = tadp;
#ifdef TADP_WRONG
using Infer = td::Inference<td::Cpu, td::bf16>;
#else
using Infer = td::Inference<td::Cpu>;
#endif

Infer::Device device_of_the_session();
