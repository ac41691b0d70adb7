// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/store_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/count/end_check.hpp"
#include "core/judge/ledger_check.hpp"

using nlohmann::json;

// NOLINTBEGIN(cert-dcl58-cpp): nlohmann asks for these to be in its own namespace
namespace nlohmann {
template <class T>
struct adl_serializer<std::optional<T>> {
  static void to_json(json& j, const std::optional<T>& value) {
    if (value) j = *value;
    else j = nullptr;
  }
  static void from_json(const json& j, std::optional<T>& value) {
    if (j.is_null()) value.reset();
    else value = j.get<T>();
  }
};
// As a plain array, in the order of the enum: what files of every version hold.
template <class E, std::size_t N, class T>
struct adl_serializer<wopr::ByEnum<E, N, T>> {
  static void to_json(json& j, const wopr::ByEnum<E, N, T>& value) { j = value.items; }
  static void from_json(const json& j, wopr::ByEnum<E, N, T>& value) { j.get_to(value.items); }
};
template <>
struct adl_serializer<std::chrono::nanoseconds> {
  static void to_json(json& j, std::chrono::nanoseconds value) { j = value.count(); }
  static void from_json(const json& j, std::chrono::nanoseconds& value) {
    value = std::chrono::nanoseconds(j.get<std::int64_t>());
  }
};
}  // namespace nlohmann
// NOLINTEND(cert-dcl58-cpp)

namespace wopr {

// Found by argument-dependent look-up; the macros make one pair of functions per type.
static void to_json(json& j, const Instant& instant) {
  j = json::array({instant.boot.count(), instant.wall.time_since_epoch().count()});
}
static void from_json(const json& j, Instant& instant) {
  instant.boot = Nanoseconds(j.at(0).get<std::int64_t>());
  instant.wall = WallTime(std::chrono::microseconds(j.at(1).get<std::int64_t>()));
}
static void to_json(json& j, const Bdf& bdf) { j = to_string(bdf); }
static void from_json(const json& j, Bdf& bdf) {
  const auto parsed = parse_bdf(j.get_ref<const std::string&>());
  if (!parsed) throw json::other_error::create(599, parsed.error().what, &j);
  bdf = *parsed;
}
static void to_json(json& j, const Count& count) { j = json::array({count.token, count.value}); }
static void from_json(const json& j, Count& count) {
  j.at(0).get_to(count.token);
  j.at(1).get_to(count.value);
}
template <class T>
static void to_json(json& j, const Recent<T>& recent) {
  j = recent.items;
}
template <class T>
static void from_json(const json& j, Recent<T>& recent) {
  j.get_to(recent.items);
}

// NOLINTBEGIN(misc-use-internal-linkage)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Generation, boot_id, device, inode)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RootPortMessages, correctable, nonfatal, fatal)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CounterFile, counts, total)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Sample, bdf, generation, files, root_port)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(EndMember, last, base, gone, leftover)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(EndCountsState, members, retired, retired_interrupts, before, known,
                                                group_begun_by, fresh)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Episode, first, last, age_first, age_last, odometer_from, odometer_to,
                                                errors, idle, countable)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ErrorMinute, age_from, odometer_from, errors, bits_per_second, idle, bad,
                                                failing)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Alarm, at, number, span, countable)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DirectionRecord, errors, unwatched_errors, episodes, rollover_episodes,
                                                uncountable, first_error, last_error, recent, recent_rollovers, minute,
                                                bad_minutes, failing_minutes, worst_minute, recent_bad, recent_failing,
                                                marginal, rollover, bad, failing)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Exposure, watched, unwatched, loaded, loaded_by_errors, seen, bits,
                                                watched_at, loaded_at)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Tally, since, counts, timeouts_alone, timeouts_paired, set_apart,
                                                unattributed, exposure)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TrendSteps, step, episodes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ClosedEpoch, since, until, opened_by, errors, episodes, loaded)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LedgerState, until, age, odometer, lifetime, epoch, opened_by,
                                                opened_by_time, closed, epochs, numbered, directions, trend, quiet, narrow_for,
                                                narrow_width, seen_wide, narrow, link_protocol, surprise_down,
                                                end_to_end, transitions, recent_transitions, superseded)
// NOLINTEND(misc-use-internal-linkage)

namespace {

template <class T>
std::string write(const T& state, int form) {
  json document = state;
  document["form"] = form;
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Fields that may hold fractions, and those that may lie before the beginning of a clock. To nlohmann a number is a number:
// it would take 1e300 or -1 for a count.
constexpr std::array fractions = {"bits", "bits_per_second"};
constexpr std::array instants = {"until", "since", "first", "last", "first_error", "last_error", "at", "age_first", "age_last",
                                 "age_from", "span", "recent_transitions"};

bool is_one_of(const auto& names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

// `key` is the name of the field that `j` is or lies in.
void refuse_impossible_numbers(const json& j, std::string_view key) {
  if (j.is_object()) {
    for (const auto& [name, value] : j.items()) refuse_impossible_numbers(value, name);
  } else if (j.is_array()) {
    for (const auto& value : j) refuse_impossible_numbers(value, key);
  } else if (j.is_number_float()) {
    if (!is_one_of(fractions, key)) throw json::other_error::create(599, fmt::format("{} is no fraction", key), &j);
  } else if (j.is_number_integer() && !j.is_number_unsigned() && j.get<std::int64_t>() < 0) {
    if (!is_one_of(instants, key)) throw json::other_error::create(599, fmt::format("{} is negative", key), &j);
  }
}

template <class T>
Result<T> read(std::string_view text, int form, std::string_view what) {
  try {
    const auto document = json::parse(text);
    refuse_impossible_numbers(document, {});
    if (const int found = document.at("form").get<int>(); found > form) {
      return fail(fmt::format("the stored {} has form {}, this program knows {}", what, found, form));
    }
    auto state = document.get<T>();
    if (auto sound = check(state); !sound) {
      return fail(fmt::format("the stored {} cannot be: {}", what, sound.error().what));
    }
    return state;
  } catch (const json::exception& error) {
    return fail(fmt::format("the stored {} cannot be understood: {}", what, error.what()));
  }
}

}  // namespace

std::string to_text(const EndCountsState& state) { return write(state, end_form); }
std::string to_text(const LedgerState& state) { return write(state, ledger_form); }
Result<EndCountsState> parse_end_state(std::string_view text) {
  return read<EndCountsState>(text, end_form, "state of a link end");
}
Result<LedgerState> parse_ledger_state(std::string_view text) {
  return read<LedgerState>(text, ledger_form, "ledger");
}

}  // namespace wopr
