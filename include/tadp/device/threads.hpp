// SPDX-License-Identifier: Apache-2.0
// A fixed set of threads that share out numbered tasks, and a scratch buffer for each of them.
// Belongs to one session at a time; nothing here allocates once the buffers have grown to what a pass needs.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/core/shape.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace tadp {

/// Aligned memory that only grows.
class ScratchBuffer {
 public:
  ScratchBuffer() = default;
  ScratchBuffer(ScratchBuffer const&) = delete;
  ScratchBuffer& operator=(ScratchBuffer const&) = delete;
  ~ScratchBuffer() { std::free(data_); }

  float* floats(index_t count) {
    reserve((static_cast<std::size_t>(count) * sizeof(float) + 63) / 64 * 64);
    return static_cast<float*>(data_);
  }
  std::size_t bytes() const { return bytes_; }
  /// `bytes`: a multiple of 64.
  void reserve(std::size_t bytes) {
    if (bytes <= bytes_) return;
    std::free(data_);
    bytes_ = 0;
    data_ = std::aligned_alloc(64, bytes);
    if (data_ == nullptr) throw Error(Errc::memory, "scratch memory", {.expected = std::to_string(bytes) + " bytes"});
    bytes_ = bytes;
  }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Runs tasks 0..n-1 on `count` threads, the caller being one of them. Which thread runs a task is not determined:
/// a kernel is deterministic when each task computes its own outputs in an order of its own.
class ThreadPool {
 public:
  explicit ThreadPool(int count) : scratch_(static_cast<std::size_t>(count < 1 ? 1 : count)) {
    for (int worker = 1; worker < count; ++worker) threads_.emplace_back([this, worker] { serve(worker); });
  }
  ThreadPool(ThreadPool const&) = delete;
  ThreadPool& operator=(ThreadPool const&) = delete;
  ~ThreadPool() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  int size() const { return static_cast<int>(threads_.size()) + 1; }

  /// Scratch of the worker that asks; valid until that worker asks again.
  float* scratch(int worker, index_t floats) { return scratch_[static_cast<std::size_t>(worker)].floats(floats); }
  /// Scratch of the thread that calls `run`, shared by its tasks.
  float* shared_scratch(index_t floats) { return shared_.floats(floats); }
  /// The same, kept apart for the operand that a matrix product packs: a kernel may hold the other one meanwhile.
  float* packing_scratch(index_t floats) { return packing_.floats(floats); }

  /// task(index, worker) for every index in [0, tasks); returns when all are done, rethrows the first exception.
  template <class Task>
  void run(index_t tasks, Task&& task) {
    if (tasks <= 0) return;
    if (tasks == 1 || threads_.empty()) {
      for (index_t i = 0; i < tasks; ++i) task(i, 0);
      return level_scratch();
    }
    {
      std::lock_guard lock(mutex_);
      call_ = [](void* closure, index_t index, int worker) { (*static_cast<std::remove_reference_t<Task>*>(closure))(index, worker); };
      closure_ = const_cast<void*>(static_cast<void const*>(&task));
      tasks_ = tasks;
      next_.store(0, std::memory_order_relaxed);
      busy_ = static_cast<int>(threads_.size());
      ++round_;
    }
    wake_.notify_all();
    work(0);
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    level_scratch();
  }

 private:
  /// Which worker meets the task that needs most is chance: all get what one needed, so that a second pass of the same
  /// tasks allocates nothing. No task runs here.
  void level_scratch() {
    std::size_t most = 0;
    for (ScratchBuffer const& one : scratch_) most = std::max(most, one.bytes());
    for (ScratchBuffer& one : scratch_) one.reserve(most);
  }
  void work(int worker) {
    try {
      for (index_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) call_(closure_, i, worker);
    } catch (...) {
      next_.store(tasks_, std::memory_order_relaxed);
      std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }
  void serve(int worker) {
    std::uint64_t seen = 0;
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return stopping_ || round_ != seen; });
        if (stopping_) return;
        seen = round_;
      }
      work(worker);
      {
        std::lock_guard lock(mutex_);
        --busy_;
      }
      done_.notify_one();
    }
  }

  std::vector<ScratchBuffer> scratch_;
  ScratchBuffer shared_, packing_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  void (*call_)(void*, index_t, int) = nullptr;
  void* closure_ = nullptr;
  index_t tasks_ = 0;
  std::atomic<index_t> next_{0};
  int busy_ = 0;
  std::uint64_t round_ = 0;
  bool stopping_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace tadp
