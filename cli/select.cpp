// SPDX-License-Identifier: GPL-2.0-or-later
#include "select.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/spelling.hpp"
#include "core/base/words.hpp"
#include "describe.hpp"

namespace wopr {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string result{text};
  for (auto& c : result) c = lower(c);
  return result;
}

bool is_at(const SlotStatus& slot, const Bdf& bdf) {
  return slot.port == bdf || slot.device == bdf || std::ranges::find(slot.functions, bdf) != slot.functions.end();
}

Error unknown_slot(const Status& status, std::string_view word) {
  // Addresses of on-board devices would bury the names.
  const auto has_name = [](const SlotStatus& slot) { return slot.gpu || slot.slot.source != SlotSource::address; };
  const bool some_named = std::ranges::any_of(status.slots, has_name);
  std::vector<std::string> known;
  for (const auto& slot : status.slots) {
    if (some_named && !has_name(slot)) continue;
    if (std::ranges::find(known, slot.slot.label) == known.end()) known.push_back(slot.slot.label);
  }
  if (known.empty()) return {fmt::format("no slot '{}': this machine shows no slot at all", word), {}, {}};
  const auto distance = [&](const std::string& label) { return edit_distance(lower(label), lower(word)); };
  const auto nearest = std::ranges::min_element(known, {}, distance);
  // A guess that shares less than half its letters helps nobody.
  const bool near = distance(*nearest) * 2 <= nearest->size();
  return {fmt::format("no slot '{}'{}", word, near ? fmt::format("; did you mean {}?", *nearest) : std::string{}),
          {},
          fmt::format("known slots: {}", enumerate(known, 32))};
}

}  // namespace

Result<std::set<Bdf>> select_ports(const Status& status, const std::vector<std::string>& words) {
  std::set<Bdf> ports;
  for (const auto& word : words) {
    const auto bdf = parse_bdf(word, BdfForm::short_too);
    bool found = false;
    for (const auto& slot : status.slots) {
      const bool by_name = lower(slot.slot.label) == lower(word) || lower(brief_label(slot.slot.label)) == lower(word);
      if (!by_name && !(bdf && is_at(slot, *bdf))) continue;
      ports.insert(slot.port);
      found = true;
    }
    if (!found) return std::unexpected{unknown_slot(status, word)};
  }
  return ports;
}

Status restrict_to(Status status, const std::set<Bdf>& ports) {
  if (!ports.empty()) std::erase_if(status.slots, [&](const SlotStatus& slot) { return !ports.contains(slot.port); });
  return status;
}

}  // namespace wopr
