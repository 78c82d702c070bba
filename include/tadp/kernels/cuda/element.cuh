// SPDX-License-Identifier: Apache-2.0
// The numbers that kernels read and write: float, half and bfloat16, always computed with as float.
// Rows are pixels of a view: `stride` elements apart, so that a slice of channels is a view, too.
#pragma once

#include "tadp/core/element.hpp"
#include "tadp/kernels/cuda/block.cuh"

#include <type_traits>

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#else
#include "tadp/core/dtype.hpp"
#endif

namespace tadp::cuda {

#if defined(__CUDACC__)
__device__ inline float to_float(Half v) { return __half2float(__ushort_as_half(v.bits)); }
__device__ inline float to_float(BFloat16 v) { return __bfloat162float(__ushort_as_bfloat16(v.bits)); }
#else
inline float to_float(Half v) { return f16_to_f32(v.bits); }
inline float to_float(BFloat16 v) { return bf16_to_f32(v.bits); }
#endif
TADP_DEVICE inline float to_float(float v) { return v; }

/// The nearest element, ties to even.
template <class T>
TADP_DEVICE T from_float(float v) {
  if constexpr (std::is_same_v<T, float>) {
    return v;
  } else if constexpr (std::is_same_v<T, Half>) {
#if defined(__CUDACC__)
    return {__half_as_ushort(__float2half_rn(v))};
#else
    return {f32_to_f16(v)};
#endif
  } else {
    static_assert(std::is_same_v<T, BFloat16>);
#if defined(__CUDACC__)
    return {__bfloat16_as_ushort(__float2bfloat16_rn(v))};
#else
    return {f32_to_bf16(v)};
#endif
  }
}

/// `Count` elements side by side; as they lie in memory, where a device moves them at once.
template <class T, int Count>
struct Together {
  T value[Count];
};
template <class T, int Count>
struct alignas(Count * sizeof(T)) TogetherInMemory : Together<T, Count> {};

/// What kernels see of a view. Empty where `data` is null.
template <class T>
struct Rows {
  T* data = nullptr;
  index_t stride = 0;

  TADP_DEVICE bool there() const { return data != nullptr; }
  /// Whether channels c, c + 1, ... of every pixel may be moved `count` at a time, c being a multiple of it.
  bool moves_by(int count) const {
    return stride % count == 0 && reinterpret_cast<std::uintptr_t>(data) % (static_cast<std::size_t>(count) * sizeof(T)) == 0;
  }
  TADP_DEVICE T* pixel(index_t p) const { return data + p * stride; }
  TADP_DEVICE float get(index_t p, index_t c) const { return to_float(data[p * stride + c]); }
  TADP_DEVICE void set(index_t p, index_t c, float v) const { data[p * stride + c] = from_float<T>(v); }
  TADP_DEVICE void add(index_t p, index_t c, float v) const { set(p, c, get(p, c) + v); }

  template <int Count>
  TADP_DEVICE Together<float, Count> get_together(index_t p, index_t c) const {
    using Element = std::remove_const_t<T>;
    Together<Element, Count> const from = *reinterpret_cast<TogetherInMemory<Element, Count> const*>(pixel(p) + c);
    Together<float, Count> v;
    for (int i = 0; i < Count; ++i) v.value[i] = to_float(from.value[i]);
    return v;
  }
  template <int Count>
  TADP_DEVICE void set_together(index_t p, index_t c, Together<float, Count> const& v) const {
    Together<T, Count> to;
    for (int i = 0; i < Count; ++i) to.value[i] = from_float<T>(v.value[i]);
    *reinterpret_cast<TogetherInMemory<T, Count>*>(pixel(p) + c) = {to};
  }
};
/// Floats that belong to channels, such as weights of a norm.
template <int Count>
TADP_DEVICE Together<float, Count> together(float const* data, index_t c) {
  return *reinterpret_cast<TogetherInMemory<float, Count> const*>(data + c);
}
inline bool moves_by(int count, float const* data) { return reinterpret_cast<std::uintptr_t>(data) % (static_cast<std::size_t>(count) * sizeof(float)) == 0; }
/// use(constant 4) where elements may be moved four at a time, use(constant 1) where they may not.
template <class Use>
void for_step(bool in_fours, Use const& use) {
  if (in_fours)
    use(std::integral_constant<int, 4>{});
  else
    use(std::integral_constant<int, 1>{});
}

/// The extents of a kernel's operand.
struct Extents {
  index_t n = 0, h = 0, w = 0, c = 0;
  TADP_DEVICE index_t positions() const { return h * w; }
};

}  // namespace tadp::cuda
