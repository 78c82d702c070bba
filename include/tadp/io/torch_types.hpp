// SPDX-License-Identifier: Apache-2.0
// The element types of PyTorch: as a storage class and a dtype of a pickle name them, and what they are here.
// A type without a Dtype has a size only: its tensors are listed as skipped.
#pragma once

#include "tadp/core/dtype.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tadp {

/// One element type.
struct TorchType {
  std::string_view storage{};  ///< class in the module torch, empty where only an untyped storage can hold it
  std::string_view dtype{};    ///< name in the module torch
  std::optional<Dtype> kind{};
  std::uint64_t bytes = 1;  ///< of one element
};

inline constexpr std::array<TorchType, 24> torch_types = {{
    {"FloatStorage", "float32", Dtype::F32, 4},
    {"HalfStorage", "float16", Dtype::F16, 2},
    {"BFloat16Storage", "bfloat16", Dtype::BF16, 2},
    {"DoubleStorage", "float64", Dtype::F64, 8},
    {"LongStorage", "int64", Dtype::I64, 8},
    {"IntStorage", "int32", Dtype::I32, 4},
    {"ShortStorage", "int16", Dtype::I16, 2},
    {"CharStorage", "int8", Dtype::I8, 1},
    {"ByteStorage", "uint8", Dtype::U8, 1},
    {"BoolStorage", "bool", Dtype::BOOL, 1},
    {"ComplexFloatStorage", "complex64", Dtype::C64, 8},
    {"ComplexDoubleStorage", "complex128", std::nullopt, 16},
    {"UntypedStorage", "", Dtype::U8, 1},
    {"QInt8Storage", "qint8", std::nullopt, 1},
    {"QUInt8Storage", "quint8", std::nullopt, 1},
    {"QInt32Storage", "qint32", std::nullopt, 4},
    {"", "uint16", Dtype::U16, 2},
    {"", "uint32", Dtype::U32, 4},
    {"", "uint64", Dtype::U64, 8},
    {"", "float8_e4m3fn", Dtype::F8_E4M3, 1},
    {"", "float8_e5m2", Dtype::F8_E5M2, 1},
    {"", "float8_e4m3fnuz", Dtype::F8_E4M3FNUZ, 1},
    {"", "float8_e5m2fnuz", Dtype::F8_E5M2FNUZ, 1},
    {"", "float8_e8m0fnu", Dtype::F8_E8M0, 1},
}};

namespace detail {

/// Index in torch_types of a storage class or of a dtype, or nothing.
inline std::optional<std::uint32_t> find_torch_type(std::string_view name, std::string_view TorchType::*column) {
  for (std::uint32_t i = 0; i < torch_types.size(); ++i)
    if (!name.empty() && torch_types[i].*column == name) return i;
  return std::nullopt;
}

}  // namespace detail

}  // namespace tadp
