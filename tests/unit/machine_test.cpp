// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/machine_reader.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "source/functions.hpp"
#include "support/temp_tree.hpp"

namespace wopr {
namespace {

using test::TempTree;

constexpr Bdf port{0, 0xc0, 1, 1};
constexpr Bdf gpu{0, 0xc1, 0, 0};
constexpr Bdf audio{0, 0xc1, 0, 1};

// The header of a bridge or device whose capability list starts at 0x40 with a PCI Express capability of
// `type`, and whose extended list holds AER with `correctable` status. 4096 bytes.
std::string config_space(unsigned type, unsigned char correctable = 0) {
  std::string bytes(4096, '\0');
  const auto put = [&](std::size_t at, unsigned value) { bytes[at] = static_cast<char>(value); };
  put(0x00, 0xde), put(0x01, 0x10), put(0x06, 0x10), put(0x34, 0x40);
  put(0x40, 0x10), put(0x41, 0x00), put(0x42, 0x02 | (type << 4)), put(0x48, 0x0f);
  put(0x100, 0x01), put(0x102, 0x02), put(0x110, correctable);
  return bytes;
}

class MachineTest : public ::testing::Test {
 protected:
  MachineTest() {
    tree_.kernel();
    tree_.gpu_below_port();
  }
  [[nodiscard]] std::string at(const char* chain, const char* file) const {
    return TempTree::device(chain) + "/" + file;
  }

  TempTree tree_;
};

TEST_F(MachineTest, reads_identity_functions_links_and_nothing_is_wrong) {
  const Machine machine = read_machine(tree_.root());
  EXPECT_TRUE(machine.problems.empty()) << test::all(machine.problems);
  EXPECT_EQ(machine.host, "wopr");
  EXPECT_EQ(machine.kernel_release, "6.1.0-37-amd64");
  EXPECT_EQ(machine.boot_id, "6b3c5d0e-0f53-4b53-9d8c-0d6b0d6d6b3c");
  EXPECT_EQ(machine.command_line, "BOOT_IMAGE=/vmlinuz quiet");
  EXPECT_TRUE(machine.command_line_readable);
  EXPECT_TRUE(machine.aer_driver_present);
  EXPECT_FALSE(machine.smbios_readable);
  ASSERT_EQ(machine.topology.functions.size(), 3U);
  const Function* function = machine.topology.find(gpu);
  ASSERT_NE(function, nullptr);
  EXPECT_EQ(function->parent_bdf, port);
  EXPECT_EQ(function->vendor, 0x10de);
  EXPECT_EQ(function->device, 0x2684);
  EXPECT_EQ(function->class_code, 0x030000U);
  EXPECT_TRUE(function->has_express_link);
  EXPECT_TRUE(function->has_aer_files);
  EXPECT_FALSE(function->asleep);
  EXPECT_FALSE(function->config_size);  // 64 bytes: a capture without privilege
  EXPECT_EQ(function->link, (LinkReading{16.0, 16, 16.0, 16}));
  ASSERT_EQ(machine.topology.links.size(), 1U);
  EXPECT_EQ(machine.topology.links[0].device.size(), 2U);
}

TEST_F(MachineTest, the_port_has_its_services_and_no_parent) {
  const Machine machine = read_machine(tree_.root());
  const Function* function = machine.topology.find(port);
  ASSERT_NE(function, nullptr);
  EXPECT_FALSE(function->parent_bdf);
  EXPECT_TRUE(function->port_services);
  EXPECT_TRUE(function->aer_service_bound);
}

TEST_F(MachineTest, an_aer_service_without_its_driver_is_not_bound) {
  tree_.remove(at(TempTree::port, "0000:c0:01.1:pcie002/driver"));
  tree_.mkdir(at(TempTree::port, "0000:c0:01.1:pcie001"));
  tree_.link(at(TempTree::port, "0000:c0:01.1:pcie001/driver"), "../../../../bus/pci_express/drivers/aer");
  const Function* function = nullptr;
  const Machine machine = read_machine(tree_.root());
  function = machine.topology.find(port);
  EXPECT_TRUE(function->port_services);
  EXPECT_FALSE(function->aer_service_bound);  // 001 is PME, whatever its link says
}

TEST_F(MachineTest, optional_facts_are_read_where_they_are) {
  tree_.write(at(TempTree::gpu, "subsystem_vendor"), "0x1043\n");
  tree_.write(at(TempTree::gpu, "subsystem_device"), "0x88e2\n");
  tree_.link(at(TempTree::gpu, "driver"), "../../../../bus/pci/drivers/nvidia");
  tree_.write(at(TempTree::gpu, "config"), config_space(0, 0x40));
  tree_.link(at(TempTree::audio, "physfn"), "../0000:c1:00.0");
  tree_.write("sys/bus/pci/slots/19/address", "0000:c1:00\n");
  tree_.write("sys/bus/pci/slots/20/address", "0000:c2\n");
  tree_.write("proc/driver/nvidia/gpus/0000:c1:00.0/information",
              "GPU UUID: \t GPU-1b2c3d4e-5f60-7182-93a4-b5c6d7e8f901\nDevice Minor: \t 5\n");
  tree_.write("sys/class/dmi/id/board_vendor", "ASRockRack\n");
  tree_.write("sys/class/dmi/id/board_name", " ROMED8-2T\x1b\n");
  tree_.write("sys/class/dmi/id/bios_version", "P3.80\n");
  const Machine machine = read_machine(tree_.root());
  EXPECT_TRUE(machine.problems.empty()) << test::all(machine.problems);
  const Function* function = machine.topology.find(gpu);
  EXPECT_EQ(function->subsystem_vendor, 0x1043);
  EXPECT_EQ(function->subsystem_device, 0x88e2);
  EXPECT_EQ(function->driver, "nvidia");
  EXPECT_EQ(function->config_size, 4096U);
  EXPECT_EQ(function->config->aer->correctable_status, 0x40U);
  EXPECT_EQ(function->sysfs_slot, "19");
  ASSERT_TRUE(function->gpu);
  EXPECT_EQ(function->gpu->uuid, "GPU-1b2c3d4e-5f60-7182-93a4-b5c6d7e8f901");
  EXPECT_EQ(function->gpu->minor, 5U);
  EXPECT_EQ(function->gpu->index, 0U);
  EXPECT_TRUE(machine.topology.find(audio)->virtual_function);
  EXPECT_EQ(machine.board_vendor, "ASRockRack");
  EXPECT_EQ(machine.board_name, "ROMED8-2T?");
  EXPECT_EQ(machine.bios_version, "P3.80");
}

// Opening `config`, a link attribute or the driver's information of a sleeper would wake it. Here they are
// traps: reading one is a problem.
TEST_F(MachineTest, a_sleeping_device_is_not_read_and_neither_is_one_below_a_sleeping_bridge) {
  tree_.write(at(TempTree::port, "power/runtime_status"), "suspended\n");
  tree_.write(at(TempTree::gpu, "power/runtime_status"), "active\n");
  for (const char* chain : {TempTree::port, TempTree::gpu, TempTree::audio})
    for (const char* file :
         {"current_link_speed", "current_link_width", "max_link_speed", "max_link_width"}) {
      tree_.remove(at(chain, file));
      tree_.mkdir(at(chain, file));
    }
  tree_.mkdir("proc/driver/nvidia/gpus/0000:c1:00.0/information");
  const Machine machine = read_machine(tree_.root());
  EXPECT_TRUE(machine.problems.empty()) << test::all(machine.problems);
  EXPECT_EQ(machine.topology.find(gpu)->gpu->index, 0U);
  for (const Bdf& bdf : {port, gpu, audio}) {
    const Function* function = machine.topology.find(bdf);
    EXPECT_TRUE(function->asleep);
    EXPECT_TRUE(function->has_express_link);
    EXPECT_FALSE(function->config);
    EXPECT_EQ(function->link, LinkReading{});
  }
}

TEST_F(MachineTest, a_sleeping_gpu_leaves_its_port_awake) {
  tree_.write(at(TempTree::gpu, "power/runtime_status"), "suspended\n");
  tree_.write(at(TempTree::port, "power/runtime_status"), "active\n");
  tree_.write(at(TempTree::audio, "power/runtime_status"), "unsupported\n");
  const Machine machine = read_machine(tree_.root());
  EXPECT_TRUE(machine.problems.empty()) << test::all(machine.problems);
  EXPECT_TRUE(machine.topology.find(gpu)->asleep);
  EXPECT_FALSE(machine.topology.find(port)->asleep);
  EXPECT_EQ(machine.topology.find(port)->link.width, 16U);
  EXPECT_FALSE(machine.topology.find(audio)->asleep);
}

TEST_F(MachineTest, unknown_speed_and_width_are_absent_and_no_problem) {
  tree_.express(TempTree::gpu, "Unknown", "0", "Unknown speed", "255");
  const Machine machine = read_machine(tree_.root());
  EXPECT_TRUE(machine.problems.empty()) << test::all(machine.problems);
  EXPECT_EQ(machine.topology.find(gpu)->link, LinkReading{});
}

TEST_F(MachineTest, a_domain_inside_a_device_starts_a_hierarchy_of_its_own) {
  tree_.function("pci0000:00/0000:00:0e.0", "0x8086", "0x467f", "0x010400");
  tree_.function("pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0", "0x8086", "0x464d", "0x060400");
  const Machine machine = read_machine(tree_.root());
  const Function* inside = machine.topology.find(Bdf{0x10000, 0xe0, 6, 0});
  ASSERT_NE(inside, nullptr);
  EXPECT_FALSE(inside->parent_bdf);
}

TEST_F(MachineTest, garbage_in_any_file_names_the_file_and_costs_no_other_function) {
  const std::vector<std::string> files = {"vendor",
                                          "device",
                                          "class",
                                          "current_link_speed",
                                          "current_link_width",
                                          "max_link_speed",
                                          "max_link_width",
                                          "power/runtime_status",
                                          "subsystem_vendor",
                                          "subsystem_device"};
  const std::vector<std::string> contents = {
      std::string("\0\xff\xfe\x80", 4), "rubbish\n", "", "0x", "-1\n", "0x10zz\n", std::string(5000, '7')};
  for (const auto& file : files) {
    for (const auto& content : contents) {
      const TempTree tree;
      tree.gpu_below_port();
      tree.write(TempTree::device(TempTree::gpu) + "/" + file, content);
      const auto functions = read_functions(tree.root(), {});
      EXPECT_TRUE(test::mentions(functions.problems, "0000:c1:00.0/" + file))
          << file << " '" << content.substr(0, 20) << "'\n"
          << test::all(functions.problems);
      ASSERT_EQ(functions.value.size(), 3U) << file;
      EXPECT_EQ(functions.value.back().link.width, 16U);
    }
  }
}

TEST_F(MachineTest, a_file_without_permission_is_named) {
  tree_.write("sys/firmware/dmi/tables/DMI", "root only");
  for (const std::string& file :
       {at(TempTree::gpu, "current_link_width"), std::string("sys/firmware/dmi/tables/DMI")})
    tree_.permit(file, std::filesystem::perms(0000));
  const test::AsOrdinaryUser user;
  const Machine machine = read_machine(tree_.root());
  EXPECT_EQ(machine.problems.size(), 1U) << test::all(machine.problems);  // that SMBIOS needs root is known
  EXPECT_TRUE(test::mentions(machine.problems, "0000:c1:00.0/current_link_width: Permission denied"));
  EXPECT_FALSE(machine.smbios_readable);
  EXPECT_EQ(machine.topology.find(gpu)->link.speed_gts, 16.0);
}

TEST_F(MachineTest, a_cut_identity_is_not_taken_for_a_smaller_number) {
  tree_.write(at(TempTree::gpu, "vendor"), "0x10\n");
  const Machine machine = read_machine(tree_.root());
  EXPECT_EQ(machine.topology.find(gpu)->vendor, 0);
  EXPECT_TRUE(test::mentions(machine.problems, "0000:c1:00.0/vendor:1"));
}

TEST_F(MachineTest, a_directory_or_a_loop_in_place_of_any_file_names_it) {
  for (const char* file : {"vendor", "device", "class", "config", "current_link_speed", "max_link_width"}) {
    for (const bool loop : {false, true}) {
      const TempTree tree;
      tree.kernel();
      tree.gpu_below_port();
      const std::string path = TempTree::device(TempTree::gpu) + "/" + file;
      tree.remove(path);
      if (loop)
        tree.link(path, file);
      else
        tree.mkdir(path);
      const Machine machine = read_machine(tree.root());
      EXPECT_TRUE(test::mentions(machine.problems, std::string("0000:c1:00.0/") + file))
          << file << "\n"
          << test::all(machine.problems);
      EXPECT_EQ(machine.topology.functions.size(), 3U) << file;
    }
  }
}

TEST_F(MachineTest, odd_entries_on_the_bus_cost_only_themselves) {
  const std::string bus = "sys/bus/pci/devices/";
  tree_.mkdir(bus + "rubbish");
  tree_.mkdir(bus + "0000:C1:00.0");
  tree_.link(bus + "0000:0a:00.0", "0000:0a:00.0");
  tree_.link(bus + "0000:0b:00.0", "../../../devices/nowhere/0000:0b:00.0");
  tree_.link(bus + "0000:0c:00.0", "../../../devices/" + std::string(TempTree::gpu));
  tree_.write(bus + "0000:0d:00.0", "a file");
  const Machine machine = read_machine(tree_.root());
  for (const char* name :
       {"rubbish", "0000:C1:00.0", "0000:0a:00.0", "0000:0b:00.0", "0000:0c:00.0", "0000:0d:00.0"})
    EXPECT_TRUE(test::mentions(machine.problems, bus + name)) << name << "\n" << test::all(machine.problems);
  EXPECT_EQ(machine.topology.find(gpu)->parent_bdf, port);
  EXPECT_EQ(machine.topology.functions.size(), 4U);  // the three and what 0000:0c:00.0 leads to
}

TEST_F(MachineTest, a_missing_parent_is_a_problem_and_the_function_is_kept) {
  tree_.remove(TempTree::bus_entry(TempTree::port));
  const Machine machine = read_machine(tree_.root());
  EXPECT_FALSE(machine.problems.empty());
  EXPECT_NE(machine.topology.find(gpu), nullptr);
}

TEST_F(MachineTest, configuration_space_cut_at_any_length_is_survived) {
  const std::string whole = config_space(0, 0xff);
  for (std::size_t size = 0; size <= whole.size(); size += size < 300 ? 1 : 97) {
    tree_.write(at(TempTree::gpu, "config"), std::string_view(whole).substr(0, size));
    const auto functions = read_functions(tree_.root(), {});
    ASSERT_EQ(functions.value.size(), 3U);
    EXPECT_EQ(test::mentions(functions.problems, "0000:c1:00.0/config"), size < 64) << size;
  }
}

TEST_F(MachineTest, an_empty_tree_is_problems_and_no_crash) {
  const TempTree empty;
  const Machine machine = read_machine(empty.root());
  EXPECT_TRUE(machine.topology.functions.empty());
  EXPECT_TRUE(test::mentions(machine.problems, "sys/bus/pci/devices"));
  EXPECT_TRUE(test::mentions(machine.problems, "proc"));
}

TEST_F(MachineTest, what_is_hidden_from_a_hardened_service_is_no_problem) {
  tree_.remove("proc/cmdline");
  const Machine machine = read_machine(tree_.root());
  EXPECT_TRUE(machine.problems.empty()) << test::all(machine.problems);
  EXPECT_FALSE(machine.command_line_readable);
}

TEST_F(MachineTest, a_broken_table_of_slots_is_a_problem) {
  tree_.write("sys/firmware/dmi/tables/DMI", "rubbish");
  const Machine machine = read_machine(tree_.root());
  EXPECT_TRUE(machine.smbios_readable);
  EXPECT_TRUE(test::mentions(machine.problems, "sys/firmware/dmi/tables/DMI"));
}

TEST_F(MachineTest, limits_are_kept_and_said) {
  Machine machine = read_machine(tree_.root(), ScanLimits{.functions = 2});
  EXPECT_EQ(machine.topology.functions.size(), 2U);
  EXPECT_TRUE(test::mentions(machine.problems, "3 functions, more than the limit of 2"));
  for (int i = 0; i < 20; ++i) tree_.mkdir("sys/bus/pci/devices/odd" + std::to_string(i));
  machine = read_machine(tree_.root(), ScanLimits{.problems = 5});
  ASSERT_EQ(machine.problems.size(), 6U);
  EXPECT_EQ(machine.problems.back().what, "15 more problems are not shown");
}

TEST_F(MachineTest, ten_thousand_functions_are_read) {
  // All lead to one directory, which keeps the making of this tree short.
  tree_.function("pci0001:00/0001:00:00.0", "0x10de", "0x2684", "0x030000");
  for (unsigned i = 1; i < 10000; ++i) {
    const Bdf bdf{1U + i / 2048, static_cast<std::uint8_t>(i / 256 % 8),
                  static_cast<std::uint8_t>(i / 8 % 32), static_cast<std::uint8_t>(i % 8)};
    const std::string chain = "pci0001:00/" + to_string(bdf);
    tree_.link(TempTree::device(chain), "0001:00:00.0");
    tree_.link(TempTree::bus_entry(chain), "../../../devices/" + chain);
  }
  const auto before = test::open_descriptors();
  const Machine machine = read_machine(tree_.root());
  EXPECT_TRUE(machine.problems.empty()) << test::all(machine.problems);
  EXPECT_EQ(machine.topology.functions.size(), 10003U);
  EXPECT_EQ(test::open_descriptors(), before);
}

// A GPU comes and goes while the machine is scanned: each scan has its port and either the GPU or a problem
// about it, never a crash, and no descriptor is left open.
TEST_F(MachineTest, a_function_vanishing_during_a_scan_costs_only_itself) {
  std::atomic<bool> stop = false;
  std::atomic<unsigned> replugs = 0;
  std::thread hotplug([&] {
    while (!stop) {
      tree_.remove(TempTree::bus_entry(TempTree::gpu));
      tree_.remove(TempTree::device(TempTree::gpu));
      tree_.function(TempTree::gpu, "0x10de", "0x2684", "0x030000");
      tree_.express(TempTree::gpu);
      ++replugs;
    }
  });
  static_cast<void>(read_machine(tree_.root()));
  const auto before = test::open_descriptors();
  unsigned complete = 0;
  for (unsigned scan = 0; scan < 1000; ++scan) {
    const auto functions = read_functions(tree_.root(), {});
    EXPECT_GE(functions.value.size(), 2U);
    EXPECT_EQ(functions.value.front().bdf, port);
    EXPECT_EQ(functions.value.back().bdf, audio);
    for (const auto& problem : functions.problems)
      EXPECT_TRUE(to_string(problem).contains("0000:c1:00.0")) << to_string(problem);
    complete += functions.value.size() == 3 ? 1U : 0U;
  }
  stop = true;
  hotplug.join();
  EXPECT_GT(replugs, 0U);
  EXPECT_LE(test::open_descriptors(), before + 4);  // the other thread may have held some at the first count
  RecordProperty("complete_scans", static_cast<int>(complete));
}

}  // namespace
}  // namespace wopr
