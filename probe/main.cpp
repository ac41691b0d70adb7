// SPDX-License-Identifier: GPL-2.0-or-later
//
// wopr-aer-probe: the one program of ours that runs as root, and only for a moment. It reads what the kernel shows to
// root alone and writes down the part that names slots, so that the service needs no privilege. Kept small: no
// configuration, no network, no child process, nothing read that a stranger could have written.
#include <sys/stat.h>

#include <cstdio>
#include <string_view>
#include <vector>

#include "atomic_file.hpp"
#include "core/snapshot.hpp"
#include "source/machine.hpp"

namespace {

constexpr int ok = 0;
constexpr int failed = 1;
constexpr int misused = 2;

constexpr mode_t readable_by_all = S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH;

constexpr const char* usage =
    "usage: wopr-aer-probe [--sysroot DIR] snapshot FILE\n"
    "\n"
    "Writes down what only root may read and slot names are made from: SMBIOS slots and the ports' slot numbers.\n"
    "\n"
    "  --sysroot DIR  read sys, proc and etc below DIR instead of /\n"
    "  --version      print the version\n"
    "  --help         print this\n";

int snapshot(const wopr::Root& root, const char* file) {
  const auto taken = wopr::take_snapshot(wopr::read_machine(root));
  const auto written = wopr::replace_file(file, wopr::format_snapshot(taken), readable_by_all);
  if (!written) {
    std::fprintf(stderr, "<3>wopr-aer-probe: %s\n", wopr::to_string(written.error()).c_str());
    return failed;
  }
  std::fprintf(stderr, "<6>wopr-aer-probe: %s has %zu SMBIOS slots and %zu slot numbers of ports\n", file,
               taken.smbios.size(), taken.physical_slots.size());
  return ok;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string_view> words(argv + 1, argv + argc);
  if (words.size() == 1 && words[0] == "--version") return std::puts("wopr-aer-probe " WOPR_VERSION) < 0 ? failed : ok;
  if (words.size() == 1 && words[0] == "--help") return std::fputs(usage, stdout) < 0 ? failed : ok;
  wopr::Root root;
  if (words.size() >= 2 && words[0] == "--sysroot") {
    root = wopr::Root(words[1]);
    words.erase(words.begin(), words.begin() + 2);
  }
  if (words.size() == 2 && words[0] == "snapshot") return snapshot(root, words[1].data());
  std::fputs(usage, stderr);
  return misused;
}
