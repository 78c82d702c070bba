// SPDX-License-Identifier: Apache-2.0
// Resizing of pictures by the name of the library that the reference program used, to its grey levels.
// Runs a method of resize_taps.hpp along the rows, then the columns; done to pictures and labels before a model.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/core/picture.hpp"
#include "tadp/io/image_limits.hpp"
#include "tadp/io/resize_taps.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tadp {

enum class Resize : std::uint8_t {
  cv2_bilinear,              ///< cv2.resize(..., INTER_LINEAR)
  cv2_cubic,                 ///< cv2.resize(..., INTER_CUBIC)
  torch_bilinear,            ///< F.interpolate(mode="bilinear", align_corners=False), rounded
  torch_bilinear_antialias,  ///< the same with antialias=True
  pillow_lanczos,            ///< Image.resize(..., LANCZOS) of Pillow 13
  pillow12_lanczos,          ///< the same before Pillow 13: always rows first, which clips elsewhere (up to 50 levels)
  nearest,                   ///< cv2.resize(..., INTER_NEAREST)
};

inline constexpr std::array<std::string_view, 7> resize_names = {
    "cv2_bilinear",   "cv2_cubic",        "torch_bilinear", "torch_bilinear_antialias",
    "pillow_lanczos", "pillow12_lanczos", "nearest"};

constexpr std::string_view to_string(Resize method) { return resize_names[static_cast<std::size_t>(method)]; }

/// The method of this name; Error(argument) that lists the names if there is none.
inline Resize resize_from_string(std::string_view name) {
  for (std::size_t i = 0; i < resize_names.size(); ++i)
    if (resize_names[i] == name) return static_cast<Resize>(i);
  std::string all;
  for (auto const known : resize_names) all.append(all.empty() ? "" : ", ").append(known);
  throw Error(Errc::argument, "no such way to resize", {.expected = all, .found = std::string(name)});
}

namespace detail {

inline std::vector<std::uint8_t> packed_rgb(PictureView in) {
  std::vector<std::uint8_t> out;
  out.reserve(static_cast<std::size_t>(in.height) * static_cast<std::size_t>(in.width) * 3);
  for (int y = 0; y < in.height; ++y) out.insert(out.end(), in.row(y), in.row(y) + std::ptrdiff_t{3} * in.width);
  if (in.order == PixelOrder::bgr)
    for (std::size_t i = 0; i < out.size(); i += 3) std::swap(out[i], out[i + 2]);
  return out;
}

/// Rows: (height, width, 3) bytes to (height, out width, 3) of the method's middle form.
template <class Method, class Weight>
void resize_rows(PictureView in, Taps<Weight> const& taps, typename Method::Middle* to) {
  using Sum = typename Method::Sum;
  std::size_t const red = in.order == PixelOrder::rgb ? 0 : 2, blue = 2 - red;
  for (int y = 0; y < in.height; ++y) {
    auto const* row = in.row(y);
    for (std::size_t at = 0; at < taps.from.size(); at += taps.width, to += 3) {
      std::array<Sum, 3> sum = {};
      for (std::size_t k = at; k < at + taps.width; ++k) {
        auto const* pixel = row + std::ptrdiff_t{3} * taps.from[k];
        auto const weight = static_cast<Sum>(taps.weight[k]);
        sum[0] += weight * pixel[red];
        sum[1] += weight * pixel[1];
        sum[2] += weight * pixel[blue];
      }
      for (std::size_t c = 0; c < 3; ++c) to[c] = Method::middle(sum[c]);
    }
  }
}

/// Columns: (in height, row) of the middle form to (out height, row) bytes; `sums` is one row of room.
template <class Method, class Weight>
void resize_columns(typename Method::Middle const* in, Taps<Weight> const& taps, std::vector<typename Method::Sum>& sums, std::uint8_t* to) {
  std::size_t const row = sums.size();
  for (std::size_t at = 0; at < taps.from.size(); at += taps.width, to += row) {
    std::fill(sums.begin(), sums.end(), typename Method::Sum{0});
    for (std::size_t k = at; k < at + taps.width; ++k) {
      if (taps.weight[k] == 0) continue;
      auto const* from = in + static_cast<std::size_t>(taps.from[k]) * row;
      for (std::size_t i = 0; i < row; ++i) sums[i] += Method::term(taps.weight[k], from[i]);
    }
    for (std::size_t i = 0; i < row; ++i) to[i] = Method::last(sums[i]);
  }
}

/// The way from one size to another, rows first; its weights and buffers serve any count of pictures.
template <class Method>
class SeparableResize {
 public:
  SeparableResize(int in_width, int in_height, int width, int height)
      : sizes_{in_width, in_height, width, height}, across_(Method::taps(in_width, width)), down_(Method::taps(in_height, height)),
        middle_(static_cast<std::size_t>(in_height) * static_cast<std::size_t>(width) * 3), sums_(static_cast<std::size_t>(width) * 3) {}

  bool serves(int in_width, int in_height, int width, int height) const { return sizes_ == std::array{in_width, in_height, width, height}; }
  void operator()(PictureView in, Picture& out) {
    resize_rows<Method>(in, across_, middle_.data());
    resize_columns<Method>(middle_.data(), down_, sums_, out.rgb.data());
  }

 private:
  std::array<int, 4> sizes_;
  decltype(Method::taps(1, 1)) across_, down_;
  std::vector<typename Method::Middle> middle_;
  std::vector<typename Method::Sum> sums_;
};

template <class Method>
Picture resize_separable(PictureView in, int width, int height) {
  Picture out(width, height);
  SeparableResize<Method>(in.width, in.height, width, height)(in, out);
  return out;
}

/// Pillow 13 begins with the columns if the height shrinks by more than twice as many pixels as the width.
inline Picture resize_pillow(PictureView in, int width, int height) {
  auto const shrinks_by = [](int from, int to) { return std::int64_t{from} - to; };
  auto const lost_rows = shrinks_by(in.height, height);
  if (lost_rows <= 0 || lost_rows <= 2 * shrinks_by(in.width, width))
    return resize_separable<PillowLanczos>(in, width, height);
  Picture half(in.width, height), out(width, height);
  std::vector<PillowLanczos::Sum> sums(static_cast<std::size_t>(in.width) * 3);
  resize_columns<PillowLanczos>(packed_rgb(in).data(), PillowLanczos::taps(in.height, height), sums, half.rgb.data());
  resize_rows<PillowLanczos>(half, PillowLanczos::taps(in.width, width), out.rgb.data());
  return out;
}

/// The input place of each output place, as OpenCV takes it: the left of the pixel, not its centre.
inline std::vector<int> nearest_places(int in, int out) {
  auto const scale = 1.0 / (static_cast<double>(out) / in);
  std::vector<int> places(static_cast<std::size_t>(out));
  for (int i = 0; i < out; ++i)
    places[static_cast<std::size_t>(i)] = std::min(static_cast<int>(std::floor(i * scale)), in - 1);
  return places;
}

inline Picture resize_nearest(PictureView in, int width, int height) {
  Picture out(width, height);
  auto const xs = nearest_places(in.width, width), ys = nearest_places(in.height, height);
  std::size_t const red = in.order == PixelOrder::rgb ? 0 : 2, blue = 2 - red;
  auto* to = out.rgb.data();
  for (auto const y : ys)
    for (auto const x : xs) {
      auto const* from = in.row(y) + std::ptrdiff_t{3} * x;
      to[0] = from[red];
      to[1] = from[1];
      to[2] = from[blue];
      to += 3;
    }
  return out;
}

inline void check_resize(int in_width, int in_height, int width, int height) {
  if (in_width > 0 && in_height > 0 && width > 0 && height > 0) return;
  throw Error(Errc::argument, "cannot resize",
              {.expected = "sizes of at least 1 x 1",
               .found = std::to_string(in_width) + " x " + std::to_string(in_height) + " to " + std::to_string(width) +
                        " x " + std::to_string(height)});
}

}  // namespace detail

namespace detail {

/// Of the picture at another width. Stretched pictures have two: that of the columns.
inline float resized_focal(PictureView picture, int width) { return picture.focal * static_cast<float>(width) / static_cast<float>(picture.width); }

}  // namespace detail

/// The picture at width x height pixels, RGB whatever the order of the view. Error(argument) if a side is below 1,
/// Error(memory).
inline Picture resize(PictureView picture, int width, int height, Resize method) {
  detail::check_resize(picture.width, picture.height, width, height);
  using Function = Picture (*)(PictureView, int, int);
  constexpr std::array<Function, resize_names.size()> functions = {
      detail::resize_separable<detail::Cv2Bilinear>,
      detail::resize_separable<detail::Cv2Cubic>,
      detail::resize_separable<detail::TorchBilinear>,
      detail::resize_separable<detail::TorchBilinearAntialias>,
      detail::resize_pillow,
      detail::resize_separable<detail::PillowLanczos>,
      detail::resize_nearest};
  auto const run = functions[static_cast<std::size_t>(method)];
  Picture out = detail::with_memory([&] { return run(picture, width, height); }, static_cast<std::uint64_t>(width),
                                    static_cast<std::uint64_t>(height));
  out.focal = detail::resized_focal(picture, width);
  return out;
}

/// The labels at width x height, each taken from one input pixel (cv2 INTER_NEAREST); errors as for resize.
inline LabelMap resize_nearest(LabelMap const& map, int width, int height) {
  detail::check_resize(map.width, map.height, width, height);
  auto const resized = [&] {
    LabelMap out(width, height);
    auto const xs = detail::nearest_places(map.width, width), ys = detail::nearest_places(map.height, height);
    auto to = out.labels.begin();
    for (auto const y : ys)
      for (auto const x : xs) *to++ = map.at(x, y);
    return out;
  };
  return detail::with_memory(resized, static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height));
}

/// {width, height} of the largest picture of about the same proportions whose sides fit `long_side` and `short_side`
/// (mmcv's keep-ratio rule); no side becomes less than 1. Error(argument) if a side is below 1.
inline std::array<int, 2> keep_ratio_size(int width, int height, int long_side, int short_side) {
  detail::check_resize(width, height, long_side, short_side);
  auto const scale = std::min(static_cast<double>(std::max(long_side, short_side)) / std::max(width, height),
                              static_cast<double>(std::min(long_side, short_side)) / std::min(width, height));
  auto const scaled = [scale](int side) { return std::max(static_cast<int>(side * scale + 0.5), 1); };
  return {scaled(width), scaled(height)};
}

/// Brings pictures to the sizes of keep_ratio_size with OpenCV's bilinear weights; a second picture of the same size
/// allocates nothing.
class FitPicture {
 public:
  /// The picture itself where it fits already; else a view that lives until the next call. Errors as for resize.
  PictureView operator()(PictureView picture, int long_side, int short_side) {
    auto const [width, height] = keep_ratio_size(picture.width, picture.height, long_side, short_side);
    return to(picture, width, height);
  }
  /// The same for a size that is given, whatever the proportions.
  PictureView to(PictureView picture, int width, int height) {
    if (width == picture.width && height == picture.height) return picture;
    auto const prepare = [&] {
      resize_.emplace(picture.width, picture.height, width, height);
      fitted_ = Picture(width, height);
      return true;
    };
    if (!resize_ || !resize_->serves(picture.width, picture.height, width, height))
      detail::with_memory(prepare, static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height));
    (*resize_)(picture, fitted_);
    fitted_.focal = detail::resized_focal(picture, width);
    return fitted_;
  }

 private:
  std::optional<detail::SeparableResize<detail::Cv2Bilinear>> resize_;
  Picture fitted_;
};

}  // namespace tadp
