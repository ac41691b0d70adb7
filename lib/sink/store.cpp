// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "sink/database.hpp"
#include "sink/row_check.hpp"
#include "sink/store_file.hpp"
#include "sink/store_fold.hpp"
#include "sink/store_rows.hpp"
#include "sink/store_schema.hpp"

namespace wopr {
namespace {

std::unexpected<StoreFailure> lost(std::string what, const std::filesystem::path& file) {
  return std::unexpected(StoreFailure{StoreFailure::Kind::lost, {std::move(what), file.string(), {}}});
}

std::unexpected<StoreFailure> trouble(std::string what, const std::filesystem::path& file, std::string advice = {}) {
  return std::unexpected(
      StoreFailure{StoreFailure::Kind::trouble, {std::move(what), file.string(), std::move(advice)}});
}

// What becomes of the log when the connection closes.
enum class LogAtClose : std::uint8_t {
  brought_in,  // into the file, and it is removed if nobody else uses it
  left,        // the file is damaged, or not this program's
};

LogAtClose log_after(const StoreFailure& failure) {
  return failure.kind == StoreFailure::Kind::lost ? LogAtClose::left : LogAtClose::brought_in;
}

}  // namespace

StoreFailure failure_of(const std::exception& thrown, const std::string& file) {
  const auto* from_sqlite = dynamic_cast<const SQLite::Exception*>(&thrown);
  if (from_sqlite == nullptr) {
    return {StoreFailure::Kind::trouble, {fmt::format("cannot be used: {}", thrown.what()), file, {}}};
  }
  const auto& error = *from_sqlite;
  const int code = error.getErrorCode() & 0xff;
  StoreFailure failure{StoreFailure::Kind::trouble, {error.what(), file, {}}};
  switch (code) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      failure.kind = StoreFailure::Kind::lost;
      failure.error.what = fmt::format("is damaged: {}", error.what());
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      failure.error.what = "is locked by another program";
      failure.error.advice = fmt::format("find it with fuser {}", file);
      break;
    case SQLITE_FULL:
      failure.error.what = "the disk is full";
      break;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      failure.error.what = fmt::format("cannot be written: {}", error.what());
      failure.error.advice = "is the file system read-only, or the folder somebody else's?";
      break;
    default:
      failure.error.what = fmt::format("cannot be written: {} (SQLite {})", error.what(), error.getExtendedErrorCode());
  }
  return failure;
}

class Store::State {
 public:
  State(std::filesystem::path file, StoreLimits limits) : file_(std::move(file)), limits_(limits) {}
  ~State() { shut(LogAtClose::brought_in); }

  const std::filesystem::path& file() const { return file_; }
  std::optional<std::filesystem::path> take_begun_anew() { return std::exchange(begun_anew_, std::nullopt); }
  void set_limits(const StoreLimits& limits) { limits_ = limits; }

  // Runs `action` with the file open; what SQLite throws becomes a value, and the connection begins anew after it.
  template <class Action>
  auto guarded(Action action) -> decltype(action()) {
    try {
      auto result = action();
      if (statements_) statements_->reset();
      if (result) mark_for_readers();
      else shut(log_after(result.error()));
      return result;
    } catch (const std::exception& error) {
      auto failure = failure_of(error, file_.string());
      shut(log_after(failure));
      return std::unexpected(std::move(failure));
    }
  }

  std::expected<HistorySummary, StoreFailure> load() {
    std::error_code failed;
    const auto size = std::filesystem::file_size(file_, failed);
    if (failed == std::errc::no_such_file_or_directory || (!failed && size == 0)) {
      if (auto made = create(); !made) return std::unexpected(made.error());
    }
    if (auto opened = open_existing(); !opened) return std::unexpected(opened.error());
    return rows().summary();
  }

  std::expected<void, StoreFailure> commit(const HistoryBatch& batch, const BatchId& id) {
    if (auto opened = open_existing(); !opened) return opened;
    SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
    if (!rows().holds(id)) {
      rows().write(batch);
      rows().set_written(id);
    }
    statements_->commit(transaction);
    return {};
  }

  std::expected<void, StoreFailure> begin_anew(const HistorySummary& summary, const HistoryBoot& boot,
                                               const BatchId& id) {
    const auto marker = fmt::format("{}:{}", id.writer, id.number);
    if (begun_ != marker && has_begun(marker)) {
      begun_ = marker;
      return {};
    }
    const auto aside = set_aside();
    if (!aside) return std::unexpected(aside.error());
    if (!begun_anew_) begun_anew_ = *aside;  // what a failed try has left behind is no history
    if (auto made = create(); !made) return made;
    SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
    rows().write(summary, boot);
    rows().set_written(id);
    rows().set_meta("begun", marker);
    statements_->commit(transaction);
    begun_ = marker;
    return {};
  }

  std::expected<bool, StoreFailure> maintain() {
    if (auto opened = open_existing(); !opened) return std::unexpected(opened.error());
    return fold_step(*database_, *statements_, limits_, pressure_);
  }

  std::expected<void, StoreFailure> check() {
    if (auto opened = open_existing(); !opened) return opened;
    SQLite::Statement statement(*database_, "PRAGMA quick_check(1)");
    if (!statement.executeStep()) return {};
    const std::string said = statement.getColumn(0).getString();
    if (said == "ok") return check_rows_too();
    return lost(fmt::format("is damaged: {}", said.substr(0, said.find('\n'))), file_);
  }

  bool take_readers_must_go() { return std::exchange(readers_must_go_, false); }

  void shut(LogAtClose log) {
    rows_.reset();
    const bool in_use = statements_.has_value();
    statements_.reset();
    // A log that has lost its name may be brought in, but SQLite would then remove another's by that name.
    if (in_use && log == LogAtClose::brought_in && files_at(file_) != opened_) {
      if (files_at(file_).file == opened_.file && !log_was_replaced()) (void)bring_in_log();
      log = LogAtClose::left;
    }
    if (database_ && log == LogAtClose::left) {
      (void)sqlite3_db_config(database_->getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    }
    database_.reset();
  }

 private:
  [[nodiscard]] StoreRows& rows() {
    if (!rows_) rows_.emplace(*database_, *statements_);
    return *rows_;
  }

  // SQLite cannot know what is impossible.
  std::expected<void, StoreFailure> check_rows_too() {
    (void)rows().summary();
    statements_->reset();
    check_rows(*statements_);
    return {};
  }

  // All of the connection's own log, wherever that lies by now.
  [[nodiscard]] bool bring_in_log() {
    int frames = 0;
    int brought = 0;
    const int code = sqlite3_wal_checkpoint_v2(database_->getHandle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &frames, &brought);
    return code == SQLITE_OK && frames == brought;
  }
  // By one that holds something: its writer knows nothing of ours, and the two do not go together.
  [[nodiscard]] bool log_was_replaced() const {
    std::error_code failed;
    const auto size = std::filesystem::file_size(with_suffix(file_, "-wal"), failed);
    return !failed && size != 0 && files_at(file_).log != opened_.log;
  }

  // Somebody removed or replaced the log or its index, which an open connection would go on writing to: what it commits
  // would be lost. What it has committed is still there to be had, but only as long as it stays open.
  std::expected<void, StoreFailure> rescue() {
    // SQLite shares the index among all connections of a process: the next must not find the one that was removed.
    readers_must_go_ = true;
    wait_for_disk();
    if (log_was_replaced()) {
      shut(LogAtClose::left);
      return lost("had its log replaced by another program", file_);
    }
    statements_->reset();
    const bool whole = bring_in_log();
    shut(LogAtClose::left);
    if (!whole) return lost("lost its log to another program", file_);
    return trouble("its log was removed by another program; the file has all that was in it", file_);
  }

  // A disk that hangs or is frozen must be met in a system call. The log's index is a mapped file: whoever writes there
  // waits within a page fault, and before Linux 6.4 no other thread of the process can map memory meanwhile, and soon
  // the loop waits too (mm/memory.c, do_page_mkwrite() under mmap_lock). To change the file's time is to wait for the same.
  void wait_for_disk() const { (void)utimensat(AT_FDCWD, file_.c_str(), nullptr, 0); }

  // For the same reason. The first who reads after a commit notes in the log's index how far (walTryBeginRead in wal.c);
  // just after one the index takes no wait, and readers to come find it noted. REQUIRES: the file is open.
  void mark_for_readers() {
    (void)(*statements_)("SELECT 1 FROM meta LIMIT 1").executeStep();
    statements_->reset();
    (void)sqlite3_db_release_memory(database_->getHandle());  // a minute passes before it is used again
  }

  std::expected<void, StoreFailure> open_existing() {
    if (!database_) return open_now();
    const auto now = files_at(file_);
    if (now.file != opened_.file) {
      shut(LogAtClose::left);
      return lost("was removed or replaced", file_);
    }
    if (now != opened_) return rescue();
    wait_for_disk();
    const auto header = read_header(*database_);
    if (header.readable && !header.valid) return lost("was overwritten by something else", file_);
    return {};
  }

  std::expected<void, StoreFailure> open_now() {
    if (faccessat(AT_FDCWD, file_.c_str(), R_OK, AT_EACCESS) != 0) {
      if (errno == ENOENT) return lost("is not there any more", file_);
      return trouble(fmt::format("cannot be read: {}", std::generic_category().message(errno)), file_);
    }
    database_ = std::make_unique<SQLite::Database>(file_.string(), SQLite::OPEN_READWRITE, busy_wait_ms);
    const auto header = read_header(*database_);
    if (!header.readable) return trouble("cannot be read", file_);
    if (!header.valid || header.application != application_id) {
      return lost(header.empty ? "is empty" : "is not a history of wopr-aer", file_);
    }
    if (auto known = check_version(header.version); !known) return known;
    prepare();
    // The log may hold a newer header than the file.
    const auto version = static_cast<std::uint32_t>(database_->execAndGet("PRAGMA user_version").getInt());
    if (auto known = check_version(version); !known) return known;
    upgrade();
    return {};
  }

  [[nodiscard]] std::expected<void, StoreFailure> check_version(std::uint32_t version) const {
    if (version <= static_cast<std::uint32_t>(schema_version)) return {};
    return trouble(fmt::format("was written by a newer wopr-aer (schema {}, this one knows {}); it was not touched", version,
                               schema_version),
                   file_, "install the newer version, or move the file away to begin a new history");
  }

  void prepare() {
    database_->exec("PRAGMA synchronous=FULL");
    database_->exec("PRAGMA journal_size_limit=4194304");
    database_->exec(small_cache);
    database_->exec("PRAGMA cell_size_check=ON");
    // Another program may have changed it while we were away. Reads, and recovers the log if one was left.
    database_->exec("PRAGMA journal_mode=WAL");
    statements_.emplace(*database_);
    (void)database_->execAndGet("SELECT count(*) FROM sqlite_master").getInt();
    // From that first read on the connection holds a lock that keeps others from removing the log.
    opened_ = files_at(file_);
  }

  void upgrade() {
    for (int version = database_->execAndGet("PRAGMA user_version").getInt(); version < schema_version; ++version) {
      SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
      database_->exec(version == 0 ? schema_1 : upgrades.at(static_cast<std::size_t>(version - 1)));
      database_->exec(fmt::format("PRAGMA user_version={}", version + 1));
      transaction.commit();
    }
  }

  std::expected<void, StoreFailure> create() {
    shut(LogAtClose::brought_in);
    // A log without its file belongs to a file that was removed.
    if (const auto aside = set_aside(); !aside) return std::unexpected(aside.error());
    {
      SQLite::Database fresh(file_.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, busy_wait_ms);
      fresh.exec("PRAGMA auto_vacuum=INCREMENTAL");
      fresh.exec(fmt::format("PRAGMA application_id={}", application_id));
      fresh.exec("PRAGMA journal_mode=WAL");
      fresh.exec("PRAGMA synchronous=FULL");
      SQLite::Transaction transaction(fresh, SQLite::TransactionBehavior::IMMEDIATE);
      fresh.exec(schema_1);
      fresh.exec("PRAGMA user_version=1");
      transaction.commit();
    }
    sync_directory(file_);
    return open_now();
  }

  [[nodiscard]] bool has_begun(const std::string& marker) {
    try {
      return open_existing().has_value() && rows().meta("begun") == marker;
    } catch (const std::exception&) {
      return false;
    }
  }

  // What the file is called now, or nothing if there was none.
  std::expected<std::filesystem::path, StoreFailure> set_aside() {
    shut(LogAtClose::left);
    std::filesystem::path kept_as;
    const auto name = aside_name(file_);
    for (const auto* suffix : {"", "-wal", "-shm"}) {
      std::error_code failed;
      const auto from = with_suffix(file_, suffix);
      struct stat found {};
      if (stat(from.c_str(), &found) != 0) continue;
      // An empty file is what SQLite leaves when there was no room for a first page.
      if (found.st_size == 0) std::filesystem::remove(from, failed);
      else std::filesystem::rename(from, with_suffix(name, suffix), failed);
      if (failed) return trouble(fmt::format("cannot be set aside: {}", failed.message()), from);
      if (*suffix == '\0' && found.st_size != 0) kept_as = name;
    }
    sync_directory(file_);
    return kept_as;
  }

  std::filesystem::path file_;
  StoreLimits limits_;
  std::unique_ptr<SQLite::Database> database_;
  std::optional<Statements> statements_;  // both go before the database
  std::optional<StoreRows> rows_;
  StoreFiles opened_;             // what the connection has open
  bool readers_must_go_ = false;  // see Store::take_readers_must_go()
  std::string begun_;
  std::optional<std::filesystem::path> begun_anew_;  // see take_begun_anew()
  unsigned pressure_ = 0;
};

StoreLimits StoreLimits::of(unsigned days, unsigned megabytes) {
  StoreLimits limits;
  limits.retention = std::chrono::hours(24) * days;
  limits.hours = std::min(limits.hours, limits.retention);
  limits.raw = std::min(limits.raw, limits.retention);
  limits.bytes = std::uint64_t{megabytes} << 20;
  return limits;
}

Store::Store(std::filesystem::path file, StoreLimits limits)
    : state_(std::make_unique<State>(std::move(file), limits)) {}
Store::~Store() = default;

std::expected<HistorySummary, StoreFailure> Store::load() {
  return state_->guarded([&] { return state_->load(); });
}
std::expected<void, StoreFailure> Store::commit(const HistoryBatch& batch, const BatchId& id) {
  return state_->guarded([&] { return state_->commit(batch, id); });
}
std::expected<void, StoreFailure> Store::begin_anew(const HistorySummary& summary, const HistoryBoot& boot,
                                                    const BatchId& id) {
  return state_->guarded([&] { return state_->begin_anew(summary, boot, id); });
}
std::expected<bool, StoreFailure> Store::maintain() {
  return state_->guarded([&] { return state_->maintain(); });
}
std::expected<void, StoreFailure> Store::check() {
  return state_->guarded([&] { return state_->check(); });
}
std::optional<std::filesystem::path> Store::take_begun_anew() { return state_->take_begun_anew(); }
void Store::set_limits(const StoreLimits& limits) { state_->set_limits(limits); }
const std::filesystem::path& Store::file() const { return state_->file(); }
bool Store::take_readers_must_go() { return state_->take_readers_must_go(); }
void Store::close() { state_->shut(LogAtClose::brought_in); }

}  // namespace wopr
