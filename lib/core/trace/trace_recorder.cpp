// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/trace/trace_recorder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace wopr {
namespace {

// Samples this many periods apart have missed some: in between nobody watched.
constexpr int missed_periods = 120;

TraceLink link_of(const SlotStatus& slot, const std::string& name) {
  TraceLink link;
  link.link = name;
  link.port = slot.port;
  if (slot.slot.label != name) link.slot = slot.slot.label;
  link.speed_gts = slot.link.speed_gts;
  link.width = slot.link.width;
  link.max_speed_gts = slot.link.max_speed_gts;
  link.max_width = slot.link.max_width;
  link.evidence = {slot.port_end.evidence.evidence, slot.device_end.evidence.evidence};
  link.present = slot.device.has_value();
  return link;
}

template <class T>
void leave_out_same(std::optional<T>& now, const std::optional<T>& told) {
  if (now == told) now.reset();
}

// What differs from what was told.
TraceLink news_of(TraceLink now, const TraceLink& told) {
  now.port.reset();
  now.speed_gone = !now.speed_gts && told.speed_gts;
  now.width_gone = !now.width && told.width;
  leave_out_same(now.slot, told.slot);
  leave_out_same(now.speed_gts, told.speed_gts);
  leave_out_same(now.width, told.width);
  leave_out_same(now.max_speed_gts, told.max_speed_gts);
  leave_out_same(now.max_width, told.max_width);
  leave_out_same(now.evidence, told.evidence);
  leave_out_same(now.present, told.present);
  return now;
}

template <class T>
void remember(std::optional<T>& told, const std::optional<T>& now) {
  if (now) told = now;
}

}  // namespace

// Several links may share a slot's name; then the port's address tells them apart.
void TraceRecorder::name_links(const Status& status) {
  for (const auto& slot : status.slots) {
    if (names_.contains(slot.id)) continue;
    auto name = slot.slot.label;
    const bool taken = std::ranges::any_of(names_, [&](const auto& entry) { return entry.second == name; });
    if (taken) name += fmt::format(" {}", to_string(slot.port));
    names_[slot.id] = std::move(name);
  }
}

void TraceRecorder::describe(const SlotStatus& slot, std::vector<TraceEvent>& events) {
  auto now = link_of(slot, names_.at(slot.id));
  const auto it = told_.find(slot.id);
  if (it == told_.end()) {
    events.emplace_back(now);
    told_.emplace(slot.id, std::move(now));
    return;
  }
  auto& told = it->second;
  const auto news = news_of(now, told);
  TraceLink nothing;
  nothing.link = news.link;
  if (news == nothing) return;
  events.emplace_back(news);
  remember(told.slot, now.slot);
  told.speed_gts = now.speed_gts;
  told.width = now.width;
  remember(told.max_speed_gts, now.max_speed_gts);
  remember(told.max_width, now.max_width);
  remember(told.evidence, now.evidence);
  remember(told.present, now.present);
}

void TraceRecorder::tell(const Effect& effect, std::vector<TraceEvent>& events) const {
  const auto name = [this](const LinkId& id) {
    const auto it = names_.find(id);
    return it == names_.end() ? std::optional<std::string>() : std::optional(it->second);
  };
  if (const auto* errors = std::get_if<ErrorsCounted>(&effect)) {
    const auto link = name(errors->link);
    if (link && !errors->before_monitoring) {
      events.emplace_back(TraceCount{*link, errors->side, errors->severity, errors->added});
    }
  } else if (const auto* lost = std::get_if<UnattributedErrors>(&effect)) {
    if (const auto link = name(lost->link)) events.emplace_back(TraceUnattributed{*link, lost->added});
  } else if (const auto* arrived = std::get_if<DeviceArrived>(&effect)) {
    if (const auto link = name(arrived->link)) events.emplace_back(TraceTransition{*link, Transition::hotplug});
  } else if (const auto* left = std::get_if<DeviceLeft>(&effect)) {
    if (const auto link = name(left->link)) events.emplace_back(TraceTransition{*link, Transition::hotplug});
  }
}

std::vector<TraceLine> TraceRecorder::take(const Status& status, std::span<const Effect> effects, Instant now) {
  std::vector<TraceLine> lines;
  const bool first = !last_;
  if (first) {
    const auto since_boot = std::chrono::duration_cast<std::chrono::microseconds>(now.boot);
    lines.push_back({{}, TraceHeader{period_, now.wall - since_boot, status.host}, {}});
  } else if (now.boot - last_->boot > missed_periods * period_) {
    lines.push_back({last_->boot, TraceWatch{false}, {}});
    lines.push_back({now.boot, TraceWatch{true}, {}});
  }
  name_links(status);
  std::vector<TraceEvent> events;
  for (const auto& slot : status.slots) describe(slot, events);
  // A card that has just been introduced is no hotplug: all of them arrive with the first sample.
  for (const auto& effect : effects) {
    const bool arrival = std::holds_alternative<DeviceArrived>(effect);
    if (!(first && arrival)) tell(effect, events);
  }
  for (auto& event : events) lines.push_back({now.boot, std::move(event), {}});
  last_ = now;
  return lines;
}

}  // namespace wopr
