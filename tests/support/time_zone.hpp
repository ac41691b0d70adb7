// SPDX-License-Identifier: GPL-2.0-or-later
//
// The time zone of a test, as TZ names it; put back at its end.
#pragma once

#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>

namespace wopr::test {

class TimeZone {
 public:
  explicit TimeZone(const char* name) {
    if (const char* old = std::getenv("TZ"); old != nullptr) before_ = old;
    setenv("TZ", name, 1);
    tzset();
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
