// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/doctor/doctor.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/machine/command_line.hpp"
#include "support/functions.hpp"

namespace wopr {
namespace {

using namespace testing;

// Two root ports with a GPU each, everything as it should be and readable, unless changed.
class DoctorTest : public ::testing::Test {
 protected:
  DoctorTest() {
    for (const auto* at : {"0000:00:01.1", "0000:40:01.1"}) functions.push_back(readable(root_port(at)));
    functions.push_back(readable(gpu("0000:01:00.0", "0000:00:01.1")));
    functions.push_back(readable(gpu("0000:41:00.0", "0000:40:01.1")));
  }

  static Function readable(Function f) {
    f.config = ConfigSpace{};
    f.config->bytes_read = 4096;
    f.config->express = ExpressRegisters{};
    f.config->express->type = f.is_bridge() ? PortType::root_port : PortType::endpoint;
    f.config->express->device_control = 0xf;
    f.config->aer = AerRegisters{};
    f.config->aer->correctable_mask = 0xe000;
    return f;
  }
  Function& at(std::string_view address) {
    return *std::ranges::find(functions, testing::bdf(address), &Function::bdf);
  }

  Diagnosis diagnosis() {
    auto command_line = std::move(box.command_line);
    const auto release = box.kernel_release;
    const bool driver = box.aer_driver_present;
    const auto said = box.kernel_facts;
    box = machine(functions);
    box.command_line = std::move(command_line);
    box.kernel_release = release;
    box.aer_driver_present = driver;
    box.kernel_facts = said;
    status = {};
    for (const auto& link : box.topology.links) {
      SlotStatus slot;
      slot.port = box.topology.functions[link.port].bdf;
      slot.slot.label = slot.port.bus == 0 ? "PCIE5" : "PCIE4";
      slot.slot.source = SlotSource::board;
      slot.port_end.evidence = decide_evidence(box, link, Side::port);
      slot.device_end.evidence = decide_evidence(box, link, Side::device);
      if (!link.empty()) {
        const auto& device = box.topology.functions[link.device.front()];
        slot.device = device.bdf;
        if (is_gpu(device, {})) slot.gpu = GpuIdentity{};
      }
      status.slots.push_back(slot);
    }
    return diagnose({box, status, board, kernel, host});
  }

  static const Check& check(const Diagnosis& diagnosis, std::string_view id) {
    const auto found = std::ranges::find(diagnosis.checks, id, &Check::id);
    static const Check none;
    EXPECT_NE(found, diagnosis.checks.end()) << id;
    return found == diagnosis.checks.end() ? none : *found;
  }

  std::vector<Function> functions;
  Machine box = machine({});
  Status status;
  const BoardTable* board = nullptr;
  KernelSettings kernel;
  HostFacts host;
};

TEST_F(DoctorTest, ANativeVerifiedMachineCanBeTrusted) {
  const auto d = diagnosis();
  EXPECT_EQ(d.trust, Trust::yes);
  EXPECT_EQ(d.headline(), "Yes: a zero can be trusted on all 2 GPU links.");
  EXPECT_TRUE(std::ranges::none_of(d.checks, [](const Check& c) { return c.result == CheckResult::fail; }));
  for (const auto* id : {"kernel", "command-line", "osc", "extended-config", "aer-service", "reporting", "masks"}) {
    EXPECT_EQ(check(d, id).result, CheckResult::pass) << id << ": " << check(d, id).found;
  }
}

TEST_F(DoctorTest, AnOrdinaryUserIsToldWhatOnlyRootCanSee) {
  for (auto& f : functions) {
    f.config = ConfigSpace{};
    f.config->bytes_read = 64;
  }
  const auto d = diagnosis();
  EXPECT_EQ(d.trust, Trust::unverified);
  for (const auto* id : {"reporting", "masks"}) {
    EXPECT_EQ(check(d, id).result, CheckResult::unknown);
    EXPECT_TRUE(check(d, id).needs_root);
    EXPECT_NE(check(d, id).fix.find("sudo"), std::string::npos);
  }
  EXPECT_NE(d.headline().find("not verified"), std::string::npos);
}

TEST_F(DoctorTest, ABootParameterIsTheCauseAndTheRestFollows) {
  box.command_line = "ro quiet pci=realloc,noaer";
  box.aer_driver_present = false;
  for (auto& f : functions) {
    f.aer_service_bound = false;
    f.config->express->device_control = 0;
  }
  const auto d = diagnosis();
  EXPECT_EQ(d.trust, Trust::no);
  EXPECT_EQ(d.checks.front().id, "command-line");
  EXPECT_NE(d.checks.front().found.find("pci=noaer"), std::string::npos);
  EXPECT_NE(d.checks.front().fix.find("Take pci=noaer off"), std::string::npos);
  for (const auto& c : d.checks) {
    if (c.result == CheckResult::fail && c.id != "command-line") {
      EXPECT_EQ(c.consequence_of, "command-line") << c.id;
    }
  }
  EXPECT_EQ(check(d, "aer-service").consequence_of, "command-line");
  EXPECT_EQ(check(d, "reporting").consequence_of, "command-line");
  EXPECT_NE(check(d, "kernel").result, CheckResult::fail) << "the driver is missing because of the parameter";
}

TEST_F(DoctorTest, EachParameterIsNamedFirst) {
  for (const std::string word : {"pci=noaer", "pci=nommconf", "pci=nomsi", "pcie_ports=compat", "acpi=off"}) {
    box.command_line = word;
    for (auto& f : functions) {
      f.aer_service_bound = false;
      f.port_services = word != "pcie_ports=compat";
      if (word == "pci=nommconf") {
        f.has_aer_files = false;
        f.config_size = 256;
      }
    }
    const auto d = diagnosis();
    EXPECT_EQ(d.checks.front().id, "command-line") << word;
    EXPECT_NE(d.checks.front().found.find(word), std::string::npos) << d.checks.front().found;
  }
}

TEST_F(DoctorTest, FirmwareThatKeepsAerIsFixedAsTheBoardTableSays) {
  BoardTable table;
  table.aer_fix = "set \"Enable AER Cap\" to Enabled";
  for (auto& f : functions) f.aer_service_bound = false;
  auto d = diagnosis();
  EXPECT_EQ(d.checks.front().id, "osc");
  EXPECT_NE(d.checks.front().fix.find("look for"), std::string::npos) << d.checks.front().fix;
  board = &table;
  box.kernel_facts.read = true;
  box.kernel_facts.osc = {{"PNP0A08:00", 0U, 0, 0x3f, {"AER", "LTR"}, {"PME"}, true, {}},
                          {"PNP0A08:01", 0U, 0x40, 0x7f, {"AER", "LTR"}, {"PME"}, true, {}}};
  d = diagnosis();
  EXPECT_EQ(d.checks.front().id, "osc");
  EXPECT_EQ(d.checks.front().fix, "Set \"Enable AER Cap\" to Enabled.");
  EXPECT_NE(d.checks.front().found.find("platform does not support [AER LTR]"), std::string::npos)
      << d.checks.front().found;
}

TEST_F(DoctorTest, TwoCausesAtDifferentLinksAreBothNamedAndOnlyThere) {
  at("0000:00:01.1").aer_service_bound = false;                 // firmware kept this bridge
  at("0000:01:00.0").config->express->device_control = 0;       // its device follows
  at("0000:41:00.0").config->aer->correctable_mask |= 1U << 6;  // the other device masks BadTLP
  const auto d = diagnosis();
  EXPECT_EQ(d.trust, Trust::no);
  EXPECT_EQ(check(d, "osc").where, (std::vector<std::string>{"PCIE5 port", "PCIE5 device"}));
  EXPECT_EQ(check(d, "reporting").consequence_of, "osc");
  const auto& masks = check(d, "masks");
  EXPECT_EQ(masks.result, CheckResult::fail);
  EXPECT_TRUE(masks.consequence_of.empty());
  EXPECT_EQ(masks.where, std::vector<std::string>{"PCIE4 device"});
  EXPECT_NE(masks.found.find("BadTLP"), std::string::npos) << masks.found;
  EXPECT_NE(masks.fix.find("-s 0000:41:00.0 ECAP_AER+14.l"), std::string::npos) << masks.fix;
}

TEST_F(DoctorTest, OneEndSwitchedOffIsEnoughForNo) {
  at("0000:41:00.0").config->express->device_control = 0;
  const auto d = diagnosis();
  EXPECT_EQ(d.trust, Trust::no);
  EXPECT_EQ(d.checks.front().id, "reporting");
  EXPECT_EQ(d.headline(), "No: a zero cannot be trusted on 1 of 2 GPU links (PCIE4).");
}

TEST_F(DoctorTest, AnOldKernelLeavesDevicesSilent) {
  box.kernel_release = "5.15.0-140-generic";
  at("0000:41:00.0").config->express->device_control = 0;
  const auto d = diagnosis();
  EXPECT_EQ(d.checks.front().id, "endpoints");
  EXPECT_EQ(d.checks.front().where, std::vector<std::string>{"PCIE4 device"});
  EXPECT_EQ(check(d, "reporting").consequence_of, "endpoints");
}

TEST_F(DoctorTest, AKernelWithoutAerIsTheFirstCause) {
  box.aer_driver_present = false;
  for (auto& f : functions) f.aer_service_bound = f.has_aer_files = f.port_services = false;
  auto d = diagnosis();
  EXPECT_EQ(d.checks.front().id, "kernel");
  kernel.build = parse_kernel_build("CONFIG_PCIEPORTBUS=y\n# CONFIG_PCIEAER is not set\n", "/boot/config-6.1");
  d = diagnosis();
  EXPECT_EQ(d.checks.front().id, "kernel");
  EXPECT_NE(d.checks.front().found.find("/boot/config-6.1"), std::string::npos) << d.checks.front().found;
}

TEST_F(DoctorTest, WithoutGpusEveryLinkIsJudged) {
  for (auto& f : functions) {
    if (f.vendor == 0x10de) f.class_code = 0x020000;
  }
  at("0000:00:01.1").aer_service_bound = false;
  const auto d = diagnosis();
  EXPECT_FALSE(d.about_gpus);
  EXPECT_EQ(d.links.size(), 2U);
  EXPECT_EQ(d.headline(),
            "No GPU was found, so this is about every link. No: a zero cannot be trusted on 1 of 2 PCI Express links (PCIE5).");
}

TEST_F(DoctorTest, ALinkWithoutAGpuDoesNotMatterWhereThereAreSome) {
  at("0000:41:00.0").class_code = 0x010802;
  at("0000:40:01.1").aer_service_bound = false;
  const auto d = diagnosis();
  EXPECT_EQ(d.links.size(), 1U);
  EXPECT_EQ(d.trust, Trust::yes);
}

TEST_F(DoctorTest, AMachineWithoutLinksHasNothingToTrust) {
  functions.clear();
  const auto d = diagnosis();
  EXPECT_EQ(d.trust, Trust::no);
  EXPECT_NE(d.headline().find("nothing to trust"), std::string::npos);
}

TEST_F(DoctorTest, SilencedMessagesAndPowerSavingAreWarnings) {
  kernel.log_limits = {{testing::bdf("0000:01:00.0"), 0, 5000}, {testing::bdf("0000:41:00.0"), 10, 5000}};
  kernel.aspm_policy = "powersupersave";
  host.service_running = false;
  const auto d = diagnosis();
  EXPECT_EQ(d.trust, Trust::yes);
  EXPECT_EQ(check(d, "log-limit").result, CheckResult::warn);
  EXPECT_EQ(check(d, "log-limit").where, std::vector<std::string>{"0000:01:00.0"});
  EXPECT_EQ(check(d, "aspm").result, CheckResult::warn);
  EXPECT_EQ(check(d, "service").result, CheckResult::warn);
}

TEST_F(DoctorTest, PartsThatAreNotNeededAreNotMissed) {
  host.helper_socket = false;
  host.clear_socket = false;
  kernel.lockdown = "integrity";
  for (const auto* id : {"helper", "clearing", "lockdown"}) EXPECT_EQ(check(diagnosis(), id).result, CheckResult::pass) << id;
  for (auto& f : functions) f.aer_service_bound = false;
  for (const auto* id : {"helper", "clearing", "lockdown"}) EXPECT_EQ(check(diagnosis(), id).result, CheckResult::warn) << id;
}

TEST(CommandLine, OptionsAreWholeWordsOfAList) {
  EXPECT_TRUE(has_kernel_option("quiet pci=realloc,noaer,big", "pci", "noaer"));
  EXPECT_FALSE(has_kernel_option("pci=noaerx xpci=noaer pcie=noaer noaer pci", "pci", "noaer"));
  EXPECT_FALSE(has_kernel_option("", "pci", "noaer"));
  EXPECT_EQ(options_against_aer("pcie_ports=compat pci=nomsi,noaer"),
            (std::vector<std::string>{"pci=noaer", "pcie_ports=compat", "pci=nomsi"}));
}

TEST(KernelSettings, ChoicesAndBuildAreReadAsTheKernelWritesThem) {
  EXPECT_EQ(chosen_of("none [integrity] confidentiality\n"), "integrity");
  EXPECT_EQ(chosen_of("none integrity"), "");
  EXPECT_EQ(chosen_of("] none ["), "");
  const auto build = parse_kernel_build("CONFIG_PCIEAER=y\nCONFIG_PCIEPORTBUS=m\n#CONFIG_ACPI_APEI_PCIEAER=y", "f");
  EXPECT_TRUE(build.aer);
  EXPECT_FALSE(build.port_services);
  EXPECT_FALSE(build.firmware_records);
}

TEST(HostFacts, SurviveBeingWrittenAndRead) {
  HostFacts facts;
  facts.root = true;
  facts.service_running = false;
  facts.service_trouble = "does not\nanswer";
  const auto read = parse_host_facts(format_host_facts(facts), "host");
  EXPECT_TRUE(read.problems.empty());
  facts.service_trouble = "does not answer";
  EXPECT_EQ(read.value, facts);
  EXPECT_EQ(parse_host_facts("", "host").value, HostFacts{});
  EXPECT_EQ(parse_host_facts("hello\n", "host").problems.size(), 1U);
  const auto odd = parse_host_facts("wopr-aer-host 1\nroot\tperhaps\nnew_key\tyes\nrow\n", "host");
  EXPECT_EQ(odd.problems.size(), 2U);
  EXPECT_EQ(odd.value, HostFacts{});
}

TEST_F(DoctorTest, RegistersThatTheServiceMayNotReadAreACheckOfTheirOwn) {
  EXPECT_EQ(check(diagnosis(), "config-space").result, CheckResult::pass);
  for (auto& function : functions) {
    function.config->bytes_read = 64;
    function.config->express.reset();
    function.config->aer.reset();
  }
  const auto unasked = check(diagnosis(), "config-space");
  EXPECT_EQ(unasked.result, CheckResult::unknown);
  EXPECT_TRUE(unasked.needs_root);
  const auto verdict = [&](std::string closed) {
    (void)diagnosis();
    status.config_closed = std::move(closed);
    return check(diagnose({box, status, board, kernel, host}), "config-space");
  };
  const auto absent = verdict("the root helper cannot be asked (no such file): systemctl start wopr-aer-probe.socket");
  EXPECT_EQ(absent.result, CheckResult::warn);
  EXPECT_NE(absent.found.find("no such file"), std::string::npos);
  EXPECT_NE(absent.fix.find("enable --now wopr-aer-probe.socket"), std::string::npos);
  const auto refused = verdict("the root helper refuses: not for user 1000");
  EXPECT_NE(refused.found.find("not for user 1000"), std::string::npos);
  EXPECT_NE(refused.fix.find("journalctl -u wopr-aer-probe"), std::string::npos);
}

}  // namespace
}  // namespace wopr
