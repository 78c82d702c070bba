// SPDX-License-Identifier: Apache-2.0
// Memory of a device that is made anew only when more is asked for than ever before: what passes of many sizes share,
// so that a second pass of the same size allocates nothing.
#pragma once

#include "tadp/core/tensor.hpp"

namespace tadp {

/// Memory of a device that only grows; its content is lost when it does.
template <class T, class Device>
class GrowingBuffer {
 public:
  T* at_least(Device const& device, index_t count) {
    if (count > buffer_.shape()[0]) {
      buffer_ = {};  // first: the old and the new one need not live together
      buffer_ = Tensor<T, 1, Device>(device, Shape<1>{{count}});
    }
    return buffer_.data();
  }
  T* data() { return buffer_.data(); }

 private:
  Tensor<T, 1, Device> buffer_;
};

}  // namespace tadp
