// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/pci.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <system_error>

// libpci 3.9 has no extern "C" of its own (added in 3.14).
extern "C" {
#include <pci/pci.h>
}

namespace wopr {
namespace {

struct LibraryError {
  std::string message;
};

// libpci's callbacks carry no context, so what it warns of is collected here for the call in progress.
thread_local std::vector<std::string>* warnings = nullptr;

class CollectWarnings {
 public:
  explicit CollectWarnings(std::vector<std::string>& into) { warnings = &into; }
  ~CollectWarnings() { warnings = nullptr; }
  CollectWarnings(const CollectWarnings&) = delete;
  CollectWarnings& operator=(const CollectWarnings&) = delete;
};

__attribute__((format(printf, 1, 0))) std::string format_message(const char* format, std::va_list arguments) {
  std::array<char, 2048> text;  // paths are at most 1024 bytes in libpci (OBJNAMELEN)
  const int size = std::vsnprintf(text.data(), text.size(), format, arguments);
  if (size < 0) return "libpci failed without a message";
  return std::string(text.data(), std::min(static_cast<std::size_t>(size), text.size() - 1));
}

extern "C" {

__attribute__((noreturn, format(printf, 1, 2))) static void throw_error(char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  LibraryError error{format_message(format, arguments)};
  va_end(arguments);
  throw error;
}

__attribute__((format(printf, 1, 2))) static void collect_warning(char* format, ...) {
  if (warnings == nullptr) return;
  std::va_list arguments;
  va_start(arguments, format);
  warnings->push_back(format_message(format, arguments));
  va_end(arguments);
}

__attribute__((format(printf, 1, 2))) static void ignore_debug(char*, ...) {}

}  // extern "C"

struct DeviceDeleter {
  void operator()(pci_dev* device) const noexcept { pci_free_dev(device); }
};

Result<PciAccessPtr> open_access(std::string sysfs_path) {
  try {
    PciAccessPtr access(pci_alloc());
    access->method = PCI_ACCESS_SYS_BUS_PCI;
    access->error = throw_error;
    access->warning = collect_warning;
    access->debug = ignore_debug;
    std::string parameter = "sysfs.path";
    if (pci_set_param(access.get(), parameter.data(), sysfs_path.data()) != 0)
      return fail("libpci knows no parameter sysfs.path", sysfs_path, "install libpci 3.9 or newer");
    pci_init(access.get());
    return access;
  } catch (const LibraryError& error) {
    return fail(error.message, std::move(sysfs_path));
  }
}

// Where the distribution keeps its list: libpci was built with it.
std::string default_list() {
  const PciAccessPtr access(pci_alloc());
  std::string file = access->id_file_name == nullptr ? std::string{} : access->id_file_name;
  // libpci with zlib names the compressed list, and does with the other (names-parse.c: pci_open).
  if (std::error_code ignored; file.ends_with(".gz") && !std::filesystem::exists(file, ignored)) file.resize(file.size() - 3);
  return file;
}

// "GeForce RTX 4090" of "AD102 [GeForce RTX 4090]"; nothing of "... Bridge 0 to bus[E:B]".
std::string bracketed(std::string_view text) {
  const auto open = text.rfind(" [");
  if (open == std::string_view::npos || !text.ends_with(']') || text.size() < open + 4) return {};
  return std::string(text.substr(open + 2, text.size() - open - 3));
}

}  // namespace

void PciAccessDeleter::operator()(pci_access* access) const noexcept { pci_cleanup(access); }

Result<PciBus> PciBus::open(const Root& root) {
  auto access = open_access(root.pci_bus().string());
  if (!access) return std::unexpected(std::move(access.error()));
  return PciBus(std::move(*access));
}

Partial<PciIdentity> PciBus::identify(const Bdf& bdf) {
  Partial<PciIdentity> result;
  std::vector<std::string> collected;
  const CollectWarnings collect(collected);
  // A device for each flag: libpci marks a field as known before it reads it, so one that failed stays
  // unread.
  const auto fill = [&](int flag, auto take_over) {
    try {
      const std::unique_ptr<pci_dev, DeviceDeleter> device(
          pci_get_dev(access_.get(), static_cast<int>(bdf.domain), bdf.bus, bdf.device, bdf.function));
      pci_fill_info(device.get(), flag);
      take_over(*device);
    } catch (const LibraryError& error) {
      result.problems.push_back(Error{error.message, to_string(bdf), {}});
    }
  };
  fill(PCI_FILL_IDENT, [&](const pci_dev& device) {
    result.value.vendor = device.vendor_id;
    result.value.device = device.device_id;
  });
  fill(PCI_FILL_CLASS, [&](const pci_dev& device) { result.value.class_code = device.device_class; });
  for (auto& warning : collected) result.problems.push_back(Error{std::move(warning), to_string(bdf), {}});
  return result;
}

void PciNames::learn(const std::set<PciId>& ids) {
  const auto names = read_pci_ids(file_.empty() ? default_list() : file_, ids);
  for (const auto& id : ids) {
    const auto [vendor, device] = id;
    std::string& name = known_[id] = fmt::format("{:04x}:{:04x}", vendor, device);
    const auto maker = names.vendors.find(vendor);
    if (maker == names.vendors.end()) continue;
    const auto product = names.devices.find(id);
    const auto short_maker = short_vendor(maker->second);
    const auto short_product = product == names.devices.end() ? name : short_device(product->second);
    name = short_product.starts_with(short_maker) ? short_product : short_maker + " " + short_product;
  }
}

std::string PciNames::name(std::uint16_t vendor, std::uint16_t device) {
  if (!known_.contains({vendor, device})) learn({{vendor, device}});
  return known_[{vendor, device}];
}

std::string short_vendor(std::string_view vendor) {
  if (std::string inner = bracketed(vendor); !inner.empty()) return inner.substr(0, inner.find('/'));
  static constexpr std::array<std::string_view, 15> legal_forms = {
      "Corporation",  "Corp",       "Inc",         "Incorporated",  "Ltd",
      "Limited",      "Co",         "LLC",         "GmbH",          "AG",
      "Technologies", "Technology", "Electronics", "Semiconductor", "Semiconductors"};
  std::string_view rest = vendor;
  while (true) {
    const auto end = rest.find_last_not_of(" .,");
    if (end == std::string_view::npos) break;
    const std::string_view text = rest.substr(0, end + 1);
    const auto blank = text.rfind(' ');
    if (blank == std::string_view::npos) return std::string(text);
    if (std::ranges::find(legal_forms, text.substr(blank + 1)) == legal_forms.end()) return std::string(text);
    rest = text.substr(0, blank);
  }
  return std::string(vendor);
}

std::string short_device(std::string_view device) {
  std::string inner = bracketed(device);
  return inner.empty() ? std::string(device) : inner;
}

}  // namespace wopr
