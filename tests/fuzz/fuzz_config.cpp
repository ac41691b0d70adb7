// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever an owner writes, it is either taken within its limits or refused with a place in the file. The
// same text is read as configuration and as a board table.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/boards.hpp"
#include "config/config.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void require_place(const wopr::Error& error) {
  require(error.where.starts_with("f.toml:") && error.where != "f.toml:");
  require(!error.what.empty() && wopr::to_string(error).size() < 1000);
}

void require_label(std::string_view label) { require(wopr::clean_label(label) == label); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  wopr::Config config;
  if (const auto merged = wopr::merge_config(config, text, "f.toml"); !merged) {
    require_place(merged.error());
  } else {
    require(config.sample_interval.count() >= 100 && config.sample_interval.count() <= 60000);
    for (const unsigned base_class : config.gpus.base_classes) require(base_class <= 255);
    for (const auto& [port, label] : config.slots) require_label(label);
  }
  if (const auto board = wopr::parse_board(text, "f.toml"); !board) {
    require_place(board.error());
  } else {
    require(!board->vendor.empty() && !board->names.empty() && !board->slots.empty());
    for (const auto& entry : board->slots) {
      require_label(entry.label);
      require(!entry.ports.empty());
    }
  }
  return 0;
}
