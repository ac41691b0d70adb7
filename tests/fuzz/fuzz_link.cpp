// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever sysfs says of a link's speed and width, or stands where an address is expected: a value that makes sense,
// or none. Rows: speed, width, most speed, most width of the port, then of the device, then an address.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/pci/bdf.hpp"
#include "core/pci/link.hpp"
#include "require.hpp"

using wopr::fuzz::require;

namespace {

std::string_view take_row(std::string_view& text) {
  const auto end = text.find('\n');
  const auto row = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  return row;
}

wopr::LinkReading take_reading(std::string_view& text) {
  wopr::LinkReading reading;
  reading.speed_gts = wopr::parse_speed(take_row(text));
  reading.width = wopr::parse_width(take_row(text));
  reading.max_speed_gts = wopr::parse_speed(take_row(text));
  reading.max_width = wopr::parse_width(take_row(text));
  for (const auto& speed : {reading.speed_gts, reading.max_speed_gts}) {
    if (!speed) continue;
    require(*speed > 0 && *speed < 1e6);
    (void)wopr::generation_of(*speed);
  }
  return reading;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto port = take_reading(text);
  const auto device = take_reading(text);
  for (const bool busy : {false, true}) {
    wopr::LinkConditions conditions;
    conditions.busy = busy;
    const auto status = wopr::evaluate_link(port, device, conditions);
    require(!wopr::to_string(status.state).empty());
    require(!status.max_width || *status.max_width <= 32);
  }
  const auto address = take_row(text);
  for (const auto form : {wopr::BdfForm::full, wopr::BdfForm::short_too}) {
    const auto bdf = wopr::parse_bdf(address, form);
    if (!bdf) continue;
    require(bdf->device < 32 && bdf->function < 8);
    const auto again = wopr::parse_bdf(wopr::to_string(*bdf));
    require(again && *again == *bdf);
  }
  return 0;
}
