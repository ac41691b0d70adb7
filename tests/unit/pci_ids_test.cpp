// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/pci_ids.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/temporary_directory.hpp"

extern "C" {
#include <pci/pci.h>
}

namespace wopr {
namespace {

constexpr std::string_view list =
    "# a list\n"
    "0e11  Compaq\n"
    "\t0001  PCI to EISA Bridge\n"
    "10de  NVIDIA Corporation \n"
    "\t2684  AD102 [GeForce RTX 4090]\n"
    "\t\t1043 889a  A board\n"
    "\n"
    "\t2685  Another\n"
    "1022  AMD\n"  // out of order
    "\t2684  Not NVIDIA's\n"
    "C 03  Display controller\n"
    "\t00  VGA\n"
    "1af4  Behind the classes\n";

std::vector<std::string> picked(std::string_view text, std::set<PciId> wanted) {
  std::vector<std::string> found;
  PciIdPicker(std::move(wanted)).take(text, [&](const PciIdRow& row) {
    const auto device = row.device ? std::to_string(*row.device) + " " : std::string{};
    found.push_back(std::to_string(row.vendor) + " " + device + std::string(row.name));
  });
  return found;
}

TEST(PciIds, PicksTheDevicesWantedAndTheirVendors) {
  using Rows = std::vector<std::string>;
  EXPECT_EQ(picked(list, {{0x10de, 0x2684}}), (Rows{"4318 NVIDIA Corporation", "4318 9860 AD102 [GeForce RTX 4090]"}));
  EXPECT_EQ(picked(list, {{0x10de, 0x2685}, {0x1022, 0x2684}}),
            (Rows{"4318 NVIDIA Corporation", "4318 9861 Another", "4130 AMD", "4130 9860 Not NVIDIA's"}));
  EXPECT_EQ(picked(list, {{0x10de, 0x0001}}), (Rows{"4318 NVIDIA Corporation"})) << "Compaq's device";
  EXPECT_EQ(picked(list, {{0x10de, 0x1043}}), (Rows{"4318 NVIDIA Corporation"})) << "a subsystem";
  EXPECT_EQ(picked(list, {{0x1af4, 0x1000}}), Rows{});
  EXPECT_EQ(picked(list, {}), Rows{});
}

TEST(PciIds, EndsWhenAllIsFound) {
  PciIdPicker picker(std::set<PciId>{{0x0e11, 0x0001}});
  const auto nothing = [](const PciIdRow&) {};
  EXPECT_TRUE(picker.take("0e11  Compaq\n", nothing));
  EXPECT_FALSE(picker.take("\t0001  PCI to EISA Bridge\n", nothing));
}

TEST(PciIds, ReadsAListThatIsLongerThanAPieceOrCompressed) {
  const TemporaryDirectory folder;
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "0001  A vendor of a long and tedious name\n\t000" + std::to_string(i % 10) + "  Device\n";
  text += "10de  NVIDIA\n\t2684  RTX 4090";  // without an end
  const auto plain = folder.path() / "pci.ids";
  std::ofstream(plain) << text;
  const auto compressed = folder.path() / "pci.ids.gz";
  const auto packed = gzopen(compressed.c_str(), "we");
  ASSERT_EQ(gzwrite(packed, text.data(), static_cast<unsigned>(text.size())), static_cast<int>(text.size()));
  ASSERT_EQ(gzclose(packed), Z_OK);
  for (const auto& file : std::array{plain, compressed}) {
    const auto names = read_pci_ids(file, {{0x10de, 0x2684}, {0x10de, 0x9999}});
    EXPECT_EQ(names.vendors, (std::map<std::uint16_t, std::string>{{0x10de, "NVIDIA"}})) << file;
    EXPECT_EQ(names.devices, (std::map<PciId, std::string>{{{0x10de, 0x2684}, "RTX 4090"}})) << file;
  }
  EXPECT_TRUE(read_pci_ids(folder.path() / "none", {{0x10de, 0x2684}}).vendors.empty());
  EXPECT_TRUE(read_pci_ids(folder.path(), {{0x10de, 0x2684}}).vendors.empty()) << "a directory";
  std::ofstream(plain) << std::string(100'000, 'x') << "\n10de  NVIDIA\n";
  EXPECT_TRUE(read_pci_ids(plain, {{0x10de, 0x2684}}).vendors.empty()) << "no list";
}

// Every device of these vendors, be it in the list or not.
TEST(PciIds, SaysWhatLibpciSays) {
  struct Cleanup {
    void operator()(pci_access* access) const { pci_cleanup(access); }
  };
  const std::unique_ptr<pci_access, Cleanup> access(pci_alloc());
  access->method = PCI_ACCESS_SYS_BUS_PCI;
  pci_init(access.get());
  std::string file = access->id_file_name;
  // libpci with zlib names the compressed list, and does with the other.
  if (!std::ifstream(file) && file.ends_with(".gz")) file.resize(file.size() - 3);
  if (!std::ifstream(file)) GTEST_SKIP() << "no " << file << " on this machine";
  std::set<PciId> ids;
  for (const unsigned vendor : {0x1022U, 0x10deU, 0xfffeU}) {
    for (unsigned device = 0; device <= 0xffff; ++device) {
      ids.insert({static_cast<std::uint16_t>(vendor), static_cast<std::uint16_t>(device)});
    }
  }
  const auto names = read_pci_ids(file, ids);
  EXPECT_GT(names.devices.size(), 1000U);
  constexpr int only_local = PCI_LOOKUP_NO_NUMBERS | PCI_LOOKUP_NO_HWDB;
  std::array<char, 1024> buffer{};
  const auto said = [](const char* text) { return std::string(text == nullptr ? "" : text); };
  for (const auto& [vendor, device] : ids) {
    const auto found = names.devices.find({vendor, device});
    ASSERT_EQ(found == names.devices.end() ? "" : found->second,
              said(pci_lookup_name(access.get(), buffer.data(), buffer.size(), PCI_LOOKUP_DEVICE | only_local,
                                   static_cast<int>(vendor), static_cast<int>(device))));
    if (device != 0) continue;
    const auto maker = names.vendors.find(vendor);
    ASSERT_EQ(maker == names.vendors.end() ? "" : maker->second,
              said(pci_lookup_name(access.get(), buffer.data(), buffer.size(), PCI_LOOKUP_VENDOR | only_local,
                                   static_cast<int>(vendor))));
  }
}

}  // namespace
}  // namespace wopr
