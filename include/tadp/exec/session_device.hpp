// SPDX-License-Identifier: Apache-2.0
// Where a session computes, and how host memory gets there: the one place that knows that devices differ in this.
// A processor reads the host's memory itself; a device with memory of its own is given copies.
#pragma once

#include "tadp/exec/picture_windows.hpp"

#include <concepts>
#include <span>
#include <vector>

namespace tadp {

/// A device that cannot read the host's memory says so by a member.
template <class Device>
concept SeparateMemory = requires { requires Device::separate_memory; };

/// The device that weights lie on, with threads or a stream of the session's own. What was begun on it before is done.
template <class Device>
Device session_device(Device const& of_weights, [[maybe_unused]] int threads) {
  if constexpr (requires { of_weights.another(); })
    return of_weights.another();
  else if constexpr (std::constructible_from<Device, int>)
    return Device(threads);
  else
    return Device{};
}

/// Waits for what a device was told to do, where it does not do it at once.
template <class Device>
void finish(Device& device) {
  if constexpr (requires { device.finish(); }) device.finish();
}

/// Numbers of the host where a device reads them.
template <class T, class Device>
class Uploaded {
 public:
  /// Good until the next call, and as long as `host` is.
  T const* operator()(Device& device, std::span<T const> host) {
    if constexpr (SeparateMemory<Device>) {
      T* const copied = buffer_.at_least(device, static_cast<index_t>(host.size()));
      device.copy_from_host(copied, host.data(), host.size_bytes());
      return copied;
    } else {
      return host.data();
    }
  }

 private:
  GrowingBuffer<T, Device> buffer_;
};

/// Numbers of a device where the host works on them: in place, or in a copy that goes back when it is sent.
template <class T, class Device>
class OnHost {
 public:
  OnHost(Device& device, T* data, index_t count) : device_(&device), data_(data), count_(static_cast<std::size_t>(count)) {}
  std::span<T const> read() {
    if constexpr (SeparateMemory<Device>) {
      copied_.resize(count_);
      device_->copy_to_host(copied_.data(), data_, count_ * sizeof(T));
      return copied_;
    } else {
      return {data_, count_};
    }
  }
  /// What was there is lost.
  T* write() {
    if constexpr (!SeparateMemory<Device>) return data_;
    copied_.resize(count_);
    return copied_.data();
  }
  void send() {
    if constexpr (SeparateMemory<Device>) device_->copy_from_host(data_, copied_.data(), count_ * sizeof(T));
  }

 private:
  Device* device_;
  T* data_;
  std::size_t count_;
  std::vector<T> copied_;
};

}  // namespace tadp
