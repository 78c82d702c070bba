// SPDX-License-Identifier: Apache-2.0
// The one family of exceptions of the library: a code to switch on, and a sentence with file, key, expected and found.
// Sits at the very start: every folder throws these and nothing else.
#pragma once

#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tadp {

/// What kind of thing went wrong; programs map it to an exit status.
enum class Errc : std::uint8_t {
  argument,     ///< the caller asked for something that does not exist or does not fit
  io,           ///< a file cannot be opened, read, written or renamed
  format,       ///< a file is not what it claims to be, or is damaged
  limit,        ///< a file or picture is larger than the limits allow
  shape,        ///< sizes do not fit one another
  key,          ///< a name is missing, unknown or doubled
  memory,       ///< an allocation failed
  unsupported,  ///< well formed, but not handled by this build, or by the machine's driver or device
  device,       ///< a device refused a call, failed while it computed, or was lost
  cancelled,    ///< the caller's stop token was set
};

/// The name of a code as it appears in JSON output.
constexpr std::string_view to_string(Errc code) {
  constexpr std::string_view names[] = {"argument", "io",          "format", "limit",    "shape", "key",
                                        "memory",   "unsupported", "device", "cancelled"};
  return names[static_cast<std::size_t>(code)];
}

/// Text that is safe to print: control characters and invalid bytes become \xNN, long text is cut in the middle.
inline std::string printable(std::string_view text, std::size_t longest = 200) {
  constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.size() > longest && i == longest / 2) {
      out += "[...]";
      i = text.size() - longest / 2;
    }
    auto const byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += hex[byte >> 4];
      out += hex[byte & 15];
    } else {
      out += text[i];
    }
  }
  return out;
}

/// Where it happened and what was compared; every member may stay empty.
struct Where {
  std::string file{};
  std::string key{};
  std::string expected{};
  std::string found{};
  std::optional<std::uint64_t> offset{};  ///< byte offset in `file`
};

/// Every error of the library.
class Error : public std::exception {
 public:
  Error(Errc code, std::string message, Where where = {})
      : code_(code), where_(std::move(where)), text_(compose(std::move(message), where_)) {}

  Errc code() const noexcept { return code_; }
  Where const& where() const noexcept { return where_; }
  char const* what() const noexcept override { return text_.c_str(); }

 private:
  static std::string compose(std::string text, Where const& where) {
    auto const add = [&text](std::string_view label, std::string const& value) {
      if (!value.empty()) text.append(label).append(printable(value, 400));
    };
    add("; file: ", where.file);
    if (where.offset) text += "; at byte " + std::to_string(*where.offset);
    add("; key: ", where.key);
    add("; expected: ", where.expected);
    add("; found: ", where.found);
    return text;
  }

  Errc code_;
  Where where_;
  std::string text_;
};

}  // namespace tadp
