// SPDX-License-Identifier: Apache-2.0
// Runs a fuzzer's function over files, without libFuzzer: how the kept corpus is part of every test run, with any compiler.
//   fuzz_NAME FILE|FOLDER...
// Ends with 1 where nothing was found to run or the inputs took more than 256 MiB, by a signal where one took ten seconds
// of the processor.
#include <sys/resource.h>
#include <sys/time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
constexpr bool sanitized = __has_feature(address_sanitizer);
#else
constexpr bool sanitized = false;
#endif

std::vector<fs::path> inputs_of(int count, char** names) {
  std::vector<fs::path> inputs;
  for (int i = 1; i < count; ++i) {
    if (!fs::is_directory(names[i])) {
      inputs.emplace_back(names[i]);
      continue;
    }
    for (auto const& entry : fs::directory_iterator(names[i])) inputs.push_back(entry.path());
  }
  std::sort(inputs.begin(), inputs.end());
  return inputs;
}

/// Of the processor, as a busy machine may let a test wait; 0: no limit. Whoever takes longer is ended by SIGPROF.
void limit_seconds(long seconds) {
  itimerval const limit{{0, 0}, {seconds, 0}};
  ::setitimer(ITIMER_PROF, &limit, nullptr);
}

void run(fs::path const& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw fs::filesystem_error("cannot read", path, std::make_error_code(std::errc::io_error));
  std::vector<char> const bytes{std::istreambuf_iterator<char>(file), {}};
  std::fprintf(stderr, "%s\n", path.c_str());  // the last one named is the one that failed
  limit_seconds(sanitized ? 60 : 10);
  LLVMFuzzerTestOneInput(reinterpret_cast<std::uint8_t const*>(bytes.data()), bytes.size());
  limit_seconds(0);
}

}  // namespace

int main(int count, char** names) try {
  auto const inputs = inputs_of(count, names);
  for (auto const& path : inputs) run(path);
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  long const mebibytes = used.ru_maxrss / 1024;
  std::printf("%zu inputs, at most %ld MiB\n", inputs.size(), mebibytes);
  return inputs.empty() || (!sanitized && mebibytes > 256) ? 1 : 0;
} catch (std::exception const& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
