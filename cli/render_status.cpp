// SPDX-License-Identifier: GPL-2.0-or-later
#include "render_status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "core/base/words.hpp"
#include "describe.hpp"
#include "headline.hpp"
#include "render_detail.hpp"
#include "table.hpp"

namespace wopr {
namespace {

using Slots = std::vector<const SlotStatus*>;

constexpr std::size_t most_problems = 10;  // in the short view

// A machine without GPUs has no other subject than its links.
bool is_shown(const Status& status, const SlotStatus& slot, const StatusView& view) {
  if (view.all || view.chosen) return true;
  const auto is_gpu_slot = [](const SlotStatus& other) { return other.gpu.has_value(); };
  if (slot.device && std::none_of(status.slots.begin(), status.slots.end(), is_gpu_slot)) return true;
  if (view.watch != nullptr && view.watch->keeps(slot.port)) return true;
  return slot.gpu.has_value() || slot.gone || has_errors(slot) || has_bad_link(slot) || is_accused(slot);
}

// "2 GeForce RTX 4090": the column's title says GPU.
std::string table_device(const SlotStatus& slot) {
  if (!slot.device) return "-";
  const auto name = describe_device(slot);
  return slot.gpu ? name.substr(std::string_view{"GPU "}.size()) : name;
}

std::string render_table(const Status& status, const Slots& slots, const StatusView& view, const Style& style) {
  const bool other_devices = std::any_of(slots.begin(), slots.end(), [](const auto* s) { return !s->gpu; });
  std::vector<Column> columns = {{"SLOT", false, 8, 0},
                                 {other_devices ? "GPU OR DEVICE" : "GPU", false, 14, 0, 24},
                                 {"LINK", false, 0, 0},
                                 {"MAX", false, 0, 2},
                                 {"AT PORT", true, 0, 0},
                                 {"AT DEVICE", true, 0, 0},
                                 {"ADDED", true, 0, 0},
                                 {"GRADE", false, 0, 0},
                                 {"PORT", false, 0, 3},
                                 {"DEVICE ADDRESS", false, 0, 3}};
  constexpr std::size_t added_column = 6;
  if (view.watch == nullptr) columns.erase(columns.begin() + added_column);
  Table table{columns};
  for (const auto* slot : slots) {
    std::vector<Cell> row = {{slot_label(status, *slot), has_errors(*slot) ? Ink::strong : Ink::plain},
                             {table_device(*slot), slot->device ? Ink::plain : Ink::faint},
                             describe_link(*slot),
                             {describe_speed(slot->link.max_speed_gts, slot->link.max_width), Ink::faint},
                             describe_errors(slot->port_end, slot->lower_bound),
                             slot->device || errors_at(slot->device_end)
                                 ? describe_errors(slot->device_end, slot->lower_bound)
                                 : Cell{"-", Ink::faint}};
    if (view.watch != nullptr) {
      const auto* added = added_at(view.watch, *slot);
      const auto total = added != nullptr ? added->total() : 0;
      row.push_back(total != 0 ? Cell{fmt::format("+{}", total), Ink::warn} : Cell{"-", Ink::faint});
    }
    row.push_back(describe_grade(slot->grade));
    row.push_back({to_string(slot->port), Ink::faint});
    row.push_back({slot->device ? to_string(*slot->device) : "-", Ink::faint});
    table.add(std::move(row));
  }
  return table.render(style);
}

std::string render_unseen(const Status& status, const Slots& slots, const Style& style) {
  const auto unseen = unseen_ends(slots);
  // A single reason for everything stands in the headline already.
  if (unseen.empty() || (unseen.size() == 1 && unseen.front().both.size() == slots.size())) return {};
  std::string text = style.paint("Cannot see", Ink::strong) + "\n";
  for (const auto& entry : unseen) {
    text += paragraph("  ", fmt::format("{}: {}", describe_unseen(status, entry), entry.reason), style);
  }
  return text;
}

std::string render_lists(const Status& status, const StatusView& view, const Style& style) {
  std::string text;
  if (!status.notes.empty()) {
    text += style.paint("Notes", Ink::strong) + "\n";
    for (const auto& note : status.notes) text += paragraph("  · ", note, style);
  }
  if (!status.problems.empty()) {
    if (!text.empty()) text += "\n";
    text += style.paint(fmt::format("Could not read ({})", status.problems.size()), Ink::strong) + "\n";
    const auto shown = view.all ? status.problems.size() : std::min(status.problems.size(), most_problems);
    for (std::size_t i = 0; i < shown; ++i) text += paragraph("  · ", to_string(status.problems[i]), style);
    if (shown < status.problems.size()) {
      text += fmt::format("    {} more; --all shows them\n", status.problems.size() - shown);
    }
  }
  return text;
}

std::string render_origin(const Status& status, const Style& style) {
  std::vector<std::string> words;
  if (!status.host.empty()) words.push_back(status.host);
  if (!status.board_name.empty()) words.push_back(fmt::format("{} {}", status.board_vendor, status.board_name));
  if (!status.kernel.empty()) words.push_back("Linux " + status.kernel);
  words.push_back(status.monitor + " monitor");
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " · ") + word;
  return paragraph("", text, style, Ink::faint);
}

std::string render_top(const Status& status, const Slots& slots, const StatusView& view, const Style& style) {
  std::string text;
  for (const auto& line : headline(status, slots)) text += paragraph("", line.text, style, line.ink);
  if (view.watch == nullptr) return text;
  std::vector<std::string> words;
  for (const auto& slot : status.slots) {
    const auto* added = added_at(view.watch, slot);
    if (added != nullptr && added->total() != 0) {
      words.push_back(fmt::format("{} (+{})", slot_title(status, slot), added->total()));
    }
  }
  const auto since = clock_time(view.watch->since(), status.now);
  const auto line = words.empty() ? fmt::format("Watching since {}; nothing added.", since)
                                  : fmt::format("Watching since {}; added: {}.", since, enumerate(words));
  return text + paragraph("", line, style, words.empty() ? Ink::plain : Ink::warn);
}

}  // namespace

std::string render_status(const Status& status, const StatusView& view, const Style& style) {
  Slots shown;
  for (const auto& slot : status.slots) {
    if (is_shown(status, slot, view)) shown.push_back(&slot);
  }
  std::string text = render_top(status, shown, view, style);
  const auto section = [&](const std::string& part) {
    if (!part.empty()) text += "\n" + part;
  };
  if (!shown.empty()) section(render_table(status, shown, view, style));
  // What happens now comes first: a terminal may be too low for all blocks.
  Slots details;
  std::ranges::copy_if(shown, std::back_inserter(details), [](const auto* slot) { return has_errors(*slot) || is_accused(*slot); });
  std::ranges::stable_partition(details, [&](const auto* slot) {
    const auto* added = added_at(view.watch, *slot);
    return added != nullptr && added->total() != 0;
  });
  for (const auto* slot : details) section(render_detail(status, *slot, view.watch, style));
  section(render_unseen(status, shown, style));
  section(render_lists(status, view, style));
  section(render_origin(status, style));
  return text;
}

}  // namespace wopr
