// SPDX-License-Identifier: Apache-2.0
// The records of a zip archive that lies in memory, and their bytes: minizip reads the directory and unpacks.
// Added to it are the checks that keep two readers from seeing two archives in one file.
#pragma once

#include "tadp/core/error.hpp"

#include <minizip/unzip.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace tadp {

/// One record as the archive's directory has it.
struct ZipRecord {
  std::string_view name{};    ///< in the archive's bytes
  std::uint64_t header = 0;   ///< offset of its local header
  std::uint64_t packed = 0;   ///< bytes in the archive
  std::uint64_t size = 0;     ///< bytes unpacked
  std::uint64_t limit = 0;    ///< offset where the next record or the directory begins
  std::uint64_t central = 0;  ///< offset of its row in the directory
  std::uint32_t crc = 0;      ///< 0 where torch.save was told to leave it out
  std::uint16_t flags = 0;
  std::uint16_t method = 0;  ///< 0: stored as it is, 8: deflated
};

namespace detail {

/// A file for minizip that is a range of bytes.
struct ZipStream {
  std::span<std::byte const> bytes{};
  std::uint64_t at = 0;
};

inline voidpf zip_open(voidpf stream, void const*, int) { return stream; }
inline uLong zip_read(voidpf, voidpf stream, void* out, uLong size) {
  auto& from = *static_cast<ZipStream*>(stream);
  auto const count = std::min<std::uint64_t>(size, from.bytes.size() - from.at);
  if (count > 0) std::memcpy(out, from.bytes.data() + from.at, static_cast<std::size_t>(count));
  from.at += count;
  return static_cast<uLong>(count);
}
inline uLong zip_write(voidpf, voidpf, void const*, uLong) { return 0; }
inline ZPOS64_T zip_tell(voidpf, voidpf stream) { return static_cast<ZipStream*>(stream)->at; }
inline long zip_seek(voidpf, voidpf stream, ZPOS64_T offset, int origin) {
  auto& from = *static_cast<ZipStream*>(stream);
  auto const base = origin == ZLIB_FILEFUNC_SEEK_CUR ? from.at : origin == ZLIB_FILEFUNC_SEEK_END ? from.bytes.size() : 0;
  if (offset > from.bytes.size() - base) return -1;
  from.at = base + offset;
  return 0;
}
inline int zip_close(voidpf, voidpf) { return 0; }
inline int zip_error(voidpf, voidpf) { return 0; }

struct ZipCloser {
  void operator()(void* file) const { unzClose(file); }
};
using ZipHandle = std::unique_ptr<std::remove_pointer_t<unzFile>, ZipCloser>;

/// Null where there is no archive; `stream` must outlive the handle.
inline ZipHandle open_zip(ZipStream& stream) {
  zlib_filefunc64_def functions{zip_open, zip_read, zip_write, zip_tell, zip_seek, zip_close, zip_error, &stream};
  return ZipHandle(unzOpen2_64("", &functions));
}

/// Little-endian numbers of an archive; what lies past its end reads as zero, which no signature is.
class ZipBytes {
 public:
  explicit ZipBytes(std::span<std::byte const> bytes) : bytes_(bytes) {}
  template <class Number>
  Number number(std::uint64_t at) const {
    Number value{};
    if (at <= bytes_.size() && sizeof(Number) <= bytes_.size() - at) std::memcpy(&value, bytes_.data() + at, sizeof(Number));
    return value;
  }
  std::string_view text(std::uint64_t at, std::uint64_t length) const {
    if (at > bytes_.size() || length > bytes_.size() - at) return {};
    return {reinterpret_cast<char const*>(bytes_.data()) + at, static_cast<std::size_t>(length)};
  }
  std::uint64_t size() const { return bytes_.size(); }

 private:
  std::span<std::byte const> bytes_;
};

inline constexpr std::uint32_t zip_local = 0x04034b50, zip_central = 0x02014b50, zip_end = 0x06054b50,
                               zip64_end = 0x06064b50, zip64_locator = 0x07064b50, zip_in_64_bits = 0xffffffff;

[[noreturn]] inline void refuse_zip(std::string message, std::string const& file, std::uint64_t offset,
                                    std::string_view record = {}, std::string expected = {}, std::string found = {}) {
  throw Error(Errc::format, std::move(message),
              {.file = file,
               .key = printable(record),
               .expected = std::move(expected),
               .found = std::move(found),
               .offset = offset});
}

/// What a row of the directory says in 32 bits, or in 64 in its extra fields.
struct ZipRow {
  std::uint64_t size = 0, packed = 0, header = 0;
};

/// minizip 1.1 does not read the 64-bit sizes where long has 64 bits, and never tells the offset: so they are read here.
/// Nothing where the row refers to 64 bits that it does not have.
inline std::optional<ZipRow> read_row(ZipBytes const& zip, std::uint64_t row) {
  ZipRow out{zip.number<std::uint32_t>(row + 24), zip.number<std::uint32_t>(row + 20), zip.number<std::uint32_t>(row + 42)};
  std::array<std::uint64_t*, 3> const fields{&out.size, &out.packed, &out.header};  // in this order, if they are there
  auto const wide = std::count_if(fields.begin(), fields.end(), [](auto const* f) { return *f == zip_in_64_bits; });
  if (wide == 0) return out;
  auto at = row + 46 + zip.number<std::uint16_t>(row + 28);
  auto const end = at + zip.number<std::uint16_t>(row + 30);
  for (; at + 4 <= end; at += 4u + zip.number<std::uint16_t>(at + 2)) {
    if (zip.number<std::uint16_t>(at) != 1) continue;
    auto const length = static_cast<std::uint64_t>(wide) * 8;
    if (zip.number<std::uint16_t>(at + 2) < length || at + 4 + length > end) return std::nullopt;
    at += 4;
    for (auto* const field : fields)
      if (*field == zip_in_64_bits) *field = zip.number<std::uint64_t>(std::exchange(at, at + 8));
    return out;
  }
  return std::nullopt;
}

/// Whether a record's name would lead out of a folder; nothing is ever unpacked into one, yet no honest file has it.
inline bool leads_outside(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.front() == '\\' || name.find(':') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos)
    return true;
  for (std::size_t at = 0; at <= name.size();) {
    auto const end = std::min(name.find_first_of("/\\", at), name.size());
    if (name.substr(at, end - at) == "..") return true;
    at = end + 1;
  }
  return false;
}

}  // namespace detail

/// The directory of an archive in memory, checked as a whole; the bytes must outlive it.
class ZipDirectory {
 public:
  /// Error(format, limit or unsupported) unless the records lie in the file one after the other, from its start to the
  /// directory, and the directory ends the file. `max_ratio` bounds how far a record may unpack.
  ZipDirectory(std::span<std::byte const> bytes, std::string file, std::size_t max_records, std::uint64_t max_ratio)
      : bytes_(bytes), zip_(bytes), file_(std::move(file)) {
    read_rows(max_records);
    for (auto const& record : records_) check_row(record, max_ratio);
    check_end();
    check_layout();
    order_names();
  }

  std::span<ZipRecord const> records() const noexcept { return records_; }

  /// The record of this name, or null.
  ZipRecord const* find(std::string_view name) const {
    auto const at = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                     [&](auto i, std::string_view wanted) { return records_[i].name < wanted; });
    return at != by_name_.end() && records_[*at].name == name ? &records_[*at] : nullptr;
  }

  /// The packed bytes, after the local header was found to say what the directory says.
  std::span<std::byte const> packed(ZipRecord const& record) const {
    auto const at = record.header;
    if (zip_.number<std::uint32_t>(at) != detail::zip_local) detail::refuse_zip("a record of the archive is not where its directory says", file_, at, record.name);
    auto const name_length = zip_.number<std::uint16_t>(at + 26);
    auto const begin = at + 30 + name_length + zip_.number<std::uint16_t>(at + 28);
    if (zip_.text(at + 30, name_length) != record.name)
      detail::refuse_zip("a record of the archive has two names", file_, at, record.name, {}, printable(zip_.text(at + 30, name_length)));
    if (zip_.number<std::uint16_t>(at + 6) != record.flags || zip_.number<std::uint16_t>(at + 8) != record.method)
      detail::refuse_zip("a record of the archive is described in two ways", file_, at, record.name);
    check_sizes(record, at);
    if (begin > record.limit || record.packed > record.limit - begin)
      detail::refuse_zip("a record of the archive reaches into the next", file_, at, record.name);
    return bytes_.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(record.packed));
  }

  /// Unpacks a deflated record: its size was checked against max_ratio, its checksum is checked here.
  std::vector<std::byte> unpack(ZipRecord const& record) const {
    packed(record);
    if (record.size >= detail::zip_in_64_bits)
      throw Error(Errc::unsupported, "a packed record of 4 GiB or more cannot be unpacked; load the file with PyTorch and save it again",
                  {.file = file_, .key = printable(record.name), .found = std::to_string(record.size) + " bytes"});
    detail::ZipStream stream{bytes_};
    auto const handle = detail::open_zip(stream);
    if (!handle || unzSetOffset64(handle.get(), record.central) != UNZ_OK || unzOpenCurrentFile(handle.get()) != UNZ_OK)
      detail::refuse_zip("a record of the archive cannot be opened", file_, record.header, record.name);
    std::vector<std::byte> out(static_cast<std::size_t>(record.size));
    std::size_t done = 0;
    while (done < out.size()) {
      auto const want = static_cast<unsigned>(std::min<std::size_t>(out.size() - done, 1u << 24));
      auto const got = unzReadCurrentFile(handle.get(), out.data() + done, want);
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    bool const whole = unzCloseCurrentFile(handle.get()) == UNZ_OK && done == out.size();
    if (!whole) detail::refuse_zip("a record of the archive is damaged: it does not unpack to what it was", file_, record.header, record.name);
    return out;
  }

 private:
  void read_rows(std::size_t max_records) {
    detail::ZipStream stream{bytes_};
    auto const handle = detail::open_zip(stream);
    if (!handle) detail::refuse_zip("the end of the archive is missing or wrong, the file may be cut short: fetch it again", file_, bytes_.size());
    auto more = unzGoToFirstFile(handle.get());
    for (; more == UNZ_OK; more = unzGoToNextFile(handle.get())) {
      if (records_.size() >= max_records)
        throw Error(Errc::limit, "the archive has too many records", {.file = file_, .expected = "at most " + std::to_string(max_records)});
      unz_file_info64 info{};
      if (unzGetCurrentFileInfo64(handle.get(), &info, nullptr, 0, nullptr, 0, nullptr, 0) != UNZ_OK) break;
      add_row(unzGetOffset64(handle.get()), info);
    }
    unz_global_info64 all{};
    if (more != UNZ_END_OF_LIST_OF_FILE || unzGetGlobalInfo64(handle.get(), &all) != UNZ_OK || all.number_entry != records_.size())
      detail::refuse_zip("the directory of the archive is damaged", file_, end_);
    if (records_.empty()) detail::refuse_zip("the archive is empty", file_, 0);
  }

  void add_row(std::uint64_t row, unz_file_info64 const& info) {
    auto const sizes = detail::read_row(zip_, row);
    bool const in_place = zip_.number<std::uint32_t>(row) == detail::zip_central && (records_.empty() || row == end_);
    if (!in_place || !sizes) detail::refuse_zip("the directory of the archive is damaged", file_, row);
    auto const name = zip_.text(row + 46, zip_.number<std::uint16_t>(row + 28));
    records_.push_back({name, sizes->header, sizes->packed, sizes->size, 0, row,
                        static_cast<std::uint32_t>(info.crc), static_cast<std::uint16_t>(info.flag),
                        static_cast<std::uint16_t>(info.compression_method)});
    end_ = row + 46 + name.size() + zip_.number<std::uint16_t>(row + 30) + zip_.number<std::uint16_t>(row + 32);
  }

  void check_row(ZipRecord const& record, std::uint64_t max_ratio) const {
    constexpr unsigned known_flags = 0x0008 | 0x0800 | 0x0006;  // sizes after the data, UTF-8 name, how hard it was packed
    constexpr std::uint64_t small = 1u << 16;
    if (detail::leads_outside(record.name))
      detail::refuse_zip("a record of the archive has a name that leads out of its folder", file_, record.central, record.name);
    if ((record.flags & ~known_flags) != 0 || (record.method != 0 && record.method != 8))
      throw Error(Errc::unsupported, "a record of the archive is encrypted, or packed by another method",
                  {.file = file_, .key = printable(record.name), .expected = "stored or deflated", .offset = record.central});
    if (record.method == 0 && record.packed != record.size)
      detail::refuse_zip("a stored record of the archive has two sizes", file_, record.central, record.name, std::to_string(record.packed), std::to_string(record.size));
    if (record.packed > bytes_.size())
      detail::refuse_zip("a record of the archive is larger than the file", file_, record.central, record.name, {}, std::to_string(record.packed) + " bytes");
    if (record.method == 8 && record.size > small && record.size / max_ratio > record.packed)
      throw Error(Errc::limit, "a record of the archive unpacks to much more than it is",
                  {.file = file_,
                   .key = printable(record.name),
                   .expected = "at most " + std::to_string(max_ratio) + " times " + std::to_string(record.packed) + " bytes",
                   .found = std::to_string(record.size) + " bytes",
                   .offset = record.central});
  }

  /// After the directory come its end records and nothing else that could pass for another end.
  void check_end() const {
    auto at = end_;
    if (zip_.number<std::uint32_t>(at) == detail::zip64_end) {
      auto const length = zip_.number<std::uint64_t>(at + 4);
      if (length > 1024 || zip_.number<std::uint32_t>(at + 12 + length) != detail::zip64_locator)
        detail::refuse_zip("the end of the archive is damaged", file_, at);
      at += 12 + length + 20;
    }
    auto const comment = zip_.text(at + 22, zip_.number<std::uint16_t>(at + 20));
    constexpr std::string_view end_mark("PK\x05\x06", 4);
    if (zip_.number<std::uint32_t>(at) != detail::zip_end || at + 22 + comment.size() != zip_.size() || comment.find(end_mark) != std::string_view::npos)
      detail::refuse_zip("the archive has more than one end, or something follows it", file_, at);
  }

  /// The records fill the file from its first byte to the directory: none shares bytes with another, none is hidden.
  void check_layout() {
    std::vector<std::uint32_t> order(records_.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return records_[a].header < records_[b].header; });
    auto const directory = records_.front().central;
    if (records_[order.front()].header != 0)
      detail::refuse_zip("there are bytes before the archive, or its directory is wrong", file_, 0);
    for (std::size_t i = 0; i < order.size(); ++i) {
      auto& record = records_[order[i]];
      record.limit = i + 1 < order.size() ? records_[order[i + 1]].header : directory;
      auto const least = 30 + record.name.size() + record.packed;  // packed is at most the file's size: no overflow
      if (record.limit > directory || record.header > record.limit || least > record.limit - record.header)
        detail::refuse_zip("two records of the archive share bytes", file_, record.header, record.name);
    }
    constexpr std::uint64_t after_data = 24;  // sizes and checksum, where they were not known before the data
    auto const& last = records_[order.back()];
    auto const data = packed(last);
    auto const rest = directory - (static_cast<std::uint64_t>(data.data() - bytes_.data()) + data.size());
    if (rest > after_data) detail::refuse_zip("there are bytes in the archive that belong to no record", file_, directory - rest);
  }

  /// The sizes in a local header: those of the directory, or none where they follow the data or need 64 bits.
  void check_sizes(ZipRecord const& record, std::uint64_t at) const {
    bool const later = (record.flags & 0x0008u) != 0;
    auto const agrees = [&](std::uint64_t field, std::uint64_t size) {
      auto const value = zip_.number<std::uint32_t>(at + field);
      return value == size || value == detail::zip_in_64_bits || (later && value == 0);
    };
    if (!agrees(18, record.packed) || !agrees(22, record.size))
      detail::refuse_zip("a record of the archive has two sizes", file_, at, record.name);
  }

  void order_names() {
    by_name_.resize(records_.size());
    std::iota(by_name_.begin(), by_name_.end(), 0u);
    std::sort(by_name_.begin(), by_name_.end(), [&](auto a, auto b) { return records_[a].name < records_[b].name; });
    for (std::size_t i = 1; i < by_name_.size(); ++i)
      if (records_[by_name_[i]].name == records_[by_name_[i - 1]].name)
        detail::refuse_zip("two records of the archive have one name", file_, records_[by_name_[i]].central, records_[by_name_[i]].name);
  }

  std::span<std::byte const> bytes_;
  detail::ZipBytes zip_;
  std::string file_;
  std::uint64_t end_ = 0;  ///< where the directory ends
  std::vector<ZipRecord> records_{};
  std::vector<std::uint32_t> by_name_{};
};

}  // namespace tadp
