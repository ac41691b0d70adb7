// SPDX-License-Identifier: GPL-2.0-or-later
#include "render_doctor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/base/words.hpp"
#include "describe.hpp"
#include "table.hpp"

namespace wopr {
namespace {

constexpr int schema = 1;
constexpr std::string_view margin = "      ";
constexpr std::size_t most_names = 30;

using Checks = std::vector<const Check*>;

template <class Wanted>
Checks some(const Diagnosis& diagnosis, Wanted wanted) {
  Checks found;
  for (const auto& check : diagnosis.checks) {
    if (wanted(check)) found.push_back(&check);
  }
  return found;
}

std::string titles(const Checks& checks) {
  std::vector<std::string> names;
  for (const auto* check : checks) names.push_back(check->title);
  return enumerate(names, most_names);
}

std::string line(std::string_view word, const Check& check, Ink ink, const Style& style) {
  return paragraph(fmt::format("{:<6}", word), fmt::format("{}: {}", check.title, check.found), style, ink);
}

std::string reasons(const Check& check, const Style& style) {
  auto text = paragraph(fmt::format("{}why: ", margin), check.why, style);
  if (!check.fix.empty()) text += paragraph(fmt::format("{}fix: ", margin), check.fix, style, Ink::strong);
  return text;
}

std::string failures(const Diagnosis& diagnosis, const Style& style) {
  std::string text;
  for (const auto* cause : some(diagnosis, [](const Check& c) {
         return c.result == CheckResult::fail && c.consequence_of.empty();
       })) {
    text += "\n" + line("FAIL", *cause, Ink::bad, style) + reasons(*cause, style);
    const auto following = some(diagnosis, [&](const Check& c) { return c.consequence_of == cause->id && c.id != "evidence"; });
    if (following.empty()) continue;
    text += paragraph(fmt::format("{}it takes along: ", margin), titles(following), style);
  }
  return text;
}

std::string for_root(const Diagnosis& diagnosis, const Style& style) {
  const auto checks = some(diagnosis, [](const Check& c) { return c.needs_root && c.result != CheckResult::pass; });
  if (checks.empty()) return {};
  return "\n" + paragraph("root  ", fmt::format("{}: only root can tell. Run `sudo wopr-aer doctor`.", titles(checks)), style,
                          Ink::warn);
}

std::string warnings(const Diagnosis& diagnosis, const Style& style) {
  std::string text;
  for (const auto* check : some(diagnosis, [](const Check& c) { return c.result == CheckResult::warn; })) {
    text += "\n" + line("warn", *check, Ink::warn, style) + reasons(*check, style);
  }
  return text;
}

std::string passes(const Diagnosis& diagnosis, bool all, const Style& style) {
  const auto passed = some(diagnosis, [](const Check& c) { return c.result == CheckResult::pass; });
  const auto unknown =
      some(diagnosis, [](const Check& c) { return c.result == CheckResult::unknown && !c.needs_root; });
  std::string text;
  if (all) {
    for (const auto* check : passed) text += line("pass", *check, Ink::good, style);
    for (const auto* check : unknown) text += line("?", *check, Ink::unseen, style);
  } else {
    if (!passed.empty()) text += paragraph("pass  ", titles(passed), style, Ink::good);
    if (!unknown.empty()) text += paragraph("?     ", titles(unknown) + ": not known", style, Ink::unseen);
  }
  return text.empty() ? text : "\n" + text;
}

std::string footer(const Machine& machine) {
  std::vector<std::string> parts = {machine.host};
  if (!machine.board_name.empty()) parts.push_back(fmt::format("{} {}", machine.board_vendor, machine.board_name));
  if (!machine.bios_version.empty()) parts.push_back("BIOS " + machine.bios_version);
  if (!machine.kernel_release.empty()) parts.push_back("Linux " + machine.kernel_release);
  std::string text;
  for (const auto& part : parts) {
    if (!part.empty()) text += (text.empty() ? "" : " · ") + part;
  }
  return text;
}

Json end_json(const EndEvidence& end) {
  return {{"evidence", to_string(end.evidence)}, {"verified", end.verified}, {"reason", end.reason}};
}

}  // namespace

std::string render_doctor(const Diagnosis& diagnosis, const Machine& machine, bool all, const Style& style) {
  const auto ink = diagnosis.trust == Trust::no ? Ink::bad : diagnosis.trust == Trust::yes ? Ink::good : Ink::warn;
  auto text = paragraph("", diagnosis.headline(), style, ink);
  text += failures(diagnosis, style);
  text += for_root(diagnosis, style);
  text += warnings(diagnosis, style);
  text += passes(diagnosis, all, style);
  if (!machine.problems.empty()) {
    text += "\n" + paragraph("· ", fmt::format("{} could not be read; \"wopr-aer status --all\" lists {}",
                                               plural(machine.problems.size(), "thing"),
                                               machine.problems.size() == 1 ? "it" : "them"),
                             style);
  }
  return text + "\n" + paragraph("", footer(machine), style, Ink::faint);
}

Json doctor_json(const Diagnosis& diagnosis, const Machine& machine) {
  Json json;
  json["schema"] = schema;
  json["host"] = machine.host;
  json["board"] = {{"vendor", machine.board_vendor}, {"name", machine.board_name}, {"bios_version", machine.bios_version}};
  json["kernel"] = machine.kernel_release;
  json["trust"] = to_string(diagnosis.trust);
  json["about"] = diagnosis.about_gpus ? "gpu links" : "all links";
  json["headline"] = diagnosis.headline();
  json["links"] = Json::array();
  for (const auto& link : diagnosis.links) {
    json["links"].push_back({{"slot", link.slot},
                             {"port", to_string(link.port)},
                             {"device", to_string(link.device)},
                             {"gpu", link.gpu},
                             {"trust", to_string(link.trust)},
                             {"port_end", end_json(link.port_end)},
                             {"device_end", end_json(link.device_end)}});
  }
  json["checks"] = Json::array();
  const auto text_or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
  for (const auto& check : diagnosis.checks) {
    json["checks"].push_back({{"id", check.id},
                              {"title", check.title},
                              {"result", to_string(check.result)},
                              {"found", check.found},
                              {"why", check.why},
                              {"fix", text_or_null(check.fix)},
                              {"needs_root", check.needs_root},
                              {"where", check.where},
                              {"consequence_of", text_or_null(check.consequence_of)}});
  }
  return json;
}

}  // namespace wopr
