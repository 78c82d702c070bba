// SPDX-License-Identifier: Apache-2.0
// A value on the tape and the memory that it lies in: its numbers, and its gradient once somebody asks.
// Both are in the device's element, or in float where the value is float on every device.
#pragma once

#include "tadp/core/tensor.hpp"

#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tadp {

/// Buffers that a step frees and the next one takes again, by size.
template <class Device>
class BufferPool {
 public:
  explicit BufferPool(Device device) : device_(std::move(device)) {}
  BufferPool(BufferPool const&) = delete;
  BufferPool& operator=(BufferPool const&) = delete;
  ~BufferPool() {
    for (auto& [floats, list] : free_)
      for (float* data : list) device_.deallocate(data);
  }
  float* take(index_t floats) {
    auto& list = free_[floats];
    if (list.empty()) return static_cast<float*>(device_.allocate(static_cast<std::size_t>(floats) * sizeof(float)));
    float* const data = list.back();
    list.pop_back();
    return data;
  }
  void give(index_t floats, float* data) { free_[floats].push_back(data); }
  Device& device() { return device_; }

 private:
  Device device_;
  std::unordered_map<index_t, std::vector<float*>> free_;
};

template <class Device>
class TapeSlot {
 public:
  TapeSlot(std::shared_ptr<BufferPool<Device>> pool, FeatureShape const& shape, bool is_float)
      : pool_(std::move(pool)), shape_(shape), is_float_(is_float), data_(pool_->take(floats())) {}
  /// Floats of somebody else.
  TapeSlot(std::shared_ptr<BufferPool<Device>> pool, ConstFloats<Device> view) : pool_(std::move(pool)), shape_(view.shape), is_float_(true), outside_(view) {}
  TapeSlot(TapeSlot const&) = delete;
  TapeSlot& operator=(TapeSlot const&) = delete;
  ~TapeSlot() {
    if (data_ != nullptr) pool_->give(floats(), data_);
    drop_gradient();
  }

  /// Else the value is in the device's element. Where that is float, every value is both.
  bool is_float() const { return is_float_; }
  Features<Device> data() const {
    require_number(false);
    return raw();
  }
  Floats<Device> float_data() const {
    require_number(true);
    return holding<float>(raw());
  }
  bool has_gradient() const { return gradient_ != nullptr; }
  /// Zero at first use.
  Features<Device> gradient() {
    require_number(false);
    return raw_gradient();
  }
  Floats<Device> float_gradient() {
    require_number(true);
    return holding<float>(raw_gradient());
  }
  void drop_gradient() {
    if (gradient_ != nullptr) pool_->give(floats(), std::exchange(gradient_, nullptr));
  }

  /// The same where an operation knows which of its operands are float.
  Features<Device> raw() const {
    if (data_ == nullptr) return {reinterpret_cast<element_of<Device>*>(const_cast<float*>(outside_.data)), outside_.shape, outside_.pixel_stride};
    return {reinterpret_cast<element_of<Device>*>(data_), shape_};
  }
  Features<Device> raw_gradient() {
    if (gradient_ == nullptr) {
      gradient_ = pool_->take(floats());
      pool_->device().zero(gradient_, floats());
    }
    return {reinterpret_cast<element_of<Device>*>(gradient_), shape_};
  }

  bool learns = false;  // a gradient is wanted

 private:
  index_t floats() const { return is_float_ ? shape_.count() : (shape_.count() * static_cast<index_t>(sizeof(element_of<Device>)) + 3) / 4; }
  void require_number(bool is_float) const {
    if (!computes_in_float<Device> && is_float_ != is_float)
      throw Error(Errc::argument, is_float ? "this value of a tape is in the device's element" : "this value of a tape is float: read its float_data");
  }

  std::shared_ptr<BufferPool<Device>> pool_;
  FeatureShape shape_;
  bool is_float_;
  ConstFloats<Device> outside_{};
  float* data_ = nullptr;
  float* gradient_ = nullptr;
};

template <class Device>
struct TapeValue {
  std::shared_ptr<TapeSlot<Device>> slot;
  FeatureShape shape{};
  explicit operator bool() const { return slot != nullptr; }
};

}  // namespace tadp
