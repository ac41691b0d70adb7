// SPDX-License-Identifier: GPL-2.0-or-later
//
// The time zone of a test, as TZ names it; put back at its end. A name that this machine does not know (tzdata is not
// installed) ends the test: the C library would take it for UTC, and the test would show nothing.
#pragma once

#include <cstdlib>
#include <ctime>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace wopr::test {

class TimeZone {
 public:
  explicit TimeZone(const char* name) {
    if (const char* old = std::getenv("TZ"); old != nullptr) before_ = old;
    setenv("TZ", name, 1);
    tzset();
    const std::string_view asked = name;
    if (asked.contains('/') && asked.starts_with(tzname[0])) throw std::runtime_error("no such time zone: " + std::string(name));
  }
  ~TimeZone() {
    if (before_) setenv("TZ", before_->c_str(), 1);
    else unsetenv("TZ");
    tzset();
  }
  TimeZone(const TimeZone&) = delete;
  TimeZone& operator=(const TimeZone&) = delete;

 private:
  std::optional<std::string> before_;
};

}  // namespace wopr::test
