// SPDX-License-Identifier: Apache-2.0
// libFuzzer: a count of merges in the first byte, then a vocabulary of byte pairs (a list of merges, gzipped or not; or
// vocab.json, a zero byte, merges.txt). What opens encodes the input itself, which ends and keeps its length.
#include "fuzz_input.hpp"

#include "tadp/io/bpe_vocabulary.hpp"
#include "tadp/text/bpe_tokenizer.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  int const tokens = static_cast<int>(tadp::detail::bpe_fixed) + data[0] % 64;
  auto const text = fuzz::text_of(data + 1, size - 1);
  bool const packed = text.starts_with("\x1f\x8b");
  auto const zero = packed ? std::string_view::npos : text.find('\0');
  fuzz::only_errors([&] {
    auto const first = fuzz::put(text.substr(0, zero));
    auto const merges = zero == std::string_view::npos ? std::string{} : fuzz::put(text.substr(zero + 1), 1);
    auto vocabulary = tadp::read_bpe_vocabulary(first, merges, tokens);
    if (vocabulary.tokens.size() != static_cast<std::size_t>(tokens)) __builtin_trap();
    tadp::TextEncoderConfig config = tadp::clip_vit_l14;
    config.vocabulary = tokens, config.begin_token = vocabulary.begin, config.end_token = vocabulary.end;
    tadp::BpeTokenizer const tokenizer(std::move(vocabulary), config);
    if (tokenizer(text).ids.size() != 77) __builtin_trap();
  });
  return 0;
}
