// SPDX-License-Identifier: Apache-2.0
// What makes captions of pictures: the concept that a run over many pictures asks, and a picture as it is given to one.
// Models of it: caption_cache.hpp (a file) and vision_client.hpp (a server with a vision model).
#pragma once

#include "tadp/core/fingerprint.hpp"
#include "tadp/exec/control.hpp"
#include "tadp/io/image.hpp"

#include <concepts>

namespace tadp {

/// The file of a picture as it lies on the disk, known to be one that can be decoded.
struct PictureFile {
  std::filesystem::path path{};
  std::string key{};               ///< its name in a caption file
  std::vector<std::byte> bytes{};
  std::string content{};           ///< fingerprint of `bytes`: two files of one content are one picture

  std::string_view media_type() const { return detail::is_png(bytes) ? "image/png" : "image/jpeg"; }
};

/// Gives the captions of a picture, UTF-8 without control characters; an empty list where it has none. A captioner that
/// is asked by several threads at a time says so. Errors: io where the next picture would fail as well, another code
/// where this picture is the reason, cancelled.
template <class T>
concept Captioner = requires(T& captioner, PictureFile const& picture, Control const& control) {
  { captioner(picture, control) } -> std::same_as<std::vector<std::string>>;
};

/// Larger files are photographs for printing, which servers refuse.
inline constexpr ImageLimits captioned_picture_limits{.max_file_bytes = std::uint64_t{32} << 20};

/// Reads and decodes a picture file, for a cut one would be described as what is left of it; errors as for read_image.
inline PictureFile read_picture_file(std::filesystem::path const& path, std::string key, ImageLimits const& limits = captioned_picture_limits) {
  PictureFile picture{.path = path, .key = std::move(key), .bytes = read_file(path, limits.max_file_bytes)};
  decode_image(picture.bytes, limits, path.string());
  picture.content = Fingerprint().add(picture.bytes).hex();
  return picture;
}

}  // namespace tadp
