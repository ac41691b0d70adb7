// SPDX-License-Identifier: GPL-2.0-or-later
//
// A temporary directory to be filled with files, symbolic links and whole PCI functions as sysfs shows them.
// Paths are relative to it.
#pragma once

#include <sys/fsuid.h>
#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "source/root.hpp"
#include "support/temporary_directory.hpp"

namespace wopr::test {

class TempTree {
 public:
  [[nodiscard]] const std::filesystem::path& path() const { return directory_.path(); }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path() / name; }
  [[nodiscard]] Root root() const { return Root(path()); }

  void write(const std::string& name, std::string_view content) const { directory_.write(name, content); }
  void link(const std::string& name, const std::string& target) const {
    const auto file = path() / name;
    std::filesystem::create_directories(file.parent_path());
    std::filesystem::remove(file);
    std::filesystem::create_symlink(target, file);
  }
  void mkdir(const std::string& name) const { std::filesystem::create_directories(path() / name); }
  // As the tree's owner and as any other user.
  void permit(const std::string& name, std::filesystem::perms permissions) const {
    std::filesystem::permissions(path(), std::filesystem::perms(0755));
    std::filesystem::permissions(path() / name, permissions);
  }
  void remove(const std::string& name) const { std::filesystem::remove_all(path() / name); }

  // Where a function's directory lies, with what is above it: "pci0000:c0/0000:c0:01.1/0000:c1:00.0".
  static std::string device(const std::string& chain) { return "sys/devices/" + chain; }
  static std::string bus_entry(const std::string& chain) {
    return "sys/bus/pci/devices/" + std::filesystem::path(chain).filename().string();
  }

  // The least of a function: identity and its entry on the bus.
  void function(const std::string& chain, std::string_view vendor, std::string_view id,
                std::string_view class_code) const {
    const std::string at = device(chain);
    write(at + "/vendor", std::string(vendor) + "\n");
    write(at + "/device", std::string(id) + "\n");
    write(at + "/class", std::string(class_code) + "\n");
    write(at + "/config", std::string(64, '\0'));
    link(bus_entry(chain), "../../../devices/" + chain);
  }
  void express(const std::string& chain, std::string_view speed = "16.0 GT/s PCIe",
               std::string_view width = "16", std::string_view max_speed = "16.0 GT/s PCIe",
               std::string_view max_width = "16") const {
    const std::string at = device(chain);
    write(at + "/current_link_speed", std::string(speed) + "\n");
    write(at + "/current_link_width", std::string(width) + "\n");
    write(at + "/max_link_speed", std::string(max_speed) + "\n");
    write(at + "/max_link_width", std::string(max_width) + "\n");
  }
  void counters(const std::string& chain, unsigned bad_tlp = 0) const {
    const std::string at = device(chain);
    write(at + "/aer_dev_correctable", correctable(bad_tlp));
    write(at + "/aer_dev_nonfatal", "Undefined 0\nDLP 0\nCmpltTO 0\nTOTAL_ERR_NONFATAL 0\n");
    write(at + "/aer_dev_fatal", "Undefined 0\nDLP 0\nCmpltTO 0\nTOTAL_ERR_FATAL 0\n");
  }
  void root_totals(const std::string& chain, unsigned correctable_messages = 0) const {
    const std::string at = device(chain);
    write(at + "/aer_rootport_total_err_cor", std::to_string(correctable_messages) + "\n");
    write(at + "/aer_rootport_total_err_nonfatal", "0\n");
    write(at + "/aer_rootport_total_err_fatal", "0\n");
  }
  static std::string correctable(unsigned long long bad_tlp) {
    const std::string count = std::to_string(bad_tlp);
    return "RxErr 0\nBadTLP " + count +
           "\nBadDLLP 0\nRollover 0\nTimeout 0\nNonFatalErr 0\nCorrIntErr 0\nHeaderOF 0\nTOTAL_ERR_COR " +
           count + "\n";
  }

  // A root port with a two-function GPU below, counters on all three.
  static constexpr const char* port = "pci0000:c0/0000:c0:01.1";
  static constexpr const char* gpu = "pci0000:c0/0000:c0:01.1/0000:c1:00.0";
  static constexpr const char* audio = "pci0000:c0/0000:c0:01.1/0000:c1:00.1";
  void gpu_below_port() const {
    function(port, "0x1022", "0x1483", "0x060400");
    function(gpu, "0x10de", "0x2684", "0x030000");
    function(audio, "0x10de", "0x22ba", "0x040300");
    for (const char* chain : {port, gpu, audio}) {
      express(chain);
      counters(chain);
    }
    root_totals(port);
    mkdir(device(port) + "/0000:c0:01.1:pcie002");
    mkdir("sys/bus/pci_express/drivers/aer");
    link(device(port) + "/0000:c0:01.1:pcie002/driver", "../../../../bus/pci_express/drivers/aer");
  }
  void kernel() const {
    write("proc/sys/kernel/hostname", "wopr\n");
    write("proc/sys/kernel/osrelease", "6.1.0-37-amd64\n");
    write("proc/sys/kernel/random/boot_id", "6b3c5d0e-0f53-4b53-9d8c-0d6b0d6d6b3c\n");
    write("proc/cmdline", "BOOT_IMAGE=/vmlinuz quiet\n");
  }

 private:
  TemporaryDirectory directory_;
};

// An ordinary user, as far as files are concerned, while it lives; for tests that run as root.
class AsOrdinaryUser {
 public:
  AsOrdinaryUser() : before_(::setfsuid(65534)) {}
  ~AsOrdinaryUser() { ::setfsuid(static_cast<uid_t>(before_)); }
  AsOrdinaryUser(const AsOrdinaryUser&) = delete;
  AsOrdinaryUser& operator=(const AsOrdinaryUser&) = delete;

 private:
  int before_;
};

inline std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

inline bool mentions(const std::vector<Error>& problems, std::string_view part) {
  for (const auto& problem : problems)
    if (to_string(problem).contains(part)) return true;
  return false;
}

inline std::string all(const std::vector<Error>& problems) {
  std::string text;
  for (const auto& problem : problems) text += to_string(problem) + "\n";
  return text;
}

}  // namespace wopr::test
