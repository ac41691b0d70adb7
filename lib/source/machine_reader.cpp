// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/machine_reader.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <span>
#include <system_error>

#include "core/base/text_scan.hpp"
#include "core/machine/hest.hpp"
#include "source/dmi.hpp"
#include "source/functions.hpp"
#include "source/nvidia.hpp"
#include "source/pci.hpp"
#include "source/sysfs.hpp"

namespace wopr {
namespace {

void absorb(std::vector<Error>& into, std::vector<Error> more) {
  std::ranges::move(more, std::back_inserter(into));
}

void read_kernel(const Root& root, Machine& machine) {
  const auto proc = require(Directory::open(root.proc()), machine.problems);
  if (!proc) return;
  const auto one_line = [&](std::string_view file) -> std::optional<std::string> {
    const auto text = take(proc->read(file), machine.problems);
    if (!text) return std::nullopt;
    std::string line(trim(*text));
    std::ranges::replace_if(
        line, [](char c) { return c >= '\0' && c < ' '; }, '?');
    return line;
  };
  machine.host = one_line("sys/kernel/hostname").value_or(std::string{});
  machine.kernel_release = one_line("sys/kernel/osrelease").value_or(std::string{});
  machine.boot_id = one_line("sys/kernel/random/boot_id").value_or(std::string{});
  if (machine.boot_id.empty())
    machine.problems.push_back(Error{"no boot id: counts of different boots cannot be told apart",
                                     proc->path_of("sys/kernel/random/boot_id"),
                                     {}});
  // ProcSubset=pid of a hardened service hides the command line; that is no problem, only less to reason
  // with.
  const auto command_line = one_line("cmdline");
  machine.command_line_readable = command_line.has_value();
  machine.command_line = command_line.value_or(std::string{});
}

// Where /proc hides it, the running kernel can be asked directly, but only if it is the machine we read.
void ask_kernel(const Root& root, Machine& machine) {
  utsname name{};
  if (!root.is_live() || ::uname(&name) != 0) return;
  if (machine.host.empty()) machine.host = name.nodename;
  if (machine.kernel_release.empty()) machine.kernel_release = name.release;
}

// Root's to read. No table, no firmware that goes first.
void read_hest(const Root& root, Machine& machine) {
  constexpr std::size_t limit = std::size_t{1} << 20;  // 60 KB on a board with many machine check banks
  const auto tables = Directory::open(root.sys() / "firmware/acpi/tables");
  if (!tables) return;
  const auto table = tables->read("HEST", limit);
  if (!table) {
    if (table.error().absent()) machine.firmware_first = false;
    else if (!table.error().denied()) machine.problems.push_back(table.error().error);
    return;
  }
  const auto hest = parse_hest(std::as_bytes(std::span(*table)), tables->path_of("HEST"));
  if (hest) machine.firmware_first = hest->firmware_first;
  else machine.problems.push_back(hest.error());
}

void limit_problems(std::vector<Error>& problems, std::size_t limit) {
  if (problems.size() <= limit) return;
  const std::size_t left_out = problems.size() - limit;
  problems.resize(limit);
  problems.push_back(Error{fmt::format("{} more problems are not shown", left_out), {}, {}});
}

// A captured or faked machine may bring the names its host knew; the running one uses libpci's.
std::string own_pci_ids(const Root& root) {
  const auto file = root.prefix() / "usr/share/misc/pci.ids";
  std::error_code ignored;
  return !root.is_live() && std::filesystem::is_regular_file(file, ignored) ? file.string() : std::string{};
}

}  // namespace

Machine read_machine(const Root& root, const ScanLimits& limits) {
  Machine machine;
  read_kernel(root, machine);
  ask_kernel(root, machine);

  auto board = read_board(root);
  machine.board_vendor = std::move(board.value.vendor);
  machine.board_name = std::move(board.value.name);
  machine.bios_version = std::move(board.value.bios_version);
  machine.smbios_readable = board.value.smbios_readable;
  machine.smbios = std::move(board.value.slots);
  absorb(machine.problems, std::move(board.problems));

  if (const auto drivers = take(Directory::open(root.sys() / "bus/pci_express/drivers"), machine.problems))
    machine.aer_driver_present = drivers->exists("aer");

  read_hest(root, machine);
  auto functions = read_functions(root, limits);
  absorb(machine.problems, std::move(functions.problems));
  std::set<Bdf> asleep;
  for (const auto& function : functions.value)
    if (function.asleep) asleep.insert(function.bdf);
  auto gpus = read_nvidia_gpus(root, asleep);
  absorb(machine.problems, std::move(gpus.problems));
  PciNames names(own_pci_ids(root));
  std::set<PciId> ids;
  for (const auto& function : functions.value) ids.insert({function.vendor, function.device});
  names.learn(ids);
  for (auto& function : functions.value) {
    function.name = names.name(function.vendor, function.device);
    if (const auto gpu = gpus.value.find(function.bdf); gpu != gpus.value.end()) function.gpu = gpu->second;
  }

  auto topology = build_topology(std::move(functions.value));
  machine.topology = std::move(topology.value);
  absorb(machine.problems, std::move(topology.problems));
  number_gpus(machine.topology);
  limit_problems(machine.problems, limits.problems);
  return machine;
}

}  // namespace wopr
