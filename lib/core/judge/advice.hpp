// SPDX-License-Identifier: GPL-2.0-or-later
//
// What to do about a verdict: ordered steps, the cheapest and surest first, a purchase last. Each has an id, which
// programs and tests go by and docs/verdict.md lists, and a text for people, which may change. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/enum_words.hpp"
#include "core/judge/verdict.hpp"

namespace wopr {

enum class AdviceId : std::uint8_t {
  set_up_board,
  choose_os_first,
  run_doctor,
  restore_lanes,
  check_power,
  lower_power_limit,
  check_switch,
  no_redriver_yet,
  timeouts_without_aspm,
  rollovers_without_aspm,
  check_speed_limits,
  look_for_common_cause,
  reseat_and_clean,
  swap_one_thing,
  shorten_cable,
  heed_slot_note,
  check_retimer,
  retune_redriver,
  measure_margin,
  buy_redriver,
  lower_generation,
  leave_and_watch,
  work_while_watched,
  nothing_to_do,
};

template <>
inline constexpr auto enum_words<AdviceId> = std::to_array<EnumWord<AdviceId>>({
    {AdviceId::set_up_board, "set-up-board"},
    {AdviceId::choose_os_first, "choose-os-first"},
    {AdviceId::run_doctor, "run-doctor"},
    {AdviceId::restore_lanes, "restore-lanes"},
    {AdviceId::check_power, "check-power"},
    {AdviceId::lower_power_limit, "lower-power-limit"},
    {AdviceId::check_switch, "check-switch"},
    {AdviceId::no_redriver_yet, "no-redriver-yet"},
    {AdviceId::timeouts_without_aspm, "timeouts-without-aspm"},
    {AdviceId::rollovers_without_aspm, "rollovers-without-aspm"},
    {AdviceId::check_speed_limits, "check-speed-limits"},
    {AdviceId::look_for_common_cause, "look-for-common-cause"},
    {AdviceId::reseat_and_clean, "reseat-and-clean"},
    {AdviceId::swap_one_thing, "swap-one-thing"},
    {AdviceId::shorten_cable, "shorten-cable"},
    {AdviceId::heed_slot_note, "heed-slot-note"},
    {AdviceId::check_retimer, "check-retimer"},
    {AdviceId::retune_redriver, "retune-redriver"},
    {AdviceId::measure_margin, "measure-margin"},
    {AdviceId::buy_redriver, "buy-redriver"},
    {AdviceId::lower_generation, "lower-generation"},
    {AdviceId::leave_and_watch, "leave-and-watch"},
    {AdviceId::work_while_watched, "work-while-watched"},
    {AdviceId::nothing_to_do, "nothing-to-do"},
});
static_assert(words_are_sound<AdviceId>());

struct AdviceStep {
  AdviceId id = AdviceId::nothing_to_do;
  std::string text;  // one or more sentences

  friend bool operator==(const AdviceStep&, const AdviceStep&) = default;
};

// Empty for a link that needs nothing. No step comes twice.
[[nodiscard]] std::vector<AdviceStep> advise(const Verdict& verdict, const LinkFacts& facts);

[[nodiscard]] std::vector<std::string> texts_of(const std::vector<AdviceStep>& advice);
[[nodiscard]] std::vector<std::string> ids_of(const std::vector<AdviceStep>& advice);

}  // namespace wopr
