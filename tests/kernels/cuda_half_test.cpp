// SPDX-License-Identifier: Apache-2.0
// The CUDA kernels on half and bfloat16: each stores the nearest to what the same kernel computes in float from the same
// numbers, forward and backward. Statistics, log-sums and losses are float, and so are their bits.
#include "../host_libraries.hpp"
#include "cuda_trials.hpp"

#include <cstring>

using namespace host_cuda;

namespace {

template <class T>
float widened(T v) {
  return cuda::to_float(v);
}

/// An operand in elements of a kind, and the same numbers in float.
template <class T>
struct Both {
  FeatureShape shape;
  std::vector<T> narrow;
  std::vector<float> wide;

  Both(Dice& dice, FeatureShape const& s, float scale = 2.0F) : shape(s) {
    for (index_t i = 0; i < s.count(); ++i) {
      narrow.push_back(cuda::from_float<T>(dice.number(scale)));
      wide.push_back(widened(narrow.back()));
    }
  }
  template <class E>
  View<E, 4, Device> view() {
    if constexpr (std::is_same_v<E, float>)
      return {wide.data(), shape};
    else
      return {narrow.data(), shape};
  }
  template <class E>
  View<E const, 4, Device> read() {
    return view<E>();
  }
  /// The narrow numbers are the wide ones, rounded once.
  /// The same to some roundings of the largest number.
  bool near(double roundings) const {
    double largest = 0.0;
    for (float v : wide) largest = std::max(largest, std::abs(static_cast<double>(v)));
    double const bound = roundings * largest * (std::is_same_v<T, Half> ? 0x1p-11 : 0x1p-8);
    for (std::size_t i = 0; i < narrow.size(); ++i)
      if (!(std::abs(static_cast<double>(widened(narrow[i])) - static_cast<double>(wide[i])) <= bound)) return false;
    return true;
  }
  bool agrees() const {
    for (std::size_t i = 0; i < narrow.size(); ++i)
      if (narrow[i].bits != cuda::from_float<T>(wide[i]).bits) return false;
    return true;
  }
};

/// Float results of both runs.
struct Results {
  explicit Results(index_t count) : narrow(static_cast<std::size_t>(count)), wide(narrow) {}
  template <class E>
  float* of() {
    return std::is_same_v<E, float> ? wide.data() : narrow.data();
  }
  bool agrees() const { return std::memcmp(narrow.data(), wide.data(), wide.size() * sizeof(float)) == 0; }
  std::vector<float> narrow, wide;
};

/// call(element) for a kind and for float.
template <class T, class Call>
void twice(Call const& call) {
  call(T{});
  call(float{});
}

template <class T>
void norms_agree(Dice& dice) {
  FeatureShape x = odd_shape(dice);
  x[3] = 3 * dice.odd(0, 12);
  Both<T> in(dice, x), group(dice, x), layer(dice, x), slope(dice, x), d_group(dice, x, 0.1F), d_layer(dice, x, 0.1F);
  Results group_stats(x.n() * 2 * x.c()), layer_stats(x.pixels() * 2), dw(x.c()), db(x.c());
  auto const w = numbers(dice, x.c()).memory, b = numbers(dice, x.c()).memory;
  twice<T>([&]<class E>(E) {
    Device device;
    Floats<Device> const gs{group_stats.of<E>(), FeatureShape{x.n(), 1, 1, 2 * x.c()}}, ls{layer_stats.of<E>(), x.with_channels(2)};
    group_norm(device, 3, 1e-5F, true, in.template read<E>(), w.data(), b.data(), group.template view<E>(), gs);
    layer_norm(device, 1e-5F, in.template read<E>(), w.data(), b.data(), layer.template view<E>(), ls);
    group_norm_gradient(device, 3, true, in.template read<E>(), w.data(), b.data(), gs, slope.template read<E>(), d_group.template view<E>(), dw.of<E>(), db.of<E>());
    layer_norm_gradient(device, in.template read<E>(), w.data(), ls, slope.template read<E>(), d_layer.template view<E>(), nullptr, nullptr);
  });
  CHECK((group_stats.agrees() && layer_stats.agrees() && dw.agrees() && db.agrees()));
  CHECK((group.agrees() && layer.agrees() && d_group.agrees() && d_layer.agrees()));
}

template <class T>
void attention_agrees(Dice& dice) {
  AttentionGeometry const g{static_cast<int>(dice.integer(1, 3)), false};
  FeatureShape const q{dice.integer(1, 2), dice.odd(0, 5), dice.odd(0, 9), g.heads * dice.odd(0, 20)}, k{q.n(), 1, 77, q.c()};
  Both<T> query(dice, q), key(dice, k), value(dice, k), out(dice, q), map(dice, q.with_channels(77));
  Results log_sum(q.pixels() * g.heads);
  twice<T>([&]<class E>(E) {
    Device device;
    attention(device, g, query.template read<E>(), key.template read<E>(), value.template read<E>(), nullptr, out.template view<E>(),
              Floats<Device>{log_sum.of<E>(), q.with_channels(g.heads)}, map.template view<E>());
  });
  CHECK((out.agrees() && map.agrees() && log_sum.agrees()));
}

template <class T>
void others_agree(Dice& dice) {
  FeatureShape const x = odd_shape(dice, 20), wide = x.with_channels(2 * x.c()), larger{x.n(), 2 * x.h() + 1, 3 * x.w(), x.c()};
  ConvGeometry const g = ConvGeometry::same(3);
  Both<T> in(dice, x), gates(dice, wide), gated(dice, x), active(dice, x), summed(dice, x), resized(dice, larger), filtered(dice, x.with_channels(7));
  Both<T> weight(dice, {7, 3, 3, x.c()}, 0.5F), bias(dice, {1, 1, 1, 7}), slope(dice, x.with_channels(7)), d_filtered(dice, x, 0.1F), averaged(dice, x);
  Results loss(1), d_weight(weight.shape.count()), d_bias(7), mean(x.pixels());
  auto const shift = numbers(dice, 7 * x.n()).memory;
  bool const relu = dice.coin();
  std::vector<std::int32_t> const channels{0, static_cast<std::int32_t>(x.c() - 1), 0};
  std::vector<std::uint8_t> labels;
  for (index_t p = 0; p < x.pixels(); ++p) labels.push_back(static_cast<std::uint8_t>(dice.integer(0, x.c() - 1)));
  twice<T>([&]<class E>(E) {
    Device device;
    geglu(device, gates.template read<E>(), gated.template view<E>());
    activation(device, Activation::gelu, in.template read<E>(), active.template view<E>());
    sum(device, in.template read<E>(), in.template read<E>(), summed.template view<E>());
    resize_bilinear(device, Corners::half_pixel, in.template read<E>(), resized.template view<E>());
    conv2d(device, g, in.template read<E>(), weight.template view<E>().data, bias.template view<E>().data, {shift.data(), FeatureShape{x.n(), 1, 1, 7}}, {}, filtered.template view<E>(), relu);
    conv2d_input_gradient(device, g, slope.template read<E>(), weight.template view<E>().data, d_filtered.template view<E>());
    conv2d_weight_gradient(device, g, in.template read<E>(), slope.template read<E>(), d_weight.of<E>(), d_bias.of<E>());
    mean_of_channels(device, in.template read<E>(), channels.data(), 3, {mean.of<E>(), x.with_channels(1)});
    if constexpr (!std::is_same_v<E, float>) {
      convert(device, in.template read<E>(), View<float, 4, Device>{averaged.wide.data(), x});
      convert(device, View<float const, 4, Device>{averaged.wide.data(), x}, averaged.template view<E>());
    }
    cross_entropy(device, Average::valid_pixels, in.template read<E>(), labels.data(), nullptr, Floats<Device>{loss.of<E>(), FeatureShape{1, 1, 1, 1}});
  });
  CHECK((gated.agrees() && active.agrees() && summed.agrees() && resized.agrees() && filtered.agrees() && loss.agrees()));
  CHECK((d_filtered.agrees() && d_weight.agrees() && d_bias.agrees() && mean.agrees()));
  CHECK(averaged.agrees());
}

/// What goes to libraries: the operands' type, their strides, and what is added afterwards.
template <class T>
void libraries_agree(Dice& dice) {
  ConvGeometry g = dice.coin() ? ConvGeometry::same(1) : ConvGeometry::same(3, static_cast<int>(dice.integer(1, 2)));
  g.upsample = g.kernel == 3 && g.stride == 1 && dice.coin();
  ConvGeometry const turned{.kernel = 4, .stride = 2, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};
  FeatureShape const x{dice.integer(1, 2), dice.odd(2, 7), dice.odd(2, 7), dice.odd(0, 20)}, y = g.out_shape(x, dice.integer(1, 12)), doubled{x.n(), 2 * x.h(), 2 * x.w(), 5};
  bool const adds = dice.coin(), shifted = dice.integer(0, 2) == 0, relu = dice.coin();
  Both<T> in(dice, x), weight(dice, {y.c(), g.kernel, g.kernel, x.c()}, 0.5F), bias(dice, {1, 1, 1, y.c()}), residual(dice, y), out(dice, y), slope(dice, y), d_in(dice, x);
  Both<T> turned_weight(dice, {x.c(), 4, 4, 5}, 0.5F), turned_out(dice, doubled);
  Results d_weight(weight.shape.count()), d_bias(y.c());
  auto const shift = numbers(dice, y.c() * x.n()).memory;
  twice<T>([&]<class E>(E) {
    WithLibraries device;
    auto const at = []<class V>(View<V, 4, Device> v) { return View<V, 4, WithLibraries>{v.data, v.shape}; };
    using Read = View<E const, 4, WithLibraries>;
    conv2d(device, g, at(in.template read<E>()), weight.template view<E>().data, bias.template view<E>().data,
           shifted ? View<float const, 4, WithLibraries>{shift.data(), FeatureShape{x.n(), 1, 1, y.c()}} : View<float const, 4, WithLibraries>{},
           adds ? at(residual.template read<E>()) : Read{}, at(out.template view<E>()), relu);
    conv2d_input_gradient(device, g, at(slope.template read<E>()), weight.template view<E>().data, at(d_in.template view<E>()));
    conv2d_weight_gradient(device, g, at(in.template read<E>()), at(slope.template read<E>()), d_weight.of<E>(), d_bias.of<E>());
    conv_transpose2d(device, turned, at(in.template read<E>()), turned_weight.template view<E>().data, at(turned_out.template view<E>()));
  });
  CHECK((out.near(3.0) && d_in.near(5.0) && turned_out.near(2.0)));
  CHECK(d_bias.agrees());
  double worst = 0.0, largest = 0.0;
  for (std::size_t i = 0; i < d_weight.wide.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(d_weight.wide[i]) - static_cast<double>(d_weight.narrow[i])));
    largest = std::max(largest, std::abs(static_cast<double>(d_weight.wide[i])));
  }
  CHECK(worst <= 2.0 * largest * (std::is_same_v<T, Half> ? 0x1p-11 : 0x1p-8));
}

template <class T>
void all_agree(std::uint64_t seed) {
  Dice dice(seed);
  for (int i = 0; i < shapes; ++i) {
    norms_agree<T>(dice);
    attention_agrees<T>(dice);
    others_agree<T>(dice);
    libraries_agree<T>(dice);
  }
}

}  // namespace

TEST_CASE("the kernels on half store the nearest to what they compute in float") { all_agree<Half>(161); }

TEST_CASE("the kernels on bfloat16 store the nearest to what they compute in float") { all_agree<BFloat16>(162); }
