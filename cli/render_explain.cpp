// SPDX-License-Identifier: GPL-2.0-or-later
#include "render_explain.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "core/base/words.hpp"
#include "describe.hpp"
#include "table.hpp"

namespace wopr {
namespace {

// The end that receives sees what is damaged on the way.
struct Way {
  const char* name;
  Side receiver;
};
constexpr std::array ways = {Way{"to_host", Side::port}, Way{"to_device", Side::device}};

double figure(const SlotStatus& slot, const std::string& name) { return find_figure(slot.figures, name).value_or(0); }

std::string verdict_text(const SlotStatus& slot) {
  const auto direction = [&]() -> std::string_view {
    switch (slot.direction) {
      case Direction::to_host: return ", on the way to the host";
      case Direction::to_device: return ", on the way to the card";
      case Direction::both: return ", both ways";
      case Direction::none: break;
    }
    return "";
  }();
  auto text = fmt::format("grade {}{}", to_string(slot.grade), direction);
  if (slot.riser_candidate) text += fmt::format("; may need a riser, {} confidence", slot.confidence);
  return text;
}

// What the grade means, with the numbers of the rule in force.
std::string rule_text(const SlotStatus& slot) {
  const auto rule = [&](const char* name) { return figure(slot, std::string("rule_") + name); };
  switch (slot.grade) {
    case Grade::clean: return "clean: no signal error seen since this watch, or the last mark, began";
    case Grade::trace: return "trace: some errors, too few or too far apart to accuse the link";
    case Grade::marginal:
      return fmt::format("marginal: errors on {:g} occasions within {:g} loaded minutes (or packets lost four times "
                         "running, twice in a loaded day)",
                         rule("marginal_episodes"), rule("marginal_window_min"));
    case Grade::bad:
      return fmt::format("bad: marginal, and above {:g} errors a minute (for a 256 Gb/s link) in {:g} loaded minutes; "
                         "or data damaged inside a switch",
                         rule("bad_errors_per_min"), rule("rate_minutes"));
    case Grade::failing:
      if (slot.figures.empty()) return "failing: too few lanes";
      return fmt::format("failing: too few lanes, or the link broke down, or {:g} loaded minutes above the "
                         "specification's {:.0e} bad bits per bit",
                         rule("rate_minutes"), rule("failing_ber"));
    case Grade::unknown:
      if (!slot.port_end.latched_read && !slot.device_end.latched_read) {
        return "unknown: no error seen, and nobody could have seen one";
      }
      return "unknown: errors leave their mark here, but nobody counts them, and a grade rests on counts";
  }
  return {};
}

std::string number_text(double value) {
  if (value == 0) return "0";
  if (value >= 100) return fmt::format("{:.0f}", value);
  return fmt::format("{:.2g}", value);
}

std::string hours_text(double hours) {
  if (hours == 0) return "none";
  if (hours < 2) return fmt::format("{:.0f} min", std::ceil(hours * 60));
  return hours < 48 ? fmt::format("{:.1f} h", hours) : fmt::format("{:.0f} days", hours / 24);
}

// No zero where nobody could have seen one.
std::string count_text(const SlotStatus& slot, const Way& way, const std::string& name) {
  const auto value = figure(slot, way.name + name);
  if (value == 0 && is_unseen(slot, way.receiver)) return end_of(slot, way.receiver).latched_read ? "not counted" : "cannot see";
  return fmt::format("{:.0f}", value);
}

std::string rate_text(const SlotStatus& slot, const Way& way, const std::string& name) {
  const auto value = find_figure(slot.figures, way.name + name);
  if (!value || (*value == 0 && is_unseen(slot, way.receiver))) return "not known";
  return number_text(*value);
}

// Where nothing was counted the upper end is all that can be said.
std::string range_text(const SlotStatus& slot, const Way& way, const std::string& name) {
  const auto value = find_figure(slot.figures, way.name + name);
  if (!value || (*value == 0 && is_unseen(slot, way.receiver))) return "";
  const auto high = number_text(figure(slot, way.name + name + "_high"));
  const auto low = number_text(figure(slot, way.name + name + "_low"));
  return *value == 0 ? "below " + high : fmt::format("{} to {}", low, high);
}

std::string render_numbers(const SlotStatus& slot, const Style& style) {
  Table table{{{"", false, 0, 0}, {"TO THE HOST", true, 0, 0}, {"TO THE CARD", true, 0, 0}}};
  const auto count = [&](const char* title, const std::string& name) {
    table.add({{title}, {count_text(slot, ways[0], name)}, {count_text(slot, ways[1], name)}});
  };
  const auto range = [&](const char* title, const std::string& name) {
    table.add({{title}, {rate_text(slot, ways[0], name)}, {rate_text(slot, ways[1], name)}});
    table.add({{"  95 % sure"}, {range_text(slot, ways[0], name)}, {range_text(slot, ways[1], name)}});
  };
  count("signal errors since the watch began", "_errors");
  count("on how many occasions (episodes)", "_episodes");
  count("in the worst loaded minute", "_worst_minute");
  table.add({{"time under load"}, {hours_text(figure(slot, "to_host_loaded_hours"))},
             {hours_text(figure(slot, "to_device_loaded_hours"))}});
  range("errors per loaded hour", "_per_loaded_hour");
  range("bad bits per bit", "_bit_error_rate");
  return table.render(style);
}

// What is known beside the counts, where the kernel's do not tell all.
std::string render_beside(const Status& status, const SlotStatus& slot, const Style& style) {
  std::string text;
  const auto field = [&](std::string_view name, const std::string& value, Ink ink) {
    if (!value.empty()) text += paragraph(fmt::format("  {:<8} ", name), value, style, ink);
  };
  for (const auto side : sides) {
    const auto what = describe_latched(status, slot, side);
    if (what.empty()) continue;
    field(side == Side::port ? "host end" : "card end", what, end_of(slot, side).latched.empty() ? Ink::plain : Ink::warn);
  }
  const bool told = slot.root_error_status.value_or(0) != 0;
  field("messages", describe_root_status(slot), told ? Ink::warn : Ink::plain);
  field("firmware", describe_firmware_records(slot), Ink::warn);
  return text;
}

bool was_watched(const SlotStatus& slot) {
  return figure(slot, "watched_hours") > 0 || figure(slot, "to_host_errors") + figure(slot, "to_device_errors") > 0;
}

std::string watched_text(const SlotStatus& slot) {
  if (!was_watched(slot)) return "this is a first look: no time has passed that could tell a rate";
  auto text = fmt::format("watched {}, {} of it under load", hours_text(figure(slot, "watched_hours")),
                          hours_text(figure(slot, "loaded_hours")));
  if (const auto gap = figure(slot, "unwatched_hours"); gap != 0) text += fmt::format("; {} unwatched", hours_text(gap));
  if (const auto others = figure(slot, "other_slots"); others != 0) {
    text += fmt::format("; {:.0f} other {} under load: {:.0f} episodes in {}, {:.0f} may need a riser", others,
                        noun_for(static_cast<std::uint64_t>(others), "slot"), figure(slot, "other_slots_episodes"),
                        hours_text(figure(slot, "other_slots_loaded_hours")), figure(slot, "other_slots_candidates"));
  }
  if (const auto p = find_figure(slot.figures, "trend_p"); p && *p >= 0.05) text += "; steady over time";
  return text;
}

std::string render_list(std::string_view title, const std::vector<std::string>& sentences, bool numbered,
                        const Style& style) {
  if (sentences.empty()) return {};
  auto text = "\n" + style.paint(title, Ink::strong) + "\n";
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    text += paragraph(numbered ? fmt::format(" {}. ", i + 1) : "  · ", sentences[i], style);
  }
  return text;
}

}  // namespace

std::string render_explain(const Status& status, const SlotStatus& slot, const Style& style) {
  const auto ink = describe_grade(slot.grade).ink;
  auto text = paragraph("", fmt::format("{}: {}.", slot_title(status, slot), verdict_text(slot)), style, ink);
  text += paragraph("", fmt::format("{} · port {} · {}", describe_device(slot), to_string(slot.port),
                                    describe_link(slot).text),
                    style, Ink::faint);
  text += paragraph("  rule     ", rule_text(slot), style);
  if (slot.device) {
    text += paragraph("  watch    ", watched_text(slot), style);
    text += render_beside(status, slot, style);
    if (was_watched(slot)) text += "\n" + render_numbers(slot, style);
  }
  text += render_list("Why", slot.reasons, false, style);
  text += render_list("What to do", slot.advice, true, style);
  if (!slot.device) return text;
  text += "\n" + style.paint("In other words", Ink::strong) + "\n";
  text += paragraph("  signal error ", "RxErr, BadTLP, BadDLLP, Rollover: bits were damaged on the way", style);
  text += paragraph("  episode      ", "errors one soon after the other; many in a burst are one occasion", style);
  text += paragraph("  under load   ", "the link at full speed (idle GPUs slow it down), or an error came", style);
  if (was_watched(slot)) {
    text += paragraph("  95 % sure    ", "what the true rate may be, given that so few were counted", style);
  }
  return text;
}

}  // namespace wopr
