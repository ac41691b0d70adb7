// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/machine/host_facts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace wopr {
namespace {

constexpr std::string_view first_line = "wopr-aer-host 1";
constexpr std::string_view trouble_key = "service_trouble";
constexpr std::size_t longest_trouble = 300;

struct Field {
  std::string_view key;
  std::optional<bool> HostFacts::* member;
};
constexpr std::array fields = {Field{"root", &HostFacts::root},
                               Field{"reads_journal", &HostFacts::reads_journal},
                               Field{"may_control", &HostFacts::may_control},
                               Field{"service_installed", &HostFacts::service_installed},
                               Field{"service_running", &HostFacts::service_running},
                               Field{"helper_socket", &HostFacts::helper_socket},
                               Field{"clear_socket", &HostFacts::clear_socket},
                               Field{"catalog", &HostFacts::catalog}};

// False when the row is none.
bool take_row(std::string_view row, HostFacts& facts) {
  const auto tab = row.find('\t');
  if (tab == std::string_view::npos) return false;
  const auto key = row.substr(0, tab);
  const auto value = row.substr(tab + 1);
  if (key == trouble_key) {
    facts.service_trouble = value.substr(0, longest_trouble);
    return true;
  }
  const auto* const field = std::ranges::find(fields, key, &Field::key);
  if (field == fields.end()) return true;
  if (value != "yes" && value != "no") return false;
  facts.*(field->member) = value == "yes";
  return true;
}

}  // namespace

std::string format_host_facts(const HostFacts& facts) {
  auto text = fmt::format("{}\n", first_line);
  for (const auto& field : fields) {
    const auto& value = facts.*(field.member);
    if (value) text += fmt::format("{}\t{}\n", field.key, *value ? "yes" : "no");
  }
  if (!facts.service_trouble.empty()) {
    auto trouble = facts.service_trouble.substr(0, longest_trouble);
    std::ranges::replace_if(trouble, [](char c) { return c >= '\0' && c < ' '; }, ' ');
    text += fmt::format("{}\t{}\n", trouble_key, trouble);
  }
  return text;
}

Partial<HostFacts> parse_host_facts(std::string_view text, std::string_view where) {
  Partial<HostFacts> result;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto row = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (number == 1 && row != first_line) {
      result.problems.push_back(
          Error{fmt::format("expected '{}' on the first line", first_line), fmt::format("{}:1", where), {}});
      return result;
    }
    if (number == 1 || row.empty() || take_row(row, result.value)) continue;
    result.problems.push_back(
        Error{"expected a key, a tab, and yes or no", fmt::format("{}:{}", where, number), {}});
  }
  return result;
}

}  // namespace wopr
