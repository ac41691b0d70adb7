// SPDX-License-Identifier: GPL-2.0-or-later
//
// The facts of a Status and of a SlotStatus, each once: its name, and the way to its value. Whoever tells a status (D-Bus,
// JSON, the tests of both) walks these lists and knows how values of a type are told; the few facts that are told in a
// shape of their own are found by their names. So a new fact of a link is a member of SlotStatus and a row here.
//
// Names are those of the JSON keys; D-Bus writes them together ("riser_candidate", "RiserCandidate"). Nothing here knows
// who tells. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "core/monitor/status.hpp"

namespace wopr {

template <std::size_t N>
struct FieldName {
  char text[N]{};

  constexpr FieldName(const char (&literal)[N]) { std::copy_n(literal, N, text); }  // NOLINT: a literal is one
  [[nodiscard]] constexpr std::string_view view() const { return {text, N - 1}; }
};

// `path` are pointers to members, from the subject to the value; without one the value is the whole subject.
template <FieldName key_, auto... path>
struct Field {
  static constexpr auto key = key_;
  static constexpr std::string_view name = key.view();
  static constexpr bool none_if_empty = false;
  static constexpr bool of_ends = false;

  template <class Subject>
  [[nodiscard]] static constexpr auto& of(Subject& subject) {
    return (subject .* ... .* path);
  }
};

// A text that is not there when it is empty.
template <FieldName key_, auto... path>
struct TextIfAny : Field<key_, path...> {
  static constexpr bool none_if_empty = true;
};

// A fact of each end: the path begins at its EndStatus. An optional without value is an end it is not known of.
template <FieldName key_, auto... path>
struct EndField : Field<key_, path...> {
  static constexpr bool of_ends = true;
};

template <class... F>
struct FieldList {
  // Calls `visit(F{})` for each, in order.
  template <class Visit>
  static constexpr void each(Visit visit) {
    (visit(F{}), ...);
  }
};

using SlotFields = FieldList<
    Field<"slot", &SlotStatus::slot, &SlotName::label>,
    Field<"slot_source", &SlotStatus::slot, &SlotName::source>,
    TextIfAny<"slot_note", &SlotStatus::slot, &SlotName::note>,
    Field<"port", &SlotStatus::port>,
    Field<"hop", &SlotStatus::hop>,
    Field<"upstream", &SlotStatus::upstream>,
    Field<"device", &SlotStatus::device>,
    Field<"functions", &SlotStatus::functions>,
    TextIfAny<"name", &SlotStatus::name>,
    TextIfAny<"driver", &SlotStatus::driver>,
    Field<"gpu", &SlotStatus::gpu>,
    Field<"link", &SlotStatus::link>,
    Field<"lanes", &SlotStatus::lanes>,
    Field<"evidence">,  // of both ends: evidence
    Field<"counts">,    // counts
    Field<"before_monitoring">,
    Field<"lifetime", &SlotStatus::lifetime>,
    Field<"gone", &SlotStatus::gone>,
    Field<"latched">,   // latched, latched_since, latched_read
    Field<"root_error_status", &SlotStatus::root_error_status>,
    EndField<"counted_by_clearing", &EndStatus::counted_by_clearing>,
    EndField<"firmware_records", &EndStatus::firmware_records>,
    Field<"root_port_messages", &SlotStatus::root_port_messages>,
    Field<"unattributed", &SlotStatus::unattributed>,
    Field<"lower_bound", &SlotStatus::lower_bound>,
    Field<"grade", &SlotStatus::grade>,
    Field<"riser_candidate", &SlotStatus::riser_candidate>,
    TextIfAny<"confidence", &SlotStatus::confidence>,
    Field<"direction", &SlotStatus::direction>,
    Field<"reasons", &SlotStatus::reasons>,
    Field<"advice", &SlotStatus::advice>,
    Field<"figures", &SlotStatus::figures>>;

using StatusFields = FieldList<
    Field<"host", &Status::host>,
    Field<"monitor", &Status::monitor>,
    Field<"boot_id", &Status::boot_id>,
    Field<"kernel", &Status::kernel>,
    Field<"since", &Status::since>,
    Field<"now", &Status::now>,
    Field<"board_vendor", &Status::board_vendor>,
    Field<"board_name", &Status::board_name>,
    Field<"slots", &Status::slots>,
    Field<"problems", &Status::problems>,
    TextIfAny<"config_closed", &Status::config_closed>,
    TextIfAny<"degraded", &Status::degraded>,
    Field<"notes", &Status::notes>>;

}  // namespace wopr
