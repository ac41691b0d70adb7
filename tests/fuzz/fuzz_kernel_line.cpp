// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever the kernel's messages say, in whatever order: nothing grows beyond its limit, no event comes from nothing,
// and what an event says of types follows from its own status word. A row may begin with '+', which lets time pass.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/kernel/witness.hpp"
#include "require.hpp"
#include "source/kernel_journal.hpp"

using wopr::fuzz::require;

namespace {

constexpr wopr::WitnessLimits limits{8, 4, 6, std::chrono::seconds{1}};

void check(const wopr::WitnessEvent& event) {
  require(!event.lines.empty() && event.lines.size() <= limits.lines + 2);
  for (const auto& line : event.lines) require(line.size() <= wopr::max_kernel_line);
  require(event.tlp_header.size() <= wopr::max_tlp_words);
  require(event.types.size() <= 32);
  if (event.status && event.severity) {
    const auto seen = *event.status & ~event.mask.value_or(0);
    require(event.types.size() == static_cast<std::size_t>(__builtin_popcount(seen)));
  }
  require(event.kind != wopr::WitnessKind::xid || event.xid.has_value());
  require(!wopr::to_string(event.kind).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& message : wopr::parse_kernel_log(text)) require(message.text.size() <= wopr::max_kernel_line);
  wopr::WitnessAssembler assembler(limits);
  wopr::KernelMessage message;
  std::size_t rows = 0;
  std::size_t events = 0;
  const auto take_events = [&] {
    for (const auto& event : assembler.take_events()) {
      check(event);
      ++events;
    }
  };
  while (!text.empty()) {
    const auto end = text.find('\n');
    auto row = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    for (; row.starts_with('+'); row.remove_prefix(1)) message.since_boot += std::chrono::milliseconds{600};
    message.text = row;
    assembler.take(message);
    ++rows;
    take_events();
  }
  assembler.finish();
  take_events();
  require(!assembler.pending() && events <= rows);
  const auto& facts = assembler.facts();
  require(facts.osc.size() <= wopr::max_osc_answers && facts.firmware_records <= rows);
  for (const auto& answer : facts.osc) require(answer.refused.size() <= wopr::max_osc_features);
  return 0;
}
