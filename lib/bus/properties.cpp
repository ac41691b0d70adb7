// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/properties.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <type_traits>

#include "bus/codec.hpp"
#include "bus/wire.hpp"
#include "core/monitor/status_fields.hpp"

namespace wopr::bus {
namespace {

// What is shown for a word that a newer service says and we do not know.
template <class E>
constexpr E unknown_value = E::unknown;
template <>
constexpr Evidence unknown_value<Evidence> = Evidence::blind;
template <>
constexpr SlotSource unknown_value<SlotSource> = SlotSource::address;
template <>
constexpr Direction unknown_value<Direction> = Direction::none;

constexpr std::size_t most_unknown_words = 8;

template <Worded E>
void put_word(E& out, const std::string& text, UnknownWords& unknown) {
  const auto value = parse_word<E>(text);
  out = value.value_or(unknown_value<E>);
  if (!value && unknown.size() < most_unknown_words) unknown.insert(text);
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

// Gives the value of each side to `put`. A side that is none of ours is a newer service's, and passed over.
template <class T, class Put>
void put_sides(SlotStatus& slot, Dict<T>& by_side, Put put) {
  for (auto& [name, value] : by_side) {
    if (const auto side = parse_word<Side>(name)) put(slot.end(*side), value);
  }
}

// Correctable, Nonfatal, Fatal: sides that cannot be seen are left out.
template <Severity severity>
Dict<Counts> counts_of(const SlotStatus& slot) {
  Dict<Counts> by_side;
  for (const auto side : sides) {
    const auto& counts = slot.end(side).counts[severity];
    if (counts) by_side.emplace_back(to_string(side), *counts);
  }
  return by_side;
}

template <Severity severity>
void put_counts(SlotStatus& slot, Dict<Counts> by_side) {
  for (const auto side : sides) slot.end(side).counts[severity].reset();
  put_sides(slot, by_side, [](EndStatus& end, Counts& counts) { end.counts[severity] = std::move(counts); });
}

// Side -> severity -> token -> count. As with the counts, what cannot be seen is left out.
Dict<Dict<Counts>> before_of(const SlotStatus& slot) {
  Dict<Dict<Counts>> by_side;
  for (const auto side : sides) {
    const auto& end = slot.end(side);
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

// A severity that is none of ours is passed over, as a side is.
void put_severities(SeverityCounts& all, Dict<Counts>& by_severity) {
  for (auto& [name, counts] : by_severity) {
    if (const auto severity = parse_word<Severity>(name)) all[*severity] = std::move(counts);
  }
}

void put_before(SlotStatus& slot, Dict<Dict<Counts>> by_side) {
  for (const auto side : sides) slot.end(side).before_monitoring = {};
  put_sides(slot, by_side, [](EndStatus& end, Dict<Counts>& by_severity) {
    put_severities(end.before_monitoring, by_severity);
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

void put_lifetime(SlotStatus& slot, Dict<Dict<Counts>> by_side) {
  if (by_side.empty()) return;
  auto& lifetime = slot.lifetime ? *slot.lifetime : slot.lifetime.emplace();
  for (auto& [name, by_severity] : by_side) {
    if (const auto side = parse_word<Side>(name)) put_severities(lifetime.counts[*side], by_severity);
  }
}

std::uint64_t lifetime_since_of(const SlotStatus& slot) { return slot.lifetime ? to_usec(slot.lifetime->since) : 0; }

void put_lifetime_since(SlotStatus& slot, std::uint64_t usec) {
  if (usec != 0) (slot.lifetime ? *slot.lifetime : slot.lifetime.emplace()).since = from_usec(usec);
}

using WireEvidence = std::tuple<std::string, bool, std::string>;

Dict<WireEvidence> evidence_of(const SlotStatus& slot) {
  Dict<WireEvidence> by_side;
  for (const auto side : sides) {
    const auto& evidence = slot.end(side).evidence;
    by_side.emplace_back(to_string(side),
                         WireEvidence{to_string(evidence.evidence), evidence.verified, evidence.reason});
  }
  return by_side;
}

void put_evidence(SlotStatus& slot, Dict<WireEvidence> by_side, UnknownWords& unknown) {
  put_sides(slot, by_side, [&](EndStatus& end, WireEvidence& wire) {
    put_word(end.evidence.evidence, std::get<0>(wire), unknown);
    end.evidence.verified = std::get<1>(wire);
    end.evidence.reason = std::move(std::get<2>(wire));
  });
}

Dict<Texts> latched_of(const SlotStatus& slot) {
  Dict<Texts> by_side;
  for (const auto side : sides) {
    const auto& end = slot.end(side);
    if (end.latched_read || !end.latched.empty()) by_side.emplace_back(to_string(side), end.latched);
  }
  return by_side;
}

void put_latched(SlotStatus& slot, Dict<Texts> by_side) {
  for (const auto side : sides) {
    slot.end(side).latched.clear();
    slot.end(side).latched_read = false;
  }
  put_sides(slot, by_side, [](EndStatus& end, Texts& tokens) {
    end.latched = std::move(tokens);
    end.latched_read = true;
  });
}

// side -> type -> microseconds since 1970; types that were set at the first look are left out.
Dict<Counts> latched_since_of(const SlotStatus& slot) {
  Dict<Counts> by_side;
  for (const auto side : sides) {
    Counts times;
    for (const auto& [token, since] : slot.end(side).latched_since) times.push_back({token, to_usec(since)});
    if (!times.empty()) by_side.emplace_back(to_string(side), std::move(times));
  }
  return by_side;
}

void put_latched_since(SlotStatus& slot, Dict<Counts> by_side) {
  for (const auto side : sides) slot.end(side).latched_since.clear();
  put_sides(slot, by_side, [](EndStatus& end, Counts& times) {
    for (auto& time : times) end.latched_since.emplace(std::move(time.token), from_usec(time.value));
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

void put_root_status(SlotStatus& slot, const Dict<bool>& bits) {
  slot.root_error_status.reset();
  if (bits.empty()) return;
  slot.root_error_status = 0;
  for (const auto& [name, set] : bits) {
    const auto known = std::ranges::find(root_status_names, name);
    if (set && known != root_status_names.end()) *slot.root_error_status |= 1U << (known - root_status_names.begin());
  }
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

void put_lanes(SlotStatus& slot, const WireLanes& by_side) {
  slot.lanes.ends = {};
  for (const auto& [side_name, by_register] : by_side) {
    const auto side = parse_word<Side>(side_name);
    if (!side) continue;
    for (const auto& [name, lanes] : by_register) {
      for (const auto& [known, member] : lane_registers) {
        if (name == known) slot.lanes.at(*side).*member = bitmap_of(lanes);
      }
    }
  }
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

void put_is_gpu(SlotStatus& slot, bool is_gpu) {
  if (!is_gpu) slot.gpu.reset();
  else if (!slot.gpu) slot.gpu.emplace();
}

// -- values by their type, for all facts that are told as they are

bool wire_of(bool value) { return value; }
std::uint32_t wire_of(unsigned value) { return value; }
std::uint64_t wire_of(std::uint64_t value) { return value; }
const std::string& wire_of(const std::string& text) { return text; }
const Texts& wire_of(const Texts& texts) { return texts; }
const Figures& wire_of(const Figures& figures) { return figures; }
const Counts& wire_of(const Counts& counts) { return counts; }

template <class T>
  requires std::is_arithmetic_v<T> || std::is_same_v<T, std::string> || std::is_same_v<T, Texts> ||
           std::is_same_v<T, Figures> || std::is_same_v<T, Counts>
void put(T& out, T wire) {
  out = std::move(wire);
}

template <Worded E>
std::string wire_of(E value) {
  return std::string{to_string(value)};
}
template <Worded E>
void put(E& out, const std::string& text, UnknownWords& unknown) {
  put_word(out, text, unknown);
}

std::string wire_of(const Bdf& bdf) { return to_string(bdf); }
bool put(Bdf& out, const std::string& text) {
  const auto bdf = parse_bdf(text);
  if (bdf) out = *bdf;
  return bdf.has_value();
}

std::string wire_of(const std::optional<Bdf>& bdf) { return bdf ? to_string(*bdf) : std::string{}; }
bool put(std::optional<Bdf>& out, const std::string& text) {
  out.reset();
  return text.empty() || put(out.emplace(), text);
}

Texts wire_of(const std::vector<Bdf>& addresses) {
  Texts texts;
  for (const auto& bdf : addresses) texts.push_back(to_string(bdf));
  return texts;
}
bool put(std::vector<Bdf>& out, const Texts& texts) {
  out.clear();
  return std::ranges::all_of(texts, [&](const std::string& text) { return put(out.emplace_back(), text); });
}

std::uint64_t wire_of(WallTime time) { return to_usec(time); }
void put(WallTime& out, std::uint64_t usec) { out = from_usec(usec); }

Values wire_of(const LinkStatus& link) {
  Values values;
  note<double>(values, "speed_gts", link.speed_gts);
  note<std::uint32_t>(values, "width", link.width);
  note<double>(values, "max_speed_gts", link.max_speed_gts);
  note<std::uint32_t>(values, "max_width", link.max_width);
  values.emplace_back("state", std::string{to_string(link.state)});
  return values;
}
bool put(LinkStatus& out, const Values& values, UnknownWords& unknown) {
  std::optional<std::string> state;
  if (!take<double>(values, "speed_gts", out.speed_gts) || !take<std::uint32_t>(values, "width", out.width) ||
      !take<double>(values, "max_speed_gts", out.max_speed_gts) ||
      !take<std::uint32_t>(values, "max_width", out.max_width) || !take<std::string>(values, "state", state)) {
    return false;
  }
  if (state) put_word(out.state, *state, unknown);
  return true;
}

// Empty while a device stands there, or when none did.
Values wire_of(const std::optional<DeviceGone>& gone) {
  if (!gone) return {};
  return {{"since", Value{to_usec(gone->since)}}, {"name", Value{gone->name}}, {"gpu", Value{gone->gpu}}};
}
bool put(std::optional<DeviceGone>& out, const Values& values) {
  out.reset();
  if (values.empty()) return true;
  std::optional<std::uint64_t> since;
  std::optional<std::string> name;
  std::optional<bool> gpu;
  if (!take<std::uint64_t>(values, "since", since) || !take<std::string>(values, "name", name) ||
      !take<bool>(values, "gpu", gpu)) {
    return false;
  }
  out = DeviceGone{from_usec(since.value_or(0)), name.value_or(""), gpu.value_or(false)};
  return true;
}

// Messages of which no number could be read are left out as a whole.
Counts wire_of(const std::optional<RootPortMessages>& messages) {
  Counts counts;
  if (!messages) return counts;
  if (messages->correctable) counts.push_back({"correctable", *messages->correctable});
  if (messages->nonfatal) counts.push_back({"nonfatal", *messages->nonfatal});
  if (messages->fatal) counts.push_back({"fatal", *messages->fatal});
  return counts;
}
void put(std::optional<RootPortMessages>& out, const Counts& counts) {
  out.reset();
  if (counts.empty()) return;
  out = RootPortMessages{find_count(counts, "correctable"), find_count(counts, "nonfatal"), find_count(counts, "fatal")};
}

using WireProblem = std::tuple<std::string, std::string, std::string>;

// What does not fit is at least said.
std::vector<WireProblem> wire_of(const std::vector<Error>& problems) {
  std::vector<WireProblem> wire;
  const auto all = problems.size();
  const auto shown = all > max_items ? max_items - 1 : all;
  for (std::size_t i = 0; i < shown; ++i) wire.emplace_back(problems[i].what, problems[i].where, problems[i].advice);
  if (shown < all) wire.emplace_back(fmt::format("{} more problems are not listed here", all - shown), "", "");
  return wire;
}
void put(std::vector<Error>& out, std::vector<WireProblem> wire) {
  out.clear();
  for (auto& [what, where, advice] : wire) out.push_back({std::move(what), std::move(where), std::move(advice)});
}

// -- properties

// From a function that makes the wire value and one that takes it back. The latter returns false for a value that says
// nothing to us, or nothing at all, and may ask for the place where unknown words are noted.
template <class Subject, auto of, auto put_back>
constexpr Property<Subject> property(const char* name) {
  using Wire = std::remove_cvref_t<decltype(of(std::declval<const Subject&>()))>;
  return {name, Codec<Wire>::signature.text,
          [](sd_bus_message* message, const Subject& subject) { return Codec<Wire>::append(message, of(subject)); },
          [](sd_bus_message* message, Subject& subject, UnknownWords& unknown) {
            Wire wire{};
            if (const int r = Codec<Wire>::read(message, wire); r <= 0) return r < 0 ? r : -EBADMSG;
            const auto done = [&] {
              if constexpr (std::is_invocable_v<decltype(put_back), Subject&, Wire, UnknownWords&>) {
                return put_back(subject, std::move(wire), unknown);
              } else {
                return put_back(subject, std::move(wire));
              }
            };
            if constexpr (std::is_void_v<decltype(done())>) {
              done();
              return 1;
            } else {
              return done() ? 1 : -EBADMSG;
            }
          },
          [](const Subject& a, const Subject& b) { return of(a) == of(b); }};
}

// "riser_candidate" -> "RiserCandidate"
template <std::size_t N>
constexpr std::array<char, N> written_together(const FieldName<N>& name) {
  std::array<char, N> out{};
  std::size_t length = 0;
  bool begins = true;
  for (const char c : name.view()) {
    if (c != '_') out[length++] = begins && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    begins = c == '_';
  }
  return out;
}
template <FieldName key>
constexpr auto property_name = written_together(key);

template <class T>
constexpr bool is_optional = false;
template <class T>
constexpr bool is_optional<std::optional<T>> = true;

template <class T, class Wire>
auto put_value(T& out, Wire wire, UnknownWords& unknown) {
  if constexpr (requires { put(out, std::move(wire), unknown); }) return put(out, std::move(wire), unknown);
  else return put(out, std::move(wire));
}

// side -> value, for a fact of each end
template <class F>
auto ends_of(const SlotStatus& slot) {
  using T = std::remove_cvref_t<decltype(F::of(slot.port_end))>;
  if constexpr (is_optional<T>) {
    Dict<std::remove_cvref_t<decltype(wire_of(*F::of(slot.port_end)))>> by_side;
    for (const auto side : sides) {
      if (const auto& value = F::of(slot.end(side))) by_side.emplace_back(to_string(side), wire_of(*value));
    }
    return by_side;
  } else {
    Dict<std::remove_cvref_t<decltype(wire_of(F::of(slot.port_end)))>> by_side;
    for (const auto side : sides) by_side.emplace_back(to_string(side), wire_of(F::of(slot.end(side))));
    return by_side;
  }
}
template <class F, class Wire>
void put_ends(SlotStatus& slot, Dict<Wire> by_side, UnknownWords& unknown) {
  for (const auto side : sides) F::of(slot.end(side)) = {};
  put_sides(slot, by_side, [&](EndStatus& end, Wire& wire) {
    auto& out = F::of(end);
    if constexpr (is_optional<std::remove_cvref_t<decltype(out)>>) put_value(out.emplace(), std::move(wire), unknown);
    else put_value(out, std::move(wire), unknown);
  });
}

template <class Subject, class F>
constexpr Property<Subject> generic_property() {
  const auto* name = property_name<F::key>.data();
  if constexpr (F::of_ends) {
    return property<Subject, [](const Subject& s) { return ends_of<F>(s); },
                    [](Subject& s, auto wire, UnknownWords& unknown) { put_ends<F>(s, std::move(wire), unknown); }>(name);
  } else {
    return property<Subject, [](const Subject& s) { return wire_of(F::of(s)); },
                    [](Subject& s, auto wire, UnknownWords& unknown) {
                      return put_value(F::of(s), std::move(wire), unknown);
                    }>(name);
  }
}

// Facts that make other properties than one of their own name: none, or several.
template <FieldName key>
constexpr auto own_shape = nullptr;

using S = SlotStatus;
template <>
constexpr auto own_shape<"gpu"> = std::array{
    property<S, [](const S& s) { return s.gpu.has_value(); }, put_is_gpu>("IsGpu"), property<S, gpu_of, put_gpu>("Gpu")};
template <>
constexpr auto own_shape<"lanes"> = std::array{property<S, lanes_of, put_lanes>("Lanes"),
                                               property<S, settings_of, put_settings>("LinkSettings")};
template <>
constexpr auto own_shape<"evidence"> = std::array{property<S, evidence_of, put_evidence>("Evidence")};
template <>
constexpr auto own_shape<"counts"> =
    std::array{property<S, counts_of<Severity::correctable>, put_counts<Severity::correctable>>("Correctable"),
               property<S, counts_of<Severity::nonfatal>, put_counts<Severity::nonfatal>>("Nonfatal"),
               property<S, counts_of<Severity::fatal>, put_counts<Severity::fatal>>("Fatal")};
template <>
constexpr auto own_shape<"before_monitoring"> = std::array{property<S, before_of, put_before>("BeforeMonitoring")};
template <>
constexpr auto own_shape<"lifetime"> =
    std::array{property<S, lifetime_of, put_lifetime>("Lifetime"),
               property<S, lifetime_since_of, put_lifetime_since>("LifetimeSince")};
template <>
constexpr auto own_shape<"latched"> = std::array{property<S, latched_of, put_latched>("Latched"),
                                                 property<S, latched_since_of, put_latched_since>("LatchedSince")};
template <>
constexpr auto own_shape<"root_error_status"> =
    std::array{property<S, root_status_of, put_root_status>("RootErrorStatus")};
// Who asks knows that it is the service; the time and the links come by ways of their own.
template <>
constexpr auto own_shape<"monitor"> = std::array<Property<Status>, 0>{};
template <>
constexpr auto own_shape<"now"> = std::array<Property<Status>, 0>{};
template <>
constexpr auto own_shape<"slots"> = std::array<Property<Status>, 0>{};

template <class Subject, class F>
constexpr auto properties_of() {
  if constexpr (std::is_null_pointer_v<std::remove_cv_t<decltype(own_shape<F::key>)>>) {
    return std::array{generic_property<Subject, F>()};
  } else {
    return own_shape<F::key>;
  }
}

template <class Subject, class... F>
constexpr auto table_of(FieldList<F...>) {
  std::array<Property<Subject>, (properties_of<Subject, F>().size() + ...)> table{};
  auto* next = table.data();
  const auto add = [&](const auto& properties) {
    for (const auto& property : properties) *next++ = property;
  };
  (add(properties_of<Subject, F>()), ...);
  return table;
}

constexpr auto link_table = table_of<SlotStatus>(SlotFields{});
constexpr auto manager_table = table_of<Status>(StatusFields{});

}  // namespace

std::span<const Property<SlotStatus>> link_properties() { return link_table; }
std::span<const Property<Status>> manager_properties() { return manager_table; }

}  // namespace wopr::bus
