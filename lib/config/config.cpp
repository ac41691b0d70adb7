// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "config/kinds.hpp"
#include "config/spelling.hpp"
#include "config/toml_file.hpp"

namespace wopr {
namespace {

struct Row {
  std::string_view section;
  std::string_view name;
  std::string expected;
  std::function<Result<void>(Config&, const toml::key&, const toml::node&)> read;
  std::function<std::string(const Config&)> write;
};

// A key of a kind, kept where `member` says: [](auto& config) -> auto& { return config.sample_interval; }
template <class Kind, class Member>
Row row(std::string_view section, std::string_view name, Kind kind, Member member) {
  return {section, name, kind.expected(),
          [kind, member](Config& config, const toml::key&, const toml::node& node) -> Result<void> {
            auto value = kind.read(node);
            if (!value) return std::unexpected(std::move(value.error()));
            member(config) = std::move(*value);
            return {};
          },
          [kind, member](const Config& config) { return kind.write(member(config)); }};
}

Result<void> read_slot(Config& config, const toml::key& key, const toml::node& node) {
  const auto port = read_port(key.str(), key.source());
  if (!port) return std::unexpected(port.error());
  auto label = TextKind{max_label}.read(node);
  if (!label) return std::unexpected(std::move(label.error()));
  config.slots[*port] = std::move(*label);
  return {};
}

// Every key there is: reading, documentation checks and suggestions all come from here. A new key is a member
// of Config, a row here, a commented default in config/wopr-aer.toml and a paragraph in docs/wopr-aer.toml.5.
std::vector<Row> rows() {
  std::vector<Row> all = {
      row(
          "monitor", "sample_interval", SecondsKind{0.1, 60},
          [](auto& config) -> auto& { return config.sample_interval; }),
      row(
          "gpus", "classes", ClassListKind{}, [](auto& config) -> auto& { return config.gpus.base_classes; }),
      row(
          "gpus", "also", IdListKind{}, [](auto& config) -> auto& { return config.gpus.also; }),
      row(
          "gpus", "except", IdListKind{}, [](auto& config) -> auto& { return config.gpus.except; }),
      row(
          "history", "days", WholeKind{"days", 1, 3650}, [](auto& config) -> auto& { return config.history_days; }),
      row(
          "history", "megabytes", WholeKind{"megabytes", 8, 65536},
          [](auto& config) -> auto& { return config.history_megabytes; }),
      Row{"slots", "*", TextKind{max_label}.expected(), read_slot, {}},
  };
  for (const auto& field : policy_fields()) {
    const PolicyKind kind{field};
    all.push_back({"verdict", field.name, kind.expected(),
                   [kind](Config& config, const toml::key&, const toml::node& node) { return kind.read(config.verdict, node); },
                   [kind](const Config& config) { return kind.write(config.verdict); }});
  }
  return all;
}

// Keys that are each in range and make no rule together: the place is that of the key at fault if this file states
// it, else of the section, whose keys must have brought it about.
Result<void> check_verdict(const Config& config, const toml::table& table) {
  const auto problems = validate(config.verdict);
  const toml::table* section = table["verdict"].as_table();
  if (problems.empty() || section == nullptr) return {};
  const auto& problem = problems.front();
  const toml::node* node = section->get(problem.where);
  return fail(fmt::format("{} in [verdict]: {}", problem.where, problem.what),
              where_of(node != nullptr ? node->source() : section->source()));
}

// One file's text on its way into a Config.
class Merge {
 public:
  explicit Merge(Config& config) : config_(config), rows_(rows()) {
    for (const Row& row : rows_) known_.push_back({row.section, row.name});
  }

  [[nodiscard]] Result<void> file(const toml::table& table) const {
    for (const auto& [key, node] : table) {
      const bool known = std::ranges::find(rows_, key.str(), &Row::section) != rows_.end();
      if (!known && !node.is_table()) return unknown_key({}, key);
      if (!known) {
        return fail(fmt::format("unknown section [{}]", key.str()), where_of(key.source()),
                    nearest_section(key.str(), known_));
      }
      const toml::table* content = node.as_table();
      if (content == nullptr) return mismatch(node, fmt::format("a section [{}]", key.str()));
      if (auto result = section(key.str(), *content); !result) return result;
    }
    return {};
  }

 private:
  [[nodiscard]] Result<void> section(std::string_view name, const toml::table& table) const {
    for (const auto& [key, node] : table) {
      const auto found = std::ranges::find_if(rows_, [&](const Row& row) {
        return row.section == name && (row.name == "*" || row.name == key.str());
      });
      if (found == rows_.end()) return unknown_key(name, key);
      if (auto result = found->read(config_, key, node); !result) {
        return std::unexpected(context(std::move(result.error()), label_of(*found, key)));
      }
    }
    return {};
  }

  [[nodiscard]] static std::string label_of(const Row& row, const toml::key& key) {
    return fmt::format("{} in [{}]", row.name == "*" ? quote(key.str()) : std::string(row.name), row.section);
  }

  [[nodiscard]] std::unexpected<Error> unknown_key(std::string_view section, const toml::key& key) const {
    const std::string place = section.empty() ? "outside of any section" : fmt::format("in [{}]", section);
    return fail(fmt::format("unknown key {} {}", quote(key.str()), place), where_of(key.source()),
                nearest_key(section, key.str(), known_));
  }

  Config& config_;
  std::vector<Row> rows_;
  std::vector<KnownKey> known_;
};

}  // namespace

Result<void> merge_config(Config& config, std::string_view text, std::string_view file) {
  const auto table = parse_toml(text, file);
  if (!table) return std::unexpected(table.error());
  if (auto result = Merge(config).file(*table); !result) return result;
  return check_verdict(config, *table);
}

Result<Config> load_config(const std::filesystem::path& directory) {
  Config config;
  const std::filesystem::path main_file = directory / "wopr-aer.toml";
  const auto main_text = read_toml_file(main_file);
  if (!main_text) return std::unexpected(main_text.error());
  Result<void> result;
  if (*main_text) result = merge_config(config, **main_text, main_file.string());

  const auto later_files = toml_files_in(directory / "wopr-aer.d");
  if (!later_files) return std::unexpected(later_files.error());
  for (auto file = later_files->begin(); result && file != later_files->end(); ++file) {
    const auto text = read_listed_toml_file(*file);
    result = text ? merge_config(config, *text, file->string()) : std::unexpected(text.error());
  }
  if (!result) return std::unexpected(std::move(result.error()));
  return config;
}

std::vector<ConfigKey> config_keys() {
  std::vector<ConfigKey> keys;
  for (const Row& row : rows()) {
    keys.push_back({row.section, row.name, row.expected, row.write ? row.write(Config{}) : std::string{}});
  }
  return keys;
}

}  // namespace wopr
