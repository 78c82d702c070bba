// SPDX-License-Identifier: Apache-2.0
// The content of a gzip file, by zlib, up to a bound: a few kilobytes can hold gigabytes.
// Told by its first two bytes, never by the name of the file.
#pragma once

#include "tadp/core/error.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

namespace tadp {

/// Whether bytes begin as gzip does.
constexpr bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

namespace detail {

/// One run of zlib's inflate over the members of a file.
class Inflater {
 public:
  explicit Inflater(std::string const& file) : file_(file) {
    if (::inflateInit2(&stream_, 15 + 16) != Z_OK) throw Error(Errc::memory, "zlib cannot start", {.file = file});  // 16: gzip alone
  }
  Inflater(Inflater const&) = delete;
  Inflater& operator=(Inflater const&) = delete;
  ~Inflater() { ::inflateEnd(&stream_); }

  /// Appends what one member holds; returns how many bytes of the file it took.
  std::size_t member(std::string_view packed, std::size_t offset, std::size_t max_bytes, std::string& out) {
    ::inflateReset(&stream_);
    constexpr std::size_t block = 65536;
    auto const buffer = std::make_unique<char[]>(block);
    std::size_t taken = 0;
    for (;;) {
      // zlib's counts are narrower than sizes.
      std::size_t const given = std::min<std::size_t>(packed.size() - taken, std::numeric_limits<uInt>::max());
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + taken));
      stream_.avail_in = static_cast<uInt>(given);
      stream_.next_out = reinterpret_cast<Bytef*>(buffer.get());
      stream_.avail_out = static_cast<uInt>(block);
      int const status = ::inflate(&stream_, Z_NO_FLUSH);
      taken += given - stream_.avail_in;
      std::size_t const made = block - stream_.avail_out;
      if (made > max_bytes - out.size())
        throw Error(Errc::limit, "a gzip file unpacks to more than allowed", {.file = file_, .expected = "at most " + std::to_string(max_bytes) + " bytes", .found = "more"});
      out.append(buffer.get(), made);
      if (status == Z_STREAM_END) return taken;
      if (status == Z_MEM_ERROR) throw Error(Errc::memory, "zlib ran out of memory", {.file = file_});
      if (status == Z_BUF_ERROR || (status == Z_OK && taken == packed.size() && stream_.avail_out > 0))
        throw Error(Errc::format, "a gzip file ends too early", {.file = file_, .offset = offset + taken});
      if (status != Z_OK)
        throw Error(Errc::format, "a gzip file is damaged",
                    {.file = file_, .found = stream_.msg != nullptr ? stream_.msg : "an error of zlib", .offset = offset + taken});
    }
  }

 private:
  std::string const& file_;
  z_stream stream_{};
};

}  // namespace detail

/// What a gzip file holds (all its members). Error(format) where it is damaged, cut or followed by something else,
/// Error(limit) above `max_bytes`; `file` is its name, for messages.
inline std::string gunzip(std::string_view packed, std::size_t max_bytes, std::string const& file) {
  std::string out;
  detail::Inflater inflater(file);
  std::size_t at = 0;
  do {
    if (!is_gzip(packed.substr(at)))
      throw Error(Errc::format, at == 0 ? "this is not a gzip file" : "a gzip file is followed by something else", {.file = file, .offset = at});
    at += inflater.member(packed.substr(at), at, max_bytes, out);
  } while (at < packed.size());
  return out;
}

}  // namespace tadp
