// SPDX-License-Identifier: Apache-2.0
// `tadp inspect`: what a weight file holds, as a tree of names, and what it says about itself.
#include "tadp/program.hpp"

#include "tadp/io/description.hpp"
#include "tadp/io/model_configs.hpp"

#include <cstdio>
#include <map>

namespace program {

namespace {

using tadp::TensorEntry;

struct InspectOptions {
  std::string file{};
  int depth = 0;
  bool check = false;
};

std::string bytes_text(std::uint64_t bytes) {
  constexpr char const* units[] = {"B", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(units)) value /= 1000, ++unit;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
  return text;
}

/// Tensors by the parts of their names.
struct Node {
  std::map<std::string, Node> children{};
  std::vector<std::string> order{};  ///< of the children, numbers as numbers
  TensorEntry const* tensor = nullptr;
  std::uint64_t bytes = 0;
  std::size_t tensors = 0;
};

Node tree_of(std::vector<TensorEntry const*> const& entries) {
  Node root;
  for (TensorEntry const* const entry : entries) {
    Node* node = &root;
    for (std::size_t at = 0;;) {
      node->bytes += entry->size_bytes();
      ++node->tensors;
      if (at > entry->name.size()) break;
      auto const dot = std::min(entry->name.find('.', at), entry->name.size());
      std::string const part = entry->name.substr(at, dot - at);
      auto const [child, added] = node->children.try_emplace(part);
      if (added) node->order.push_back(part);
      node = &child->second;
      at = dot + 1;
    }
    node->tensor = entry;
  }
  return root;
}

void print_tree(Node const& node, int level, int depth) {
  for (std::string const& part : node.order) {
    Node const* child = &node.children.at(part);
    std::string name = part;
    while (child->tensor == nullptr && child->order.size() == 1) {  // a chain of single children is one line
      name += "." + child->order[0];
      child = &child->children.at(child->order[0]);
    }
    std::string const label = std::string(static_cast<std::size_t>(2 * level + 2), ' ') + tadp::printable(name, 400);
    if (child->tensor != nullptr)
      std::printf("%-58s %-5s %-18s %8s\n", label.c_str(), std::string(to_string(child->tensor->dtype)).c_str(), tadp::detail::shape_text(child->tensor->shape).c_str(),
                  bytes_text(child->tensor->size_bytes()).c_str());
    else
      std::printf("%-58s %5zu tensors %20s\n", label.c_str(), child->tensors, bytes_text(child->bytes).c_str());
    if (depth == 0 || level + 1 < depth) print_tree(*child, level + 1, depth);
  }
}

json description_json(tadp::ModelDescription const& d) {
  json out = json::object();
  for (auto const& [key, value] : tadp::to_metadata(d)) {
    std::string const name = key.substr(key.find('.') + 1);
    out[name] = key == "tadp.version" ? json(value) : json::parse(value);
  }
  return out;
}

std::string joined(std::vector<std::string> const& words, char const* between) {
  std::string text;
  for (auto const& word : words) text += (text.empty() ? "" : between) + tadp::printable(word);
  return text.empty() ? "none" : text;
}

void print_description(tadp::ModelDescription const& d) {
  auto const line = [](char const* name, std::string const& value) { std::printf("  %-14s %s\n", name, value.c_str()); };
  auto const number = [](auto value) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", static_cast<double>(value));
    return std::string(text);
  };
  auto const three = [&](std::array<float, 3> const& v) { return number(v[0]) + " " + number(v[1]) + " " + number(v[2]); };
  std::printf("\ndescription\n");
  if (tadp::heads_of(d).empty()) line("task", d.task);
  for (tadp::HeadDescription const& head : tadp::heads_of(d)) {
    std::vector<std::string> classes;
    for (auto const& c : head.classes) classes.push_back(c.name);
    line("task", head.task + ", head " + std::to_string(head.width) + " wide");
    if (head.task == "depth") line("depth", "at most " + number(head.depth.max_depth) + " m" + (head.depth.focal > 0.0F ? ", for a focal length of " + number(head.depth.focal) + " pixels" : ", for no certain focal length"));
    if (head.task == "detection") line("boxes", "at most " + std::to_string(head.detection.proposals) + " proposals and " + std::to_string(head.detection.detections) + " detections a window");
    if (!classes.empty()) line("classes", std::to_string(classes.size()) + ": " + joined(classes, ", "));
  }
  line("prompt", joined(d.prompt_parts, " + ") + (d.class_embeddings > 0 ? ", " + std::to_string(d.class_embeddings) + " class embeddings" : ""));
  line("caption", d.default_caption.empty() ? "no default" : "\"" + tadp::printable(d.default_caption) + "\" unless one is given");
  line("vocabulary", d.vocabulary.empty() ? "none: token ids are needed" : std::to_string(d.vocabulary.size()) + " words");
  line("unet", std::to_string(d.unet.model_channels) + " channels, context " + std::to_string(d.unet.context_dim));
  line("text encoder", std::to_string(d.text.layers) + " layers, " + std::to_string(d.text.width) + " wide, " + std::to_string(d.text.length) + " tokens");
  line("autoencoder", std::to_string(d.vae.stride()) + " pixels a latent cell");
  line("window", std::to_string(d.window[0]) + " x " + std::to_string(d.window[1]) + " pixels, stride " + (d.stride > 0 ? std::to_string(d.stride) : "two thirds"));
  if (d.shifts > 0) line("shifts", std::to_string(d.shifts) + " windows along the longer side");
  if (d.flip) line("flip", "windows are looked at mirrored, too");
  line("fit", d.stretch ? "pictures are stretched to the window" : d.fit[0] == 0 ? "pictures as they are" : "pictures within " + std::to_string(d.fit[0]) + " x " + std::to_string(d.fit[1]) + " pixels");
  line("pixels", "mean " + three(d.normalisation.mean) + ", deviation " + three(d.normalisation.deviation));
  line("latent", std::string(d.latent.sample ? "sample" : "mode") + " times " + number(d.latent.scale));
  for (auto const& [key, value] : d.notes) line(tadp::printable(key).c_str(), tadp::printable(value));
}

/// Counts infinities and NaN, tensor by tensor.
std::map<std::string, std::uint64_t> nonfinite(tadp::ModelSource const& model) {
  constexpr std::uint64_t most = std::uint64_t{1} << 20;
  std::map<std::string, std::uint64_t> bad;
  std::vector<std::byte> bytes;
  for (tadp::Checkpoint const& file : model.files())
    for (TensorEntry const& entry : file.entries()) {
      auto const width = tadp::bits_per_element(entry.dtype) / 8;
      auto const all = width == 0 ? 0 : entry.size_bytes() / width;
      for (std::uint64_t at = 0; at < all; at += most) {
        auto const part = std::min(most, all - at);
        bytes.resize(static_cast<std::size_t>(part * width));
        file.read_bytes(entry, at, part, bytes.data());
        if (auto const count = tadp::count_nonfinite(entry.dtype, bytes); count > 0) bad[entry.name] += count;
      }
    }
  return bad;
}

/// "block.10" after "block.9".
bool natural_less(std::string_view a, std::string_view b) {
  auto const digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t i = 0, k = 0;
  while (i < a.size() && k < b.size()) {
    if (digit(a[i]) && digit(b[k])) {
      auto const run = [&](std::string_view s, std::size_t at) {
        std::size_t end = at;
        while (end < s.size() && digit(s[end])) ++end;
        return s.substr(at, end - at);
      };
      auto const x = run(a, i), y = run(b, k);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
      i += x.size(), k += y.size();
    } else if (a[i] != b[k]) {
      return a[i] < b[k];
    } else {
      ++i, ++k;
    }
  }
  return a.size() - i < b.size() - k;
}

std::vector<TensorEntry const*> by_name(std::span<tadp::Checkpoint const> files) {
  std::vector<TensorEntry const*> entries;
  for (tadp::Checkpoint const& file : files)
    for (TensorEntry const& entry : file.entries()) entries.push_back(&entry);
  std::sort(entries.begin(), entries.end(), [](auto const* a, auto const* b) { return natural_less(a->name, b->name); });
  return entries;
}

std::vector<std::string> containers(tadp::ModelSource const& model) {
  std::vector<std::string> names;
  for (tadp::Checkpoint const& file : model.files())
    if (std::string const name(to_string(file.container())); std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  return names;
}

/// "12 of noise schedule", most first.
std::vector<std::string> ignored_texts(tadp::ModelSource const& model) {
  std::map<std::string_view, std::size_t> counts;
  for (auto const& ignored : model.ignored()) ++counts[ignored.what];
  std::vector<std::string> texts;
  for (auto const& [what, count] : counts) texts.push_back(std::to_string(count) + " (" + std::string(what) + ")");
  return texts;
}

using Departures = std::vector<tadp::ConfigDeparture>;

json to_json(InspectOptions const& o, tadp::ModelSource const& model, std::uint64_t bytes, std::map<std::string, std::uint64_t> const& bad, Departures const& departures) {
  json tensors = json::array();
  for (tadp::Checkpoint const& file : model.files())
    for (TensorEntry const* const e : by_name(std::span(&file, 1))) {
      tensors.push_back({{"name", e->name}, {"dtype", to_string(e->dtype)}, {"shape", e->shape}, {"bytes", e->size_bytes()}});
      if (model.files().size() > 1) tensors.back()["file"] = file.path().string();
    }
  json out{{"file", o.file}, {"layout", model.layout_title()}, {"containers", containers(model)}, {"bytes", bytes}, {"tensors", tensors}, {"metadata", model.metadata()}, {"ignored", ignored_texts(model)}};
  if (tadp::has_description(model.metadata())) out["description"] = description_json(tadp::description_of(model.metadata(), o.file));
  if (o.check) out["nonfinite"] = bad;
  for (auto const& d : departures) out["config_departures"].push_back({{"file", d.file.string()}, {"key", d.key}, {"expected", d.expected}, {"found", d.found}});
  return out;
}

void print_layout(tadp::ModelSource const& model) {
  auto const line = [](char const* name, std::string const& value) { std::printf("  %-14s %s\n", name, value.c_str()); };
  line("layout", model.layout_title() + " (" + joined(containers(model), ", ") + ")");
  if (!model.ignored().empty()) line("passed over", joined(ignored_texts(model), ", "));
  if (model.has_averaged()) line("averaged", "the file has averaged weights (EMA) of the UNet");
  for (tadp::Checkpoint const& file : model.files())
    for (auto const& what : file.skipped()) line("not read", tadp::printable(what));
}

Status run(InspectOptions const& o, Common const& common) {
  auto const model = tadp::open_model(o.file);
  Departures const departures = tadp::config_departures(model);
  auto const bad = o.check ? nonfinite(model) : std::map<std::string, std::uint64_t>{};
  std::uint64_t bytes = 0, numbers = 0;
  auto const entries = by_name(model.files());
  for (TensorEntry const* const entry : entries) {
    bytes += entry->size_bytes();
    numbers += tadp::element_count(entry->shape).value_or(0);
  }
  if (common.json) {
    print_json(to_json(o, model, bytes, bad, departures));
  } else if (!common.quiet) {
    bool const described = tadp::has_description(model.metadata());
    // Read before anything is printed: a damaged description is an error, not half an answer.
    tadp::ModelDescription const d = described ? tadp::description_of(model.metadata(), o.file) : tadp::ModelDescription{};
    std::printf("%s: %zu tensors, %llu numbers, %s\n", o.file.c_str(), entries.size(), static_cast<unsigned long long>(numbers), bytes_text(bytes).c_str());
    print_layout(model);
    if (described)
      print_description(d);
    else
      for (auto const& [key, value] : model.metadata()) std::printf("  %s: %s\n", tadp::printable(key).c_str(), tadp::printable(value).c_str());
    for (tadp::Checkpoint const& file : model.files()) {
      if (model.files().size() > 1)
        std::printf("\ntensors of %s\n", file.path().c_str());
      else
        std::printf("\ntensors\n");
      print_tree(tree_of(by_name(std::span(&file, 1))), 0, o.depth);
    }
  }
  for (auto const& d : departures)
    complain("warning: the weights are of another network than this program computes, and cannot be run; file: " + d.file.string() + "; key: " + d.key + "; expected: " + d.expected + "; found: " + d.found);
  for (auto const& [name, count] : bad) complain("infinite or not a number; file: " + o.file + "; key: " + name + "; found: " + std::to_string(count) + " such values");
  return bad.empty() ? ok : departs;
}

}  // namespace

void add_inspect(CLI::App& app, Command& command) {
  auto const o = std::make_shared<InspectOptions>();
  auto* const sub = app.add_subcommand("inspect", "show what a weight file holds and says about itself");
  sub->add_option("file", o->file, "safetensors or PyTorch's .ckpt, .pth, .pt, .bin; the index (*.json) of shards; a folder of diffusers")->required()->type_name("FILE|DIR");
  sub->add_option("--depth", o->depth, "levels of the tree to show; 0: all")->capture_default_str()->check(CLI::NonNegativeNumber)->type_name("N");
  sub->add_flag("--check", o->check, "look for infinite values and NaN; exit status 1 where there are some");
  add_common(*sub, command.common);
  sub->footer(examples({"tadp inspect models/street.safetensors", "tadp inspect v1-5-pruned.ckpt --depth 3 --check"}));
  sub->callback([&command, o] { command.run = [&command, o] { return run(*o, command.common); }; });
}

}  // namespace program
