// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever text history.db has for the state of a link end or for a ledger: it is refused with a reason, or a state that
// can be written and read again, and that the count and the judge can go on from.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/judge/link_judge.hpp"
#include "require.hpp"
#include "sink/store_text.hpp"

using wopr::fuzz::require;

namespace {

template <class State>
void require_written_again(const State& state, wopr::Result<State> (*parse)(std::string_view)) {
  const auto written = wopr::to_text(state);
  const auto again = parse(written);
  require(again.has_value() && *again == state && wopr::to_text(*again) == written);
}

// A minute under load in which either end counts errors, and what the judge says of it.
void go_on(const wopr::LedgerState& state) {
  using namespace std::chrono;
  const wopr::VerdictPolicy policy;
  wopr::LinkLedger ledger(policy, state);
  auto at = state.until.value_or(wopr::Instant{seconds{100}, wopr::WallTime{days{20'000}}});
  wopr::LinkInterval interval;
  interval.from = at;
  for (const auto step : {seconds{1}, seconds{59}, seconds{3600}}) {
    interval.from = at;
    at = {at.boot + step, at.wall + step};
    interval.to = at;
    interval.speed_from = interval.speed_to = interval.expected_speed = 16.0;
    interval.width_from = interval.width_to = interval.expected_width = 16;
    ledger.observe(interval, std::array{wopr::Counted{wopr::Side::port, wopr::Severity::correctable, {{"BadTLP", 3}}},
                                        wopr::Counted{wopr::Side::device, wopr::Severity::correctable, {{"RxErr", 1}}}});
  }
  wopr::LinkFacts facts;
  facts.slot = "PCIE3";
  const auto verdict = wopr::judge(ledger, facts, {}, policy);
  require(verdict.directions[wopr::Side::port].errors >= 3 || state.directions[wopr::Side::port].errors > 0);
  ledger.mark(at, "redriver fitted", wopr::MarkedBy::person);
  require(ledger.take_back_mark().has_value());
  ledger.begin_boot({seconds{5}, at.wall});
  require_written_again(ledger.state(), wopr::parse_ledger_state);
}

void go_on(const wopr::EndCountsState& state) {
  wopr::EndCounts counts(state, 1);
  wopr::Sample sample;
  sample.bdf = state.members.empty() ? wopr::Bdf{} : state.members.front().last.bdf;
  sample.generation = {"boot", 1, 7};
  sample.files[wopr::Severity::correctable] = wopr::CounterFile{{{"RxErr", 5}}, 5};
  wopr::EndCounts::Batch batch;
  batch.samples = {&sample};
  batch.round = 2;
  counts.take(batch);
  (void)counts.interrupts();
  require_written_again(counts.state(2), wopr::parse_end_state);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto ledger = wopr::parse_ledger_state(text)) {
    require_written_again(*ledger, wopr::parse_ledger_state);
    go_on(*ledger);
  } else {
    require(ledger.error().what.starts_with("the stored ledger"));
  }
  if (const auto end = wopr::parse_end_state(text)) {
    require_written_again(*end, wopr::parse_end_state);
    go_on(*end);
  } else {
    require(end.error().what.starts_with("the stored state of a link end"));
  }
  return 0;
}
