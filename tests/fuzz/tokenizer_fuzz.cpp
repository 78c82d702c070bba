// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a prompt of CLIP's tokenizer with added tokens. Text that is UTF-8 gives 77 ids of the
// vocabulary; other text is refused.
#include "fuzz_input.hpp"

#include "tadp/io/bpe_vocabulary.hpp"
#include "tadp/text/bpe_tokenizer.hpp"

namespace {

tadp::BpeTokenizer make_tokenizer() {
  auto const file = fuzz::put("#version: 0.2\na t\no f\nt o\nt h\nth e</w>\nr o\nro a\nroa d</w>\nc a\nca r</w>\n", 1);
  tadp::TextEncoderConfig config = tadp::clip_vit_l14;
  auto vocabulary = tadp::read_bpe_vocabulary(file, {}, static_cast<int>(tadp::detail::bpe_fixed) + 10);
  config.begin_token = vocabulary.begin, config.end_token = vocabulary.end;
  config.vocabulary = static_cast<int>(vocabulary.tokens.size()) + 2;
  std::int32_t const next = config.vocabulary - 2;
  return tadp::BpeTokenizer(std::move(vocabulary), config, {{"<night>", next}, {"sks", next + 1}});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static auto const tokenizer = make_tokenizer();
  fuzz::only_errors([&] {
    auto const tokens = tokenizer(fuzz::text_of(data, size));
    if (tokens.ids.size() != 77 || tokens.words.size() != 77) __builtin_trap();
    for (auto const id : tokens.ids)
      if (id < 0 || id >= static_cast<int>(tadp::detail::bpe_fixed) + 12) __builtin_trap();
  });
  return 0;
}
