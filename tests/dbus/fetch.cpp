// SPDX-License-Identifier: GPL-2.0-or-later
//
// The real client, asked by a test: prints the Status it gets as JSON, or why there is none as {"kind", "error"}.
// With --each, one answer on one connection for every line of standard input.
#include <array>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "bus/client.hpp"
#include "cli/json.hpp"

namespace {

constexpr std::array kinds = {"no_bus", "no_service", "refused", "no_answer", "not_understood"};

void answer(wopr::BusClient& client) {
  const auto status = client.fetch();
  const auto json = status ? wopr::to_json(*status)
                           : wopr::Json{{"kind", kinds.at(static_cast<std::size_t>(status.error().kind))},
                                        {"error", to_string(status.error().error)}};
  const auto text = json.dump() + '\n';
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: wopr_fetch ADDRESS DEADLINE_MS [--each]\n";
    return 2;
  }
  wopr::BusClient client{{argv[1], std::chrono::milliseconds{std::stoi(argv[2])}}};
  if (argc == 3) {
    answer(client);
    return 0;
  }
  for (std::string line; std::getline(std::cin, line);) answer(client);
  return 0;
}
