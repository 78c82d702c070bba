// SPDX-License-Identifier: Apache-2.0
// Self-attention by libraries on the CUDA device, at Stable Diffusion's sizes, against our own kernel on the same device.
// Without a device all of it is compiled and linked.
#include "../distance.hpp"
#include "tadp/kernels/cuda.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <type_traits>
#include <utility>
#include <vector>

using namespace tadp;

namespace {

doctest::skip with_a_device() { return doctest::skip(!cuda_devices().missing.empty()); }

/// Numbers in (-1, 1) in elements, on the device.
template <class T>
Tensor<T, 4, Cuda> numbers(Cuda const& device, FeatureShape const& shape, std::uint64_t seed) {
  std::vector<T> host(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < host.size(); ++i) {
    float const v = 2.0F * random_unit(seed, i) - 1.0F;
    if constexpr (std::is_same_v<T, float>)
      host[i] = v;
    else
      host[i] = cuda::from_float<T>(v);
  }
  Tensor<T, 4, Cuda> there(device, shape);
  device.copy_from_host(there.data(), host.data(), host.size() * sizeof(T));
  return there;
}
template <class T>
std::vector<float> on_host(Cuda const& device, Tensor<T, 4, Cuda> const& there) {
  std::vector<T> host(static_cast<std::size_t>(there.shape().count()));
  device.copy_to_host(host.data(), there.data(), host.size() * sizeof(T));
  std::vector<float> wide;
  for (T const v : host) wide.push_back(cuda::to_float(v));
  return wide;
}
/// By whichever library the device asks, or by products.
template <class T>
void agrees(int heads, index_t width, index_t side, bool by_products = false) {
  Cuda device(0);
  FeatureShape const shape{2, side, side, heads * width}, sums = shape.with_channels(heads);
  auto const q = numbers<T>(device, shape, 1), k = numbers<T>(device, shape, 2), v = numbers<T>(device, shape, 3);
  Tensor<T, 4, Cuda> library(device, shape), own(device, shape), again(device, shape);
  Tensor<float, 4, Cuda> library_sum(device, sums), own_sum(device, sums);
  using Read = View<T const, 4, Cuda>;
  AttentionGeometry const g{heads, false};
  cuda::AttentionShape const sizes = cuda::attention_shape<T, Cuda>(g, q.view(), k.view(), nullptr);
  for (auto* const to : {&library, &again}) {
    if (by_products)
      cuda::attend_by_products<T, Cuda>(device, sizes, q.view(), k.view(), v.view(), to->view(), library_sum.view());
    else
      attention(device, g, Read(q.view()), Read(k.view()), Read(v.view()), nullptr, to->view(), library_sum.view(), {});
  }
  cuda::attend<T, Cuda>(device, sizes, q.view(), k.view(), v.view(), own.view(), own_sum.view(), {});
  auto const result = on_host(device, library);
  INFO(to_string(shape) << ", " << heads << " heads, " << cuda::text(cuda::number_of<T>));
  CHECK(distance(result, on_host(device, own)) <= (std::is_same_v<T, float> ? 2e-6 : std::is_same_v<T, Half> ? 2e-3 : 1.5e-2));
  CHECK(distance(on_host(device, library_sum), on_host(device, own_sum)) <= 2e-6);
  CHECK(result == on_host(device, again));
}

/// Whether cuDNN has a flash kernel for such heads.
template <class T>
bool in_one_call(index_t heads, index_t width, index_t side) {
  Cuda device(0);
  FeatureShape const shape{1, side, side, heads * width};
  index_t const pixels = side * side, stride = shape.c();
  auto const q = numbers<T>(device, shape, 1), k = numbers<T>(device, shape, 2), v = numbers<T>(device, shape, 3);
  Tensor<T, 4, Cuda> o(device, shape);
  Tensor<float, 4, Cuda> log_sum(device, shape.with_channels(heads));
  cuda::AttentionKind const kind{1, pixels, pixels, heads, width, stride, stride, stride, stride, heads, cuda::number_of<T>};
  bool const done = library_attend(device, kind, {q.data(), k.data(), v.data(), o.data(), log_sum.data()});
  device.finish();
  return done;
}

}  // namespace

TEST_CASE("self-attention by libraries answers on the CUDA device what our kernel answers" * with_a_device()) {
  agrees<float>(8, 40, 64);
  agrees<float>(8, 80, 32);
  agrees<float>(1, 512, 32);
  agrees<float>(3, 7, 17);
}

TEST_CASE("self-attention in halves answers on the CUDA device what our kernel answers, as a whole and by products" * with_a_device()) {
  for (bool const by_products : {false, true})
    for (auto const& [heads, width, side] : {std::array<index_t, 3>{8, 40, 64}, {8, 80, 32}, {8, 160, 16}, {1, 512, 32}}) {
      agrees<Half>(static_cast<int>(heads), width, side, by_products);
      agrees<BFloat16>(static_cast<int>(heads), width, side, by_products);
    }
}

TEST_CASE("cuDNN has a flash kernel for the heads of the UNet" * with_a_device()) {
  for (auto const& [width, side] : {std::pair<index_t, index_t>{40, 64}, {80, 32}, {160, 16}}) {
    CHECK(in_one_call<Half>(8, width, side));
    CHECK(in_one_call<BFloat16>(8, width, side));
  }
}
