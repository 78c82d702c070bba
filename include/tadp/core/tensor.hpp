// SPDX-License-Identifier: Apache-2.0
// Tensors own memory on a device; views look at it, with a stride between pixels so that a slice of channels is a view.
// Channels-last throughout: element (n, h, w, c) stands at ((n * H + h) * W + w) * pixel_stride + c.
#pragma once

#include "tadp/core/element.hpp"
#include "tadp/core/error.hpp"
#include "tadp/core/shape.hpp"

#include <limits>
#include <type_traits>
#include <utility>

namespace tadp {

/// Non-owning tensor of `Rank` extents on `Device`; `pixel_stride` >= channels, in elements.
template <class T, int Rank, class Device>
struct View {
  T* data = nullptr;
  Shape<Rank> shape{};
  index_t pixel_stride = 0;

  constexpr View() = default;
  constexpr View(T* data_, Shape<Rank> const& shape_, index_t stride = 0)
      : data(data_), shape(shape_), pixel_stride(stride != 0 ? stride : shape_.channels()) {}
  /// A view of non-constant elements is one of constant elements, too.
  constexpr operator View<T const, Rank, Device>() const
    requires(!std::is_const_v<T>)
  {
    return {data, shape, pixel_stride};
  }
  constexpr explicit operator bool() const { return data != nullptr; }
  constexpr bool contiguous() const { return pixel_stride == shape.channels(); }
  constexpr T* pixel(index_t p) const { return data + p * pixel_stride; }
  /// Channels [first, first + count) of every pixel.
  constexpr View channels(index_t first, index_t count) const {
    Shape<Rank> part = shape;
    part[Rank - 1] = count;
    return {data + first, part, pixel_stride};
  }
};

/// Owning, 64-byte aligned, move-only. Elements are not initialised.
template <class T, int Rank, class Device>
class Tensor {
 public:
  Tensor() = default;
  Tensor(Device const& device, Shape<Rank> const& shape) : device_(device), shape_(shape) {
    auto const count = static_cast<std::uint64_t>(shape.count());
    if (shape.count() < 0 || count > std::numeric_limits<index_t>::max() / sizeof(T))
      throw Error(Errc::memory, "tensor is too large", {.found = to_string(shape)});
    data_ = static_cast<T*>(device_.allocate(static_cast<std::size_t>(count) * sizeof(T)));
  }
  Tensor(Tensor&& other) noexcept
      : device_(other.device_), shape_(std::exchange(other.shape_, {})), data_(std::exchange(other.data_, nullptr)) {}
  Tensor& operator=(Tensor&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(shape_, other.shape_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~Tensor() {
    if (data_ != nullptr) device_.deallocate(data_);
  }

  Shape<Rank> const& shape() const { return shape_; }
  T* data() { return data_; }
  T const* data() const { return data_; }
  View<T, Rank, Device> view() { return {data_, shape_}; }
  View<T const, Rank, Device> view() const { return {data_, shape_}; }

 private:
  Device device_{};
  Shape<Rank> shape_{};
  T* data_ = nullptr;
};

/// What ops and kernels pass around: features (N, H, W, C) of a device, in its element.
template <class Device>
using Features = View<element_of<Device>, 4, Device>;
template <class Device>
using ConstFeatures = View<element_of<Device> const, 4, Device>;
/// What is float on every device: pictures, statistics, boxes, losses. The same as features where the element is float.
template <class Device>
using Floats = View<float, 4, Device>;
template <class Device>
using ConstFloats = View<float const, 4, Device>;

/// The same memory as numbers of another type, for those who know what stands there; the stride counts those.
template <class T, class From, int Rank, class Device>
View<T, Rank, Device> holding(View<From, Rank, Device> const& v) {
  return {reinterpret_cast<T*>(v.data), v.shape, v.pixel_stride};
}

}  // namespace tadp
