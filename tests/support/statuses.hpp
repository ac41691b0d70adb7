// SPDX-License-Identifier: GPL-2.0-or-later
//
// Statuses made by hand for the tests of what is made from them: JSON, text, watch.
#pragma once

#include <string>
#include <utility>

#include "core/base/rfc3339.hpp"
#include "core/monitor/status.hpp"

namespace wopr::test {

inline Bdf bdf(std::string_view text) { return *parse_bdf(text); }

inline EndStatus native_end(Counts correctable = {}) {
  Counts all = {{"RxErr", 0}, {"BadTLP", 0}, {"BadDLLP", 0}, {"Rollover", 0}, {"Timeout", 0}};
  add(all, correctable);
  EndStatus end;
  end.evidence = {Evidence::native, true, "Linux owns AER and reporting is on at this end"};
  end.counts = {all, Counts{{"DLP", 0}, {"CmpltTO", 0}}, Counts{{"DLP", 0}, {"CmpltTO", 0}}};
  return end;
}

inline EndStatus blind_end(std::string reason) {
  EndStatus end;
  end.evidence = {Evidence::blind, false, std::move(reason)};
  return end;
}

// A GPU slot in good order: idle at 2.5 GT/s x16.
inline SlotStatus gpu_slot(std::string label, std::string_view port, std::string_view device, unsigned index) {
  SlotStatus slot;
  slot.slot = {std::move(label), SlotSource::board, {}};
  slot.port = bdf(port);
  slot.device = bdf(device);
  slot.functions = {bdf(device)};
  slot.name = "NVIDIA Corporation AD102 [GeForce RTX 4090]";
  slot.driver = "nvidia";
  slot.gpu = GpuIdentity{index, {}, {}};
  slot.link = {2.5, 16, 16.0, 16, LinkState::idle};
  slot.port_end = native_end();
  slot.device_end = native_end();
  slot.root_port_messages = RootPortMessages{0, 0, 0};
  slot.grade = Grade::clean;
  return slot;
}

inline SlotStatus empty_slot(std::string label, std::string_view port) {
  SlotStatus slot;
  slot.slot = {std::move(label), SlotSource::board, {}};
  slot.port = bdf(port);
  slot.link = {{}, {}, 16.0, 16, LinkState::down};
  slot.port_end = native_end();
  slot.device_end = blind_end("no device in this slot");
  return slot;
}

// 2026-03-01T20:15:07Z.
inline WallTime noon() { return *parse_rfc3339("2026-03-01T20:15:07Z"); }

// Three GPU slots and an empty one.
inline Status three_gpus() {
  Status status;
  status.host = "wopr";
  status.monitor = "embedded";
  status.boot_id = "11111111-2222-3333-4444-555555555555";
  status.kernel = "6.1.0-30-amd64";
  status.since = noon();
  status.now = noon();
  status.board_vendor = "ASRockRack";
  status.board_name = "ROMED8-2T";
  status.slots = {gpu_slot("PCIE5", "0000:00:01.1", "0000:01:00.0", 0),
                  gpu_slot("PCIE7", "0000:80:01.1", "0000:81:00.0", 1),
                  gpu_slot("PCIE3", "0000:c0:01.1", "0000:c1:00.0", 2), empty_slot("PCIE6", "0000:c0:03.1")};
  return status;
}

inline SlotStatus& slot_named(Status& status, std::string_view label) {
  for (auto& slot : status.slots) {
    if (slot.slot.label == label) return slot;
  }
  throw std::out_of_range("no such slot");
}

}  // namespace wopr::test
