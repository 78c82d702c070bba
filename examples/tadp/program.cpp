// SPDX-License-Identifier: Apache-2.0
// Printing, checks of output places and the options that every command has.
#include "tadp/program.hpp"

#include "tadp/cuda_driver.hpp"
#if defined(TADP_PROGRAM_CUDA)
#include "tadp/device/cuda_devices.hpp"
#endif
#include "tadp/io/file.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <thread>

namespace program {

namespace {

void try_to_write(fs::path const& file) {
  // A block, not an empty file: a full disk takes the latter.
  std::vector<std::byte> const block(65536);
  tadp::AtomicFile probe(file);
  probe.write(block.data(), block.size());
}

template <class Allowed>
CLI::Validator number_check(std::string const& which, Allowed const& allowed) {
  auto const check = [which, allowed](std::string& text) {
    double value = 0.0;
    bool const number = CLI::detail::lexical_cast(text, value) && std::isfinite(value);
    return number && allowed(value) ? std::string() : "a number " + which + " is needed, not " + tadp::printable(text, 60);
  };
  return {check, which};
}
std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

void add_common(CLI::App& command, Common& common, std::string const& json_help) {
  command.add_flag("-q,--quiet", common.quiet, "no progress and no text of results; warnings and errors remain");
  if (!json_help.empty()) command.add_flag("--json", common.json, json_help);
}

void add_device(CLI::App& command, std::string& device) {
  command.add_option("--device", device, "where the network runs; `tadp devices` lists what there is")->capture_default_str()->type_name("NAME");
}

void require_device(std::string const& name) {
  if (name == "cpu") return;
  if (name != "cuda") throw tadp::Error(tadp::Errc::argument, "unknown device", {.key = "--device", .expected = "cpu or cuda", .found = name});
#if defined(TADP_PROGRAM_CUDA)
  tadp::existing_cuda_device(0);
#else
  CudaDriver const driver = cuda_driver();
  throw tadp::Error(tadp::Errc::argument, "this program was built without the device cuda (TADP_PROGRAM_CUDA)" + (driver.missing.empty() ? "" : ", and " + driver.missing),
                    {.key = "--device", .expected = "cpu", .found = name});
#endif
}

void add_threads(CLI::App& command, int& threads) {
  threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  command.add_option("--threads", threads, "threads to compute with")->capture_default_str()->check(CLI::Range(1, 1024))->type_name("N");
}

CLI::Validator number_between(double least, double most) {
  return number_check("from " + short_number(least) + " to " + short_number(most), [=](double value) { return value >= least && value <= most; });
}

CLI::Validator number_above_zero(double end) {
  return number_check("above 0 and below " + short_number(end), [=](double value) { return value < end && static_cast<float>(value) > 0.0F; });
}

std::string examples(std::initializer_list<char const*> lines) {
  std::string text = "Examples:";
  for (char const* const line : lines) text.append("\n  ").append(line);
  return text;
}

void complain(std::string_view text) {
  std::fflush(stdout);
  std::fprintf(stderr, "tadp: %.*s\n", static_cast<int>(text.size()), text.data());
}

json error_json(tadp::Error const& error) {
  tadp::Where const& where = error.where();
  json out{{"code", tadp::to_string(error.code())}, {"message", error.what()}};
  for (auto const& [name, value] : {std::pair{"file", &where.file}, {"key", &where.key}, {"expected", &where.expected}, {"found", &where.found}})
    if (!value->empty()) out[name] = *value;
  if (where.offset) out["offset"] = *where.offset;
  return {{"error", out}};
}

void print_json(json const& value) {
  std::string const text = value.dump(2, ' ', false, json::error_handler_t::replace);
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

void write_json(fs::path const& path, json const& value) {
  std::string const text = value.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  tadp::write_file_atomic(path, std::as_bytes(std::span(text)));
}

std::array<int, 2> size_of(std::string const& text, char const* option, bool height_first) {
  auto const cross = text.find_first_of("xX");
  auto const number = [](std::string_view part) {
    int value = 0;
    auto const [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    return error == std::errc{} && end == part.data() + part.size() ? value : 0;
  };
  int const first = number(std::string_view(text).substr(0, cross));
  int const second = cross == std::string::npos ? 0 : number(std::string_view(text).substr(cross + 1));
  if (first < 1 || second < 1)
    throw tadp::Error(tadp::Errc::argument, "this is not a size",
                      {.key = option, .expected = height_first ? "HEIGHTxWIDTH, such as 512x512" : "WIDTHxHEIGHT, such as 320x240", .found = text});
  return {first, second};
}

std::array<int, 2> fit_of(std::string const& text) {
  if (text == "none") return {0, 0};
  auto const sides = size_of(text, "--fit", false);
  return {std::max(sides[0], sides[1]), std::min(sides[0], sides[1])};
}

void prepare_folder(fs::path const& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed || !fs::is_directory(folder, failed))
    throw tadp::Error(tadp::Errc::io, "the folder for results cannot be made" + (failed ? ": " + failed.message() : ""),
                      {.file = folder.string(), .key = "--out", .expected = "a folder, or a place for one", .found = fs::exists(folder, failed) ? "another file" : ""});
  try {
    try_to_write(folder / "probe");
  } catch (tadp::Error const& error) {
    throw tadp::Error(tadp::Errc::io, std::string("the folder for results cannot be written (") + error.what() + ")", {.file = folder.string(), .key = "--out"});
  }
}

void prepare_file(fs::path const& file) { try_to_write(file); }

}  // namespace program
