// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever is given for a time (--since, --until, mark --at; traces and statuses have RFC 3339): a moment that can be
// written down and read again, or a refusal in one short line. Ages reach back and never ahead.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

#include "cli/time_words.hpp"
#include "core/base/rfc3339.hpp"
#include "require.hpp"

using wopr::fuzz::require;

namespace {

// An hour is missing on 29 March 2026 there, and one comes twice on 25 October.
const bool zone_is_set = [] {
  ::setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
  ::tzset();
  return true;
}();

void require_writable(wopr::WallTime time) {
  using namespace std::chrono;
  const auto written = wopr::to_rfc3339(time);
  require(written.size() == 20 && written.back() == 'Z');
  // A date in words may lie beyond what is taken in again, to be told that it is in the future.
  if (time < wopr::WallTime{} || time >= sys_days{year{2262} / January / 1}) return;
  const auto again = wopr::parse_rfc3339(written);
  require(again.has_value() && *again == floor<seconds>(time));
}

void require_digit(char c) { require(c >= '0' && c <= '9'); }

// Signs and blanks inside of numbers are none of the form.
void require_form(std::string_view text) {
  require(text.size() >= 20);
  for (const auto at : {0U, 1U, 2U, 3U, 5U, 6U, 8U, 9U, 11U, 12U, 14U, 15U, 17U, 18U}) require_digit(text[at]);
  const auto zone = text.substr(text.size() - 6);
  if (text.back() == 'Z' || text.back() == 'z') return;
  require(zone[0] == '+' || zone[0] == '-');
  for (const auto at : {1U, 2U, 4U, 5U}) require_digit(zone[at]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace std::chrono;
  require(zone_is_set);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto time = wopr::parse_rfc3339(text)) {
    require_form(text);
    require_writable(*time);
  }
  // The hour that is missing, the one that comes twice, and a usual day.
  for (const std::int64_t now_s : {1774747800, 1792891800, 1767225600}) {
    const wopr::WallTime now{seconds{now_s}};
    const auto time = wopr::parse_since(text, now);
    if (!time) {
      require(time.error().what.size() < 200 && !time.error().advice.empty());
      continue;
    }
    require_writable(*time);
    if (text.find_first_of("smhdw") == text.size() - 1) require(*time <= now);
    require(wopr::parse_since(text, now) == time);
  }
  return 0;
}
