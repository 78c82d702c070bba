// SPDX-License-Identifier: Apache-2.0
// A model whose table of token embeddings goes on with learned tokens: what load_weights_from reads for a model made with
// ModelSizes::learned_tokens. The rows come from files of their own, or are those that the checkpoint was trained with.
#pragma once

#include "tadp/core/config.hpp"
#include "tadp/io/model_source.hpp"
#include "tadp/io/token_embeddings.hpp"

namespace tadp {

/// The model must outlive this. Everything but the table is read from the model as it is.
class WithTokenEmbeddings {
 public:
  /// Rows that the model itself has behind the vocabulary are replaced. Error(shape) where a token has another width.
  WithTokenEmbeddings(ModelSource const& model, std::span<TokenEmbedding const> tokens, TextEncoderConfig const& text)
      : model_(&model), entries_(model.entries().begin(), model.entries().end()), vocabulary_(static_cast<std::uint64_t>(text.vocabulary)), width_(static_cast<std::uint64_t>(text.width)) {
    for (TokenEmbedding const& token : tokens) {
      if (token.rows.size() != static_cast<std::size_t>(token.vectors) * width_)
        throw Error(Errc::shape, "a learned token has another width than the text encoder", {.key = printable(token.name), .expected = std::to_string(static_cast<std::size_t>(token.vectors) * width_) + " numbers", .found = std::to_string(token.rows.size())});
      learned_.insert(learned_.end(), token.rows.begin(), token.rows.end());
    }
    auto const fits = [&](TensorEntry const& e) { return e.name.ends_with("token_embedding.weight") && e.shape.size() == 2 && e.shape[0] >= vocabulary_ && e.shape[1] == width_; };
    auto const at = std::find_if(entries_.begin(), entries_.end(), fits);
    if (at == entries_.end()) return;  // what is missing or misshapen is told by the loader
    table_ = static_cast<std::size_t>(at - entries_.begin());
    at->shape[0] = vocabulary_ + learned_.size() / width_;
  }

  std::span<TensorEntry const> entries() const noexcept { return entries_; }
  void require_copies_agree() const { model_->require_copies_agree(); }
  void drop(TensorEntry const& entry) const { model_->drop(stored(entry)); }
  /// Elements [first, first + count), row-major.
  void read_f32(TensorEntry const& entry, std::uint64_t first, std::uint64_t count, float* out) const {
    std::uint64_t const old = index(entry) == table_ ? std::clamp(vocabulary_ * width_, first, first + count) - first : count;
    if (old > 0) model_->read_f32(stored(entry), first, old, out);
    if (old == count) return;
    std::uint64_t const from = first + old - vocabulary_ * width_;
    if (from + (count - old) > learned_.size()) throw Error(Errc::argument, "this range is not within the tensor", {.key = entry.name});
    std::copy_n(learned_.begin() + static_cast<std::ptrdiff_t>(from), count - old, out + old);
  }

 private:
  std::size_t index(TensorEntry const& entry) const { return static_cast<std::size_t>(&entry - entries_.data()); }
  TensorEntry const& stored(TensorEntry const& entry) const { return model_->entries()[index(entry)]; }

  ModelSource const* model_;
  std::vector<TensorEntry> entries_;
  std::vector<float> learned_{};
  std::uint64_t vocabulary_, width_;
  std::size_t table_ = static_cast<std::size_t>(-1);
};

}  // namespace tadp
