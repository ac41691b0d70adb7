// SPDX-License-Identifier: GPL-2.0-or-later
//
// The root of the machine to read, as a value: "/" or a directory that holds a captured or faked sys, proc
// and etc. The only place that knows where the kernel mounts things.
#pragma once

#include <filesystem>
#include <utility>

namespace wopr {

class Root {
 public:
  explicit Root(std::filesystem::path prefix = "/") : prefix_(std::move(prefix)) {}

  [[nodiscard]] const std::filesystem::path& prefix() const { return prefix_; }
  [[nodiscard]] std::filesystem::path sys() const { return prefix_ / "sys"; }
  [[nodiscard]] std::filesystem::path proc() const { return prefix_ / "proc"; }
  [[nodiscard]] std::filesystem::path etc() const { return prefix_ / "etc"; }
  [[nodiscard]] std::filesystem::path run() const { return prefix_ / "run"; }
  [[nodiscard]] std::filesystem::path boot() const { return prefix_ / "boot"; }
  // What a capture brings along that no kernel file says (lib/capture).
  [[nodiscard]] std::filesystem::path capture_notes() const { return prefix_ / "wopr-aer-capture"; }
  [[nodiscard]] std::filesystem::path pci_bus() const { return sys() / "bus/pci"; }
  [[nodiscard]] std::filesystem::path pci_devices() const { return pci_bus() / "devices"; }
  [[nodiscard]] bool is_live() const { return prefix_ == "/"; }

 private:
  std::filesystem::path prefix_;
};

}  // namespace wopr
