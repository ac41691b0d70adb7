// SPDX-License-Identifier: GPL-2.0-or-later
#include "watch_json.hpp"

#include <nlohmann/json.hpp>

#include "core/base/rfc3339.hpp"
#include "describe.hpp"

namespace wopr {
namespace {

// Tokens of all severities, flat; null where the end cannot be seen, an empty object where nothing was added.
Json added_json(const EndStatus& end, const SeverityCounts& added) {
  if (!errors_at(end)) return nullptr;
  Counts flat;
  for (const auto& counts : added) add(flat, counts);
  return to_json(flat);
}

}  // namespace

Json watch_json(const Status& status, const Watch& watch) {
  auto json = to_json(status);
  const auto since = to_rfc3339(watch.since());
  for (std::size_t i = 0; i < status.slots.size(); ++i) {
    const auto& slot = status.slots[i];
    const auto& added = watch.added().at(slot.port);
    json["slots"][i]["watch"] = {{"since", since},
                                 {"added",
                                  {{"port", added_json(slot.port_end, added.port)},
                                   {"device", added_json(slot.device_end, added.device)},
                                   {"unattributed", added.unattributed},
                                   {"total", added.total()}}}};
  }
  return json;
}

}  // namespace wopr
