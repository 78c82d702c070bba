// SPDX-License-Identifier: Apache-2.0
// What the calls of a pickle mean: the few classes and functions that model files need, in one table.
// Every other class becomes an opaque object. Nothing is looked up in, or left to, any Python.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/io/pickle_graph.hpp"
#include "tadp/io/pickle_names.hpp"
#include "tadp/io/pickle_tensor.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tadp::detail {

using PickleArgs = std::span<PickleId const>;
using PickleCall = PickleId (*)(PickleContext&, PickleId callee, PickleArgs);

inline void require_count(PickleContext const& at, PickleArgs args, std::size_t least) {
  if (args.size() < least)
    at.fail(Errc::format, "a call has too few arguments", std::to_string(least), std::to_string(args.size()));
}

inline PickleId call_opaque(PickleContext& at, PickleId callee, PickleArgs) { return at.graph.add_object(callee); }

/// dict-like: OrderedDict(), OrderedDict([[key, value] ...]), defaultdict(factory), Counter({...}).
inline PickleId call_dict(PickleContext& at, PickleId, PickleArgs args) {
  auto& graph = at.graph;
  std::vector<PickleId> items;
  for (auto const arg : args) {
    if (graph.kind(arg) == PickleKind::dict) items.assign(graph.items(arg).begin(), graph.items(arg).end());
    if (graph.kind(arg) != PickleKind::list) continue;
    for (auto const pair : graph.items(arg)) {
      bool const is_pair = graph.kind(pair) == PickleKind::list || graph.kind(pair) == PickleKind::tuple;
      if (!is_pair || graph.items(pair).size() != 2) at.fail(Errc::format, "a dict is made from something but pairs");
      items.insert(items.end(), graph.items(pair).begin(), graph.items(pair).end());
    }
  }
  return graph.add_container(PickleKind::dict, items, true);
}

inline PickleId call_sequence(PickleContext& at, PickleKind kind, PickleArgs args) {
  if (args.empty()) return at.graph.add_container(kind);
  if (args.size() != 1 || !at.graph.is_container(args[0])) at.fail(Errc::format, "a sequence is made from something else");
  std::vector<PickleId> const items(at.graph.items(args[0]).begin(), at.graph.items(args[0]).end());
  return at.graph.add_container(kind, items);
}
inline PickleId call_set(PickleContext& at, PickleId, PickleArgs args) {
  return call_sequence(at, PickleKind::set, args);
}
inline PickleId call_tuple(PickleContext& at, PickleId, PickleArgs args) {
  return call_sequence(at, PickleKind::tuple, args);
}

inline PickleId call_device(PickleContext& at, PickleId, PickleArgs args) {
  require_count(at, args, 1);
  if (at.graph.kind(args[0]) != PickleKind::text) at.fail(Errc::format, "a device has no name");
  std::string name(at.graph.text(args[0]));
  if (args.size() > 1 && at.graph.kind(args[1]) == PickleKind::integer)
    name += ":" + std::to_string(at.graph.integer(args[1]));
  return at.graph.add_owned(PickleKind::text, std::move(name));
}

/// getattr(Outer, 'Inner'), as protocols below 4 name a class within a class: the longer name. What an object has under a
/// name is not known here.
inline PickleId call_getattr(PickleContext& at, PickleId callee, PickleArgs args) {
  auto& graph = at.graph;
  require_count(at, args, 2);
  bool const object = graph.kind(args[0]) == PickleKind::object;
  if ((!object && graph.kind(args[0]) != PickleKind::name) || graph.kind(args[1]) != PickleKind::text) return graph.add_object(callee);
  auto const [module, outer] = split_name(graph.text(object ? graph.class_of(args[0]) : args[0]));
  auto const inner = std::string(outer) + "." + std::string(graph.text(args[1]));
  require_harmless(module, inner, at.file, at.offset);
  return object ? graph.add_object(callee) : graph.add_owned(PickleKind::name, std::string(module) + " " + inner);
}

/// What a tensor has beside its numbers: {'neg': True} or {'conj': True} where they are to be changed when they are read.
inline void require_plain_numbers(PickleContext const& at, PickleArgs metadata) {
  auto const& graph = at.graph;
  if (metadata.empty() || graph.kind(metadata[0]) != PickleKind::dict) return;
  auto const items = graph.items(metadata[0]);
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    bool const known = graph.kind(items[i]) == PickleKind::text && (graph.text(items[i]) == "neg" || graph.text(items[i]) == "conj");
    if (known && items[i + 1] != PickleGraph::no)
      at.fail(Errc::unsupported, "a tensor is stored before it was negated or conjugated; save it with .resolve_neg().resolve_conj()", {}, std::string(graph.text(items[i])));
  }
}

/// storage, offset, size, stride, requires_grad, hooks[, metadata].
inline PickleId call_rebuild(PickleContext& at, PickleId, PickleArgs args) {
  require_count(at, args, 4);
  require_plain_numbers(at, args.subspan(std::min<std::size_t>(args.size(), 6)));
  return tensor_of(at, {args[0], args[1], args[2], args[3]});
}

/// storage, offset, size, stride, requires_grad, hooks, dtype[, metadata]: for types that have no storage class. A tensor of
/// a dtype that is not known here becomes an object that is named like it.
inline PickleId call_rebuild_typed(PickleContext& at, PickleId, PickleArgs args) {
  require_count(at, args, 7);
  auto const name = at.graph.kind(args[6]) == PickleKind::name ? split_name(at.graph.text(args[6]))
                                                               : std::pair<std::string_view, std::string_view>{};
  if (name.first != "torch") at.fail(Errc::format, "a tensor is of no dtype of PyTorch", "such as torch.uint16", printable(name.second));
  auto const type = find_torch_type(name.second, &TorchType::dtype);
  if (!type) return at.graph.add_object(args[6]);
  require_plain_numbers(at, args.subspan(7));
  return tensor_of(at, {args[0], args[1], args[2], args[3], type});
}

/// A tensor in a wrapping: it is the first argument.
inline PickleId call_parameter(PickleContext& at, PickleId callee, PickleArgs args) {
  if (args.empty() || at.graph.kind(args[0]) != PickleKind::tensor) return at.graph.add_object(callee, args);
  return args[0];
}

/// Bytes as protocol 2 has to write them: text of characters below 256.
inline PickleId call_encode(PickleContext& at, PickleId callee, PickleArgs args) {
  if (args.empty() || at.graph.kind(args[0]) != PickleKind::text) return at.graph.add_object(callee);
  auto const text = at.graph.text(args[0]);
  at.graph.spend(text.size());
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      bytes += text[i];
    } else if ((byte == 0xc2 || byte == 0xc3) && i + 1 < text.size()) {
      bytes += static_cast<char>((byte & 3u) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3fu));
    } else {
      return at.graph.add_object(callee);
    }
  }
  return at.graph.add_owned(PickleKind::bytes, std::move(bytes));
}

/// numpy.dtype('f8', False, True): the code is kept as the object's first item.
inline PickleId call_numpy_dtype(PickleContext& at, PickleId callee, PickleArgs args) {
  return at.graph.add_object(callee, args.first(std::min<std::size_t>(args.size(), 1)));
}

template <class Number>
Number number_from(std::string_view bytes) {
  Number value{};
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

/// A NumPy scalar (dtype, bytes) of this code, as far as it is a plain little-endian number.
inline PickleId numpy_number(PickleGraph& graph, std::string_view code, std::string_view bytes, PickleId otherwise) {
  if (code.empty() || code[0] == '>' || code.substr(1) != std::to_string(bytes.size())) return otherwise;
  auto const real = [&](double value) { return graph.add_real(std::bit_cast<std::uint64_t>(value)); };
  if (code == "f8") return real(number_from<double>(bytes));
  if (code == "f4") return real(static_cast<double>(number_from<float>(bytes)));
  if (code == "b1") return bytes[0] != 0 ? PickleGraph::yes : PickleGraph::no;
  if (code == "i8") return graph.add_integer(number_from<std::int64_t>(bytes));
  if (code == "i4") return graph.add_integer(number_from<std::int32_t>(bytes));
  if (code == "i2") return graph.add_integer(number_from<std::int16_t>(bytes));
  if (code == "i1") return graph.add_integer(number_from<std::int8_t>(bytes));
  if (code == "u4") return graph.add_integer(number_from<std::uint32_t>(bytes));
  if (code == "u2") return graph.add_integer(number_from<std::uint16_t>(bytes));
  if (code == "u1") return graph.add_integer(number_from<std::uint8_t>(bytes));
  return otherwise;
}

inline PickleId call_numpy_scalar(PickleContext& at, PickleId callee, PickleArgs args) {
  auto& graph = at.graph;
  auto const unknown = graph.add_object(callee);
  if (args.size() != 2 || graph.kind(args[0]) != PickleKind::object || graph.items(args[0]).empty()) return unknown;
  auto const code = graph.items(args[0])[0];
  bool const stored = graph.kind(args[1]) == PickleKind::bytes || graph.kind(args[1]) == PickleKind::text;
  if (graph.kind(code) != PickleKind::text || !stored) return unknown;
  return numpy_number(graph, graph.text(code), graph.text(args[1]), unknown);
}

struct KnownCall {
  std::string_view name;
  PickleCall call;
};

PickleId call_from_type(PickleContext& at, PickleId callee, PickleArgs args);

inline constexpr KnownCall known_calls[] = {
    {"collections OrderedDict", call_dict},
    {"collections defaultdict", call_dict},
    {"collections Counter", call_dict},
    {"builtins dict", call_dict},
    {"__builtin__ dict", call_dict},
    {"builtins set", call_set},
    {"__builtin__ set", call_set},
    {"builtins frozenset", call_set},
    {"__builtin__ frozenset", call_set},
    {"builtins getattr", call_getattr},
    {"__builtin__ getattr", call_getattr},
    {"torch Size", call_tuple},
    {"torch device", call_device},
    {"torch Tensor", call_parameter},
    {"torch Generator", call_opaque},
    {"torch._utils _rebuild_tensor", call_rebuild},
    {"torch._utils _rebuild_tensor_v2", call_rebuild},
    {"torch._utils _rebuild_tensor_v3", call_rebuild_typed},
    {"torch._utils _rebuild_parameter", call_parameter},
    {"torch._utils _rebuild_parameter_with_state", call_parameter},
    {"torch._utils _rebuild_qtensor", call_opaque},
    {"torch._utils _rebuild_sparse_tensor", call_opaque},
    {"torch._utils _rebuild_sparse_csr_tensor", call_opaque},
    {"torch._utils _rebuild_nested_tensor", call_opaque},
    {"torch._utils _rebuild_meta_tensor_no_storage", call_opaque},
    {"torch._utils _rebuild_device_tensor_from_cpu_tensor", call_parameter},
    {"torch._utils _rebuild_device_tensor_from_numpy", call_opaque},
    {"torch._utils _rebuild_wrapper_subclass", call_opaque},
    {"torch._tensor _rebuild_from_type_v2", call_from_type},
    {"torch.nn.parameter Parameter", call_parameter},
    {"torch.autograd.variable Variable", call_parameter},
    {"_codecs encode", call_encode},
    {"numpy dtype", call_numpy_dtype},
    {"numpy.core.multiarray scalar", call_numpy_scalar},
    {"numpy._core.multiarray scalar", call_numpy_scalar},
};

/// Carries out callee(*args): a row of the table, or an opaque object; Error(unsupported) for another function of
/// PyTorch's own module, which would be a hole if it were passed over as harmless.
inline PickleId call_name(PickleContext& at, PickleId callee, PickleArgs args) {
  auto const name = at.graph.text(callee);
  for (auto const& row : known_calls)
    if (row.name == name) return row.call(at, callee, args);
  if (auto const [module, function] = split_name(name); module == "torch" || module == "torch._utils")
    at.fail(Errc::unsupported, "the pickle calls a function of PyTorch that is not known to rebuild a tensor",
            "such as torch._utils._rebuild_tensor_v2", std::string(module) + "." + printable(function));
  return at.graph.add_object(callee);
}

/// function, type, args, state: a tensor of a subclass, or with attributes; the inner call makes the tensor.
inline PickleId call_from_type(PickleContext& at, PickleId callee, PickleArgs args) {
  auto& graph = at.graph;
  if (args.size() < 3 || graph.kind(args[0]) != PickleKind::name || graph.kind(args[2]) != PickleKind::tuple ||
      graph.text(args[0]) == graph.text(callee))
    at.fail(Errc::format, "a tensor with attributes is made from something else");
  std::vector<PickleId> const inner(graph.items(args[2]).begin(), graph.items(args[2]).end());
  return call_name(at, args[0], inner);
}

}  // namespace tadp::detail
