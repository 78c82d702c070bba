// SPDX-License-Identifier: Apache-2.0
// Whether a certificate was made from the weights at hand: a CRC-32 of every tensor's numbers, as float32 in the checkpoint's
// order, under this library's names. The same whatever container and layout they are kept in.
#pragma once

#include "tadp/exec/control.hpp"
#include "tadp/io/model_source.hpp"
#include "tadp/io/weights.hpp"
#include "tadp/runs/golden_files.hpp"

#include <zlib.h>

#include <cstdio>

namespace tadp {

namespace certificate_detail {

/// Of the first `count` numbers of a tensor.
inline std::string checksum(ModelSource const& model, TensorEntry const& entry, index_t count) {
  constexpr index_t most = index_t{1} << 20;
  std::vector<float> part;
  uLong sum = ::crc32(0, nullptr, 0);
  for (index_t at = 0; at < count; at += most) {
    part.resize(static_cast<std::size_t>(std::min(most, count - at)));
    model.read_f32(entry, static_cast<std::uint64_t>(at), part.size(), part.data());
    sum = ::crc32(sum, reinterpret_cast<Bytef const*>(part.data()), static_cast<uInt>(part.size() * sizeof(float)));
  }
  char text[16];
  std::snprintf(text, sizeof text, "%08lx", sum);
  return text;
}

}  // namespace certificate_detail

/// The parameters whose numbers are not those that the certificate was made from, in the order of the list: those of
/// `read` that differ or that it does not name. Error(key) where the model lacks one, Error(cancelled).
inline std::vector<std::string> other_weights(Golden const& certificate, ModelSource const& model, ParameterList const& list, ParameterFilter const& read, Control const& control = {}) {
  auto const expected = certificate.guarded([&] { return certificate.meta().at("weights").get<std::map<std::string, std::string>>(); });
  std::vector<std::string> others;
  std::size_t done = 0;
  for (ParameterSpec const& spec : list.specs()) {
    control.step(done++, list.specs().size());
    if (!read(spec)) continue;
    TensorEntry const* const entry = model.find(spec.name);
    if (entry == nullptr) throw Error(Errc::key, "the model lacks a tensor", {.file = model.path().string(), .key = spec.name});
    auto const at = expected.find(spec.name);
    if (at == expected.end() || at->second != certificate_detail::checksum(model, *entry, spec.count)) others.push_back(spec.name);
    model.drop(*entry);
  }
  return others;
}

/// Error(format) where there are any.
inline void require_no_others(std::vector<std::string> const& others, Golden const& certificate, ModelSource const& model) {
  if (others.empty()) return;
  throw Error(Errc::format, "the certificate was made from other weights: make one of these, or compare all the same (--any-weights)",
              {.file = model.path().string(), .key = others.front() + (others.size() > 1 ? " and " + std::to_string(others.size() - 1) + " more" : ""), .expected = "those of " + certificate.path().string(), .found = "other numbers"});
}

}  // namespace tadp
