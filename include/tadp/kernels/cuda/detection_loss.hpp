// SPDX-License-Identifier: Apache-2.0
// The losses of detection on a device that runs kernels. A target row is (label, four codes): a label of -1 is no row, 0
// background. Each loss is one number; its gradient adds upstream * slope.
#pragma once

#include "tadp/kernels/cuda/detection_loss.cuh"
#include "tadp/kernels/cuda/loss.hpp"

namespace tadp {

/// Mean over the rows of the binary cross-entropy of logits (rows, 1); a label above 0 is a yes.
template <KernelDevice D, class T>
void binary_cross_entropy(D& device, View<T const, 4, D> logits, Reads<float, D> targets, Writes<float, D> loss) {
  cuda::mean_of(device, logits.shape.pixels(), cuda::BinaryCrossEntropy<T>{cuda::rows(logits), cuda::rows(targets)}, loss.data);
}
template <KernelDevice D, class T>
void binary_cross_entropy_gradient(D& device, View<T const, 4, D> logits, Reads<float, D> targets, float upstream, Writes<T, D> dlogits) {
  index_t const rows = logits.shape.pixels();
  cuda::with_sums(device, rows, cuda::CountRows{cuda::rows(targets)}, [&](cuda::Sums<1> const* count) {
    cuda::for_each(device, rows, 1, cuda::BinaryCrossEntropyGradient<T>{cuda::rows(logits), cuda::rows(targets), upstream, count, cuda::rows(dlogits)});
  });
}

/// Mean over the rows of the cross-entropy of logits (rows, C).
template <KernelDevice D, class T>
void row_cross_entropy(D& device, View<T const, 4, D> logits, Reads<float, D> targets, Writes<float, D> loss) {
  cuda::mean_of(device, logits.shape.pixels(), cuda::RowCrossEntropy<T>{cuda::rows(logits), logits.shape.channels(), cuda::rows(targets)}, loss.data);
}
template <KernelDevice D, class T>
void row_cross_entropy_gradient(D& device, View<T const, 4, D> logits, Reads<float, D> targets, float upstream, Writes<T, D> dlogits) {
  index_t const rows = logits.shape.pixels(), classes = logits.shape.channels();
  cuda::with_sums(device, rows, cuda::CountRows{cuda::rows(targets)}, [&](cuda::Sums<1> const* count) {
    cuda::for_each(device, rows, 1, cuda::RowCrossEntropyGradient<T>{cuda::rows(logits), classes, cuda::rows(targets), upstream, count, cuda::rows(dlogits)});
  });
}

/// Sum of the smooth absolute error of the codes of rows with a label above 0, over the count of all rows: codes (rows, 4),
/// or (rows, 4 C) of which the label picks four.
template <KernelDevice D, class T>
void smooth_l1(D& device, float beta, View<T const, 4, D> codes, Reads<float, D> targets, Writes<float, D> loss) {
  cuda::Codes<T> const x{cuda::rows(codes), codes.shape.channels(), cuda::rows(targets)};
  cuda::mean_of(device, codes.shape.pixels(), cuda::SmoothL1<T>{x, beta}, loss.data);
}
template <KernelDevice D, class T>
void smooth_l1_gradient(D& device, float beta, View<T const, 4, D> codes, Reads<float, D> targets, float upstream, Writes<T, D> dcodes) {
  cuda::Codes<T> const x{cuda::rows(codes), codes.shape.channels(), cuda::rows(targets)};
  index_t const rows = codes.shape.pixels();
  cuda::with_sums(device, rows, cuda::CountRows{cuda::rows(targets)}, [&](cuda::Sums<1> const* count) {
    cuda::for_each(device, rows, 4, cuda::SmoothL1Gradient<T>{x, beta, upstream, count, cuda::rows(dcodes)});
  });
}

}  // namespace tadp
