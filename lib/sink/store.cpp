// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/store.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <system_error>
#include <utility>

#include "core/base/unique_fd.hpp"
#include "sink/database.hpp"
#include "sink/store_fold.hpp"
#include "sink/store_rows.hpp"
#include "sink/store_schema.hpp"

namespace wopr {
namespace {

constexpr std::size_t header_size = 100;
constexpr std::string_view header_magic{"SQLite format 3\0", 16};  // https://www.sqlite.org/fileformat.html 1.3

struct Header {
  bool readable = false;
  bool empty = true;
  bool valid = false;
  std::uint32_t version = 0;      // user_version
  std::uint32_t application = 0;
};

std::uint32_t big_endian(const unsigned char* bytes) {
  return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
         static_cast<std::uint32_t>(bytes[2]) << 8 | static_cast<std::uint32_t>(bytes[3]);
}

// The file's first bytes, without SQLite: looking at a file of another version must not touch it.
Header read_header(const std::filesystem::path& file) {
  Header header;
  const UniqueFd descriptor(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!descriptor) return header;
  std::array<unsigned char, header_size> bytes{};
  const auto size = pread(descriptor.get(), bytes.data(), bytes.size(), 0);
  header.readable = size >= 0;
  header.empty = size == 0;
  header.valid = size == static_cast<ssize_t>(bytes.size()) &&
                 std::memcmp(bytes.data(), header_magic.data(), header_magic.size()) == 0;
  if (!header.valid) return header;
  header.version = big_endian(&bytes[60]);
  header.application = big_endian(&bytes[68]);
  return header;
}

std::unexpected<StoreFailure> lost(std::string what, const std::filesystem::path& file) {
  return std::unexpected(StoreFailure{StoreFailure::Kind::lost, {std::move(what), file.string(), {}}});
}

std::unexpected<StoreFailure> trouble(std::string what, const std::filesystem::path& file, std::string advice = {}) {
  return std::unexpected(
      StoreFailure{StoreFailure::Kind::trouble, {std::move(what), file.string(), std::move(advice)}});
}

std::filesystem::path with_suffix(std::filesystem::path file, std::string_view suffix) {
  file += suffix;
  return file;
}

// Beside the file, by date; never one that is there already.
std::filesystem::path aside_name(const std::filesystem::path& file) {
  const auto stem = fmt::format("{}.damaged-{:%Y%m%dT%H%M%SZ}", file.string(), fmt::gmtime(std::time(nullptr)));
  std::filesystem::path name = stem;
  std::error_code ignored;
  for (int i = 1; std::filesystem::exists(name, ignored); ++i) name = fmt::format("{}.{}", stem, i);
  return name;
}

void sync_directory(const std::filesystem::path& file) {
  const UniqueFd directory(open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory) (void)fsync(directory.get());
}

}  // namespace

StoreFailure failure_of(const SQLite::Exception& error, const std::string& file) {
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
  ~State() { shut(true); }

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
      else shut(result.error().kind != StoreFailure::Kind::lost);
      return result;
    } catch (const SQLite::Exception& error) {
      auto failure = failure_of(error, file_.string());
      shut(failure.kind != StoreFailure::Kind::lost);
      return std::unexpected(std::move(failure));
    }
  }

  std::expected<HistorySummary, StoreFailure> load() {
    const auto header = read_header(file_);
    if (!header.readable || header.empty) {
      std::error_code ignored;
      if (header.readable || !std::filesystem::exists(file_, ignored)) {
        if (auto made = create(); !made) return std::unexpected(made.error());
      }
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
    if (said == "ok") return {};
    return lost(fmt::format("is damaged: {}", said.substr(0, said.find('\n'))), file_);
  }

  // `tidy`: the log may be brought into the file and removed. Not when the file is damaged, or not this program's.
  void shut(bool tidy) {
    rows_.reset();
    statements_.reset();
    if (database_ && !tidy) {
      (void)sqlite3_db_config(database_->getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    }
    database_.reset();
  }

 private:
  [[nodiscard]] StoreRows& rows() {
    if (!rows_) rows_.emplace(*database_, *statements_);
    return *rows_;
  }

  // An open connection goes on writing to a file that was removed or replaced: what it keeps would be lost.
  [[nodiscard]] bool still_there() const {
    struct stat now {};
    if (stat(file_.c_str(), &now) != 0 || now.st_dev != opened_.st_dev || now.st_ino != opened_.st_ino) return false;
    struct stat log {};
    return stat(with_suffix(file_, "-wal").c_str(), &log) == 0;
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
  }

  std::expected<void, StoreFailure> open_existing() {
    if (database_ && still_there()) {
      wait_for_disk();
      const auto header = read_header(file_);
      if (header.readable && !header.valid) return lost("was overwritten by something else", file_);
      return {};
    }
    if (database_) {
      struct stat now {};
      const bool same = stat(file_.c_str(), &now) == 0 && now.st_dev == opened_.st_dev && now.st_ino == opened_.st_ino;
      // Only its log was removed: closing brings what it held into the file.
      shut(same);
      if (!same) return lost("was removed or replaced", file_);
    }
    return open_now();
  }

  std::expected<void, StoreFailure> open_now() {
    const auto header = read_header(file_);
    if (!header.readable) {
      const int code = errno;
      std::error_code failed;
      if (!std::filesystem::exists(file_, failed) && !failed) return lost("is not there any more", file_);
      return trouble(fmt::format("cannot be read: {}", std::generic_category().message(code)), file_);
    }
    if (!header.valid || header.application != application_id) {
      return lost(header.empty ? "is empty" : "is not a history of wopr-aer", file_);
    }
    if (header.version > static_cast<std::uint32_t>(schema_version)) {
      return trouble(fmt::format("was written by a newer wopr-aer (schema {}, this one knows {}); it was not touched",
                                 header.version, schema_version),
                     file_, "install the newer version, or move the file away to begin a new history");
    }
    connect(SQLite::OPEN_READWRITE);
    upgrade();
    return {};
  }

  void connect(int flags) {
    database_ = std::make_unique<SQLite::Database>(file_.string(), flags, busy_wait_ms);
    database_->exec("PRAGMA synchronous=FULL");
    database_->exec("PRAGMA journal_size_limit=4194304");
    database_->exec(small_cache);
    database_->exec("PRAGMA cell_size_check=ON");
    statements_.emplace(*database_);
    // The first read recovers the log, if one was left.
    (void)database_->execAndGet("SELECT count(*) FROM sqlite_master").getInt();
    if (stat(file_.c_str(), &opened_) != 0) opened_ = {};
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
    shut(true);
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
    connect(SQLite::OPEN_READWRITE);
    upgrade();
    return {};
  }

  [[nodiscard]] bool has_begun(const std::string& marker) {
    try {
      return open_existing().has_value() && rows().meta("begun") == marker;
    } catch (const SQLite::Exception&) {
      return false;
    }
  }

  // What the file is called now, or nothing if there was none.
  std::expected<std::filesystem::path, StoreFailure> set_aside() {
    shut(false);
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
  struct stat opened_ {};
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
void Store::close() { state_->shut(true); }

}  // namespace wopr
