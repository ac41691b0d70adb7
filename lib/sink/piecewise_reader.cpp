// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/piecewise_reader.hpp"

#include <exception>
#include <utility>

namespace wopr {

std::expected<std::optional<std::string>, StoreFailure> PiecewiseReader::next() {
  try {
    if (!database_) {
      auto text = begin();
      if (!text.empty()) return text;
    }
    while (boot_ < boots_.size()) {
      auto text = piece();
      statements_->reset();
      if (!text.empty()) return text;
    }
    return std::nullopt;
  } catch (const std::exception& error) {
    return std::unexpected(failure_of(error, file_.string()));
  }
}

std::string PiecewiseReader::begin() {
  database_ = open_to_read(file_);
  statements_.emplace(*database_);
  names_ = read_link_names(*statements_, query_);
  auto text = opening(names_);
  boots_ = read_boots(*statements_);
  statements_->reset();
  if (!boots_.empty()) begin_boot();
  return text;
}

void PiecewiseReader::end_boot() {
  if (++boot_ < boots_.size()) begin_boot();
}

}  // namespace wopr
