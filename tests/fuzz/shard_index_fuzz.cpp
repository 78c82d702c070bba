// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as the index of two shards that lie beside it.
#include "fuzz_input.hpp"

#include "tadp/io/safetensors_set.hpp"
#include "tadp/io/safetensors_write.hpp"

#include <stdlib.h>  // mkdtemp

#include <filesystem>
#include <fstream>

namespace {

namespace fs = std::filesystem;

/// A folder with the shards one.safetensors (tensors a, b) and two.safetensors (c); removed at the end.
struct Shards {
  fs::path folder{};
  Shards() {
    auto name = (fs::temp_directory_path() / "tadp-fuzz-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) __builtin_trap();
    folder = name;
    std::vector<float> const values{1.0F, 2.0F};
    auto const tensor = [&](char const* of) { return tadp::TensorToWrite{.name = of, .dtype = tadp::Dtype::F32, .shape = {2}, .values = values}; };
    tadp::write_safetensors(folder / "one.safetensors", std::vector<tadp::TensorToWrite>{tensor("a"), tensor("b")});
    tadp::write_safetensors(folder / "two.safetensors", std::vector<tadp::TensorToWrite>{tensor("c")});
  }
  Shards(Shards const&) = delete;
  Shards& operator=(Shards const&) = delete;
  ~Shards() {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static Shards const shards;
  auto const index = shards.folder / "model.safetensors.index.json";
  std::ofstream(index, std::ios::binary).write(reinterpret_cast<char const*>(data), static_cast<std::streamsize>(size));
  fuzz::only_errors([&] {
    tadp::SafetensorsSet const set(index);
    for (auto const& file : set.files())
      if (file.path().parent_path() != shards.folder) __builtin_trap();  // a name that leads out
    float numbers[2];
    for (auto const& entry : set.entries()) set.read_f32(entry, numbers);
  });
  return 0;
}
