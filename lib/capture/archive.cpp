// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/archive.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace wopr {
namespace {

constexpr std::size_t block = 512;
constexpr int gzip_format = 16 + MAX_WBITS;
constexpr int memory_level = 8;  // zlib's default

// Header fields: pax(1), "ustar Interchange Format".
struct Field {
  std::size_t offset;
  std::size_t size;
};
constexpr Field name_field{0, 100}, mode_field{100, 8}, owner_field{108, 8}, group_field{116, 8}, size_field{124, 12},
    time_field{136, 12}, sum_field{148, 8}, type_field{156, 1}, link_field{157, 100}, magic_field{257, 8},
    owner_name_field{265, 32}, group_name_field{297, 32};

enum class Kind : char { file = '0', link = '2', directory = '5', extended = 'x' };

class Compressor {
 public:
  Compressor() { ready_ = deflateInit2(&stream_, Z_BEST_COMPRESSION, Z_DEFLATED, gzip_format, memory_level, Z_DEFAULT_STRATEGY) == Z_OK; }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  ~Compressor() { deflateEnd(&stream_); }

  void write(std::string_view data, int flush = Z_NO_FLUSH) {
    std::array<Bytef, 16384> buffer;
    // zlib counts in unsigned int; nothing here is near that.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
    stream_.avail_in = static_cast<uInt>(data.size());
    int result = Z_OK;
    do {
      stream_.next_out = buffer.data();
      stream_.avail_out = static_cast<uInt>(buffer.size());
      result = ready_ ? deflate(&stream_, flush) : Z_STREAM_ERROR;
      if (result == Z_STREAM_ERROR) {
        ready_ = false;
        return;
      }
      packed_.append(reinterpret_cast<const char*>(buffer.data()), buffer.size() - stream_.avail_out);
    } while (stream_.avail_out == 0);
    finished_ = finished_ || result == Z_STREAM_END;
  }

  Result<std::string> finish() {
    write({}, Z_FINISH);
    if (!ready_ || !finished_) return fail("zlib could not compress");
    return std::move(packed_);
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
  bool finished_ = false;
  std::string packed_;
};

std::size_t padded(std::size_t size) { return (size + block - 1) / block * block; }

// "27 path=some/where\n": the length counts itself.
std::string pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;  // blank, '=', newline
  std::size_t length = rest + 1;
  while (fmt::formatted_size("{}", length) + rest != length) ++length;
  return fmt::format("{} {}={}\n", length, key, value);
}

std::string header(std::string_view name, Kind kind, std::size_t size, std::int64_t seconds, std::string_view target) {
  std::string bytes(block, '\0');
  const auto put = [&](Field field, std::string_view text) {
    std::copy_n(text.begin(), std::min(text.size(), field.size), bytes.begin() + static_cast<std::ptrdiff_t>(field.offset));
  };
  put(name_field, name);
  put(mode_field, kind == Kind::directory ? "0000755" : kind == Kind::link ? "0000777" : "0000644");
  put(owner_field, "0000000");
  put(group_field, "0000000");
  put(size_field, fmt::format("{:011o}", size));
  put(time_field, fmt::format("{:011o}", std::max<std::int64_t>(seconds, 0)));
  put(sum_field, "        ");
  put(type_field, std::string(1, static_cast<char>(kind)));
  put(link_field, target);
  put(magic_field, std::string_view("ustar\00000", 8));
  put(owner_name_field, "root");
  put(group_name_field, "root");
  unsigned sum = 0;
  for (const char c : bytes) sum += static_cast<unsigned char>(c);
  put(sum_field, fmt::format("{:06o}", sum));
  bytes[sum_field.offset + 6] = '\0';
  return bytes;
}

}  // namespace

struct Archive::State {
  std::string top;
  std::int64_t seconds = 0;
  std::size_t limit = 0;
  std::size_t size = 0;
  std::size_t files = 0;
  std::set<std::string, std::less<>> directories;
  Compressor out;

  bool entry(const std::string& name, Kind kind, std::string_view content, std::string_view target);
  bool make_directories(std::string_view path);
  bool add(std::string_view path, Kind kind, std::string_view content, std::string_view target);
};

bool Archive::State::entry(const std::string& name, Kind kind, std::string_view content, std::string_view target) {
  std::string extended;
  if (name.size() > name_field.size) extended += pax_record("path", name);
  if (target.size() > link_field.size) extended += pax_record("linkpath", target);
  std::size_t needed = block + padded(content.size());
  if (!extended.empty()) needed += block + padded(extended.size());
  if (size + needed > limit) return false;
  size += needed;
  const auto write = [&](std::string_view data) {
    out.write(data);
    out.write(std::string(padded(data.size()) - data.size(), '\0'));
  };
  if (!extended.empty()) {
    out.write(header("pax", Kind::extended, extended.size(), seconds, {}));
    write(extended);
  }
  out.write(header(name, kind, content.size(), seconds, target));
  write(content);
  return true;
}

bool Archive::State::make_directories(std::string_view path) {
  for (auto slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
    const auto above = path.substr(0, slash);
    if (directories.contains(above)) continue;
    if (!entry(std::string{above} + "/", Kind::directory, {}, {})) return false;
    directories.emplace(above);
  }
  return true;
}

bool Archive::State::add(std::string_view path, Kind kind, std::string_view content, std::string_view target) {
  const auto name = fmt::format("{}/{}", top, path);
  if (!make_directories(name) || !entry(name, kind, content, target)) return false;
  ++files;
  return true;
}

Archive::Archive(std::string top, std::int64_t seconds, std::size_t limit) : state_(std::make_unique<State>()) {
  state_->top = std::move(top);
  state_->seconds = seconds;
  state_->limit = limit;
}
Archive::~Archive() = default;
Archive::Archive(Archive&&) noexcept = default;
Archive& Archive::operator=(Archive&&) noexcept = default;

bool Archive::add_file(std::string_view path, std::string_view content) { return state_->add(path, Kind::file, content, {}); }
bool Archive::add_link(std::string_view path, std::string_view target) { return state_->add(path, Kind::link, {}, target); }
bool Archive::add_directory(std::string_view path) {
  return state_->make_directories(fmt::format("{}/{}/", state_->top, path));
}

std::size_t Archive::files() const { return state_->files; }
std::size_t Archive::unpacked_size() const { return state_->size; }

Result<std::string> Archive::finish() {
  state_->out.write(std::string(2 * block, '\0'));
  return state_->out.finish();
}

Result<std::string> gzip(std::string_view text) {
  Compressor out;
  out.write(text);
  return out.finish();
}

}  // namespace wopr
