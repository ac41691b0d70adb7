// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/trace_text.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/base/rfc3339.hpp"

namespace wopr {
namespace {

using Json = nlohmann::json;

constexpr std::size_t line_limit = 64 * 1024;
constexpr double latest_s = 1e10;  // three centuries, and far inside 64-bit nanoseconds at microseconds' grain

std::optional<Nanoseconds> time_of(double seconds) {
  if (!(seconds >= 0) || seconds > latest_s / 2) return std::nullopt;
  return std::chrono::microseconds(std::llround(seconds * 1e6));
}

// Takes fields out of an object one by one, remembering the first complaint; what is left over is not known to us.
class Fields {
 public:
  explicit Fields(const Json& object) : object_(object) {}

  const Json* raw(const char* key) {
    used_.insert(key);
    const auto it = object_.find(key);
    return it == object_.end() ? nullptr : &*it;
  }
  void complain(const char* key, std::string_view expected) {
    if (problem_.empty()) problem_ = fmt::format("field \"{}\": expected {}", key, expected);
  }
  std::optional<std::string> text(const char* key, bool required = false) {
    const auto* value = raw(key);
    if (value != nullptr && value->is_string() && value->get_ref<const std::string&>().size() <= 1024) {
      return value->get<std::string>();
    }
    if (value != nullptr || required) complain(key, "a text of at most 1024 bytes");
    return std::nullopt;
  }
  template <Worded E>
  std::optional<E> word(const char* key, bool required = false) {
    const auto value = text(key, required);
    const auto known = value ? parse_word<E>(*value) : std::nullopt;
    if (value && !known) complain(key, word_list<E>());
    return known;
  }
  std::optional<double> number(const char* key, bool required = false) {
    const auto* value = raw(key);
    if (value != nullptr && value->is_number()) return value->get<double>();
    if (value != nullptr || required) complain(key, "a number");
    return std::nullopt;
  }
  std::optional<std::uint64_t> count(const char* key, bool required = false) {
    const auto* value = raw(key);
    if (value != nullptr && value->is_number_unsigned()) return value->get<std::uint64_t>();
    if (value != nullptr || required) complain(key, "a whole number, not negative");
    return std::nullopt;
  }
  std::optional<bool> flag(const char* key, bool required = false) {
    const auto* value = raw(key);
    if (value != nullptr && value->is_boolean()) return value->get<bool>();
    if (value != nullptr || required) complain(key, "true or false");
    return std::nullopt;
  }
  std::optional<Nanoseconds> time(const char* key) {
    const auto seconds = number(key, true);
    const auto at = seconds ? time_of(*seconds) : std::nullopt;
    if (!at) complain(key, "seconds, from 0 to five billion");
    return at;
  }
  std::optional<WallTime> wall(const char* key) {
    const auto value = text(key, true);
    if (!value) return std::nullopt;
    auto parsed = parse_rfc3339(*value);
    if (parsed) return *parsed;
    complain(key, "a time such as 2026-03-01T20:15:07Z");
    return std::nullopt;
  }
  [[nodiscard]] std::string extra() const {
    std::string result;
    for (const auto& [key, value] : object_.items()) {
      if (used_.contains(key)) continue;
      result += fmt::format("{}{}:{}", result.empty() ? "" : ",", Json(key).dump(), value.dump());
    }
    return result;
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  const Json& object_;
  std::set<std::string, std::less<>> used_;
  std::string problem_;
};

std::optional<Evidence> evidence_of(const Json& value) {
  if (!value.is_string()) return std::nullopt;
  return parse_word<Evidence>(value.get_ref<const std::string&>());
}

TraceLink link_of(Fields& fields) {
  TraceLink link;
  link.link = fields.text("link", true).value_or("");
  if (const auto port = fields.text("port")) {
    if (auto bdf = parse_bdf(*port)) link.port = *bdf;
    else fields.complain("port", "an address such as 0000:c0:01.1");
  }
  link.slot = fields.text("slot");
  for (const auto& [key, gone] : {std::pair{"speed", &link.speed_gone}, {"width", &link.width_gone}}) {
    const auto* value = fields.raw(key);
    *gone = value != nullptr && value->is_null();
  }
  for (const auto& [key, field] : {std::pair{"speed", &link.speed_gts}, {"max_speed", &link.max_speed_gts}}) {
    if (field == &link.speed_gts && link.speed_gone) continue;
    const auto speed = fields.number(key);
    if (speed && !generation_of(*speed)) fields.complain(key, "2.5, 5, 8, 16, 32 or 64");
    *field = speed;
  }
  for (const auto& [key, field] : {std::pair{"width", &link.width}, {"max_width", &link.max_width}}) {
    if (field == &link.width && link.width_gone) continue;
    const auto width = fields.count(key);
    if (!width) continue;
    if (*width == 0 || *width > 32) fields.complain(key, "1 to 32 lanes");
    *field = static_cast<unsigned>(std::min<std::uint64_t>(*width, 32));
  }
  if (const auto* both = fields.raw("evidence")) {
    BySide<Evidence> ends;
    bool ok = both->is_array() && both->size() == 2;
    for (const auto side : sides) {
      const auto evidence = ok ? evidence_of((*both)[side == Side::port ? 0 : 1]) : std::nullopt;
      ok = evidence.has_value();
      ends[side] = evidence.value_or(Evidence::blind);
    }
    if (ok) link.evidence = ends;
    else fields.complain("evidence", fmt::format("two of {}: of the port and the device", word_list<Evidence>()));
  }
  link.sticky_counts = fields.flag("sticky_counts");
  link.busy = fields.flag("busy");
  link.present = fields.flag("present");
  return link;
}

TraceCount count_of(Fields& fields) {
  TraceCount count;
  count.link = fields.text("link", true).value_or("");
  count.side = fields.word<Side>("side", true).value_or(Side::port);
  count.severity = fields.word<Severity>("severity").value_or(Severity::correctable);
  const auto* added = fields.raw("added");
  if (added == nullptr || !added->is_object() || added->empty() || added->size() > 64) {
    fields.complain("added", "an object of up to 64 tokens with their numbers");
    return count;
  }
  for (const auto& [token, number] : added->items()) {
    if (!number.is_number_unsigned() || token.size() > 64) fields.complain("added", "numbers that are whole and not negative");
    else count.added.push_back({token, number.get<std::uint64_t>()});
  }
  if (fields.raw("since") != nullptr) count.since = fields.time("since");
  count.before = fields.flag("before").value_or(false);
  return count;
}

std::optional<TraceEvent> event_of(const std::string& kind, Fields& fields) {
  if (kind == "link") return link_of(fields);
  if (kind == "count") return count_of(fields);
  if (kind == "transition") {
    const auto transition = fields.word<Transition>("kind", true);
    return TraceTransition{fields.text("link").value_or(""), transition.value_or(Transition::boot)};
  }
  if (kind == "mark") return TraceMark{fields.text("link", true).value_or(""), fields.text("text", true).value_or("")};
  if (kind == "run") return TraceRun{fields.text("name", true).value_or(""), fields.flag("begins", true).value_or(true)};
  if (kind == "watch") return TraceWatch{fields.flag("on", true).value_or(true), fields.flag("anew").value_or(false)};
  if (kind == "boot") return TraceBoot{fields.text("boot_id", true).value_or(""), fields.wall("start").value_or(WallTime{})};
  if (kind == "xid") {
    const auto number = fields.count("number", true).value_or(0);
    return TraceXid{fields.text("link", true).value_or(""), static_cast<unsigned>(std::min<std::uint64_t>(number, 99999))};
  }
  if (kind == "unattributed") {
    return TraceUnattributed{fields.text("link", true).value_or(""), fields.count("messages", true).value_or(0)};
  }
  if (kind == "end") return TraceEnd{};
  return std::nullopt;
}

Result<TraceLine> header_of(Fields& fields, std::string_view where) {
  TraceHeader header;
  const auto version = fields.count("trace", true).value_or(0);
  if (version != TraceHeader::version) {
    return fail(fmt::format("trace format {}; this program reads format {}", version, TraceHeader::version),
                std::string(where));
  }
  const auto period = fields.time("period");
  if (period && (*period < std::chrono::milliseconds(10) || *period > std::chrono::hours(1))) {
    fields.complain("period", "0.01 to 3600 seconds");
  }
  header.period = period.value_or(header.period);
  header.start = fields.wall("start").value_or(WallTime{});
  header.host = fields.text("host").value_or("");
  if (!fields.problem().empty()) return fail(fields.problem(), std::string(where));
  return TraceLine{{}, header, fields.extra()};
}

// By far the most frequent line, a change of speed as format_trace_line writes it. Anything else is left to the
// general reader, which would read this line just the same.
std::optional<TraceLine> quick(std::string_view text) {
  const auto skip = [&](std::string_view part) {
    if (!text.starts_with(part)) return false;
    text.remove_prefix(part.size());
    return true;
  };
  const auto number = [&](double& value) {
    if (text.empty() || text.front() < '0' || text.front() > '9') return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{}) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
  };
  double seconds = 0;
  double speed = 0;
  if (!skip(R"({"t":)") || !number(seconds) || !skip(R"(,"event":"link","link":")")) return std::nullopt;
  const auto name_end = text.find_first_of("\"\\");
  if (name_end == std::string_view::npos || name_end > 64 || text[name_end] != '"') return std::nullopt;
  TraceLink link;
  link.link = text.substr(0, name_end);
  text.remove_prefix(name_end);
  for (const char c : link.link) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) return std::nullopt;
  }
  if (!skip(R"(","speed":)") || !number(speed) || text != "}" || !generation_of(speed)) return std::nullopt;
  link.speed_gts = speed;
  const auto at = time_of(seconds);
  if (!at) return std::nullopt;
  return TraceLine{*at, std::move(link), {}};
}

Result<TraceLine> parse_any(std::string_view text, std::string_view where) {
  if (text.size() > line_limit) {
    return fail(fmt::format("a line of {} bytes; at most {} are read", text.size(), line_limit), std::string(where));
  }
  const auto object = Json::parse(text, nullptr, false);
  if (object.is_discarded() || !object.is_object()) {
    return fail("not a JSON object; the line is damaged or was cut", std::string(where));
  }
  Fields fields(object);
  if (object.contains("trace")) return header_of(fields, where);
  const auto at = fields.time("t");
  const auto kind = fields.text("event", true);
  auto event = kind ? event_of(*kind, fields) : std::nullopt;
  if (kind && !event) fields.complain("event", "link, count, transition, mark, run, watch, boot, xid, unattributed or end");
  if (!fields.problem().empty()) return fail(fields.problem(), std::string(where));
  return TraceLine{*at, std::move(*event), fields.extra()};
}

// Builds one object in the order given.
class Writer {
 public:
  Writer& text(const char* key, std::string_view value) {
    return add(key, Json(std::string(value)).dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  Writer& number(const char* key, double value) { return add(key, fmt::format("{}", value)); }
  Writer& count(const char* key, std::uint64_t value) { return add(key, fmt::format("{}", value)); }
  Writer& flag(const char* key, bool value) { return add(key, value ? "true" : "false"); }
  Writer& time(const char* key, Nanoseconds value) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(value).count();
    auto digits = fmt::format("{}.{:06}", us / 1000000, us % 1000000);
    while (digits.back() == '0') digits.pop_back();
    if (digits.back() == '.') digits.pop_back();
    return add(key, digits);
  }
  Writer& quoted(const std::string& key, std::uint64_t value) {
    body_ += fmt::format("{}{}:{}", body_.empty() ? "" : ",",
                         Json(key).dump(-1, ' ', false, Json::error_handler_t::replace), value);
    return *this;
  }
  Writer& add(const char* key, std::string_view value) {
    body_ += fmt::format("{}\"{}\":{}", body_.empty() ? "" : ",", key, value);
    return *this;
  }
  [[nodiscard]] std::string done(const std::string& extra) const {
    return fmt::format("{{{}{}{}}}", body_, extra.empty() ? "" : ",", extra);
  }

 private:
  std::string body_;
};

void write(Writer&, const TraceHeader&) {}  // has no time and is written apart
void write(Writer& out, const TraceLink& link) {
  out.text("event", "link").text("link", link.link);
  if (link.port) out.text("port", to_string(*link.port));
  if (link.slot) out.text("slot", *link.slot);
  if (link.speed_gts) out.number("speed", *link.speed_gts);
  else if (link.speed_gone) out.add("speed", "null");
  if (link.width) out.count("width", *link.width);
  else if (link.width_gone) out.add("width", "null");
  if (link.max_speed_gts) out.number("max_speed", *link.max_speed_gts);
  if (link.max_width) out.count("max_width", *link.max_width);
  if (link.evidence) {
    out.add("evidence", fmt::format("[\"{}\",\"{}\"]", to_string((*link.evidence)[Side::port]), to_string((*link.evidence)[Side::device])));
  }
  if (link.sticky_counts) out.flag("sticky_counts", *link.sticky_counts);
  if (link.busy) out.flag("busy", *link.busy);
  if (link.present) out.flag("present", *link.present);
}
void write(Writer& out, const TraceCount& count) {
  out.text("event", "count").text("link", count.link).text("side", to_string(count.side));
  if (count.severity != Severity::correctable) out.text("severity", to_string(count.severity));
  Writer added;
  for (const auto& each : count.added) added.quoted(each.token, each.value);
  out.add("added", added.done({}));
  if (count.since) out.time("since", *count.since);
  if (count.before) out.flag("before", true);
}
void write(Writer& out, const TraceTransition& transition) {
  out.text("event", "transition");
  if (!transition.link.empty()) out.text("link", transition.link);
  out.text("kind", to_string(transition.kind));
}
void write(Writer& out, const TraceMark& mark) { out.text("event", "mark").text("link", mark.link).text("text", mark.text); }
void write(Writer& out, const TraceRun& run) { out.text("event", "run").text("name", run.name).flag("begins", run.begins); }
void write(Writer& out, const TraceWatch& watch) {
  out.text("event", "watch").flag("on", watch.on);
  if (watch.anew) out.flag("anew", true);
}
void write(Writer& out, const TraceBoot& boot) {
  out.text("event", "boot").text("boot_id", boot.boot_id).text("start", to_rfc3339(boot.start));
}
void write(Writer& out, const TraceXid& xid) { out.text("event", "xid").text("link", xid.link).count("number", xid.number); }
void write(Writer& out, const TraceUnattributed& messages) {
  out.text("event", "unattributed").text("link", messages.link).count("messages", messages.messages);
}
void write(Writer& out, const TraceEnd&) { out.text("event", "end"); }

}  // namespace

Result<TraceLine> parse_trace_line(std::string_view text, std::string_view where) {
  if (auto line = quick(text)) return std::move(*line);
  return parse_any(text, where);
}

Result<TraceLine> parse_trace_line(std::string_view text, std::string_view file, std::size_t row) {
  if (auto line = quick(text)) return std::move(*line);
  auto line = parse_any(text, {});
  if (!line) line.error().where = fmt::format("{}:{}", file, row);
  return line;
}

std::string format_trace_line(const TraceLine& line) {
  Writer out;
  if (const auto* header = std::get_if<TraceHeader>(&line.event)) {
    out.count("trace", TraceHeader::version).time("period", header->period).text("start", to_rfc3339(header->start));
    if (!header->host.empty()) out.text("host", header->host);
    return out.done(line.extra);
  }
  out.time("t", line.at);
  std::visit([&](const auto& event) { write(out, event); }, line.event);
  return out.done(line.extra);
}

}  // namespace wopr
