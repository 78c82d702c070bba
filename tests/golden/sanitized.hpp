// SPDX-License-Identifier: Apache-2.0
// Whether this build carries the address sanitizer: what takes minutes there, and repeats what other cases run, is left out.
#pragma once

#if defined(__has_feature)
#define TADP_TEST_SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define TADP_TEST_SANITIZED 1
#else
#define TADP_TEST_SANITIZED 0
#endif
