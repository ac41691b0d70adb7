// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/link_facts.hpp"

#include <algorithm>

namespace wopr {
namespace {

// Link Status 2 Register, specification section 7.5.3.20: one retimer, two retimers present.
constexpr std::uint16_t retimer_bits = (1U << 6) | (1U << 7);

void grow(std::uint64_t& total, std::uint64_t by) {
  if (__builtin_add_overflow(total, by, &total)) total = UINT64_MAX;
}

}  // namespace

void note_before_watch(LinkFacts& facts, Severity severity, const Counts& counts) {
  for (const auto& count : counts) {
    if (is_signal_integrity(severity, count.token)) grow(facts.errors_before_watch, count.value);
    if (is_link_failure(severity, count.token)) grow(facts.failures_before_watch, count.value);
  }
}

LinkFacts link_facts(const Machine& machine, const Link& link, const SlotName& name, const LinkStatus& status) {
  const auto& functions = machine.topology.functions;
  const auto& port = functions[link.port];
  LinkFacts facts;
  facts.slot = name.label;
  facts.slot_note = name.note;
  facts.link = status;
  facts.device_present = !link.empty();
  for (const auto side : sides) {
    facts.evidence[side] = decide_evidence(machine, link, side);
  }
  facts.host_is_switch = link.hop != 0;
  facts.device_is_switch = std::ranges::any_of(
      link.device, [&](std::size_t index) { return functions[index].type == PortType::upstream_port; });
  if (port.config && port.config->express) {
    facts.retimer_present = (port.config->express->link_status2 & retimer_bits) != 0;
  }
  return facts;
}

std::optional<double> expected_speed(const Machine& machine, const Link& link, const LinkStatus& status) {
  const auto& port = machine.topology.functions[link.port];
  if (!port.config || !port.config->express) return status.max_speed_gts;
  const auto target = port.config->express->target_speed_gts();
  if (!target || !status.max_speed_gts) return status.max_speed_gts;
  return std::min(*target, *status.max_speed_gts);
}

}  // namespace wopr
