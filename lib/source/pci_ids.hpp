// SPDX-License-Identifier: GPL-2.0-or-later
//
// Names of a few devices out of a pci.ids, in one pass that keeps nothing else (pci.ids(5)). libpci makes a table of the
// whole list for the first name asked of it: 25 million instructions and 2 MB for the dozen names of one machine. What
// is found is what libpci finds; a test compares the two over the whole list.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace wopr {

using PciId = std::pair<std::uint16_t, std::uint16_t>;  // vendor, device

struct PciIdRow {
  std::uint16_t vendor = 0;
  std::optional<std::uint16_t> device;  // absent: the row names the vendor
  std::string_view name;
  std::string_view text;  // the whole row
};

// Takes a list piece by piece and picks out the rows of the devices wanted and of their vendors. Pure; any bytes are
// survived.
class PciIdPicker {
 public:
  explicit PciIdPicker(std::set<PciId> wanted) : wanted_(std::move(wanted)) {}

  // Calls `found` with each such row in `lines`, which are whole ones. False: no more can come.
  template <class Found>
  bool take(std::string_view lines, Found found) {
    while (!lines.empty() && !wanted_.empty()) {
      const auto end = lines.find('\n');
      if (const auto row = pick(lines.substr(0, end))) found(*row);
      lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    }
    return !wanted_.empty();
  }

 private:
  [[nodiscard]] std::optional<PciIdRow> pick(std::string_view line) {
    // Nearly all rows are of others' devices.
    if (line.starts_with('\t') && (!in_wanted_ || line.starts_with("\t\t"))) return std::nullopt;
    return pick_other(line);
  }
  [[nodiscard]] std::optional<PciIdRow> pick_other(std::string_view line);

  std::set<PciId> wanted_;  // and not found yet
  std::uint16_t vendor_ = 0;
  bool in_wanted_ = false;  // `vendor_` is a wanted device's
};

struct PciIdNames {
  std::map<std::uint16_t, std::string> vendors;
  std::map<PciId, std::string> devices;
};

// What `file` says of `ids`; it may be compressed with gzip. Nothing of a file that cannot be read.
[[nodiscard]] PciIdNames read_pci_ids(const std::string& file, const std::set<PciId>& ids);

}  // namespace wopr
