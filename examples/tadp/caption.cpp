// SPDX-License-Identifier: Apache-2.0
// `tadp caption`: captions of many pictures from a server with a vision model, into a caption file.
// The command is there in every build; without cpp-httplib it says what is missing.
#include "tadp/program.hpp"

#ifdef TADP_HTTP
#include "tadp/interrupt.hpp"
#include "tadp/progress.hpp"

#include "tadp/text/caption_run.hpp"
#include "tadp/text/vision_client.hpp"

#include <chrono>
#include <cstdio>
#include <map>
#endif

namespace program {

namespace {

struct CaptionOptions {
  std::vector<std::string> pictures{};
  std::string endpoint{}, model{}, prompt{}, out{};
  int words = 25, max_tokens = 200, retries = 5, parallel = 1;
  double timeout = 120.0, temperature = 0.0;
};

#ifdef TADP_HTTP

bool is_picture_name(fs::path const& path) {
  std::string const ending = tadp::detail::lower_case(path.extension().string());
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

/// The pictures of a folder and of those in it, named by their way from it, in the order of their names.
void add_folder(std::vector<tadp::PictureName>& pictures, fs::path const& folder) {
  std::vector<fs::path> found;
  std::error_code failed;
  for (fs::recursive_directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    std::error_code gone;
    if (is_picture_name(at->path()) && at->is_regular_file(gone)) found.push_back(at->path());
    if (found.size() > tadp::CaptionLimits{}.max_entries) throw tadp::Error(tadp::Errc::limit, "the folder holds more pictures than a caption file", {.file = folder.string()});
  }
  if (failed) throw tadp::Error(tadp::Errc::io, "the folder cannot be read: " + failed.message(), {.file = folder.string()});
  if (found.empty()) throw tadp::Error(tadp::Errc::io, "there is no picture in the folder", {.file = folder.string(), .expected = "PNG or JPEG files"});
  std::sort(found.begin(), found.end());
  for (fs::path& path : found) pictures.push_back({path, path.lexically_relative(folder).generic_string()});
}

std::vector<tadp::PictureName> pictures_of(CaptionOptions const& o) {
  std::vector<tadp::PictureName> pictures;
  for (std::string const& name : o.pictures) {
    std::error_code absent;
    if (fs::is_directory(name, absent)) {
      add_folder(pictures, name);
      continue;
    }
    tadp::MappedFile const there(name);  // a name that is wrong is told before any work, not after an hour of it
    pictures.push_back({name, fs::path(name).filename().string()});
  }
  std::map<std::string, fs::path> seen;
  for (auto const& picture : pictures)
    if (auto const [at, added] = seen.try_emplace(picture.key, picture.path); !added)
      throw tadp::Error(tadp::Errc::argument, "two pictures would have the same entry", {.file = picture.path.string(), .key = picture.key, .expected = "pictures with names of their own", .found = at->second.string()});
  return pictures;
}

tadp::VisionOptions vision_options(CaptionOptions const& o) {
  tadp::VisionOptions options{.endpoint = o.endpoint,
                              .question = {.model = o.model, .prompt = o.prompt, .words = o.words, .max_tokens = o.max_tokens},
                              .retry = {.retries = o.retries},
                              .answer_seconds = o.timeout};
  if (o.temperature < 0.0)
    options.question.temperature.reset();
  else
    options.question.temperature = o.temperature;
  // Not an option: other users of a machine see the options of a program.
  if (char const* const key = std::getenv("TADP_API_KEY")) options.api_key = key;
  return options;
}

std::string progress_text(std::size_t done, std::size_t total, double seconds) {
  std::string text = "captions: " + std::to_string(done) + " of " + std::to_string(total);
  if (done > 0 && done < total) text += ", about " + duration_text(seconds / static_cast<double>(done) * static_cast<double>(total - done)) + " left";
  return text;
}

Status report(tadp::CaptionReport const& report, CaptionOptions const& o, std::size_t count, Common const& common) {
  for (auto const& failure : report.failed) complain("warning: " + failure.message);
  if (common.json) {
    json failed = json::array();
    for (auto const& failure : report.failed) failed.push_back({{"picture", failure.picture.string()}, {"message", failure.message}});
    print_json({{"out", o.out}, {"pictures", count}, {"asked", report.asked}, {"answered", report.answered}, {"same", report.same}, {"known", report.known}, {"failed", failed}});
  } else if (!common.quiet) {
    std::printf("%zu pictures -> %s (%zu asked for, %zu answered, %zu skipped, %zu of the same content as another, %zu known before)\n", count, o.out.c_str(), report.asked, report.answered, report.failed.size(), report.same, report.known);
  }
  if (report.failed.empty()) return ok;
  complain(std::to_string(report.failed.size()) + " of " + std::to_string(count) + " pictures have no caption; the same command asks for them again");
  return bad_input;
}

Status run(CaptionOptions const& o, Common const& common) {
  auto const pictures = pictures_of(o);
  tadp::VisionCaptioner const captioner(vision_options(o));
  prepare_file(o.out);
  Interrupt interrupt;
  ProgressLine progress(common.quiet);
  tadp::CaptionCache cache(o.out, tadp::CaptionCache::Use::write);
  auto const begin = std::chrono::steady_clock::now();
  tadp::Control const control{.stop = interrupt.token(), .progress = [&](std::size_t done, std::size_t total) {
                                progress.show(progress_text(done, total, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()));
                              }};
  try {
    auto const done = tadp::caption_pictures(captioner, pictures, cache, {.parallel = o.parallel}, control);
    progress.clear();
    return report(done, o, pictures.size(), common);
  } catch (tadp::Error const& error) {
    progress.clear();
    if (cache.entries().empty()) throw;
    std::string const kept = "stopped; " + o.out + " holds the captions of " + std::to_string(cache.entries().size()) + " pictures, and the same command goes on from there";
    if (error.code() == tadp::Errc::cancelled) throw tadp::Error(tadp::Errc::cancelled, kept);
    complain(kept);
    throw;
  }
}

#else

Status run(CaptionOptions const&, Common const&) {
  throw tadp::Error(tadp::Errc::unsupported, "this program was built without cpp-httplib, which asks servers: install libcpp-httplib-dev (vcpkg: cpp-httplib) and build again",
                    {.key = "tadp caption", .expected = "a build with TADP_HTTP=ON", .found = "TADP_HTTP=OFF"});
}

#endif

}  // namespace

void add_caption(CLI::App& app, Command& command) {
  auto const o = std::make_shared<CaptionOptions>();
  auto* const sub = app.add_subcommand("caption", "have pictures captioned by a vision model on a server");
  sub->description("have pictures captioned by a vision model on a server: any that speaks OpenAI's chat form, such as llama.cpp's");
  sub->add_option("picture", o->pictures, "PNG or JPEG files, or folders of them; a picture of a folder is named by its way from there")->required()->type_name("PICTURE|DIR");
  sub->add_option("--endpoint", o->endpoint, "address of the server, with or without /v1/chat/completions; the variable TADP_API_KEY holds its key where it asks for one")->required()->type_name("URL");
  sub->add_option("--out", o->out, "caption file; what is in it is not asked for again, new captions lie in FILE.json.partial until the end")->required()->type_name("FILE.json");
  sub->add_option("--model", o->model, "name of the model, where the server has several")->type_name("NAME");
  sub->add_option("--prompt", o->prompt, "what to ask, else for one plain sentence")->type_name("TEXT");
  sub->add_option("--words", o->words, "longest caption in words, 0: no limit; CLIP reads about 60")->capture_default_str()->check(CLI::Range(0, 1000))->type_name("N");
  sub->add_option("--max-tokens", o->max_tokens, "longest answer in tokens of the model")->capture_default_str()->check(CLI::Range(1, 100000))->type_name("N");
  sub->add_option("--temperature", o->temperature, "0: the same answer each time; below 0: the server's")->capture_default_str()->check(number_between(-1.0, 2.0))->type_name("X");
  sub->add_option("--retries", o->retries, "attempts after the first, where the server is busy or away")->capture_default_str()->check(CLI::Range(0, 1000))->type_name("N");
  sub->add_option("--timeout", o->timeout, "seconds to wait for an answer")->capture_default_str()->check(number_between(0.1, 86400.0))->type_name("S");
  sub->add_option("--parallel", o->parallel, "pictures asked for at a time")->capture_default_str()->check(CLI::Range(1, 256))->type_name("N");
  add_common(*sub, command.common);
  sub->footer(examples({"llama-server -m model.gguf --mmproj mmproj.gguf --port 8080", "tadp caption photos --endpoint http://localhost:8080 --out captions.json",
                        "TADP_API_KEY=... tadp caption *.jpg --endpoint https://api.openai.com/v1 --model gpt-4o-mini --words 20 --parallel 4 --out captions.json"}));
  sub->callback([&command, o] { command.run = [&command, o] { return run(*o, command.common); }; });
}

}  // namespace program
