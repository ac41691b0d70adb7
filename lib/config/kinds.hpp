// SPDX-License-Identifier: GPL-2.0-or-later
//
// The kinds of value a key can have. A kind says in words what it takes, reads it from a node, and writes it
// back as TOML; a new kind is a struct with these three. For the sources of lib/config only.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "config/toml_file.hpp"
#include "core/base/result.hpp"
#include "core/judge/policy.hpp"
#include "core/machine/slot.hpp"
#include "core/pci/bdf.hpp"
#include "core/pci/topology.hpp"

namespace wopr {

// A time span in seconds, whole or not.
struct SecondsKind {
  double min = 0;
  double max = 0;

  [[nodiscard]] std::string expected() const;
  [[nodiscard]] Result<std::chrono::milliseconds> read(const toml::node& node) const;
  [[nodiscard]] std::string write(std::chrono::milliseconds value) const;
};

// A whole number of something.
struct WholeKind {
  std::string_view unit;
  unsigned min = 0;
  unsigned max = 0;

  [[nodiscard]] std::string expected() const;
  [[nodiscard]] Result<unsigned> read(const toml::node& node) const;
  [[nodiscard]] std::string write(unsigned value) const;
};

// One field of the grade rule: a number, or a whole number where it counts something.
struct PolicyKind {
  PolicyField field;

  [[nodiscard]] std::string expected() const;
  [[nodiscard]] Result<void> read(VerdictPolicy& policy, const toml::node& node) const;
  [[nodiscard]] std::string write(const VerdictPolicy& policy) const;
};

// Base classes of PCI functions.
struct ClassListKind {
  [[nodiscard]] std::string expected() const;
  [[nodiscard]] Result<std::vector<unsigned>> read(const toml::node& node) const;
  [[nodiscard]] std::string write(const std::vector<unsigned>& value) const;
};

// "10de:2684".
struct IdListKind {
  [[nodiscard]] std::string expected() const;
  [[nodiscard]] Result<std::vector<GpuRule::Id>> read(const toml::node& node) const;
  [[nodiscard]] std::string write(const std::vector<GpuRule::Id>& value) const;
};

// Printable ASCII, outer blanks cut off.
struct TextKind {
  std::size_t max = max_label;

  [[nodiscard]] std::string expected() const;
  [[nodiscard]] Result<std::string> read(const toml::node& node) const;
};

struct PortListKind {
  [[nodiscard]] std::string expected() const;
  [[nodiscard]] Result<std::vector<Bdf>> read(const toml::node& node) const;
};

// A port's address written as the kernel does, so that one port cannot be given twice. `region` is where it
// stands.
[[nodiscard]] Result<Bdf> read_port(std::string_view text, const toml::source_region& region);

}  // namespace wopr
