// SPDX-License-Identifier: Apache-2.0
// How operations reach kernels: the launches that they are made of, and the scratch that they share out.
// launch(device, blocks, kernel) is found beside the type of the device.
#pragma once

#include "tadp/core/tensor.hpp"
#include "tadp/device/kernel_device.hpp"
#include "tadp/kernels/cuda/for_each.cuh"
#include "tadp/kernels/cuda/reduce.cuh"

#include <cstddef>
#include <utility>

namespace tadp {

/// Operands that follow the device, and the element of the first operand: nothing is deduced from them.
template <class T, class Device>
using Reads = std::type_identity_t<View<T const, 4, Device>>;
template <class T, class Device>
using Writes = std::type_identity_t<View<T, 4, Device>>;
/// A weight or bias of a convolution.
template <class T>
using Weight = std::type_identity_t<T>;

namespace cuda {

template <class T, int Rank, class Device>
Rows<T> rows(View<T, Rank, Device> const& view) {
  return {view.data, view.pixel_stride};
}
inline Extents extents(FeatureShape const& s) { return {s.n(), s.h(), s.w(), s.c()}; }

/// Parts of a device's scratch, one behind the other.
template <class Device>
class Scratch {
 public:
  Scratch(Device& device, index_t bytes) : at_(static_cast<std::byte*>(device.scratch(static_cast<std::size_t>(bytes)))) {}
  template <class T>
  static index_t bytes(index_t count) {
    return (count * static_cast<index_t>(sizeof(T)) + 63) / 64 * 64;
  }
  template <class T>
  T* take(index_t count) {
    return reinterpret_cast<T*>(std::exchange(at_, at_ + bytes<T>(count)));
  }

 private:
  std::byte* at_;
};

template <class Device, class Kernel>
void start(Device& device, Kernel const& kernel) {
  if (kernel.blocks() > 0) launch(device, kernel.blocks(), kernel);
}
/// work(pixel, channel) for every element.
template <class Device, class Work>
void for_each(Device& device, index_t pixels, index_t channels, Work const& work) {
  start(device, ForEach<Work>{work, pixels, channels});
}

/// Bytes of scratch that sum_pixels and sum_channels take.
template <class Term>
index_t pixel_sum_bytes(index_t pixels) {
  return Scratch<int>::template bytes<Sums<Term::sums>>(blocks_for(pixels, PixelSums<Term>::chunk));
}
template <class Term>
index_t channel_sum_bytes(index_t segments, index_t pixels, index_t channels) {
  return Scratch<int>::template bytes<Sums<Term::sums>>(segments * blocks_for(pixels, ChannelSums<Term>::chunk) * channels);
}
/// done(sums over all pixels of what term(pixel, sums) adds).
template <class Device, class Term, class Done>
void sum_pixels(Device& device, Scratch<Device>& scratch, index_t pixels, Term const& term, Done const& done) {
  PixelSums<Term> sums{term, pixels, nullptr};
  sums.partial = scratch.template take<Sums<Term::sums>>(sums.blocks());
  start(device, sums);
  start(device, FinishPixelSums<Term::sums, Done>{sums.partial, sums.blocks(), done});
}
/// done(segment, channel, sums over the segment's pixels of what term(pixel, channel, sums) adds).
template <class Device, class Term, class Done>
void sum_channels(Device& device, Scratch<Device>& scratch, index_t segments, index_t pixels, index_t channels, Term const& term, Done const& done) {
  ChannelSums<Term> sums{term, segments, pixels, channels, nullptr};
  sums.partial = scratch.template take<Sums<Term::sums>>(segments * sums.chunks() * channels);
  start(device, sums);
  for_each(device, segments, channels, FinishChannelSums<Term::sums, Done>{sums.partial, sums.chunks(), channels, done});
}

}  // namespace cuda
}  // namespace tadp
