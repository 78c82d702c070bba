// SPDX-License-Identifier: Apache-2.0
#include "work.hpp"

consumer::Answer consumer::plain(tadp::ThreadPool& pool) { return work(pool); }
