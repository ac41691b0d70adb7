// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <cstring>
#include <span>
#include <string>

#include "capture/archive.hpp"
#include "capture/capture.hpp"
#include "capture/new_file.hpp"
#include "capture/redact.hpp"
#include "core/machine/smbios.hpp"
#include "core/pci/config_space.hpp"
#include "source/host.hpp"
#include "source/kernel_settings_reader.hpp"
#include "source/machine_reader.hpp"
#include "support/temp_tree.hpp"

namespace wopr {
namespace {

using namespace test;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

TEST(Redact, EveryUuidBecomesZeros) {
  EXPECT_EQ(without_uuids("a 6b3c5d0e-0f53-4B53-9d8c-0d6b0d6d6b3c b"), "a 00000000-0000-0000-0000-000000000000 b");
  EXPECT_EQ(without_uuids("6b3c5d0e-0f53-4b53-9d8c-0d6b0d6d6b3"), "6b3c5d0e-0f53-4b53-9d8c-0d6b0d6d6b3") << "too short";
  EXPECT_EQ(without_uuids(""), "");
}

TEST(Redact, OfTheCommandLineOnlyWhatBearsOnPciStays) {
  EXPECT_EQ(redact_command_line("BOOT_IMAGE=/vmlinuz root=UUID=6b3c5d0e-0f53-4b53-9d8c-0d6b0d6d6b3c ro quiet "
                                "pci=noaer pcie_ports=compat ip=10.0.0.7::secret\n"),
            "BOOT_IMAGE=/vmlinuz root=removed ro quiet pci=noaer pcie_ports=compat ip=removed\n");
}

TEST(Redact, TheSerialNumberGoesAndTheRestOfConfigSpaceStays) {
  std::vector<std::byte> space(4096, std::byte{0});
  const auto put = [&](std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) space[at + i] = static_cast<std::byte>((value >> (8 * i)) & 0xffU);
  };
  put(0x100, 0x14010003);  // serial number, next at 0x140
  put(0x104, 0xdeadbeef);
  put(0x108, 0xcafef00d);
  put(0x140, 0x00020001);  // AER, the last
  put(0x150, 0x00000041);
  auto expected = space;
  for (std::size_t i = 0x104; i < 0x10c; ++i) expected[i] = std::byte{0};
  redact_config_space(space);
  EXPECT_EQ(space, expected);
  std::vector<std::byte> cut(0x106, std::byte{0x03});
  redact_config_space(cut);  // survives
  redact_config_space({});
}

TEST(Redact, OfSmbiosOnlySlotsStay) {
  using namespace std::string_literals;
  const auto system = "\x01\x06\x01\x00\x01\x02"s + "Maker\0SERIAL-4711\0\0"s;
  const auto slot = "\x09\x11\x12\x00\x02\xa5\x0d\x04\x04\x13\x00\x00\x00\x00\x00\xc1\x00"s + "NOTE\0PCIE3\0\0"s;
  const auto nameless = "\x09\x0c\x13\x00\x00\xa5\x0d\x04\x04\x14\x00\x00"s + "\0\0"s;
  const auto end = "\x7f\x04\x14\x00\0\0"s;
  const auto table = system + slot + nameless + end;
  const auto kept = redact_smbios(bytes_of(table));
  EXPECT_EQ(kept.find("SERIAL"), std::string::npos);
  EXPECT_EQ(kept.find("NOTE"), std::string::npos);
  const auto before = parse_smbios_slots(bytes_of(table), "DMI");
  const auto after = parse_smbios_slots(bytes_of(kept), "DMI");
  EXPECT_TRUE(after.problems.empty()) << all(after.problems);
  EXPECT_EQ(before.value, after.value);
  ASSERT_EQ(after.value.size(), 2U);
  EXPECT_EQ(after.value[0].designation, "PCIE3");
  for (std::size_t size = 0; size < table.size(); ++size) (void)redact_smbios(bytes_of(table).first(size));
}

TEST(Redact, OfTheNvidiaDriverKnownKeysStay) {
  EXPECT_EQ(redact_nvidia("Model: \t NVIDIA\nGPU UUID: \t GPU-2deda328-46ed-4a26-8f36-2c8b81cba3be\nSerial: \t 77\n"
                          "Device Minor: \t 3\nrubbish\n", 4),
            "Model: \t NVIDIA\nGPU UUID: \t GPU-00000000-0000-0000-0000-000000000004\nDevice Minor: \t 3\n");
  EXPECT_EQ(redact_nvidia("GPU UUID: GPU-???\n", 4), "GPU UUID: GPU-???\n");
}

TEST(Redact, MessagesNameNeitherHostNorPrograms) {
  EXPECT_EQ(redact_message("NVRM: Xid (PCI:0000:02:00): 79, pid=4711, name=python, GPU has fallen off the bus.", "wopr"),
            "NVRM: Xid (PCI:0000:02:00): 79, pid=removed, name=removed, GPU has fallen off the bus.");
  EXPECT_EQ(redact_message("wopr: \x1b[1m", "wopr"), "captured:  [1m");
  EXPECT_EQ(redact_message("text", ""), "text");
}

TEST(Redact, OfNamesAndBuildOptionsTheRelevantOnesStay) {
  EXPECT_EQ(relevant_names("# c\n1022  AMD\n\t1483  Bridge\n\t\t1022 1  Sub\n10de  NVIDIA\n\t2684  AD102\n\t2685  No\n"
                           "C 03  Display\n\t00  VGA\n",
                           {{0x10de, 0x2684}}),
            "10de  NVIDIA\n\t2684  AD102\n");
  EXPECT_EQ(relevant_build_options("CONFIG_PCIEAER=y\n# CONFIG_PCIE_ECRC is not set\nCONFIG_LOCALVERSION=\"mine\"\n"),
            "CONFIG_PCIEAER=y\n# CONFIG_PCIE_ECRC is not set\n");
}

TEST(Archive, TheLimitIsKept) {
  Archive archive("top", 0, 4096);
  EXPECT_TRUE(archive.add_file("a/b", "text"));
  EXPECT_FALSE(archive.add_file("large", std::string(4096, 'x')));
  EXPECT_TRUE(archive.add_file("c", "")) << "what is small still fits";
  EXPECT_LE(archive.unpacked_size(), 4096U);
  EXPECT_EQ(archive.files(), 2U);
  EXPECT_TRUE(archive.finish());
}

TEST(Archive, TheSameContentGivesTheSameBytes) {
  const auto make = [] {
    Archive archive("top", 1, 1 << 20);
    archive.add_file(std::string(150, 'n'), "text");
    archive.add_link("link", std::string(150, 't'));
    return archive.finish().value_or("");
  };
  EXPECT_EQ(make(), make());
  EXPECT_TRUE(make().starts_with("\x1f\x8b"));
}

TEST(NewFile, NothingIsOverwrittenAndNothingHalfIsLeft) {
  TempTree tree;
  const auto file = tree / "file";
  EXPECT_TRUE(write_new_file(file, "first"));
  const auto again = write_new_file(file, "second");
  ASSERT_FALSE(again);
  EXPECT_NE(to_string(again.error()).find("nothing is overwritten"), std::string::npos);
  EXPECT_EQ(std::filesystem::file_size(file), 5U);
  tree.link("dangling", "nowhere");
  EXPECT_FALSE(write_new_file(tree / "dangling", "text")) << "links are not followed";
  EXPECT_FALSE(std::filesystem::exists(tree / "nowhere"));
  EXPECT_FALSE(write_new_file(tree / "missing/file", "text"));
  EXPECT_FALSE(write_new_file(tree.path(), "text"));
}

TEST(Capture, RoomThatIsTooSmallIsSaid) {
  TempTree tree;
  tree.kernel();
  tree.gpu_below_port();
  const auto machine = read_machine(tree.root());
  const HostFacts host;
  CaptureRequest request{tree.root(), tree / "etc/wopr-aer", machine, host, "1", 0, "top", 30000};
  const auto some = capture(request);
  ASSERT_TRUE(some);
  EXPECT_GT(some->functions_left_out, 0U);
  request.limit = std::size_t{1} << 20;
  const auto all_of_it = capture(request);
  ASSERT_TRUE(all_of_it);
  EXPECT_EQ(all_of_it->functions_left_out, 0U);
  EXPECT_GT(all_of_it->files, some->files);
}

TEST(KernelSettingsSource, ReadsWhatIsThere) {
  TempTree tree;
  tree.kernel();
  tree.gpu_below_port();
  tree.write("boot/config-6.1", "CONFIG_PCIEAER=y\nCONFIG_PCIEPORTBUS=y\n");
  tree.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
  tree.write("sys/module/pcie_aspm/parameters/policy", "[default] performance powersave powersupersave \n");
  tree.write(TempTree::device(TempTree::gpu) + "/aer/correctable_ratelimit_burst", "0\n");
  tree.write(TempTree::device(TempTree::gpu) + "/aer/correctable_ratelimit_interval_ms", "x\n");
  const std::array ends = {parse_bdf("0000:c0:01.1").value(), parse_bdf("0000:c1:00.0").value()};
  auto read = read_kernel_settings(tree.root(), "6.1", ends);
  EXPECT_EQ(read.value.build.file, "/boot/config-6.1");
  EXPECT_TRUE(read.value.build.aer && read.value.build.port_services);
  EXPECT_EQ(read.value.lockdown, "integrity");
  EXPECT_EQ(read.value.aspm_policy, "default");
  ASSERT_EQ(read.value.log_limits.size(), 1U);
  EXPECT_EQ(read.value.log_limits[0].burst, 0U);
  EXPECT_EQ(read.value.log_limits[0].interval_ms, std::nullopt);
  EXPECT_EQ(read.problems.size(), 1U) << all(read.problems);
  tree.write("proc/config.gz", gzip("CONFIG_PCIEPORTBUS=y\n").value());
  read = read_kernel_settings(tree.root(), "6.1", {});
  EXPECT_EQ(read.value.build.file, "/proc/config.gz");
  EXPECT_FALSE(read.value.build.aer);
  tree.write("proc/config.gz", "no gzip");
  EXPECT_EQ(read_kernel_settings(tree.root(), "6.1", {}).value.build.file, "/boot/config-6.1");
  EXPECT_EQ(read_kernel_settings(tree.root(), "../6.1", {}).value.build.file, "");
}

TEST(HostSource, ACapturedMachineBringsItsNoteAndAFakedOneNone) {
  TempTree tree;
  EXPECT_EQ(read_host_facts(tree.root()).value, HostFacts{});
  tree.write("wopr-aer-capture/host", "wopr-aer-host 1\nservice_running\tyes\n");
  EXPECT_EQ(read_host_facts(tree.root()).value.service_running, std::optional{true});
  const auto live = read_host_facts(Root{});
  EXPECT_TRUE(live.value.root.has_value());
  EXPECT_TRUE(live.value.reads_journal.has_value());
}

}  // namespace
}  // namespace wopr
