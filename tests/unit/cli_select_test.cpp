// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/select.hpp"

#include <gtest/gtest.h>

#include "support/statuses.hpp"

namespace wopr {
namespace {

using namespace test;

TEST(Select, ByNameInAnyCaseByPortAndByDevice) {
  const auto status = three_gpus();
  const std::set<Bdf> pcie3 = {bdf("0000:c0:01.1")};
  for (const auto* word : {"PCIE3", "pcie3", "0000:c0:01.1", "c0:01.1", "0000:c1:00.0", "C1:00.0"}) {
    const auto ports = select_ports(status, {word});
    ASSERT_TRUE(ports) << word;
    EXPECT_EQ(*ports, pcie3) << word;
  }
}

TEST(Select, ABriefNameWillDo) {
  auto status = three_gpus();
  status.slots[0].slot.label = "CPU1 SLOT1 PCI-E 4.0 X16";
  status.slots[1].slot.label = "CPU1 SLOT10 PCI-E 4.0 X16";
  const auto ports = select_ports(status, {"cpu1 slot1"});
  ASSERT_TRUE(ports);
  EXPECT_EQ(*ports, std::set<Bdf>{status.slots[0].port});
}

TEST(Select, NothingNamedMeansNothingChosen) {
  const auto ports = select_ports(three_gpus(), {});
  ASSERT_TRUE(ports);
  EXPECT_TRUE(ports->empty());
  EXPECT_EQ(restrict_to(three_gpus(), *ports).slots.size(), 4U);
}

TEST(Select, ASlotsNameMeansAllItsLinks) {
  auto status = three_gpus();
  slot_named(status, "PCIE7").slot.label = "PCIE5";
  const auto ports = select_ports(status, {"PCIE5"});
  ASSERT_TRUE(ports);
  EXPECT_EQ(ports->size(), 2U);
  EXPECT_EQ(restrict_to(status, *ports).slots.size(), 2U);
}

TEST(Select, AnUnknownSlotNamesTheNearestAndListsAll) {
  const auto ports = select_ports(three_gpus(), {"PCIE5", "PICE7"});
  ASSERT_FALSE(ports);
  const auto text = to_string(ports.error());
  EXPECT_NE(text.find("no slot 'PICE7'; did you mean PCIE7?"), std::string::npos) << text;
  EXPECT_NE(text.find("PCIE5, PCIE7, PCIE3 and PCIE6"), std::string::npos) << text;
}

TEST(Select, AWordThatIsNothingLikeASlotGetsNoGuess) {
  const auto ports = select_ports(three_gpus(), {"riser"});
  ASSERT_FALSE(ports);
  EXPECT_EQ(ports.error().what, "no slot 'riser'");
  EXPECT_FALSE(select_ports(Status{}, {"PCIE1"}));
}

}  // namespace
}  // namespace wopr
