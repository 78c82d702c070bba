// SPDX-License-Identifier: Apache-2.0
// RoIAlign of a device that runs kernels, over the levels of a pyramid, and its gradient.
// Boxes are constants; where each lies on its level is computed once.
#pragma once

#include "tadp/kernels/cuda/boxes.hpp"
#include "tadp/kernels/cuda/roi.cuh"

#include <span>

namespace tadp {
namespace cuda {

/// use(shape, regions on the device); Error(unsupported) for more levels than a pyramid has.
template <class D, class Use>
void with_regions(D& device, RoiGeometry const& g, std::size_t levels, View<float const, 4, D> boxes, View<float const, 4, D> counts, Use const& use) {
  if (levels == 0 || levels > static_cast<std::size_t>(most_levels))
    throw Error(Errc::unsupported, "the kernels pool regions of another count of levels",
                {.expected = "1 to " + std::to_string(most_levels), .found = std::to_string(levels)});
  index_t const pixels = boxes.shape.pixels();
  RoiShape const shape{g.size, g.sampling, static_cast<int>(levels), g.first_level};
  Scratch scratch(device, Scratch<D>::template bytes<Region>(pixels));
  auto* const regions = scratch.template take<Region>(pixels);
  for_each(device, pixels, 1, PlaceRegions{shape, rows(boxes), counts_of<D>(counts), boxes.shape[2], regions});
  use(shape, static_cast<Region const*>(regions));
}

}  // namespace cuda

/// y (1, 1, N R, C size^2) holds what boxes (N, 1, R, 4 or more) cover of their level of the pyramid, channel by channel
/// as torch flattens it; zero for rows past the counts (N, 1, 1, 1; empty: all rows are there).
template <KernelDevice D, class T>
void roi_align(D& device, RoiGeometry const& g, std::span<View<T const, 4, D> const> levels, Reads<float, D> boxes, Reads<float, D> counts,
               Writes<T, D> y) {
  cuda::with_regions<D>(device, g, levels.size(), boxes, counts, [&](cuda::RoiShape const& shape, cuda::Region const* regions) {
    cuda::RoiAlign<T> work{shape, {}, {}, boxes.shape[2], levels[0].shape.channels(), regions, cuda::rows(y)};
    for (std::size_t l = 0; l < levels.size(); ++l) {
      work.level[l] = cuda::rows(levels[l]);
      work.extent[l] = cuda::extents(levels[l].shape);
    }
    cuda::for_each(device, boxes.shape.pixels(), work.channels * g.cells(), work);
  });
}

/// Adds to the levels' gradients; a level whose gradient nobody wants is empty.
template <KernelDevice D, class T>
void roi_align_gradient(D& device, RoiGeometry const& g, View<T const, 4, D> dy, Reads<float, D> boxes, Reads<float, D> counts,
                        std::type_identity_t<std::span<View<T, 4, D> const>> dlevels) {
  cuda::with_regions<D>(device, g, dlevels.size(), boxes, counts, [&](cuda::RoiShape const& shape, cuda::Region const* regions) {
    for (std::size_t l = 0; l < dlevels.size(); ++l) {
      auto const& dx = dlevels[l];
      if (!dx) continue;
      cuda::RoiAlignGradient<T> const work{shape, static_cast<int>(l), cuda::extents(dx.shape), boxes.shape[2], regions, cuda::rows(dy), cuda::rows(dx)};
      cuda::for_each(device, dx.shape.pixels(), dx.shape.channels(), work);
    }
  });
}

}  // namespace tadp
