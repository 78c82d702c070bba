// SPDX-License-Identifier: Apache-2.0
// Captions of many pictures by a slow captioner: several at a time, none twice, kept as they come.
// A run that was stopped or killed goes on where it was, for what is in the caption file is not asked for again.
#pragma once

#include "tadp/text/caption_cache.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <thread>

namespace tadp {

/// A picture of a run.
struct PictureName {
  std::filesystem::path path{};
  std::string key{};  ///< its name in the caption file
};

struct CaptionRunOptions {
  int parallel = 1;                   ///< pictures asked for at a time; the captioner must allow it
  std::size_t failures_in_a_row = 10;  ///< pictures that may fail one after another before the run ends
  ImageLimits limits = captioned_picture_limits;
};

struct CaptionFailure {
  std::filesystem::path picture{};
  std::string message{};
};

struct CaptionReport {
  std::size_t known = 0;     ///< pictures that the file had captions for
  std::size_t same = 0;      ///< pictures of the content of another
  std::size_t asked = 0;     ///< pictures that went to the captioner
  std::size_t answered = 0;  ///< those of them whose captions are in the file now
  std::vector<CaptionFailure> failed{};
};

namespace detail {

/// Workers take pictures and ask; the caller's thread alone writes the journal and reports.
template <Captioner C>
class CaptionRun {
 public:
  CaptionRun(C& captioner, std::span<PictureName const> pictures, CaptionCache& cache, CaptionRunOptions const& options, Control const& control)
      : captioner_(captioner), pictures_(pictures), cache_(cache), options_(options), control_(control) {}

  CaptionReport run() {
    auto const count = std::clamp<std::size_t>(static_cast<std::size_t>(std::max(1, options_.parallel)), 1, std::max<std::size_t>(1, pictures_.size()));
    std::stop_callback const on_stop(control_.stop, [this] { stop(); });
    {
      std::vector<std::jthread> workers;
      struct StopOnExit {  // before the threads are joined, whatever is thrown here
        CaptionRun& run;
        ~StopOnExit() { run.stop(); }
      } const guard{*this};
      working_ = workers_ = count;
      for (std::size_t i = 0; i < count; ++i) workers.emplace_back([this] { work(); });
      collect();
    }
    if (fatal_) std::rethrow_exception(fatal_);
    control_.check();
    return std::move(report_);
  }

 private:
  /// A picture that needs no worker any more. `asked`: it went to the captioner; `broken`: so would the next in vain.
  struct Done {
    PictureFile picture{};
    std::vector<std::string> captions{};
    std::exception_ptr error{};
    bool asked = false, broken = false;
  };

  void stop() {
    stop_.request_stop();
    {
      std::lock_guard const lock(mutex_);  // a thread between its look and its wait must not miss this
    }
    changed_.notify_all();
  }

  void work() {
    for (;;) {
      std::size_t i = 0;
      {
        std::unique_lock lock(mutex_);
        // Nobody runs ahead of the journal: what a kill can lose is a few answers, not all since a slow disk fell behind.
        changed_.wait(lock, [this] { return done_.size() < workers_ || stop_.stop_requested(); });
        if (stop_.stop_requested() || next_ == pictures_.size()) {
          --working_;
          break;
        }
        i = next_++;
      }
      Done done{.picture = {.path = pictures_[i].path, .key = pictures_[i].key}};
      try {
        done.picture = read_picture_file(pictures_[i].path, pictures_[i].key, options_.limits);
        if (!needs_asking(done)) continue;
      } catch (...) {
        done.error = std::current_exception();
        give(std::move(done));
        continue;
      }
      ask(done);
      give(std::move(done));
    }
    changed_.notify_all();
  }

  /// False where the cache or another worker answers for this picture, which is handed over then.
  bool needs_asking(Done& done) {
    std::unique_lock lock(mutex_);
    done.captions = cache_(done.picture);
    if (done.captions.empty()) {
      auto const [at, first] = in_flight_.try_emplace(done.picture.content);
      if (first) return true;
      done.picture.bytes.clear();
      at->second.push_back(std::move(done.picture));
      return false;
    }
    lock.unlock();
    give(std::move(done));
    return false;
  }
  void ask(Done& done) {
    done.asked = true;
    try {
      done.captions = captioner_(done.picture, Control{.stop = stop_.get_token(), .progress = {}});
      if (done.captions.empty()) throw Error(Errc::format, "there is no caption for a picture", {.file = done.picture.path.string()});
    } catch (Error const& error) {
      done.error = std::current_exception();
      done.broken = error.code() == Errc::io || error.code() == Errc::argument || error.code() == Errc::unsupported;
    } catch (...) {
      done.error = std::current_exception();
      done.broken = true;
    }
  }
  void give(Done done) {
    done.picture.bytes = std::vector<std::byte>();
    std::lock_guard const lock(mutex_);
    done_.push_back(std::move(done));
    changed_.notify_all();
  }

  void collect() {
    std::unique_lock lock(mutex_);
    for (std::size_t finished = 0;;) {
      changed_.wait(lock, [&] { return !done_.empty() || working_ == 0; });
      if (done_.empty()) return;
      Done done = std::move(done_.front());
      done_.pop_front();
      changed_.notify_all();
      // Under the lock, and the cache before the flight: a worker finds every content in one of them.
      finished += 1 + settle(done);
      if (control_.progress) {
        lock.unlock();
        control_.progress(finished, pictures_.size());
        lock.lock();
      }
    }
  }
  /// Keeps or counts one picture and those that wait for its answer; gives the number of the latter.
  std::size_t settle(Done& done) {
    record(done);
    if (!done.asked) return 0;
    ++report_.asked;
    auto waiting = in_flight_.extract(done.picture.content);
    for (PictureFile& same : waiting.mapped()) {
      done.picture = std::move(same);
      done.asked = false;
      record(done);
    }
    return waiting.mapped().size();
  }
  void record(Done const& done) {
    if (done.error) return fail(done);
    bool const known = !done.asked && cache_.has_name(done.picture);
    try {
      if (!known) cache_.insert(done.picture, done.captions);
    } catch (Error const& error) {
      if (error.code() != Errc::argument) throw;  // a full disk, unlike a name that no caption file can hold
      Done refused = done;
      refused.error = std::current_exception();
      return fail(refused);
    }
    in_a_row_ = 0;
    ++(known ? report_.known : done.asked ? report_.answered : report_.same);
  }
  void fail(Done const& done) {
    try {
      std::rethrow_exception(done.error);
    } catch (Error const& error) {
      if (error.code() == Errc::cancelled) return;
      report_.failed.push_back({done.picture.path, error.what()});
    } catch (std::exception const& error) {
      report_.failed.push_back({done.picture.path, error.what()});
    }
    if ((done.broken || ++in_a_row_ >= options_.failures_in_a_row) && !fatal_) {
      fatal_ = done.error;
      stop_.request_stop();
      changed_.notify_all();
    }
  }

  C& captioner_;
  std::span<PictureName const> pictures_;
  CaptionCache& cache_;
  CaptionRunOptions const& options_;
  Control const& control_;
  std::mutex mutex_{};
  std::condition_variable changed_{};
  std::stop_source stop_{};
  std::deque<Done> done_{};
  std::unordered_map<std::string, std::vector<PictureFile>> in_flight_{};
  std::size_t next_ = 0, workers_ = 0, working_ = 0, in_a_row_ = 0;
  std::exception_ptr fatal_{};
  CaptionReport report_{};
};

}  // namespace detail

/// Sees to it that `cache`, opened for writing, has captions of all pictures, and finishes it. Progress counts pictures.
/// A picture that fails is named in the report; Error(io) and the like where the captioner itself is the reason or too
/// many fail one after another, Error(cancelled): in either case what was answered is in the file.
template <Captioner C>
CaptionReport caption_pictures(C& captioner, std::span<PictureName const> pictures, CaptionCache& cache, CaptionRunOptions const& options = {}, Control const& control = {}) {
  try {
    CaptionReport report = detail::CaptionRun<C>(captioner, pictures, cache, options, control).run();
    cache.finish();
    return report;
  } catch (...) {
    cache.finish();
    throw;
  }
}

}  // namespace tadp
