// SPDX-License-Identifier: Apache-2.0
// The processor's vectors, and elementwise functions over rows that give the same bytes wherever a row starts:
// the tail of a row goes through the same vector code as its body.
#pragma once

#include "tadp/core/shape.hpp"
#include "tadp/device/isa.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace tadp {
inline namespace TADP_ISA {

#if defined(__AVX512F__)
inline constexpr int vector_floats = 16;
#elif defined(__AVX2__)
inline constexpr int vector_floats = 8;
#else
inline constexpr int vector_floats = 4;
#endif
inline constexpr index_t lanes = vector_floats;
// Vectors of GCC and clang: one operator text for every instruction set.
using Packet [[gnu::vector_size(vector_floats * 4)]] = float;
using IntPacket [[gnu::vector_size(vector_floats * 4)]] = std::int32_t;

inline Packet load(float const* p) {
  Packet v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, Packet v) { std::memcpy(p, &v, sizeof v); }
inline Packet broadcast(float v) { return Packet{} + v; }
inline Packet add(Packet a, Packet b) { return a + b; }
inline Packet sub(Packet a, Packet b) { return a - b; }
inline Packet mul(Packet a, Packet b) { return a * b; }
inline Packet div(Packet a, Packet b) { return a / b; }
inline Packet fma(Packet a, Packet b, Packet c) { return a * b + c; }
inline Packet negate(Packet a) { return -a; }
// Where a number is none, the first of the two stays: it goes on to the loss, where it is seen.
inline Packet max(Packet a, Packet b) { return a < b ? b : a; }
inline Packet min(Packet a, Packet b) { return b < a ? b : a; }
inline Packet abs(Packet a) { return max(a, -a); }
inline Packet sqrt(Packet a) {
  for (int i = 0; i < vector_floats; ++i) a[i] = std::sqrt(a[i]);
  return a;
}

/// The polynomial with these coefficients, the highest power first.
template <class... Rest>
inline Packet polynomial(Packet x, float first, Rest... rest) {
  Packet sum = broadcast(first);
  ((sum = sum * x + rest), ...);
  return sum;
}

/// e^x within 1.2 units in the last place; from 2^-126 to 2^127, with what lies beyond held at these ends.
inline Packet exp(Packet x) {
  x = min(max(x, broadcast(-87.33F)), broadcast(88.02F));
  Packet const shifted = x * 1.44269504088896341F + 12582912.0F;  // 1.5 * 2^23: the whole part stands in the low bits
  Packet const whole = shifted - 12582912.0F;
  Packet r = x - whole * 0.693359375F;  // ln 2 in two parts
  r = r + whole * 2.12194440e-4F;
  Packet const y = polynomial(r, 1.9875691500e-4F, 1.3981999507e-3F, 8.3334519073e-3F, 4.1665795894e-2F, 1.6666665459e-1F, 5.0000001201e-1F) * (r * r) + r + 1.0F;
  IntPacket bits, power;
  std::memcpy(&bits, &y, sizeof y);
  std::memcpy(&power, &shifted, sizeof shifted);
  bits += power << 23;  // the low bits of `shifted` go into the exponent, the others leave
  Packet result;
  std::memcpy(&result, &bits, sizeof bits);
  return x == x ? result : x;
}

/// log(1 + u) for u in [0, 1], within 3 units in the last place.
inline Packet log1p(Packet u) {
  Packet const sum = u + 1.0F;
  auto const large = sum > 1.41421356F;
  Packet const x = (large ? sum * 0.5F : sum) - 1.0F;
  Packet const curve = polynomial(x, 7.0376836292e-2F, -1.1514610310e-1F, 1.1676998740e-1F, -1.2420140846e-1F, 1.4249322787e-1F, -1.6668057665e-1F, 2.0000714765e-1F, -2.4999993993e-1F,
                                  3.3333331174e-1F);
  Packet const square = x * x;
  Packet const log = curve * (square * x) - square * 0.5F + x + (large ? broadcast(0.693147181F) : Packet{});
  Packet const added = sum - 1.0F;  // what of u the sum holds
  return added == 0.0F ? u : log * (u / added);
}

inline Packet sigmoid(Packet x) { return 1.0F / (1.0F + exp(-x)); }

/// The error function, within 4e-7: x times a quotient of polynomials of x^2, fitted to the relative error.
inline Packet erf(Packet x) {
  Packet const c = min(max(x, broadcast(-3.925F)), broadcast(3.925F)), z = c * c;
  Packet const above = polynomial(z, 2.04620646e-6F, 2.84829882e-4F, 3.77178269e-3F, 5.27669042e-2F, 1.9057534e-1F, 1.12837915F);
  Packet const below = polynomial(z, 3.80489414e-5F, 1.16367938e-3F, 1.49816442e-2F, 1.1417515e-1F, 5.02225731e-1F, 1.0F);
  return c * above / below;
}

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
    for (int j = 0; j < vector_floats; ++j) best = std::max(best, m[j]);
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
  float sum = 0.0F;
  for (int j = 0; j < vector_floats; ++j) sum += total[j];
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
