// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/pci_ids.hpp"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <memory>
#include <system_error>
#include <type_traits>
#include <vector>

namespace wopr {
namespace {

// Rows are at most 1024 bytes to libpci (names-parse.c: MAX_LINE).
constexpr std::size_t piece = std::size_t{32} * 1024;

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// The four hexadecimal digits a row begins with, a blank behind them.
std::optional<std::uint16_t> id_of(std::string_view row) {
  std::uint16_t value = 0;
  if (row.size() < 6 || !is_blank(row[4])) return std::nullopt;
  const auto [end, error] = std::from_chars(row.data(), row.data() + 4, value, 16);
  if (error != std::errc{} || end != row.data() + 4) return std::nullopt;
  return value;
}

// What stands behind them.
std::string_view name_of(std::string_view row) {
  row.remove_prefix(4);
  while (!row.empty() && is_blank(row.front())) row.remove_prefix(1);
  while (!row.empty() && is_blank(row.back())) row.remove_suffix(1);
  return row;
}

struct GzipDeleter {
  void operator()(gzFile file) const noexcept { gzclose(file); }
};

}  // namespace

std::optional<PciIdRow> PciIdPicker::pick_other(std::string_view line) {
  if (line.empty() || line.front() == '#') return std::nullopt;
  if (line.starts_with("C ")) wanted_.clear();  // the classes of devices, which follow the vendors
  if (line.front() == '\t') {
    const auto row = line.substr(1);
    const auto device = id_of(row);
    if (!device || wanted_.erase({vendor_, *device}) == 0) return std::nullopt;
    return PciIdRow{vendor_, device, name_of(row), line};
  }
  in_wanted_ = false;
  const auto vendor = id_of(line);
  if (!vendor) return std::nullopt;
  const auto first = wanted_.lower_bound({*vendor, 0});
  if (first == wanted_.end() || first->first != *vendor) return std::nullopt;
  vendor_ = *vendor;
  in_wanted_ = true;
  return PciIdRow{vendor_, std::nullopt, name_of(line), line};
}

PciIdNames read_pci_ids(const std::string& file, const std::set<PciId>& ids) {
  PciIdNames names;
  const std::unique_ptr<std::remove_pointer_t<gzFile>, GzipDeleter> list(gzopen(file.c_str(), "re"));
  if (!list) return names;
  PciIdPicker picker(ids);
  const auto keep = [&](const PciIdRow& row) {
    if (row.device) names.devices.try_emplace({row.vendor, *row.device}, row.name);
    else names.vendors.try_emplace(row.vendor, row.name);
  };
  std::vector<char> buffer(piece);
  std::size_t kept = 0;  // of a row whose end has not been read
  while (true) {
    const int size = gzread(list.get(), buffer.data() + kept, static_cast<unsigned>(buffer.size() - kept));
    if (size <= 0) {
      picker.take({buffer.data(), kept}, keep);
      return names;
    }
    const std::string_view text(buffer.data(), kept + static_cast<std::size_t>(size));
    const auto end = text.rfind('\n') + 1;  // 0: there is none
    if (!picker.take(text.substr(0, end), keep)) return names;
    kept = text.size() - end;
    if (kept == buffer.size()) return names;  // no list has such a row
    std::copy(text.begin() + static_cast<std::ptrdiff_t>(end), text.end(), buffer.begin());
  }
}

}  // namespace wopr
