// SPDX-License-Identifier: GPL-2.0-or-later
//
// Scenarios: a machine's life in a few readable lines, and what must be said of it. Reading one gives the trace the
// sampler would have written and the expectations. For tests only; a mistake in a scenario is an error with its row.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/judge/advice.hpp"
#include "core/judge/verdict.hpp"
#include "core/trace/trace.hpp"

namespace wopr::test {

struct Expectation {
  std::size_t row = 0;
  std::string link;
  std::optional<Answer> answer;
  bool confidence_given = false;
  std::optional<std::pair<Nanoseconds, Nanoseconds>> flagged;  // first became a candidate between these
  bool never_flagged = false;
  std::optional<unsigned> most_changes;  // of grade
  std::string says;                      // in a reason
  std::optional<AdviceId> advises;       // this step, among others
  std::optional<std::string> passes;     // this grade, at some time
};

struct Scenario {
  std::string title;  // the first comment
  VerdictPolicy policy;
  std::vector<TraceLine> trace;
  std::vector<Expectation> expectations;
};

[[nodiscard]] Result<Scenario> parse_scenario(std::string_view text, std::string_view where);

// "90", "90s", "20m", "1h30m", "3d": seconds by default.
[[nodiscard]] std::optional<Nanoseconds> parse_duration(std::string_view text);

}  // namespace wopr::test
