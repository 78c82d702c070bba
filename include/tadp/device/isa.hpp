// SPDX-License-Identifier: Apache-2.0
// The name of the instruction set that this translation unit is compiled for. Everything that the compiler's flags
// change lives in the inline namespace TADP_ISA, so that units built with other flags never share a definition.
#pragma once

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define TADP_ISA isa_avx512
#elif defined(__AVX2__) && defined(__FMA__)
#define TADP_ISA isa_avx2
#else
#define TADP_ISA isa_plain
#endif
