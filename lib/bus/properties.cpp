// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/properties.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "bus/codec.hpp"
#include "bus/wire.hpp"

namespace wopr::bus {
namespace {

template <Worded E>
bool put_word(E& out, const std::string& text) {
  const auto value = parse_word<E>(text);
  if (value) out = *value;
  return value.has_value();
}

bool put_bdf(Bdf& out, const std::string& text) {
  const auto bdf = parse_bdf(text);
  if (bdf) out = *bdf;
  return bdf.has_value();
}

std::string optional_text(const std::optional<Bdf>& bdf) { return bdf ? to_string(*bdf) : std::string{}; }

bool put_optional(std::optional<Bdf>& out, const std::string& text) {
  out.reset();
  return text.empty() || put_bdf(out.emplace(), text);
}

// a{sv} keys: present when the optional has a value.
template <class Wire, class T>
void note(Values& values, const char* key, const std::optional<T>& value) {
  if (value) values.emplace_back(key, Value{static_cast<Wire>(*value)});
}

// False when the key is there with another type.
template <class Wire, class T>
bool take(const Values& values, std::string_view key, std::optional<T>& out) {
  out.reset();
  for (const auto& [name, value] : values) {
    if (name != key) continue;
    const auto* typed = std::get_if<Wire>(&value);
    if (typed == nullptr) return false;
    out = static_cast<T>(*typed);
  }
  return true;
}

const EndStatus& end_of(const SlotStatus& slot, Side side) {
  return side == Side::port ? slot.port_end : slot.device_end;
}
EndStatus& end_of(SlotStatus& slot, Side side) { return side == Side::port ? slot.port_end : slot.device_end; }

// Gives each entry's side to `put`; false when a side or its value says nothing to us.
template <class T, class Put>
bool put_sides(SlotStatus& slot, Dict<T>& by_side, Put put) {
  for (auto& [name, value] : by_side) {
    Side side{};
    if (!put_word(side, name) || !put(end_of(slot, side), value)) return false;
  }
  return true;
}

// Correctable, Nonfatal, Fatal: sides that cannot be seen are left out.
template <Severity severity>
Dict<Counts> counts_of(const SlotStatus& slot) {
  Dict<Counts> by_side;
  for (const auto side : sides) {
    const auto& counts = end_of(slot, side).counts[severity];
    if (counts) by_side.emplace_back(to_string(side), *counts);
  }
  return by_side;
}

template <Severity severity>
bool put_counts(SlotStatus& slot, Dict<Counts> by_side) {
  for (const auto side : sides) end_of(slot, side).counts[severity].reset();
  return put_sides(slot, by_side, [](EndStatus& end, Counts& counts) {
    end.counts[severity] = std::move(counts);
    return true;
  });
}

// Side -> severity -> token -> count. As with the counts, what cannot be seen is left out.
Dict<Dict<Counts>> before_of(const SlotStatus& slot) {
  Dict<Dict<Counts>> by_side;
  for (const auto side : sides) {
    const auto& end = end_of(slot, side);
    Dict<Counts> by_severity;
    for (const auto severity : severities) {
      if (end.counts[severity] || !end.before_monitoring[severity].empty()) {
        by_severity.emplace_back(to_string(severity), end.before_monitoring[severity]);
      }
    }
    if (!by_severity.empty()) by_side.emplace_back(to_string(side), std::move(by_severity));
  }
  return by_side;
}

bool put_before(SlotStatus& slot, Dict<Dict<Counts>> by_side) {
  for (const auto side : sides) end_of(slot, side).before_monitoring = {};
  return put_sides(slot, by_side, [](EndStatus& end, Dict<Counts>& by_severity) {
    for (auto& [name, counts] : by_severity) {
      Severity severity{};
      if (!put_word(severity, name)) return false;
      end.before_monitoring[severity] = std::move(counts);
    }
    return true;
  });
}

// Side -> severity -> token -> count, of the whole history; empty where none is kept.
Dict<Dict<Counts>> lifetime_of(const SlotStatus& slot) {
  Dict<Dict<Counts>> by_side;
  if (!slot.lifetime) return by_side;
  for (const auto side : sides) {
    Dict<Counts> by_severity;
    for (const auto severity : severities) {
      const auto& counts = slot.lifetime->counts[side][severity];
      if (!counts.empty()) by_severity.emplace_back(to_string(severity), counts);
    }
    by_side.emplace_back(to_string(side), std::move(by_severity));
  }
  return by_side;
}

bool put_lifetime(SlotStatus& slot, Dict<Dict<Counts>> by_side) {
  if (by_side.empty()) return true;
  auto& lifetime = slot.lifetime ? *slot.lifetime : slot.lifetime.emplace();
  for (auto& [side_name, by_severity] : by_side) {
    Side side{};
    if (!put_word(side, side_name)) return false;
    for (auto& [name, counts] : by_severity) {
      Severity severity{};
      if (!put_word(severity, name)) return false;
      lifetime.counts[side][severity] = std::move(counts);
    }
  }
  return true;
}

// A device that left is told by three properties, whatever order they come in.
DeviceGone& gone_in(SlotStatus& slot) { return slot.gone ? *slot.gone : slot.gone.emplace(); }

std::uint64_t gone_since_of(const SlotStatus& slot) { return slot.gone ? to_usec(slot.gone->since) : 0; }

bool put_gone_since(SlotStatus& slot, std::uint64_t usec) {
  if (usec != 0) gone_in(slot).since = from_usec(usec);
  return true;
}

std::string gone_name_of(const SlotStatus& slot) { return slot.gone ? slot.gone->name : std::string(); }

bool put_gone_name(SlotStatus& slot, std::string name) {
  if (!name.empty()) gone_in(slot).name = std::move(name);
  return true;
}

bool gone_gpu_of(const SlotStatus& slot) { return slot.gone && slot.gone->gpu; }

bool put_gone_gpu(SlotStatus& slot, bool gpu) {
  if (gpu) gone_in(slot).gpu = true;
  return true;
}

std::uint64_t lifetime_since_of(const SlotStatus& slot) { return slot.lifetime ? to_usec(slot.lifetime->since) : 0; }

bool put_lifetime_since(SlotStatus& slot, std::uint64_t usec) {
  if (usec == 0) return true;
  (slot.lifetime ? *slot.lifetime : slot.lifetime.emplace()).since = from_usec(usec);
  return true;
}

using WireEvidence = std::tuple<std::string, bool, std::string>;

Dict<WireEvidence> evidence_of(const SlotStatus& slot) {
  Dict<WireEvidence> by_side;
  for (const auto side : sides) {
    const auto& evidence = end_of(slot, side).evidence;
    by_side.emplace_back(to_string(side),
                         WireEvidence{to_string(evidence.evidence), evidence.verified, evidence.reason});
  }
  return by_side;
}

bool put_evidence(SlotStatus& slot, Dict<WireEvidence> by_side) {
  return put_sides(slot, by_side, [](EndStatus& end, WireEvidence& wire) {
    end.evidence.verified = std::get<1>(wire);
    end.evidence.reason = std::move(std::get<2>(wire));
    return put_word(end.evidence.evidence, std::get<0>(wire));
  });
}

Dict<Texts> latched_of(const SlotStatus& slot) {
  Dict<Texts> by_side;
  for (const auto side : sides) {
    const auto& end = end_of(slot, side);
    if (end.latched_read || !end.latched.empty()) by_side.emplace_back(to_string(side), end.latched);
  }
  return by_side;
}

bool put_latched(SlotStatus& slot, Dict<Texts> by_side) {
  for (const auto side : sides) {
    end_of(slot, side).latched.clear();
    end_of(slot, side).latched_read = false;
  }
  return put_sides(slot, by_side, [](EndStatus& end, Texts& tokens) {
    end.latched = std::move(tokens);
    end.latched_read = true;
    return true;
  });
}

// side -> type -> microseconds since 1970; types that were set at the first look are left out.
Dict<Counts> latched_since_of(const SlotStatus& slot) {
  Dict<Counts> by_side;
  for (const auto side : sides) {
    Counts times;
    for (const auto& [token, since] : end_of(slot, side).latched_since) times.push_back({token, to_usec(since)});
    if (!times.empty()) by_side.emplace_back(to_string(side), std::move(times));
  }
  return by_side;
}

bool put_latched_since(SlotStatus& slot, Dict<Counts> by_side) {
  for (const auto side : sides) end_of(slot, side).latched_since.clear();
  return put_sides(slot, by_side, [](EndStatus& end, Counts& times) {
    for (auto& time : times) end.latched_since.emplace(std::move(time.token), from_usec(time.value));
    return true;
  });
}

// bit -> set, by lspci's names; empty where the register is not looked at.
Dict<bool> root_status_of(const SlotStatus& slot) {
  Dict<bool> bits;
  if (!slot.root_error_status) return bits;
  for (std::size_t bit = 0; bit < root_status_names.size(); ++bit) {
    bits.emplace_back(root_status_names[bit], ((*slot.root_error_status >> bit) & 1U) != 0);
  }
  return bits;
}

bool put_root_status(SlotStatus& slot, const Dict<bool>& bits) {
  slot.root_error_status.reset();
  if (bits.empty()) return true;
  slot.root_error_status = 0;
  for (const auto& [name, set] : bits) {
    const auto known = std::ranges::find(root_status_names, name);
    if (set && known != root_status_names.end()) *slot.root_error_status |= 1U << (known - root_status_names.begin());
  }
  return true;
}

// side -> severity -> records; a side nobody follows is left out.
Dict<Counts> firmware_of(const SlotStatus& slot) {
  Dict<Counts> by_side;
  for (const auto side : sides) {
    if (const auto& records = end_of(slot, side).firmware_records) by_side.emplace_back(to_string(side), *records);
  }
  return by_side;
}

bool put_firmware(SlotStatus& slot, Dict<Counts> by_side) {
  for (const auto side : sides) end_of(slot, side).firmware_records.reset();
  return put_sides(slot, by_side, [](EndStatus& end, Counts& records) {
    end.firmware_records = std::move(records);
    return true;
  });
}

Values link_of(const SlotStatus& slot) {
  Values values;
  note<double>(values, "speed_gts", slot.link.speed_gts);
  note<std::uint32_t>(values, "width", slot.link.width);
  note<double>(values, "max_speed_gts", slot.link.max_speed_gts);
  note<std::uint32_t>(values, "max_width", slot.link.max_width);
  values.emplace_back("state", std::string{to_string(slot.link.state)});
  return values;
}

bool put_link(SlotStatus& slot, const Values& values) {
  std::optional<std::string> state;
  return take<double>(values, "speed_gts", slot.link.speed_gts) &&
         take<std::uint32_t>(values, "width", slot.link.width) &&
         take<double>(values, "max_speed_gts", slot.link.max_speed_gts) &&
         take<std::uint32_t>(values, "max_width", slot.link.max_width) &&
         take<std::string>(values, "state", state) && put_word(slot.link.state, state.value_or(""));
}

// side -> register -> lanes; what was not read is left out.
using WireLanes = Dict<Dict<std::vector<std::uint32_t>>>;

constexpr std::array<std::pair<const char*, std::optional<std::uint32_t> LaneRegisters::*>, 4> lane_registers = {{
    {"errors", &LaneRegisters::errors},
    {"parity", &LaneRegisters::parity},
    {"first_retimer", &LaneRegisters::first_retimer},
    {"second_retimer", &LaneRegisters::second_retimer},
}};

WireLanes lanes_of(const SlotStatus& slot) {
  WireLanes by_side;
  for (const auto side : sides) {
    Dict<std::vector<std::uint32_t>> by_register;
    for (const auto& [name, member] : lane_registers) {
      if (const auto& bitmap = slot.lanes.at(side).*member) by_register.emplace_back(name, lanes_in(*bitmap));
    }
    if (!by_register.empty()) by_side.emplace_back(to_string(side), std::move(by_register));
  }
  return by_side;
}

bool put_lanes(SlotStatus& slot, const WireLanes& by_side) {
  slot.lanes.ends = {};
  for (const auto& [side_name, by_register] : by_side) {
    Side side{};
    if (!put_word(side, side_name)) return false;
    for (const auto& [name, lanes] : by_register) {
      for (const auto& [known, member] : lane_registers) {
        if (name == known) slot.lanes.at(side).*member = bitmap_of(lanes);
      }
    }
  }
  return true;
}

// What the registers beside the bitmaps say of the link's settings.
Values settings_of(const SlotStatus& slot) {
  Values values;
  if (slot.lanes.width != 0) values.emplace_back("width", Value{std::uint32_t{slot.lanes.width}});
  note<std::uint32_t>(values, "retimers", slot.lanes.retimers);
  note<bool>(values, "autonomous_speed_disabled", slot.lanes.autonomous_speed_disabled);
  note<double>(values, "capped_speed_gts", slot.lanes.capped_speed_gts);
  return values;
}

bool put_settings(SlotStatus& slot, const Values& values) {
  std::optional<unsigned> width;
  if (!take<std::uint32_t>(values, "width", width)) return false;
  slot.lanes.width = width.value_or(0);
  return take<std::uint32_t>(values, "retimers", slot.lanes.retimers) &&
         take<bool>(values, "autonomous_speed_disabled", slot.lanes.autonomous_speed_disabled) &&
         take<double>(values, "capped_speed_gts", slot.lanes.capped_speed_gts);
}

Values gpu_of(const SlotStatus& slot) {
  Values values;
  if (!slot.gpu) return values;
  note<std::uint32_t>(values, "index", slot.gpu->index);
  if (!slot.gpu->uuid.empty()) values.emplace_back("uuid", slot.gpu->uuid);
  note<std::uint32_t>(values, "minor", slot.gpu->minor);
  return values;
}

// IsGpu tells a GPU of which nothing is known from no GPU; the two properties may come in either order.
bool put_gpu(SlotStatus& slot, const Values& values) {
  if (values.empty()) return true;
  auto& gpu = slot.gpu ? *slot.gpu : slot.gpu.emplace();
  std::optional<std::string> uuid;
  if (!take<std::uint32_t>(values, "index", gpu.index) || !take<std::string>(values, "uuid", uuid) ||
      !take<std::uint32_t>(values, "minor", gpu.minor)) {
    return false;
  }
  gpu.uuid = uuid.value_or("");
  return true;
}

bool put_is_gpu(SlotStatus& slot, bool is_gpu) {
  if (!is_gpu) slot.gpu.reset();
  else if (!slot.gpu) slot.gpu.emplace();
  return true;
}

// Messages of which no number could be read are left out as a whole.
Counts messages_of(const SlotStatus& slot) {
  Counts counts;
  if (!slot.root_port_messages) return counts;
  const auto& messages = *slot.root_port_messages;
  if (messages.correctable) counts.push_back({"correctable", *messages.correctable});
  if (messages.nonfatal) counts.push_back({"nonfatal", *messages.nonfatal});
  if (messages.fatal) counts.push_back({"fatal", *messages.fatal});
  return counts;
}

bool put_messages(SlotStatus& slot, const Counts& counts) {
  slot.root_port_messages.reset();
  if (counts.empty()) return true;
  slot.root_port_messages =
      RootPortMessages{find_count(counts, "correctable"), find_count(counts, "nonfatal"), find_count(counts, "fatal")};
  return true;
}

Texts functions_of(const SlotStatus& slot) {
  Texts texts;
  for (const auto& bdf : slot.functions) texts.push_back(to_string(bdf));
  return texts;
}

bool put_functions(SlotStatus& slot, const Texts& texts) {
  slot.functions.clear();
  for (const auto& text : texts) {
    if (!put_bdf(slot.functions.emplace_back(), text)) return false;
  }
  return true;
}

using WireProblem = std::tuple<std::string, std::string, std::string>;

// What does not fit is at least said.
std::vector<WireProblem> problems_of(const Status& status) {
  std::vector<WireProblem> wire;
  const auto all = status.problems.size();
  const auto shown = all > max_items ? max_items - 1 : all;
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& problem = status.problems[i];
    wire.emplace_back(problem.what, problem.where, problem.advice);
  }
  if (shown < all) wire.emplace_back(fmt::format("{} more problems are not listed here", all - shown), "", "");
  return wire;
}

bool put_problems(Status& status, std::vector<WireProblem> wire) {
  status.problems.clear();
  for (auto& [what, where, advice] : wire) {
    status.problems.push_back({std::move(what), std::move(where), std::move(advice)});
  }
  return true;
}

// From a function that makes the wire value and one that takes it back.
template <class Subject, auto of, auto put>
constexpr Property<Subject> property(const char* name) {
  using Wire = decltype(of(std::declval<const Subject&>()));
  return {name, Codec<Wire>::signature.text,
          [](sd_bus_message* message, const Subject& subject) { return Codec<Wire>::append(message, of(subject)); },
          [](sd_bus_message* message, Subject& subject) {
            Wire wire{};
            if (const int r = Codec<Wire>::read(message, wire); r <= 0) return r < 0 ? r : -EBADMSG;
            return put(subject, std::move(wire)) ? 1 : -EBADMSG;
          },
          [](const Subject& a, const Subject& b) { return of(a) == of(b); }};
}

// A member that goes over the wire as it is.
template <class Subject, auto member>
constexpr Property<Subject> plain(const char* name) {
  return property<Subject, [](const Subject& subject) { return subject.*member; },
                  [](Subject& subject, auto value) {
                    subject.*member = std::move(value);
                    return true;
                  }>(name);
}

// A member that goes over the wire as one of its words.
template <class Subject, auto member>
constexpr Property<Subject> worded(const char* name) {
  return property<Subject, [](const Subject& subject) { return std::string{to_string(subject.*member)}; },
                  [](Subject& subject, const std::string& text) { return put_word(subject.*member, text); }>(
      name);
}

using S = SlotStatus;
constexpr std::array link_table = {
    property<S, [](const S& s) { return s.slot.label; },
             [](S& s, std::string text) {
               s.slot.label = std::move(text);
               return true;
             }>("Slot"),
    property<S, [](const S& s) { return std::string{to_string(s.slot.source)}; },
             [](S& s, const std::string& text) { return put_word(s.slot.source, text); }>("SlotSource"),
    property<S, [](const S& s) { return s.slot.note; },
             [](S& s, std::string text) {
               s.slot.note = std::move(text);
               return true;
             }>("SlotNote"),
    property<S, [](const S& s) { return to_string(s.port); },
             [](S& s, const std::string& text) { return put_bdf(s.port, text); }>("Port"),
    plain<S, &S::hop>("Hop"),
    property<S, [](const S& s) { return optional_text(s.upstream); },
             [](S& s, const std::string& text) { return put_optional(s.upstream, text); }>("Upstream"),
    property<S, [](const S& s) { return optional_text(s.device); },
             [](S& s, const std::string& text) { return put_optional(s.device, text); }>("Device"),
    property<S, functions_of, put_functions>("Functions"),
    plain<S, &S::name>("Name"),
    plain<S, &S::driver>("Driver"),
    property<S, [](const S& s) { return s.gpu.has_value(); }, put_is_gpu>("IsGpu"),
    property<S, gpu_of, put_gpu>("Gpu"),
    property<S, link_of, put_link>("Link"),
    property<S, lanes_of, put_lanes>("Lanes"),
    property<S, settings_of, put_settings>("LinkSettings"),
    property<S, evidence_of, put_evidence>("Evidence"),
    property<S, counts_of<Severity::correctable>, put_counts<Severity::correctable>>("Correctable"),
    property<S, counts_of<Severity::nonfatal>, put_counts<Severity::nonfatal>>("Nonfatal"),
    property<S, counts_of<Severity::fatal>, put_counts<Severity::fatal>>("Fatal"),
    property<S, before_of, put_before>("BeforeMonitoring"),
    property<S, lifetime_of, put_lifetime>("Lifetime"),
    property<S, lifetime_since_of, put_lifetime_since>("LifetimeSince"),
    property<S, gone_since_of, put_gone_since>("GoneSince"),
    property<S, gone_name_of, put_gone_name>("GoneName"),
    property<S, gone_gpu_of, put_gone_gpu>("GoneIsGpu"),
    property<S, latched_of, put_latched>("Latched"),
    property<S, latched_since_of, put_latched_since>("LatchedSince"),
    property<S, root_status_of, put_root_status>("RootErrorStatus"),
    property<S, firmware_of, put_firmware>("FirmwareRecords"),
    property<S, messages_of, put_messages>("RootPortMessages"),
    plain<S, &S::unattributed>("Unattributed"),
    plain<S, &S::lower_bound>("LowerBound"),
    worded<S, &S::grade>("Grade"),
    plain<S, &S::riser_candidate>("RiserCandidate"),
    plain<S, &S::confidence>("Confidence"),
    worded<S, &S::direction>("Direction"),
    plain<S, &S::reasons>("Reasons"),
    plain<S, &S::figures>("Figures"),
    plain<S, &S::advice>("Advice"),
};

constexpr std::array manager_table = {
    plain<Status, &Status::host>("Host"),
    plain<Status, &Status::boot_id>("BootId"),
    plain<Status, &Status::kernel>("Kernel"),
    property<Status, [](const Status& s) { return to_usec(s.since); },
             [](Status& s, std::uint64_t usec) {
               s.since = from_usec(usec);
               return true;
             }>("Since"),
    plain<Status, &Status::board_vendor>("BoardVendor"),
    plain<Status, &Status::board_name>("BoardName"),
    property<Status, problems_of, put_problems>("Problems"),
    plain<Status, &Status::notes>("Notes"),
    plain<Status, &Status::config_closed>("ConfigClosed"),
    plain<Status, &Status::degraded>("Degraded"),
};

}  // namespace

std::span<const Property<SlotStatus>> link_properties() { return link_table; }
std::span<const Property<Status>> manager_properties() { return manager_table; }

}  // namespace wopr::bus
