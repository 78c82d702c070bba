// SPDX-License-Identifier: Apache-2.0
// Files that are larger than what may be held of them. They are holes but for a few bytes, and take no room on the disk.
#include "tadp/device/cpu.hpp"
#include "tadp/io/checkpoint.hpp"
#include "tadp/io/weights.hpp"
#include "torch_bytes.hpp"

#include "../golden/sanitized.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

using namespace tadp;
using namespace torch_bytes;

namespace {

/// A tensor of floats: zeros, which are a hole of the file, and these bytes at its end.
struct Large {
  std::string name{};
  std::vector<std::int64_t> shape{};
  std::string end{};
  bool by_columns = false;  ///< stored with the first index running fastest, of PyTorch's files

  std::int64_t count() const {
    std::int64_t n = 1;
    for (auto const side : shape) n *= side;
    return n;
  }
  std::uint64_t bytes() const { return static_cast<std::uint64_t>(count()) * 4; }
  std::uint64_t hole() const { return bytes() - end.size(); }
  std::uint32_t crc() const {
    std::string const zeros(std::size_t{1} << 20, '\0');
    auto const over = [](uLong sum, std::string const& s, std::size_t n) { return ::crc32(sum, reinterpret_cast<Bytef const*>(s.data()), static_cast<uInt>(n)); };
    uLong sum = 0;
    for (std::uint64_t left = hole(); left > 0; left -= std::min<std::uint64_t>(left, zeros.size())) sum = over(sum, zeros, static_cast<std::size_t>(std::min<std::uint64_t>(left, zeros.size())));
    return static_cast<std::uint32_t>(over(sum, end, end.size()));
  }
};

/// Bytes one after the other, with holes.
class Sparse {
 public:
  explicit Sparse(std::filesystem::path const& path) : file_(path, std::ios::binary) {}
  void put(std::string const& bytes) {
    file_.seekp(static_cast<std::streamoff>(at_));
    file_ << bytes;
    at_ += bytes.size();
  }
  void put(Large const& tensor) {
    at_ += tensor.hole();
    put(tensor.end);
  }
  std::uint64_t at() const { return at_; }

 private:
  std::ofstream file_;
  std::uint64_t at_ = 0;
};

std::string pickle_of(std::vector<Large> const& tensors) {
  std::vector<std::pair<std::string, std::string>> items;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::vector<std::int64_t> strides(tensors[i].shape.size(), 1);
    if (tensors[i].by_columns)
      for (std::size_t d = 1; d < strides.size(); ++d) strides[d] = strides[d - 1] * tensors[i].shape[d - 1];
    else
      for (std::size_t d = strides.size(); d-- > 1;) strides[d - 1] = strides[d] * tensors[i].shape[d];
    items.emplace_back(tensors[i].name, tensor_of(storage(std::to_string(i), tensors[i].count()), 0, tensors[i].shape, strides));
  }
  return pickle(dict(items));
}

void write_safetensors_file(Sparse& file, std::vector<Large> const& tensors, bool) {
  std::string header = "{";
  std::uint64_t at = 0;
  for (auto const& t : tensors) {
    std::string shape;
    for (auto const side : t.shape) shape += (shape.empty() ? "" : ",") + std::to_string(side);
    header += (at == 0 ? "" : ",") + ("\"" + t.name + R"(":{"dtype":"F32","shape":[)") + shape + R"(],"data_offsets":[)" + std::to_string(at) + "," + std::to_string(at + t.bytes()) + "]}";
    at += t.bytes();
  }
  header += "}";
  file.put(le(header.size(), 8) + header);
  for (auto const& t : tensors) file.put(t);
}

void write_legacy_file(Sparse& file, std::vector<Large> const& tensors, bool) {
  std::string keys;
  for (std::size_t i = 0; i < tensors.size(); ++i) keys += text(std::to_string(i));
  file.put(legacy_head() + pickle_of(tensors) + pickle("](" + keys + "e"));
  for (auto const& t : tensors) {
    file.put(le(static_cast<std::uint64_t>(t.count()), 8));
    file.put(t);
  }
}

/// With 64-bit sizes and offsets everywhere. `sums`: with checksums, which torch.save may leave out.
void write_zip_file(Sparse& file, std::vector<Large> const& tensors, bool sums) {
  std::string directory;
  std::uint64_t rows = 0;
  auto const wide = [](std::vector<std::uint64_t> const& values) {
    std::string s = le(1, 2) + le(values.size() * 8, 2);
    for (auto const v : values) s += le(v, 8);
    return s;
  };
  auto const begin = [&](std::string const& name, std::uint64_t size, std::uint32_t crc) {
    auto const common = le(0, 2) + le(0, 2) + le(0, 4) + le(crc, 4) + le(0xffffffff, 4) + le(0xffffffff, 4) + le(name.size(), 2);
    auto const local = wide({size, size}), central = wide({size, size, file.at()});
    directory += "PK\x01\x02" + le(45, 2) + le(45, 2) + common + le(central.size(), 2) + le(0, 2) + le(0, 2) + le(0, 2) + le(0, 4) + le(0xffffffff, 4) + name + central;
    ++rows;
    file.put("PK\x03\x04" + le(45, 2) + common + le(local.size(), 2) + name + local);
  };
  auto const data = pickle_of(tensors);
  begin("archive/data.pkl", data.size(), static_cast<std::uint32_t>(::crc32(0, reinterpret_cast<Bytef const*>(data.data()), static_cast<uInt>(data.size()))));
  file.put(data);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    begin("archive/data/" + std::to_string(i), tensors[i].bytes(), sums ? tensors[i].crc() : 0);
    file.put(tensors[i]);
  }
  auto const start = file.at(), end = start + directory.size();
  file.put(directory + "PK\x06\x06" + le(44, 8) + le(45, 2) + le(45, 2) + le(0, 8) + le(rows, 8) + le(rows, 8) + le(directory.size(), 8) + le(start, 8) + "PK\x06\x07" + le(0, 4) + le(end, 8) + le(1, 4) +
           "PK\x05\x06" + le(0, 4) + le(0xffff, 2) + le(0xffff, 2) + le(0xffffffff, 4) + le(0xffffffff, 4) + le(0, 2));
}

struct Form {
  Container container;
  void (*write)(Sparse&, std::vector<Large> const&, bool);
};
constexpr Form forms[] = {{Container::safetensors, write_safetensors_file}, {Container::torch_zip, write_zip_file}, {Container::torch_legacy, write_legacy_file}};

std::filesystem::path make(TempDir const& dir, Form const& form, std::vector<Large> const& tensors, bool sums) {
  auto const path = dir.path / "large.ckpt";
  Sparse file(path);
  form.write(file, tensors, sums);
  return path;
}

/// A number of MiB that the system tells of this process; nothing where it does not.
std::optional<double> mebibytes(std::string const& what) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(what + ":")) return std::stod(line.substr(what.size() + 1)) / 1024;
  return std::nullopt;
}

/// The most memory, pages of mapped files included, that `run` held beyond what was held before, in MiB.
template <class Run>
std::optional<double> peak_of(Run const& run) {
  bool const cleared = static_cast<bool>(std::ofstream("/proc/self/clear_refs") << 5 << std::flush);
  auto const before = mebibytes("VmRSS");
  run();
  auto const most = mebibytes("VmHWM");
  if (TADP_TEST_SANITIZED || !cleared || !before || !most) return std::nullopt;
  return *most - *before;
}

}  // namespace

TEST_CASE("a file beyond 4 GiB is opened at once, and its last numbers are read") {
  constexpr std::int64_t many = (std::int64_t{1} << 30) + 2;
  std::vector<Large> const tensors{{"a", {many}, floats({7, 8})}, {"b", {2, 3}, six()}};
  for (auto const& form : forms) {
    CAPTURE(to_string(form.container));
    TempDir dir;
    auto const path = make(dir, form, tensors, false);
    REQUIRE(std::filesystem::file_size(path) > std::uint64_t{1} << 32);
    auto const peak = peak_of([&] {
      auto const file = open_checkpoint(path);
      CHECK(file.container() == form.container);
      std::vector<float> values(6), last(4);
      file.read_f32(*file.find("b"), values.data());
      CHECK(values == std::vector<float>{0, 1, 2, 3, 4, 5});
      file.read_f32(*file.find("a"), many - 4, 4, last.data());
      CHECK(last == std::vector<float>{0, 0, 7, 8});
    });
    if (peak) CHECK(*peak < 16);
  }
}

TEST_CASE("loading holds at most 64 MiB beside the weights") {
  std::vector<Large> const tensors{{"token_embedding.weight", {49408, 768}, floats({3})}, {"conv.weight", {1280, 1280, 3, 3}, floats({4})}};
  auto list = std::make_shared<ParameterList>();
  for (auto const& t : tensors) list->add(t.name, {t.shape.begin(), t.shape.end()}, Init::fan_in, true);
  double const weights_size = static_cast<double>(tensors[0].bytes() + tensors[1].bytes()) / (1 << 20);
  for (auto const& form : forms) {
    CAPTURE(to_string(form.container));
    TempDir dir;
    auto const path = make(dir, form, tensors, true);
    auto const peak = peak_of([&] {
      Weights<Cpu> weights(Cpu(1), list);
      auto const file = open_checkpoint(path);
      load_weights_from(weights, std::span<Checkpoint const>(&file, 1), path.string());
      CHECK(weights.data(ParameterId{0})[tensors[0].count() - 1] == 3.0F);
      CHECK(weights.data(ParameterId{1})[tensors[1].count() - 1] == 4.0F);
    });
    if (!peak) continue;
    CHECK(*peak > weights_size - 8);  // or this counts something else
    CHECK(*peak < weights_size + 64);
  }
}

TEST_CASE("of tensors that are not stored row by row one is held beside what is read") {
  std::vector<Large> const tensors{{"a", {1280, 1280, 3, 3}, floats({3}), true}, {"b", {1280, 1280, 3, 3}, floats({4}), true}, {"c", {1280, 1280, 3, 3}, floats({5}), true}};
  double const one = static_cast<double>(tensors[0].bytes()) / (1 << 20);
  for (auto const& form : {forms[1], forms[2]}) {
    CAPTURE(to_string(form.container));
    TempDir dir;
    auto const path = make(dir, form, tensors, true);
    auto const peak = peak_of([&] {
      auto const file = open_checkpoint(path);
      std::vector<float> values(static_cast<std::size_t>(tensors[0].count()));
      for (auto const& t : tensors) {
        file.read_f32(*file.find(t.name), values.data());
        CHECK(std::memcmp(&values.back(), t.end.data(), t.end.size()) == 0);
      }
    });
    if (!peak) continue;
    CHECK(*peak > 2 * one - 8);
    CHECK(*peak < 2 * one + 32);
  }
}
