// SPDX-License-Identifier: GPL-2.0-or-later
//
// The history in the service: what it hands to the store's thread, and what it hears from there.
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <utility>

#include "source/clock.hpp"
#include "source/local_time.hpp"
#include "state.hpp"

namespace wopr {
namespace {

// A mark for a time in the past waits so long for the store.
constexpr std::uint64_t dated_patience_us = 10'000'000;

}  // namespace

OpenedStore open_store(const std::filesystem::path& directory) {
  if (directory.empty()) return {};
  StoreOptions options;
  options.file = directory / "history.db";
  const auto now = read_clocks();
  options.writer = fmt::format("{}-{}", getpid(), now.wall.time_since_epoch().count());
  auto store = std::make_unique<Store>(options.file);
  auto known = store->load();
  if (known) {
    auto summary = *known;
    return {std::make_unique<StoreThread>(std::move(options), std::move(store), std::move(summary)), std::move(*known)};
  }
  // Damaged: the thread sets it aside and begins anew. Unreadable: it goes on trying.
  const auto trouble = to_string(known.error().error);
  spdlog::warn("<4>{}; monitoring goes on", trouble);
  return {std::make_unique<StoreThread>(std::move(options), std::move(store), std::nullopt), std::nullopt};
}

Result<void> Daemon::State::add_store() {
  if (!store) return {};
  const auto handler = [](sd_event_source*, int, std::uint32_t, void* state) {
    static_cast<State*>(state)->hear_store();
    return 0;
  };
  return add_io(store_io, store->report_fd(), handler, "listen to the store");
}

BusRequests Daemon::State::requests() {
  BusRequests requests;
  if (!store) return requests;
  requests.history = [this](HistoryQuery query, int pipe) -> Result<void> {
    remember(true);
    if (store->answer(std::move(query), pipe)) return {};
    return fail("too many readers of the history at once", {}, "try again when one of them has ended");
  };
  requests.mark = [this](const Bdf& port, std::string text, std::string by) -> Result<void> {
    const auto marked = monitor.mark(port, std::move(text), std::move(by));
    if (!marked) return std::unexpected(marked.error());
    take(*marked);
    remember(true);
    return {};
  };
  requests.mark_at = [this](const Bdf& port, std::string text, WallTime at, std::string by,
                            std::function<void(Result<void>)> done) {
    mark_at(port, std::move(text), at, std::move(by), std::move(done));
  };
  requests.undo_mark = [this](const Bdf& port, std::string by) -> Result<MarkTakenBack> {
    auto taken = monitor.take_back_mark(port, std::move(by));
    if (!taken) return std::unexpected(taken.error());
    take(taken->second);
    remember(true);
    return std::move(taken->first);
  };
  return requests;
}

// What the store has on the disk is judged again there; what is seen meanwhile waits with the mark.
void Daemon::State::mark_at(const Bdf& port, std::string text, WallTime at, std::string by,
                            std::function<void(Result<void>)> done) {
  take(monitor.sample());
  auto question = monitor.begin_dated_mark(port, std::move(text), at, std::move(by));
  if (!question) return done(std::unexpected(question.error()));
  const LinkId link{question->link};
  remember(true);
  if (!store->judge_again(++dated_number, std::move(*question))) {
    monitor.cancel_dated_mark(link);
    return done(fail("too many marks for a time in the past at once", {}, "try again in a moment"));
  }
  dated.emplace(dated_number, Dated{link, now() + dated_patience_us, std::move(done)});
}

void Daemon::State::hear_judged() {
  for (auto& [number, ledger] : store->take_judged()) {
    auto waiting = dated.extract(number);
    if (waiting.empty()) continue;  // given up
    const auto& link = waiting.mapped().link;
    Result<void> result;
    if (!ledger) {
      monitor.cancel_dated_mark(link);
      result = std::unexpected(ledger.error());
    } else if (auto marked = monitor.finish_dated_mark(link, std::move(*ledger))) {
      take(*marked);
      remember(true);
    } else {
      result = std::unexpected(marked.error());
    }
    waiting.mapped().done(std::move(result));
  }
}

void Daemon::State::give_up_dated() {
  while (!dated.empty() && dated.begin()->second.until <= now()) {
    auto late = dated.extract(dated.begin());
    monitor.cancel_dated_mark(late.mapped().link);
    late.mapped().done(fail("the history did not answer in time; nothing was marked", {}, "see wopr-aer status"));
  }
}

// Everything the store is due; it takes it from here without anybody waiting.
void Daemon::State::remember(bool all) {
  if (!store) return;
  if (auto batch = monitor.take_history(all)) store->write(std::move(*batch));
}

void Daemon::State::limit_store() {
  const auto& config = monitor.config();
  if (store) store->set_limits(StoreLimits::of(config.history_days, config.history_megabytes));
}

void Daemon::State::hear_store() {
  const auto report = store->report();
  hear_judged();
  if (report.readable_now) {
    if (auto known = store->take_known()) begin_from(std::move(*known));
  }
  const auto before = std::exchange(degraded, report.degraded);
  const bool anew = std::exchange(files_lost, report.files_lost) < report.files_lost;
  if (degraded == before && !anew) return;
  if (anew) {
    loss_note = fmt::format("The history was begun anew on {}: {}.", local_minute(read_clocks().wall), report.last_loss);
    announce({JournalRecord{RecordKind::history_anew, 4, fmt::format("the history was begun anew: {}", report.last_loss), {}}});
  }
  if (!degraded.empty() && degraded != before) {
    announce({JournalRecord{RecordKind::history_fails, 4,
                            fmt::format("the history cannot be written, what is counted waits in memory: {}", degraded),
                            {{"WOPR_REASON", degraded}}}});
  } else if (degraded.empty() && !anew) {
    announce({JournalRecord{RecordKind::history_works, 5, "the history is written again; nothing was lost", {}}});
  }
  show({});
}

// The history could not be read at the start and can be now: what the kernel counted is counted again from it.
void Daemon::State::begin_from(HistorySummary known) {
  take(monitor.begin_anew(std::move(known)));
  monitor.note_event(HistoryEventKind::watch_begins, WOPR_VERSION);
  remember(true);
}

}  // namespace wopr
