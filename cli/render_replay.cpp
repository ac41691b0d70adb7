// SPDX-License-Identifier: GPL-2.0-or-later
#include "render_replay.hpp"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "core/base/rfc3339.hpp"
#include "core/base/words.hpp"
#include "core/judge/advice.hpp"
#include "table.hpp"

namespace wopr {
namespace {

using Json = nlohmann::ordered_json;

Ink ink_of(Grade grade) {
  switch (grade) {
    case Grade::clean: return Ink::good;
    case Grade::trace: return Ink::plain;
    case Grade::marginal: return Ink::warn;
    case Grade::bad:
    case Grade::failing: return Ink::bad;
    case Grade::unknown: return Ink::unseen;
  }
  return Ink::plain;
}

std::string answer_text(const Answer& answer) {
  auto text = std::string(to_string(answer.grade));
  if (answer.direction != Direction::none) text += fmt::format(", {}", to_string(answer.direction));
  if (answer.riser_candidate) text += fmt::format(", may need a riser ({} confidence)", to_string(answer.confidence));
  return text;
}

double hours_of(Nanoseconds duration) { return std::chrono::duration<double, std::ratio<3600>>(duration).count(); }

Json answer_json(const Answer& answer) {
  Json json;
  json["grade"] = to_string(answer.grade);
  json["direction"] = to_string(answer.direction);
  json["riser_candidate"] = answer.riser_candidate;
  json["confidence"] = answer.confidence == Confidence::none ? Json(nullptr) : Json(to_string(answer.confidence));
  return json;
}

Json direction_json(const DirectionVerdict& numbers) {
  Json json;
  json["errors"] = numbers.errors;
  json["episodes"] = numbers.episodes;
  json["loaded_hours"] = hours_of(numbers.exposure);
  json["per_loaded_hour"] = numbers.per_hour;
  json["per_loaded_hour_95"] = {numbers.per_hour_interval.lower, numbers.per_hour_interval.upper};
  json["bit_error_rate"] = numbers.bit_error_rate ? Json(*numbers.bit_error_rate) : Json(nullptr);
  json["bit_error_rate_95"] = {numbers.bit_error_interval.lower, numbers.bit_error_interval.upper};
  return json;
}

// Everything counted while somebody watched or a gap was covered: side -> severity -> token -> number.
Json counts_json(const Tally& tally) {
  Json json = Json::object();
  for (const auto side : sides) {
    for (const auto severity : severities) {
      for (const auto& count : tally.counts[side][severity]) {
        json[std::string(to_string(side))][std::string(to_string(severity))][count.token] = count.value;
      }
    }
  }
  return json;
}

}  // namespace

std::string render_replay(const Replay& replay, const Style& style) {
  std::string text;
  for (const auto& [change, loaded] : replay.changes()) {
    text += fmt::format("{}  {}: {} (was {}), {} under load\n", to_rfc3339(change.at.wall), change.slot,
                        style.paint(answer_text(change.after), ink_of(change.after.grade)),
                        to_string(change.before.grade), rough_duration(loaded));
    if (!change.reason.empty()) text += paragraph("    ", change.reason, style);
  }
  if (replay.changes().empty()) text += "No verdict changed.\n";
  text += fmt::format("\nAt the end, {}:\n", to_rfc3339(replay.now().wall));
  for (const auto& [port, link] : replay.links()) {
    const auto& answer = replay.judging().answer(link);
    const auto verdict = replay.judging().verdict(link);
    text += fmt::format("\n{} ({}): {}\n", replay.judging().facts(link).slot, to_string(port),
                        style.paint(answer_text(answer), ink_of(answer.grade)));
    for (const auto& reason : verdict.reasons) text += paragraph("    ", reason, style);
  }
  return text;
}

std::string replay_json(const Replay& replay) {
  Json json;
  json["schema"] = 1;
  json["end"] = to_rfc3339(replay.now().wall);
  json["changes"] = Json::array();
  std::map<LinkId, Bdf> port_of;
  for (const auto& [port, link] : replay.links()) port_of[link] = port;
  for (const auto& [change, loaded] : replay.changes()) {
    json["changes"].push_back({{"time", to_rfc3339(change.at.wall)},
                               {"t", std::chrono::duration<double>(change.at.boot).count()},
                               {"slot", change.slot},
                               {"port", to_string(port_of.at(change.link))},
                               {"loaded_hours", hours_of(loaded)},
                               {"before", answer_json(change.before)},
                               {"after", answer_json(change.after)},
                               {"reason", change.reason}});
  }
  json["slots"] = Json::array();
  for (const auto& [port, link] : replay.links()) {
    const auto& facts = replay.judging().facts(link);
    const auto verdict = replay.judging().verdict(link);
    auto slot = answer_json(verdict.answer);
    slot["slot"] = facts.slot;
    slot["port"] = to_string(port);
    slot["to_host"] = direction_json(verdict.directions[Side::port]);
    slot["to_device"] = direction_json(verdict.directions[Side::device]);
    slot["counts"] = counts_json(replay.judging().ledger(link).state().lifetime);
    slot["trend"] = to_string(verdict.trend);
    slot["loaded_hours_until_clean"] = verdict.until_clean ? Json(hours_of(*verdict.until_clean)) : Json(nullptr);
    slot["reasons"] = verdict.reasons;
    slot["advice"] = texts_of(advise(verdict, facts));
    json["slots"].push_back(std::move(slot));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace wopr
