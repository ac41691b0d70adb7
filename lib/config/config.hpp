// SPDX-License-Identifier: GPL-2.0-or-later
//
// The owner's configuration as a value: wopr-aer.toml and then every *.toml in wopr-aer.d, in name order,
// later files overriding earlier keys. An unknown key, a wrong type or a value out of range is an error that
// names file, line and, for unknown keys, the nearest valid one. A missing file means defaults.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/judge/policy.hpp"
#include "core/pci/bdf.hpp"
#include "core/pci/topology.hpp"

namespace wopr {

struct Config {
  std::chrono::milliseconds sample_interval{1000};  // [monitor] sample_interval, seconds, 0.1 to 60
  GpuRule gpus;                                     // [gpus] classes, also, except
  std::map<Bdf, std::string> slots;                 // [slots] "0000:c0:01.1" = "PCIE3"
  VerdictPolicy verdict;                            // [verdict], one key for each field
  unsigned history_days = 400;                      // [history] days, of running time, 1 to 3650
  unsigned history_megabytes = 256;                 // [history] megabytes, 8 to 65536

  friend bool operator==(const Config&, const Config&) = default;
};

// `directory` is the one that holds wopr-aer.toml and wopr-aer.d, such as /etc/wopr-aer.
[[nodiscard]] Result<Config> load_config(const std::filesystem::path& directory);

// Takes what `text` states into `config`; what it does not state stays. `file` is what errors call it. After
// an error `config` holds an unspecified part of the text.
[[nodiscard]] Result<void> merge_config(Config& config, std::string_view text, std::string_view file);

// One key as the documentation and the shipped file must have it.
struct ConfigKey {
  std::string_view section;
  std::string_view name;      // "*" when the section's keys are the owner's own
  std::string expected;       // in words
  std::string default_value;  // as TOML; empty for "*"
};

// Every key there is, section by section.
[[nodiscard]] std::vector<ConfigKey> config_keys();

}  // namespace wopr
