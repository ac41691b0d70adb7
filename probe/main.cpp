// SPDX-License-Identifier: GPL-2.0-or-later
//
// wopr-aer-probe: the one program of ours that runs as root, so that the service needs no privilege. Three tasks: write
// down before the service starts what names slots; hand over read-only descriptors of config space; clear latched
// error bits, where the owner has enabled that socket. Kept small: no configuration, no D-Bus, no network, no child
// process, nothing read that a stranger could have written but the requests (core/count/probe_request.hpp).
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <string_view>
#include <vector>

#include "atomic_file.hpp"
#include "clear.hpp"
#include "core/count/probe_request.hpp"
#include "core/machine/snapshot.hpp"
#include "devices.hpp"
#include "server.hpp"
#include "source/machine_reader.hpp"

namespace {

constexpr int ok = 0;
constexpr int failed = 1;
constexpr int misused = 2;

constexpr mode_t readable_by_all = S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH;

constexpr const char* usage =
    "usage: wopr-aer-probe [--sysroot DIR] snapshot FILE | serve | clear\n"
    "\n"
    "  snapshot FILE  write down what only root may read and slot names are made from: SMBIOS slots and the ports'\n"
    "                 slot numbers; and who handles errors first\n"
    "  serve          on a socket from systemd: hand read-only descriptors of config space to root and wopr-aer\n"
    "  clear          on a socket from systemd: clear latched error bits nobody else consumes\n"
    "\n"
    "  --sysroot DIR  read sys, proc and etc below DIR instead of /\n"
    "  --version      print the version\n"
    "  --help         print this\n";

int complain(const wopr::Error& error) {
  std::fprintf(stderr, "<3>wopr-aer-probe: %s\n", wopr::to_string(error).c_str());
  return failed;
}

int snapshot(const wopr::Root& root, const char* file) {
  const auto taken = wopr::take_snapshot(wopr::read_machine(root));
  const auto written = wopr::replace_file(file, wopr::format_snapshot(taken), readable_by_all);
  if (!written) return complain(written.error());
  std::fprintf(stderr, "<6>wopr-aer-probe: %s has %zu SMBIOS slots and %zu slot numbers of ports\n", file,
               taken.smbios.size(), taken.physical_slots.size());
  return ok;
}

wopr::Reply refusal(const wopr::Error& error) { return {wopr::format_refusal(wopr::to_string(error)), wopr::UniqueFd{}}; }

wopr::Reply hand_over(const wopr::Devices& devices, std::string_view packet) {
  const auto bdf = wopr::parse_config_request(packet);
  if (!bdf) return refusal(bdf.error());
  const auto function = devices.function(*bdf);
  if (!function) return refusal(function.error());
  auto config = devices.config(*function, O_RDONLY);
  if (!config) return refusal(config.error());
  return {std::string(wopr::opened_reply), std::move(*config)};
}

wopr::Reply clear(const wopr::Devices& devices, std::string_view packet) {
  const auto request = wopr::parse_clear_request(packet);
  if (!request) return refusal(request.error());
  const auto bits = wopr::clear_bits(devices, *request);
  if (!bits) return refusal(bits.error());
  return {wopr::format_cleared(*bits), wopr::UniqueFd{}};
}

int answer_requests(const wopr::Root& root, wopr::Reply (*answer)(const wopr::Devices&, std::string_view)) {
  const auto socket = wopr::inherited_socket();
  if (!socket) return complain(socket.error());
  const auto devices = wopr::Devices::open(root);
  if (!devices) return complain(devices.error());
  const auto served = wopr::serve(socket->get(), wopr::user_named("wopr-aer"), {},
                                  [&](std::string_view packet) { return answer(*devices, packet); });
  return served ? ok : complain(served.error());
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
  if (words.size() == 1 && words[0] == "serve") return answer_requests(root, hand_over);
  if (words.size() == 1 && words[0] == "clear") return answer_requests(root, clear);
  std::fputs(usage, stderr);
  return misused;
}
