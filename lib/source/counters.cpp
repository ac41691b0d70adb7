// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/counters.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "source/sysfs.hpp"

namespace wopr {
namespace {

// drivers/pci/pcie/aer.c: aer_stats_attrs. The first three in the order of Severity, then the root port's
// totals.
constexpr std::array<const char*, 6> file_names = {"aer_dev_correctable",
                                                   "aer_dev_nonfatal",
                                                   "aer_dev_fatal",
                                                   "aer_rootport_total_err_cor",
                                                   "aer_rootport_total_err_nonfatal",
                                                   "aer_rootport_total_err_fatal"};

struct CounterFileState {
  UniqueFd fd;
  bool missing = false;                // the kernel shows no such file for this generation; it never will
  std::string bytes;                   // as last read; empty before the first read
  bool parsed = false;                 // `values` holds what some round has read
  CounterFile values;                  // of aer_dev_*
  std::optional<std::uint64_t> total;  // of aer_rootport_*
  std::vector<Error> problems;         // of the bytes above
};

struct Watched {
  Bdf bdf;
  std::string name;
  UniqueFd directory;
  Generation generation;
  timespec modified{};  // of a plain directory: changes when a file in it is replaced
  bool known = false;   // `generation` has been seen; false before the first sight and after it vanished
  bool reported_gone = false;
  bool due = true;  // goes into `changed` even without change
  std::array<CounterFileState, file_names.size()> files;

  [[nodiscard]] bool has_files() const {
    return !std::ranges::all_of(files, [](const auto& file) { return file.missing; });
  }
  [[nodiscard]] std::size_t descriptors() const {
    return (directory ? 1U : 0U) +
           static_cast<std::size_t>(std::ranges::count_if(files, [](const auto& f) { return bool(f.fd); }));
  }
  void release() {
    directory.reset();
    for (auto& file : files) file.fd.reset();
  }
};

enum class Presence : std::uint8_t { here, gone };

bool is_fresh(const timespec& time) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec - time.tv_sec < 2;
}

bool same(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

}  // namespace

struct CounterReader::State {
  State(const Root& at, std::string boot, const CounterLimits& within)
      : root(at), live(at.is_live()), boot_id(std::move(boot)), limits(within) {}

  bool open_bus(std::vector<Error>& problems);
  void read(Watched& watched, Round& round);
  Presence ensure_open(Watched& watched, Round& round);
  Presence check_plain(Watched& watched);
  Presence read_file(Watched& watched, std::size_t index, bool& changed, Round& round);
  void parse(CounterFileState& file, std::size_t index, const std::string& where) const;
  void lose(Watched& watched, Round& round) const;
  [[nodiscard]] Sample sample_of(const Watched& watched) const;
  [[nodiscard]] std::string path_of(const Watched& watched, std::size_t index) const {
    return fmt::format("{}/{}/{}", root.pci_devices().string(), watched.name, file_names[index]);
  }

  Root root;
  bool live;  // asked for every function in every round
  std::string boot_id;
  CounterLimits limits;
  // Left as it is, so that of what a page of sysfs never fills nothing is ours.
  std::size_t buffer_size = limits.file_bytes + 1;
  std::unique_ptr<char[]> buffer = std::make_unique_for_overwrite<char[]>(buffer_size);
  UniqueFd bus;
  std::map<Bdf, Watched> functions;
  std::size_t held = 0;
  std::optional<std::vector<std::pair<std::string, std::uint64_t>>> listing;
};

bool CounterReader::State::open_bus(std::vector<Error>& problems) {
  if (bus) return true;
  const std::string path = root.pci_devices().string();
  bus = UniqueFd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!bus) problems.push_back(fail_errno(errno, path).error().error);
  return static_cast<bool>(bus);
}

void CounterReader::State::lose(Watched& watched, Round& round) const {
  if (!watched.reported_gone) round.vanished.push_back(watched.bdf);
  watched.reported_gone = true;
  watched.known = false;
  watched.due = true;
  for (auto& file : watched.files) file = CounterFileState{};
  // The directory stays held until another one has been found: its inode number cannot come again before.
}

// Opens what is not open. Gone: there is no such function, or it is not the one last seen.
Presence CounterReader::State::ensure_open(Watched& watched, Round& round) {
  if (watched.known && watched.directory) return Presence::here;
  UniqueFd directory(::openat(bus.get(), watched.name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (!directory && errno != ENOENT && errno != ENODEV) {
    round.problems.push_back(
        fail_errno(errno, fmt::format("{}/{}", root.pci_devices().string(), watched.name)).error().error);
    return Presence::here;
  }
  if (!directory || ::fstat(directory.get(), &status) != 0) return Presence::gone;
  Generation found{boot_id, status.st_dev, status.st_ino};
  const bool as_before = found == watched.generation;
  if (watched.known && !as_before) return Presence::gone;
  // The kernel removes a device's files before its entry on the bus (drivers/base/core.c: device_del), so
  // what was just lost may still be found for a moment, without files.
  if (watched.reported_gone && as_before && live) return Presence::gone;
  if (!watched.known) {
    watched.generation = std::move(found);
    watched.modified = status.st_mtim;
    watched.known = true;
    watched.reported_gone = false;
  }
  watched.directory = std::move(directory);
  return Presence::here;
}

// Plain files answer for ever; their directory tells when it was removed or a file in it replaced.
Presence CounterReader::State::check_plain(Watched& watched) {
  struct stat status {};
  if (::fstat(watched.directory.get(), &status) != 0 || status.st_nlink == 0) return Presence::gone;
  if (!same(status.st_mtim, watched.modified)) {
    // Times have the grain of a timer tick: after so fresh a change another one may show the same time.
    watched.modified = is_fresh(status.st_mtim) ? timespec{} : status.st_mtim;
    for (auto& file : watched.files) {
      file.fd.reset();
      file.missing = false;
    }
  }
  return Presence::here;
}

Presence CounterReader::State::read_file(Watched& watched, std::size_t index, bool& changed, Round& round) {
  auto& file = watched.files[index];
  if (file.missing) return Presence::here;
  const auto report = [&](Failure failure) {
    if (failure.code == ENODEV) return Presence::gone;
    round.problems.push_back(std::move(failure.error));
    return Presence::here;
  };
  if (!file.fd) {
    file.fd =
        UniqueFd(::openat(watched.directory.get(), file_names[index], O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file.fd && errno == ENOENT) {
      file.missing = true;
      return Presence::here;
    }
    if (!file.fd) return report(fail_errno(errno, path_of(watched, index)).error());
  }
  // One pread gives a whole attribute: kernfs renders it into one buffer of a page, and ours is larger.
  ssize_t got = 0;
  do {
    got = ::pread(file.fd.get(), buffer.get(), buffer_size, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return report(fail_errno(errno, path_of(watched, index)).error());
  const auto size = static_cast<std::size_t>(got);
  if (size > limits.file_bytes)
    return report(
        Failure{Error{fmt::format("more than {} bytes, which no counter file has", limits.file_bytes),
                      path_of(watched, index),
                      {}},
                0});
  const bool as_before =
      file.parsed && size == file.bytes.size() && std::memcmp(file.bytes.data(), buffer.get(), size) == 0;
  if (!as_before) {
    file.bytes.assign(buffer.get(), size);
    parse(file, index, path_of(watched, index));
    changed = true;
  }
  if (!file.problems.empty()) std::ranges::copy(file.problems, std::back_inserter(round.problems));
  return Presence::here;
}

void CounterReader::State::parse(CounterFileState& file, std::size_t index, const std::string& where) const {
  file.problems.clear();
  file.parsed = true;
  if (index < severities.size()) {
    auto parsed = parse_counters(file.bytes, where);
    file.values = std::move(parsed.value);
    file.problems = std::move(parsed.problems);
  } else if (auto total = parse_total(file.bytes, where)) {
    file.total = *total;
  } else {
    file.problems.push_back(std::move(total.error()));
  }
}

Sample CounterReader::State::sample_of(const Watched& watched) const {
  Sample sample;
  sample.bdf = watched.bdf;
  sample.generation = watched.generation;
  for (const auto severity : severities) {
    const auto& file = watched.files[static_cast<std::size_t>(severity)];
    if (file.parsed) sample.files[severity] = file.values;
  }
  const auto root_files = std::span(watched.files).subspan(severities.size());
  if (std::ranges::any_of(root_files, [](const auto& file) { return file.total.has_value(); }))
    sample.root_port = RootPortMessages{root_files[0].total, root_files[1].total, root_files[2].total};
  return sample;
}

void CounterReader::State::read(Watched& watched, Round& round) {
  if (ensure_open(watched, round) == Presence::gone) return lose(watched, round);
  if (!watched.directory) return;  // it is there but cannot be opened; the problem says so
  if (!live && check_plain(watched) == Presence::gone) return lose(watched, round);
  bool changed = false;
  for (std::size_t i = 0; i < file_names.size(); ++i)
    if (read_file(watched, i, changed, round) == Presence::gone) return lose(watched, round);
  if (changed || watched.due) round.changed.push_back(sample_of(watched));
  watched.due = false;
}

CounterReader::CounterReader(const Root& root, std::string boot_id, const CounterLimits& limits)
    : state_(std::make_unique<State>(root, std::move(boot_id), limits)) {}
CounterReader::~CounterReader() = default;
CounterReader::CounterReader(CounterReader&&) noexcept = default;
CounterReader& CounterReader::operator=(CounterReader&&) noexcept = default;

void CounterReader::watch(std::span<const Bdf> functions) {
  std::map<Bdf, Watched> next;
  for (const Bdf& bdf : functions) {
    if (auto kept = state_->functions.extract(bdf)) {
      next.insert(std::move(kept));
    } else if (const auto [entry, added] = next.try_emplace(bdf); added) {
      entry->second.bdf = bdf;
      entry->second.name = to_string(bdf);
    }
  }
  state_->functions = std::move(next);
}

Round CounterReader::read() {
  Round round;
  if (!state_->open_bus(round.problems)) return round;
  std::size_t held = 0;
  for (auto& [bdf, watched] : state_->functions) {
    state_->read(watched, round);
    // A function without counter files is looked up by its path in each round; nothing is held for it.
    const std::size_t wanted = watched.descriptors();
    if (watched.known && (!watched.has_files() || held + wanted > state_->limits.descriptors))
      watched.release();
    held += watched.descriptors();
  }
  return round;
}

bool CounterReader::bus_changed() {
  // Inode numbers of the entries beside their names: a link that was removed and made again has another one.
  std::vector<std::pair<std::string, std::uint64_t>> now;
  const auto close_stream = [](DIR* stream) { ::closedir(stream); };
  const std::unique_ptr<DIR, decltype(close_stream)> stream(::opendir(state_->root.pci_devices().c_str()),
                                                            close_stream);
  while (const dirent* entry = stream ? ::readdir(stream.get()) : nullptr)
    if (entry->d_name[0] != '.') now.emplace_back(entry->d_name, entry->d_ino);
  std::ranges::sort(now);
  const bool changed = state_->listing != now;
  state_->listing = std::move(now);
  return changed;
}

std::size_t CounterReader::descriptors() const {
  std::size_t total = state_->bus ? 1 : 0;
  for (const auto& [bdf, watched] : state_->functions) total += watched.descriptors();
  return total;
}

}  // namespace wopr
