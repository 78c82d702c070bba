// SPDX-License-Identifier: Apache-2.0
// Regular files as bytes: read whole or mapped, written whole or not at all, and grown record by record.
// The one header of the library that speaks POSIX; whatever else touches the disk goes through it.
#pragma once

#include "tadp/core/error.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tadp {

namespace detail {

[[noreturn]] inline void throw_errno(std::string_view action, std::filesystem::path const& path, int error) {
  throw Error(Errc::io, std::string(action) + ": " + std::generic_category().message(error), {.file = path.string()});
}

/// Owns a file descriptor; moves leave -1 behind.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

inline std::string_view kind_of(mode_t mode) {
  if (S_ISREG(mode)) return "a regular file";
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

inline void require_regular(mode_t mode, std::filesystem::path const& path) {
  if (S_ISREG(mode)) return;
  throw Error(Errc::io, "not a regular file",
              {.file = path.string(), .expected = "a regular file", .found = std::string(kind_of(mode))});
}

inline void require_no_nul(std::filesystem::path const& path) {
  if (path.native().find('\0') != std::string::npos)
    throw Error(Errc::argument, "a file name cannot hold a zero byte", {.file = path.string()});
}

struct OpenFile {
  Descriptor descriptor{};
  std::size_t size = 0;  ///< bytes
};

inline OpenFile open_regular(std::filesystem::path const& path) {
  require_no_nul(path);
  // Asked before opening too: merely opening some devices has effects.
  struct stat before = {};
  if (::stat(path.c_str(), &before) != 0) throw_errno("cannot open", path, errno);
  require_regular(before.st_mode, path);
  // O_NONBLOCK: a FIFO put here meanwhile must not make us wait for a writer.
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.get() < 0) throw_errno("cannot open", path, errno);
  struct stat status = {};
  if (::fstat(descriptor.get(), &status) != 0) throw_errno("cannot examine", path, errno);
  require_regular(status.st_mode, path);
  return {std::move(descriptor), static_cast<std::size_t>(status.st_size)};
}

}  // namespace detail

/// The whole content of a regular file; Error(io) if it cannot be read or is none, Error(limit) above `max_bytes`.
inline std::vector<std::byte> read_file(std::filesystem::path const& path,
                                        std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max()) {
  auto const file = detail::open_regular(path);
  if (file.size > max_bytes)
    throw Error(Errc::limit, "the file is larger than allowed",
                {.file = path.string(),
                 .expected = "at most " + std::to_string(max_bytes) + " bytes",
                 .found = std::to_string(file.size) + " bytes"});
  std::vector<std::byte> bytes(file.size);
  for (std::size_t at = 0; at < bytes.size();) {
    auto const got = ::read(file.descriptor.get(), bytes.data() + at, bytes.size() - at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) detail::throw_errno("cannot read", path, errno);
    if (got == 0)
      throw Error(Errc::io, "the file became shorter while it was read", {.file = path.string(), .offset = at});
    at += static_cast<std::size_t>(got);
  }
  return bytes;
}

/// A regular file mapped read-only; the file must not be truncated while this lives (the system would raise SIGBUS).
class MappedFile {
 public:
  /// Maps all of `path`; a file of zero bytes gives an empty span; Error(io) as for read_file.
  explicit MappedFile(std::filesystem::path path) : path_(std::move(path)) {
    auto const file = detail::open_regular(path_);
    if (file.size == 0) return;  // mmap refuses a length of zero
    void* const at = ::mmap(nullptr, file.size, PROT_READ, MAP_PRIVATE, file.descriptor.get(), 0);
    if (at == MAP_FAILED) detail::throw_errno("cannot map", path_, errno);
    data_ = static_cast<std::byte*>(at);
    size_ = file.size;
  }
  MappedFile(MappedFile&& other) noexcept
      : path_(std::move(other.path_)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedFile() {
    if (data_ != nullptr) ::munmap(data_, size_);
  }

  std::span<std::byte const> bytes() const noexcept { return {data_, size_}; }
  std::filesystem::path const& path() const noexcept { return path_; }

  /// Error(io) if the file at this path is now shorter than what was mapped: touching the missing part would be fatal.
  void require_length() const {
    std::error_code gone;  // a deleted or hidden file keeps its mapped content
    auto const now = std::filesystem::file_size(path_, gone);
    if (!gone && now < size_)
      throw Error(Errc::io, "the file became shorter after it was opened",
                  {.file = path_.string(),
                   .expected = std::to_string(size_) + " bytes",
                   .found = std::to_string(now) + " bytes"});
  }

  /// Lets the system forget the pages of this range; they are read again from the file when next touched.
  void drop(std::size_t offset, std::size_t length) const noexcept {
    if (offset >= size_) return;
    auto const page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    auto const first = offset / page * page;
    auto const last = offset + std::min(length, size_ - offset);
    if (last > first) ::madvise(data_ + first, last - first, MADV_DONTNEED);
  }

 private:
  std::filesystem::path path_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Writes a temporary file beside the target; commit() puts it in the target's place, otherwise nothing remains.
class AtomicFile {
 public:
  /// Opens the temporary file; a symbolic link is followed, a directory, FIFO or device in place of the target refused.
  explicit AtomicFile(std::filesystem::path target) : named_(target), target_(std::move(target)) {
    detail::require_no_nul(named_);
    struct stat status = {};
    if (::stat(target_.c_str(), &status) == 0) {
      // rename() would replace the special file itself, which nobody means who writes to /dev/stdout.
      detail::require_regular(status.st_mode, named_);
      std::error_code ignored;
      if (auto real = std::filesystem::canonical(target_, ignored); !ignored) target_ = std::move(real);
    }
    open_temporary();
    if (status.st_mode != 0) ::fchmod(descriptor_.get(), status.st_mode & 07777);  // keep the old file's permissions
  }
  AtomicFile(AtomicFile const&) = delete;
  AtomicFile& operator=(AtomicFile const&) = delete;
  ~AtomicFile() {
    if (!committed_) ::unlink(temporary_.c_str());
  }

  /// Appends `size` bytes; Error(io) with the system's reason, such as a full disk.
  void write(void const* data, std::size_t size) {
    auto const* at = static_cast<std::byte const*>(data);
    while (size > 0) {
      auto const put = ::write(descriptor_.get(), at, size);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) detail::throw_errno("cannot write", named_, errno);
      at += put;
      size -= static_cast<std::size_t>(put);
    }
  }

  /// Makes the bytes durable, then renames; call once, as the last thing.
  void commit() {
    if (::fsync(descriptor_.get()) != 0) detail::throw_errno("cannot write", named_, errno);
    if (::close(descriptor_.release()) != 0) detail::throw_errno("cannot write", named_, errno);
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) detail::throw_errno("cannot rename into", named_, errno);
    committed_ = true;
    // The rename itself should survive a power cut as well; not every file system can, so no error from here.
    detail::Descriptor const folder(::open(temporary_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() >= 0) ::fsync(folder.get());
  }

 private:
  void open_temporary() {
    auto const folder = target_.has_parent_path() ? target_.parent_path() : std::filesystem::path(".");
    // A name of its own length, as the target's may already be the longest allowed.
    auto const stem = ".tadp-" + std::to_string(::getpid()) + "-";
    for (int i = 0; i < 10'000; ++i) {
      temporary_ = folder / (stem + std::to_string(i) + ".tmp");
      descriptor_ = detail::Descriptor(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
      if (descriptor_.get() >= 0) return;
      if (errno != EEXIST) detail::throw_errno("cannot create", named_, errno);
    }
    detail::throw_errno("cannot create", named_, EEXIST);
  }

  std::filesystem::path named_;  ///< as the caller wrote it, for messages
  std::filesystem::path target_;
  std::filesystem::path temporary_{};
  detail::Descriptor descriptor_{};
  bool committed_ = false;
};

/// A file that grows by whole records and keeps them when the program is killed; one process at a time.
class AppendFile {
 public:
  /// Opens or makes the file; Error(io), also where another process has it open like this.
  explicit AppendFile(std::filesystem::path path) : path_(std::move(path)) {
    detail::require_no_nul(path_);
    descriptor_ = detail::Descriptor(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666));
    if (descriptor_.get() < 0) detail::throw_errno("cannot open", path_, errno);
    struct stat status = {};
    // Looked at after the lock: who held it before may have removed the file.
    bool const taken = ::flock(descriptor_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (::fstat(descriptor_.get(), &status) != 0) detail::throw_errno("cannot examine", path_, errno);
    detail::require_regular(status.st_mode, path_);
    if (taken || status.st_nlink == 0) {
      descriptor_ = detail::Descriptor();  // not ours to take away
      throw Error(Errc::io, "another process is writing this file", {.file = path_.string()});
    }
  }
  AppendFile(AppendFile const&) = delete;
  AppendFile& operator=(AppendFile const&) = delete;
  /// A file that stayed empty is taken away.
  ~AppendFile() {
    struct stat status = {};
    if (descriptor_.get() >= 0 && ::fstat(descriptor_.get(), &status) == 0 && status.st_size == 0) ::unlink(path_.c_str());
  }

  /// Forgets what lies behind `size` bytes, such as a record that was cut when the program was killed.
  void truncate(std::size_t size) {
    if (::ftruncate(descriptor_.get(), static_cast<off_t>(size)) != 0) detail::throw_errno("cannot shorten", path_, errno);
  }
  /// Writes at the end, durable when this returns; Error(io) with the system's reason.
  void append(std::string_view record) {
    while (!record.empty()) {
      auto const put = ::write(descriptor_.get(), record.data(), record.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) detail::throw_errno("cannot write", path_, errno);
      record.remove_prefix(static_cast<std::size_t>(put));
    }
    if (::fdatasync(descriptor_.get()) != 0) detail::throw_errno("cannot write", path_, errno);
  }
  /// Takes the file away; nothing can be appended after that.
  void remove() {
    if (::unlink(path_.c_str()) != 0) detail::throw_errno("cannot remove", path_, errno);
    descriptor_ = detail::Descriptor();
  }

  std::filesystem::path const& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
  detail::Descriptor descriptor_{};
};

/// Replaces `path` by these bytes, whole or not at all.
inline void write_file_atomic(std::filesystem::path const& path, std::span<std::byte const> bytes) {
  AtomicFile file(path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

}  // namespace tadp
