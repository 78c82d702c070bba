// SPDX-License-Identifier: Apache-2.0
// Learned tokens of Textual Inversion from the files that people hold: diffusers' {token: tensor} and the form of A1111
// ({"string_to_param": {"*": tensor}, "name": ...}, or a lone emb_params), as torch files of either form or safetensors.
#pragma once

#include "tadp/core/shape.hpp"
#include "tadp/io/checkpoint.hpp"

#include <cmath>
#include <vector>

namespace tadp {

/// A text that stands for rows of the token embedding. TADP itself takes the first row (spec 3.5); here all count.
struct TokenEmbedding {
  std::string name{};         ///< as a text has it, such as "<night>"
  index_t vectors = 0;        ///< tokens that the text becomes
  std::vector<float> rows{};  ///< (vectors, width)
};

namespace token_embeddings_detail {

inline constexpr std::string_view a1111_tensors = "string_to_param.", a1111_ids = "string_to_token.";
inline constexpr std::size_t most_tokens = 256;        ///< in a file; more are a model's weights
inline constexpr std::uint64_t most_vectors = 75;      ///< of a token: what a text has room for

/// A folder of diffusers holds one of these.
inline std::filesystem::path file_of(std::filesystem::path const& path) {
  std::error_code unknown;
  if (!std::filesystem::is_directory(path, unknown)) return path;
  for (char const* const name : {"learned_embeds.safetensors", "learned_embeds.bin"})
    if (std::filesystem::is_regular_file(path / name, unknown)) return path / name;
  throw Error(Errc::io, "the folder holds no learned token", {.file = path.string(), .expected = "learned_embeds.safetensors or learned_embeds.bin"});
}

/// What the text of a tensor is, by the rules of diffusers: A1111's own name, and where there is none that of the file.
inline std::string name_of(std::string const& key, Checkpoint const& file) {
  auto const own = file.metadata().find("name");
  std::string const stem = file.path().stem().string();
  if (key == "emb_params") return stem;
  if (key == "tensor" && file.entries().size() == 1 && file.container() != Container::safetensors) return stem;  // a bare tensor was saved
  if (!key.starts_with(a1111_tensors)) return key;
  std::string const inner = key.substr(a1111_tensors.size());
  if (!inner.empty() && inner != "*") return inner;
  return own == file.metadata().end() || own->second.empty() || own->second == "None" ? stem : own->second;
}

inline TokenEmbedding read_one(Checkpoint const& file, TensorEntry const& entry, int width) {
  auto const name = file.path().string();
  auto const& shape = entry.shape;
  bool const one = shape.size() == 1 && shape[0] == static_cast<std::uint64_t>(width);
  bool const several = shape.size() == 2 && shape[1] == static_cast<std::uint64_t>(width) && shape[0] >= 1;
  if (!one && !several)
    throw Error(Errc::shape, "a learned token was made for another text encoder, or is none",
                {.file = name, .key = entry.name, .expected = "[" + std::to_string(width) + "] or [vectors, " + std::to_string(width) + "]", .found = detail::shape_text(shape)});
  if (several && shape[0] > most_vectors)
    throw Error(Errc::limit, "a learned token has more vectors than a text has room for", {.file = name, .key = entry.name, .expected = "at most " + std::to_string(most_vectors), .found = std::to_string(shape[0])});
  TokenEmbedding token{.name = name_of(entry.name, file), .vectors = one ? 1 : static_cast<index_t>(shape[0]), .rows = {}};
  token.rows.resize(static_cast<std::size_t>(token.vectors * width));
  file.read_f32(entry, token.rows.data());
  for (float const v : token.rows)
    if (!std::isfinite(v)) throw Error(Errc::format, "a learned token holds numbers that are not finite", {.file = name, .key = entry.name, .expected = "finite numbers", .found = std::isnan(v) ? "NaN" : "infinity"});
  return token;
}

}  // namespace token_embeddings_detail

/// The learned tokens of a file, or of a folder with learned_embeds.bin or .safetensors, in the file's order; never none.
/// `width`: of the text encoder. `name`: what the text is to be instead, for a file of one token. Errors of
/// open_checkpoint; Error(shape, limit, format) with file and key for another width, too many vectors or numbers that are
/// not finite; Error(key) where there is no such tensor; Error(unsupported) for SDXL's; Error(argument) for a `name` too few.
inline std::vector<TokenEmbedding> read_token_embeddings(std::filesystem::path const& path, int width, std::string const& name = {}) {
  using namespace token_embeddings_detail;
  Checkpoint const file = open_checkpoint(file_of(path));
  auto const where = file.path().string();
  if (file.find("clip_g") != nullptr) throw Error(Errc::unsupported, "this learned token is of SDXL, which has other text encoders", {.file = where, .key = "clip_g", .expected = "one of Stable Diffusion 1"});
  if (file.entries().size() > most_tokens)
    throw Error(Errc::format, "this is no file of learned tokens but of many tensors", {.file = where, .expected = "at most " + std::to_string(most_tokens) + " tensors", .found = std::to_string(file.entries().size())});
  bool const a1111 = std::any_of(file.entries().begin(), file.entries().end(), [](TensorEntry const& e) { return e.name.starts_with(a1111_tensors); });
  std::vector<TokenEmbedding> tokens;
  for (TensorEntry const& entry : file.entries())
    if (!entry.name.starts_with(a1111_ids) && (!a1111 || entry.name.starts_with(a1111_tensors))) tokens.push_back(read_one(file, entry, width));
  if (tokens.empty()) throw Error(Errc::key, "the file holds no learned token", {.file = where, .expected = "{token: tensor} or string_to_param", .found = file.entries().empty() ? "no tensor" : printable(file.entries().front().name)});
  if (!name.empty() && tokens.size() != 1)
    throw Error(Errc::argument, "a file of several learned tokens cannot have one name", {.file = where, .key = name, .expected = "the names of the file", .found = std::to_string(tokens.size()) + " tokens"});
  if (!name.empty()) tokens.front().name = name;
  return tokens;
}

}  // namespace tadp
