// SPDX-License-Identifier: Apache-2.0
// The processor's vectors, and elementwise functions over rows that give the same bytes wherever a row starts:
// the tail of a row goes through the same vector code as its body (Eigen's packets do the transcendental part).
#pragma once

#include "tadp/core/shape.hpp"
#include "tadp/device/isa.hpp"

#include <Eigen/Core>
#include <unsupported/Eigen/SpecialFunctions>

#include <algorithm>
#include <cstring>

namespace tadp {
inline namespace TADP_ISA {

using Packet = Eigen::internal::packet_traits<float>::type;
inline constexpr index_t lanes = Eigen::internal::packet_traits<float>::size;

inline Packet load(float const* p) { return Eigen::internal::ploadu<Packet>(p); }
inline void store(float* p, Packet v) { Eigen::internal::pstoreu(p, v); }
inline Packet broadcast(float v) { return Eigen::internal::pset1<Packet>(v); }
inline Packet add(Packet a, Packet b) { return Eigen::internal::padd(a, b); }
inline Packet sub(Packet a, Packet b) { return Eigen::internal::psub(a, b); }
inline Packet mul(Packet a, Packet b) { return Eigen::internal::pmul(a, b); }
inline Packet div(Packet a, Packet b) { return Eigen::internal::pdiv(a, b); }
inline Packet fma(Packet a, Packet b, Packet c) { return Eigen::internal::pmadd(a, b, c); }
inline Packet exp(Packet a) { return Eigen::internal::pexp(a); }
inline Packet max(Packet a, Packet b) { return Eigen::internal::pmax(a, b); }
inline Packet negate(Packet a) { return Eigen::internal::pnegate(a); }

inline Packet sigmoid(Packet x) { return div(broadcast(1.0F), add(broadcast(1.0F), exp(negate(x)))); }
inline Packet erf(Packet x) { return Eigen::internal::generic_fast_erf_float(x); }

/// out[i] = f(in0[i], in1[i], ...) for i in [0, count), f over packets. `out` may be one of the inputs.
template <class F, class... In>
void map_row(index_t count, float* out, F const& f, In const*... in) {
  index_t i = 0;
  for (; i + lanes <= count; i += lanes) store(out + i, f(load(in + i)...));
  if (i == count) return;
  auto const rest = static_cast<std::size_t>(count - i) * sizeof(float);
  auto const partial = [&](float const* p) {
    alignas(64) float buffer[static_cast<std::size_t>(lanes)] = {};
    std::memcpy(buffer, p + i, rest);
    return load(buffer);
  };
  alignas(64) float result[static_cast<std::size_t>(lanes)];
  store(result, f(partial(in)...));
  std::memcpy(out + i, result, rest);
}

/// Largest element; -infinity for an empty row.
inline float max_of_row(index_t count, float const* in) {
  float best = -std::numeric_limits<float>::infinity();
  index_t i = 0;
  if (count >= lanes) {
    Packet m = load(in);
    for (i = lanes; i + lanes <= count; i += lanes) m = max(m, load(in + i));
    best = Eigen::internal::predux_max(m);
  }
  for (; i < count; ++i) best = std::max(best, in[i]);
  return best;
}

/// Sum of f(in[i]) in an order that depends on `count` alone.
template <class F, class... In>
float sum_of_row(index_t count, F const& f, In const*... in) {
  Packet total = broadcast(0.0F);
  index_t i = 0;
  for (; i + lanes <= count; i += lanes) total = add(total, f(load(in + i)...));
  float sum = Eigen::internal::predux(total);
  if (i < count) {
    alignas(64) float result[static_cast<std::size_t>(lanes)];
    auto const partial = [&](float const* p) {
      alignas(64) float buffer[static_cast<std::size_t>(lanes)] = {};
      std::memcpy(buffer, p + i, static_cast<std::size_t>(count - i) * sizeof(float));
      return load(buffer);
    };
    store(result, f(partial(in)...));
    for (index_t j = 0; j < count - i; ++j) sum += result[j];
  }
  return sum;
}

}  // namespace TADP_ISA
}  // namespace tadp
