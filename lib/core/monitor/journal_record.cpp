// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor/journal_record.hpp"

namespace wopr {

std::string_view message_id(RecordKind kind) {
  switch (kind) {
    case RecordKind::errors_began: return "1af16bf90b2748c29db661a6a04b79fc";
    case RecordKind::errors_go_on: return "464c81e6b02448f095b1d483de218e98";
    case RecordKind::errors_stopped: return "cc509853fc9443c5a7aa2d7f94e55e6b";
    case RecordKind::errors_before: return "dc3d0ffdbfed4711a74da087a832a44e";
    case RecordKind::device_arrived: return "bfcc97224edc4aa38d9b86bef886b5fc";
    case RecordKind::device_left: return "602f62d0932343e3bd8379f55e3889a2";
    case RecordKind::errors_unattributed: return "f128a07d6db7454cb4fcc0f9862ba4a0";
    case RecordKind::verdict_changed: return "2a5951c7522449e79c9f35151ecfe962";
    case RecordKind::clearing_changed: return "a3050a805c8f4551866c6d8ebdac76ef";
    case RecordKind::firmware_records: return "662d69e487994b12b012d9544a13a06a";
    case RecordKind::history_fails: return "6f0e2b1d4c7a4d83a1a6c55f0f9d3be2";
    case RecordKind::history_works: return "b81c4a7e09d64f2f8e0d7713c2a9f564";
    case RecordKind::history_anew: return "83540162ca884ba39e71546d08123c69";
    case RecordKind::config_refused: return "17363910dff7415eb4c9a5efef4b0fb8";
  }
  return "";
}

}  // namespace wopr
