// SPDX-License-Identifier: Apache-2.0
// Resizing of features, and pictures placed in another frame, on a device that runs kernels, with their gradients.
// Gradients add to their results.
#pragma once

#include "tadp/kernels/cuda/launch.hpp"
#include "tadp/kernels/cuda/resize.cuh"

namespace tadp {
namespace cuda {

inline Grid grid(FeatureShape const& in, FeatureShape const& out, Corners corners = Corners::half_pixel) {
  bool const aligned = corners == Corners::aligned;
  return {{in.h(), out.h(), aligned}, {in.w(), out.w(), aligned}};
}

}  // namespace cuda

/// y (N, H', W', C) from x (N, H, W, C).
template <KernelDevice D, class T>
void resize_bilinear(D& device, Corners corners, View<T const, 4, D> x, Writes<T, D> y) {
  cuda::for_each(device, y.shape.pixels(), y.shape.channels(), cuda::ResizeBilinear<T>{cuda::grid(x.shape, y.shape, corners), cuda::rows(x), cuda::rows(y)});
}
template <KernelDevice D, class T>
void resize_bilinear_gradient(D& device, Corners corners, View<T const, 4, D> dy, Writes<T, D> dx) {
  cuda::ResizeBilinearGradient<T> const work{cuda::grid(dx.shape, dy.shape, corners), cuda::rows(dy), cuda::rows(dx)};
  cuda::for_each(device, dx.shape.pixels(), dx.shape.channels(), work);
}

/// y = nearest(x) + addend (addend: shape of y, or empty).
template <KernelDevice D, class T>
void resize_nearest(D& device, View<T const, 4, D> x, Reads<T, D> addend, Writes<T, D> y) {
  cuda::ResizeNearest<T> const work{cuda::grid(x.shape, y.shape), cuda::rows(x), cuda::rows(addend), cuda::rows(y)};
  cuda::for_each(device, y.shape.pixels(), y.shape.channels(), work);
}
template <KernelDevice D, class T>
void resize_nearest_gradient(D& device, View<T const, 4, D> dy, Writes<T, D> dx) {
  cuda::for_each(device, dx.shape.pixels(), dx.shape.channels(), cuda::ResizeNearestGradient<T>{cuda::grid(dx.shape, dy.shape), cuda::rows(dy), cuda::rows(dx)});
}

/// y (N, h, w, C) = x (N, H, W, C) with the same top left corner: cut where y is smaller, zero where it is larger.
template <KernelDevice D, class T>
void reframe(D& device, View<T const, 4, D> x, Writes<T, D> y) {
  cuda::for_each(device, y.shape.pixels(), y.shape.channels(), cuda::Reframe<T>{cuda::grid(x.shape, y.shape), cuda::rows(x), cuda::rows(y)});
}
template <KernelDevice D, class T>
void reframe_gradient(D& device, View<T const, 4, D> dy, Writes<T, D> dx) {
  cuda::for_each(device, dx.shape.pixels(), dx.shape.channels(), cuda::ReframeGradient<T>{cuda::grid(dx.shape, dy.shape), cuda::rows(dy), cuda::rows(dx)});
}

/// y = x with left and right exchanged.
template <KernelDevice D, class T>
void mirror(D& device, View<T const, 4, D> x, Writes<T, D> y) {
  cuda::for_each(device, y.shape.pixels(), y.shape.channels(), cuda::MirrorTo<T>{y.shape[2], cuda::rows(x), cuda::rows(y)});
}
template <KernelDevice D, class T>
void mirror_gradient(D& device, View<T const, 4, D> dy, Writes<T, D> dx) {
  cuda::for_each(device, dx.shape.pixels(), dx.shape.channels(), cuda::MirrorGradient<T>{dx.shape[2], cuda::rows(dy), cuda::rows(dx)});
}

}  // namespace tadp
