// SPDX-License-Identifier: Apache-2.0
#include "allocation_hooks.hpp"

#include "../plain_windows.hpp"
#include "tadp/io/hash_rule.hpp"
#include "tadp/io/safetensors.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/session.hpp"
#include "tadp/text/word_tokenizer.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

namespace td = tadp;
using td::index_t;

namespace {

using Tiny = td::Backbone<td::UNetOf<td::tiny_unet>, td::TextEncoderOf<td::tiny_text>>;
template <class... Parts>
using ModelOf = td::Model<Tiny, td::PromptPolicy<Parts...>, td::Head<td::SegmentationOf<td::dynamic, 32>>>;
using Captioned = ModelOf<td::Caption, td::Modifier>;
using OnProcessor = td::Inference<td::Cpu>;

template <class M>
struct Loaded {
  std::shared_ptr<M const> model;
  std::shared_ptr<td::Weights<td::Cpu> const> weights;
};
template <class M = Captioned>
Loaded<M> hashed(td::ModelSizes sizes = {.classes = 19}) {
  auto model = std::make_shared<M const>(sizes);
  auto weights = std::make_shared<td::Weights<td::Cpu>>(td::Cpu(1), model->parameters());
  td::fill_by_hash(*weights, 0);
  return {model, weights};
}
template <class M = Captioned>
td::Session<M, OnProcessor> session_of(Loaded<M> const& l, td::SessionOptions o) {
  return {l.model, l.weights, std::move(o)};
}
td::SessionOptions small(int batch = 1, int threads = 1) { return {.window = {64, 64}, .batch = batch, .threads = threads}; }

td::Picture noisy(int w, int h) {
  td::Picture p(w, h);
  for (std::size_t i = 0; i < p.rgb.size(); ++i) p.rgb[i] = static_cast<std::uint8_t>(td::random_bits(7, i));
  return p;
}
td::Prompt const words{.ids = {5, 6, 7}};

template <class Call>
td::Errc code_of(Call const& call) {
  try {
    call();
  } catch (td::Error const& e) {
    return e.code();
  }
  FAIL("no error");
  return {};
}

std::filesystem::path shared_folder() {
  char const* const given = std::getenv("TADP_SHARED");
#ifdef TADP_SHARED_DIR
  return given != nullptr ? given : TADP_SHARED_DIR;
#else
  return given != nullptr ? given : "";
#endif
}

}  // namespace

TEST_CASE("sliding windows give the reference's logits and labels") {
  auto const base = shared_folder() / "goldens" / "tiny_windows";
  if (!std::filesystem::exists(base.string() + ".json")) {
    MESSAGE("skipped: the shared goldens are not here");
    return;
  }
  auto const manifest = nlohmann::json::parse(std::ifstream(base.string() + ".json"));
  td::SafetensorsFile const file(base.string() + ".safetensors");
  auto const& slide = manifest["meta"]["slide"];
  index_t const h = slide["image"][2], w = slide["image"][3];
  std::vector<float> picture(static_cast<std::size_t>(h * w * 3));
  td::HashStream const stream("input.slide", 0);
  for (index_t c = 0; c < 3; ++c)
    for (index_t p = 0; p < h * w; ++p) picture[static_cast<std::size_t>(p * 3 + c)] = stream.uniform(c * h * w + p, -1, 1);
  int const crop = slide["crop"];
  auto session = session_of(hashed(), {.window = {crop, crop}, .stride = slide["stride"], .batch = 3});
  auto const result = session.run(td::NormalisedView{picture.data(), static_cast<int>(w), static_cast<int>(h)},
                                  {.ids = manifest["meta"]["token_ids"][0].get<std::vector<std::int32_t>>()}, {.logits = true});

  auto const& info = manifest["tensors"]["slide.logits"];
  std::vector<float> expected(info["count"].get<std::size_t>());
  file.read_f32(*file.find("slide.logits"), expected.data());
  double worst = 0;
  for (std::size_t k = 0; k < expected.size(); ++k) {
    index_t const at = static_cast<index_t>(k) * info["stride"].get<index_t>(), c = at / (h * w), p = at % (h * w);
    worst = std::max(worst, std::abs(double(result.logits[static_cast<std::size_t>(p * 19 + c)]) - double(expected[k])));
  }
  MESSAGE("slide.logits: error " << worst / info["absmax"].get<double>());
  CHECK(worst / info["absmax"].get<double>() < 1e-4);

  auto const& labels = manifest["tensors"]["slide.argmax"];
  auto const bytes = file.data(*file.find("slide.argmax"));
  int different = 0;
  for (std::size_t k = 0; k < labels["count"].get<std::size_t>(); ++k) {
    std::int32_t label;
    std::memcpy(&label, bytes.data() + 4 * k, 4);
    different += result.labels.labels[k * labels["stride"].get<std::size_t>()] != label ? 1 : 0;
  }
  CHECK(different == 0);
}

TEST_CASE("the second pass allocates nothing") {
#if TADP_COUNTS_ALLOCATIONS
  for (auto const& [threads, fit] : {std::pair{1, 0}, std::pair{2, 0}, std::pair{2, 96}}) {
    auto const loaded = hashed();
    td::SessionOptions options = small(2, threads);
    options.fit = {2 * fit, fit};
    options.tokenizer = td::WordTokenizer({"a", "car", "street"}, td::tiny_text);
    auto session = session_of(loaded, options);
    td::Picture const picture = noisy(150, 70);
    td::Prompt const prompt{.caption = "a street with a car, and more words than a short string holds", .modifier = "a photo of"};
    std::vector<std::uint8_t> labels(150 * 70);
    CHECK(allocation_count::during([&] { session.infer(picture, prompt, labels); }) > 0);
    auto const first = labels;
    for (int again = 0; again < 3; ++again) {
      CHECK(allocation_count::during([&] { session.infer(picture, prompt, labels); }) == 0);
      CHECK(labels == first);
    }
  }
#else
  MESSAGE("skipped: a sanitizer stands in for the allocator");
#endif
}

TEST_CASE("batch and threads do not change a byte") {
  auto const loaded = hashed();
  td::Picture const picture = noisy(150, 110);  // twelve windows: one batch of eight, and four alone
  td::Wanted const everything{.logits = true, .confidence = true, .maps = {{1}, {2, 3}}};
  for (bool const sample : {false, true}) {
    auto const run = [&](int batch, int threads) {
      auto options = small(batch, threads);
      options.latent.sample = sample;
      auto session = session_of(loaded, options);
      return session.run(picture, words, everything);
    };
    auto const one = run(1, 1);
    for (auto const& [batch, threads] : {std::pair{8, 2}, std::pair{8, 1}, std::pair{1, 2}}) {
      if (sample && (batch == 1 || threads == 1)) continue;
      auto const other = run(batch, threads);
      CHECK(other.labels.labels == one.labels.labels);
      CHECK(other.logits == one.logits);
      CHECK(other.confidence == one.confidence);
      CHECK(other.maps.values == one.maps.values);
    }
  }
}

TEST_CASE("pictures of any shape") {
  auto const loaded = hashed();
  auto session = session_of(loaded, small(4));
  struct Size {
    int w, h;
  };
  for (Size const size : {Size{1, 1}, Size{64, 64}, Size{30, 100}, Size{200, 20}, Size{20, 200}, Size{65, 63}}) {
    int const w = size.w, h = size.h;
    CAPTURE(w);
    CAPTURE(h);
    auto const result = session.run(noisy(w, h), words, {.logits = true, .confidence = true, .maps = {{0}, {1, 2}}});
    auto const pixels = static_cast<std::size_t>(w * h);
    CHECK(result.labels.width == w);
    CHECK(result.labels.labels.size() == pixels);
    CHECK(result.logits.size() == pixels * 19);
    CHECK(result.maps.values.size() == pixels * 2);
    for (std::size_t p = 0; p < pixels; ++p) {
      REQUIRE(result.confidence[p] > 1.0F / 19.0F - 1e-6F);
      REQUIRE(result.confidence[p] <= 1.0F);
      REQUIRE(result.labels.labels[p] < 19);
      for (float const map : {result.maps.values[2 * p], result.maps.values[2 * p + 1]}) {
        REQUIRE(map >= 0.0F);
        REQUIRE(map <= 1.0F);
      }
    }
    std::vector<std::uint8_t> labels(pixels);
    session.infer(noisy(w, h), words, labels);
    CHECK(labels == result.labels.labels);
  }
}

TEST_CASE("a picture is brought to the model's scale, its answer to the picture's") {
  auto const loaded = hashed();
  auto options = small();
  auto plain = session_of(loaded, options);
  options.fit = {128, 64};
  auto fitting = session_of(loaded, options);
  td::Wanted const everything{.logits = true, .confidence = true, .maps = {{1}, {2, 3}}};
  for (auto const& [w, h] : {std::pair{100, 75}, std::pair{75, 200}, std::pair{40, 30}, std::pair{64, 64}}) {
    CAPTURE(w);
    td::Picture const picture = noisy(w, h);
    auto const [fw, fh] = td::keep_ratio_size(w, h, 128, 64);
    auto const small_answer = plain.run(td::resize(picture, fw, fh, td::Resize::cv2_bilinear), words, everything);
    auto const answer = fitting.run(picture, words, everything);
    CHECK(answer.labels.width == w);
    CHECK(answer.labels.height == h);
    CHECK(answer.confidence.size() == static_cast<std::size_t>(w * h));
    // F.interpolate(mode="bilinear", align_corners=False) of the logits and the maps.
    auto const check = [&, fw = fw, fh = fh, w = w, h = h](std::vector<float> const& from, std::vector<float> const& to, int channels) {
      REQUIRE(to.size() == static_cast<std::size_t>(w * h * channels));
      double worst = 0.0;
      for (int y = 0; y < h; ++y)
        for (int x = 0; x < w; ++x)
          for (int c = 0; c < channels; ++c) {
            auto const place = [](int i, int in, int out) { return std::max(0.0, (i + 0.5) * in / out - 0.5); };
            double const sy = place(y, fh, h), sx = place(x, fw, w);
            int const y0 = static_cast<int>(sy), x0 = static_cast<int>(sx), y1 = std::min(y0 + 1, fh - 1), x1 = std::min(x0 + 1, fw - 1);
            auto const at = [&](int py, int px) { return static_cast<double>(from[static_cast<std::size_t>((py * fw + px) * channels + c)]); };
            double const u = sx - x0, v = sy - y0;
            double const want = (1 - v) * ((1 - u) * at(y0, x0) + u * at(y0, x1)) + v * ((1 - u) * at(y1, x0) + u * at(y1, x1));
            worst = std::max(worst, std::abs(want - static_cast<double>(to[static_cast<std::size_t>((y * w + x) * channels + c)])));
          }
      CHECK(worst < 1e-5);
    };
    check(small_answer.logits, answer.logits, 19);
    check(small_answer.maps.values, answer.maps.values, 2);
  }
  for (std::array<int, 2> const bad : {std::array{64, 128}, std::array{0, 64}, std::array{64, 0}, std::array{-1, -1}}) {
    options.fit = bad;
    CHECK(code_of([&] { session_of(loaded, options); }) == td::Errc::argument);
  }
}

TEST_CASE("maps of all tokens sum to one") {
  auto session = session_of(hashed(), small());
  td::Wanted wanted;
  for (int t = 0; t < 77; ++t) wanted.maps.push_back({t});
  auto const result = session.run(noisy(90, 64), words, wanted);
  for (int x = 0; x < 90; x += 11) {
    double total = 0;
    for (int t = 0; t < 77; ++t) total += double(result.maps.at(t, x, 40));
    CHECK(total == doctest::Approx(1.0).epsilon(1e-5));
  }
}

TEST_CASE("order of colours and the stride of rows") {
  auto session = session_of(hashed(), small());
  td::Picture const picture = noisy(64, 64);
  auto const expected = session(picture, words);
  std::vector<std::uint8_t> padded(64 * 200, 9);
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 64; ++x)
      for (int c = 0; c < 3; ++c) padded[static_cast<std::size_t>(y * 200 + x * 3 + c)] = picture.pixel(x, y)[2 - c];
  CHECK(session(td::PictureView{padded.data(), 64, 64, 200, td::PixelOrder::bgr}, words).labels == expected.labels);
  // Rows from the bottom up, as some programs keep them.
  std::vector<std::uint8_t> flipped(picture.rgb.size());
  for (int y = 0; y < 64; ++y) std::copy_n(picture.pixel(0, y), 192, flipped.data() + (63 - y) * 192);
  CHECK(session(td::PictureView{flipped.data() + 63 * 192, 64, 64, -192}, words).labels == expected.labels);
}

TEST_CASE("prompts") {
  auto const loaded = hashed();
  auto session = session_of(loaded, small());
  td::Picture const picture = noisy(64, 64);
  auto const logits = [&](td::Prompt const& p) { return session.run(picture, p, {.logits = true}).logits; };
  auto const first = logits(words), other = logits({.ids = {8, 9}});
  CHECK(first != other);
  CHECK(first == logits(words));
  CHECK(logits({}) == logits({.ids = {td::tiny_text.begin_token}}));
  CHECK(code_of([&] { logits({.caption = "a car"}); }) == td::Errc::argument);
  CHECK(code_of([&] { logits({.ids = {600}}); }) == td::Errc::argument);
  CHECK(code_of([&] { logits({.ids = std::vector<std::int32_t>(80, 3)}); }) == td::Errc::argument);
  CHECK(first == logits(words));

  auto options = small();
  options.tokenizer = td::WordTokenizer({"a", "car", "dark", "night", "of", "photo"}, td::tiny_text);
  auto spoken = session_of(loaded, options);
  spoken(picture, {.caption = "car", .modifier = "a dark night photo of a {}"});
  CHECK(std::vector(spoken.tokens().words.begin() + 1, spoken.tokens().words.begin() + 8) ==
        std::vector<std::string>{"a", "dark", "night", "photo", "of", "a", "car"});
  spoken(picture, {.caption = "a zeppelin"});
  CHECK(spoken.tokens().unknown == std::vector<std::string>{"zeppelin"});
}

TEST_CASE("prompt policies and counts of classes that the program learns") {
  auto const run = [](auto const& loaded, td::Prompt const& prompt) {
    auto session = session_of(loaded, small(2));
    return session(noisy(100, 64), prompt);
  };
  auto const null = hashed<ModelOf<td::Null>>();
  CHECK(run(null, {}).labels.size() == 6400);
  CHECK(code_of([&] { run(null, words); }) == td::Errc::argument);
  auto const classes = hashed<ModelOf<td::AveragedEos, td::Adapter>>({.classes = 7, .class_embeddings = 5});
  for (std::uint8_t const label : run(classes, {}).labels) REQUIRE(label < 7);
  auto const both = hashed<ModelOf<td::Caption, td::AveragedEos>>({.classes = 3, .class_embeddings = 3});
  for (std::uint8_t const label : run(both, words).labels) REQUIRE(label < 3);
  CHECK(code_of([&] { run(both, {.modifier = "a"}); }) == td::Errc::argument);
}

TEST_CASE("raw batches") {
  auto const loaded = hashed();
  auto options = small(2);
  options.texts = 2;
  options.self_maps = true;
  auto session = session_of(loaded, options);
  std::vector<float> pictures(2 * 64 * 64 * 3);
  for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = td::random_unit(3, i % (pictures.size() / 2)) * 2 - 1;
  auto const a = td::pad_tokens(std::vector<std::int32_t>{1, 2}, td::tiny_text), b = td::pad_tokens(std::vector<std::int32_t>{3}, td::tiny_text);
  std::vector<std::int32_t> ids = a;
  ids.insert(ids.end(), b.begin(), b.end());
  std::int32_t const texts[] = {0, 1}, swapped[] = {1, 0};
  auto const level = [&](int n) {
    auto const v = session.pyramid(1);
    return std::vector<float>(v.pixel(n * 16), v.pixel((n + 1) * 16));
  };
  session.run_raw({.pictures = pictures, .ids = ids, .text_of_picture = texts});
  CHECK(td::FeatureShape(session.pyramid(1).shape) == td::FeatureShape(2, 4, 4, 64 + 77));
  CHECK(td::FeatureShape(session.cross_map(2).shape) == td::FeatureShape(2, 2, 2, 77));
  CHECK(td::FeatureShape(session.self_map(1).shape) == td::FeatureShape(2, 4, 4, 16));
  CHECK_FALSE(session.cross_map(0));
  auto const first = level(0), second = level(1);
  CHECK(first != second);
  session.run_raw({.pictures = pictures, .ids = ids, .text_of_picture = swapped});
  CHECK(level(0) == second);
  CHECK(level(1) == first);
  CHECK(code_of([&] { session.run_raw({.pictures = std::span(pictures).first(9), .ids = ids}); }) == td::Errc::shape);
  std::int32_t const wrong[] = {0, 2};
  CHECK(code_of([&] { session.run_raw({.pictures = pictures, .ids = ids, .text_of_picture = wrong}); }) == td::Errc::argument);
  // A picture after a raw batch reads its own text again.
  auto fresh = session_of(loaded, small());
  CHECK(session(noisy(64, 64), words).labels == fresh(noisy(64, 64), words).labels);
}

TEST_CASE("stopping and progress") {
  auto session = session_of(hashed(), small(2));
  td::Picture const picture = noisy(160, 64);
  auto const expected = session(picture, words);
  std::stop_source source;
  std::size_t last = 0, calls = 0;
  td::Control const stopped{.stop = source.get_token(), .progress = [&](std::size_t done, std::size_t total) {
                              CHECK(done > last);
                              CHECK(done <= total);
                              last = done;
                              if (++calls == 20) source.request_stop();
                            }};
  CHECK(code_of([&] { session(picture, {.ids = {9}}, stopped); }) == td::Errc::cancelled);
  CHECK(calls == 20);
  last = 0;
  std::size_t total_seen = 0;
  CHECK(session(picture, words, {.progress = [&](std::size_t done, std::size_t total) { last = done, total_seen = total; }}).labels == expected.labels);
  CHECK(last == total_seen);
  source.request_stop();
  CHECK(code_of([&] { session(picture, words, {.stop = source.get_token()}); }) == td::Errc::cancelled);
}

TEST_CASE("two sessions on two threads share the weights") {
  auto const loaded = hashed();
  td::Picture const picture = noisy(100, 100);
  auto const expected = session_of(loaded, small())(picture, words);
  td::LabelMap results[2];
  std::thread threads[2];
  for (int i = 0; i < 2; ++i)
    threads[i] = std::thread([&, i] { results[i] = session_of(loaded, small(2))(picture, words); });
  for (auto& thread : threads) thread.join();
  for (auto const& result : results) CHECK(result.labels == expected.labels);
}

TEST_CASE("a further session needs less memory than another copy of the weights") {
#if TADP_COUNTS_ALLOCATIONS
  auto const loaded = hashed();
  auto const weights = static_cast<std::size_t>(loaded.model->parameters()->floats()) * sizeof(float);
  auto first = session_of(loaded, small());
  td::Picture const picture = noisy(64, 64);
  first(picture, words);
  allocation_count::during([&] { session_of(loaded, small())(picture, words); });
  CAPTURE(weights);
  CAPTURE(allocation_count::bytes.load());
  CHECK(allocation_count::bytes < weights / 2);
#else
  MESSAGE("skipped: a sanitizer stands in for the allocator");
#endif
}

TEST_CASE("a session knows no device") {
  auto const loaded = hashed();
  auto on_plain_loops = std::make_shared<td::Weights<plain::Device>>(plain::Device{}, loaded.model->parameters());
  td::fill_by_hash(*on_plain_loops, 0);
  td::Session<Captioned, td::Inference<plain::Device>> slow{loaded.model, on_plain_loops, small()};
  auto fast = session_of(loaded, small());
  td::Wanted const wanted{.logits = true, .maps = {{1, 2}}};
  auto const a = slow.run(noisy(70, 50), words, wanted), b = fast.run(noisy(70, 50), words, wanted);
  float largest = 0, worst = 0, worst_map = 0;
  for (std::size_t i = 0; i < a.logits.size(); ++i) {
    largest = std::max(largest, std::abs(a.logits[i]));
    worst = std::max(worst, std::abs(a.logits[i] - b.logits[i]));
  }
  for (std::size_t i = 0; i < a.maps.values.size(); ++i) worst_map = std::max(worst_map, std::abs(a.maps.values[i] - b.maps.values[i]));
  CHECK(worst < 1e-4F * largest);
  CHECK(worst_map < 1e-5F);
}

TEST_CASE("options and pictures that do not fit are refused") {
  auto const loaded = hashed();
  for (auto const& options : {td::SessionOptions{.window = {100, 64}}, td::SessionOptions{.window = {64, 0}}, td::SessionOptions{.window = {64, 64}, .stride = 65},
                              td::SessionOptions{.window = {64, 64}, .batch = 0}, td::SessionOptions{.window = {64, 64}, .threads = 0}})
    CHECK(code_of([&] { session_of(loaded, options); }) == td::Errc::argument);
  auto other = hashed();
  other.weights = loaded.weights;
  CHECK(code_of([&] { session_of(other, small()); }) == td::Errc::argument);
  CHECK(code_of([&] { session_of(hashed({.classes = 300}), small()); }) == td::Errc::argument);
  auto session = session_of(loaded, small());
  CHECK(code_of([&] { session(td::PictureView{}, words); }) == td::Errc::argument);
  CHECK(code_of([&] { session.run(noisy(8, 8), words, {.maps = {{77}}}); }) == td::Errc::argument);
  CHECK(code_of([&] { session.run(noisy(8, 8), words, {.maps = {{}}}); }) == td::Errc::argument);
  std::vector<std::uint8_t> few(10);
  CHECK(code_of([&] { session.infer(noisy(8, 8), words, few); }) == td::Errc::argument);
}
