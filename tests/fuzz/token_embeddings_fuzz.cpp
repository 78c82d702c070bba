// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a file of learned tokens, safetensors or either PyTorch form; what is read has a name and numbers.
#include "fuzz_input.hpp"

#include "tadp/io/token_embeddings.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  constexpr int width = 8;
  fuzz::only_errors([&] {
    auto const tokens = tadp::read_token_embeddings(fuzz::put(fuzz::text_of(data, size)), width);
    if (tokens.empty()) __builtin_trap();
    for (auto const& token : tokens) {
      if (token.name.empty() || token.rows.size() != static_cast<std::size_t>(token.vectors * width)) __builtin_trap();
      for (float const v : token.rows)
        if (!std::isfinite(v)) __builtin_trap();
    }
  });
  return 0;
}
