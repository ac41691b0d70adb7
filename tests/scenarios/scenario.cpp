// SPDX-License-Identifier: GPL-2.0-or-later
#include "scenarios/scenario.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <stdexcept>

#include "core/base/rfc3339.hpp"

namespace wopr::test {
namespace {

using Words = std::vector<std::string>;

Words words_of(std::string_view line) {
  Words words;
  while (true) {
    const auto begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const auto end = std::min(line.find_first_of(" \t"), line.size());
    words.emplace_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

// "PCIE1..PCIE3,M2_1" -> PCIE1 PCIE2 PCIE3 M2_1; "others" is left to the caller.
Words names_of(const std::string& text) {
  Words names;
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    const auto item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    const auto dots = item.find("..");
    if (dots == std::string_view::npos) {
      names.emplace_back(item);
      continue;
    }
    const auto stem = item.substr(0, dots - 1);
    for (char digit = item[dots - 1]; digit <= item.back(); ++digit) names.push_back(std::string(stem) + digit);
  }
  return names;
}

double speed_of(const std::string& word) {
  if (!word.starts_with("gen")) throw std::runtime_error(fmt::format("\"{}\": expected gen1 to gen6", word));
  const auto speed = speed_of_code(static_cast<unsigned>(word[3] - '0'));
  if (!speed) throw std::runtime_error(fmt::format("\"{}\": expected gen1 to gen6", word));
  return *speed;
}

unsigned width_of(const std::string& word) {
  return static_cast<unsigned>(std::stoul(word.starts_with("x") ? word.substr(1) : word));
}

template <class T, std::size_t N>
T one_of(const std::string& word, const std::array<T, N>& values) {
  for (const auto value : values) {
    if (to_string(value) == word) return value;
  }
  throw std::runtime_error(fmt::format("\"{}\" is not one of the known words", word));
}

Evidence evidence_word(const std::string& word) {
  return one_of(word, std::array{Evidence::native, Evidence::firmware, Evidence::sticky, Evidence::asleep, Evidence::blind});
}

bool is_claim(std::string_view verb) {
  return verb == "flagged" || verb == "never-flagged" || verb == "changes" || verb == "says" || verb == "advises" ||
         verb == "passes";
}

Nanoseconds duration(const std::string& word) {
  const auto value = parse_duration(word);
  if (!value) throw std::runtime_error(fmt::format("\"{}\": expected a time such as 1h30m", word));
  return *value;
}

AdviceId advice_id(const std::string& word) {
  const auto id = parse_word<AdviceId>(word);
  if (!id) throw std::runtime_error(fmt::format("\"{}\" is no id of an advice (docs/verdict.md lists them)", word));
  return *id;
}

class Reader {
 public:
  Scenario scenario;

  void read(std::string_view line, std::size_t row) {
    if (line.starts_with("#")) {
      if (scenario.title.empty()) scenario.title = line.substr(std::min<std::size_t>(2, line.size()));
      return;
    }
    const auto words = words_of(line);
    if (words.empty()) return;
    const auto& verb = words[0];
    if (verb == "policy") policy(words);
    else if (verb == "expect") expect(words, row);
    else if (is_claim(verb)) claim(words, row, line);
    else if (verb == "every") every(words);
    else event(duration(verb), Words(words.begin() + 1, words.end()));
  }
  void finish() {
    std::ranges::stable_sort(scenario.trace, {}, &TraceLine::at);
    const TraceHeader header{
        .period = std::chrono::seconds(1), .start = *parse_rfc3339("2026-03-01T00:00:00Z"), .host = "wopr"};
    scenario.trace.insert(scenario.trace.begin(), TraceLine{{}, header, {}});
    std::vector<Expectation> all;
    for (const auto& expectation : scenario.expectations) {
      if (expectation.link != "others") {
        all.push_back(expectation);
        continue;
      }
      for (const auto& [name, max] : known_) {
        const bool named = std::ranges::any_of(scenario.expectations, [&](const Expectation& e) { return e.link == name; });
        if (named) continue;
        all.push_back(expectation);
        all.back().link = name;
      }
    }
    scenario.expectations = std::move(all);
  }

 private:
  void policy(const Words& words) {
    for (const auto& field : policy_fields()) {
      if (field.name != words.at(1)) continue;
      if (field.number != nullptr) scenario.policy.*field.number = std::stod(words.at(2));
      else scenario.policy.*field.count = static_cast<unsigned>(std::stoul(words.at(2)));
      return;
    }
    throw std::runtime_error(fmt::format("no policy field \"{}\"", words.at(1)));
  }

  void expect(const Words& words, std::size_t row) {
    Answer answer;
    answer.grade = one_of(words.at(2), std::array{Grade::clean, Grade::trace, Grade::marginal, Grade::bad, Grade::failing, Grade::unknown});
    bool confidence = false;
    for (std::size_t i = 3; i < words.size(); ++i) {
      const auto& word = words[i];
      if (word == "candidate") answer.riser_candidate = true;
      else if (word == "low" || word == "medium" || word == "high") {
        answer.confidence = one_of(word, std::array{Confidence::low, Confidence::medium, Confidence::high});
        confidence = true;
      } else {
        answer.direction = one_of(word, std::array{Direction::none, Direction::to_host, Direction::to_device, Direction::both});
      }
    }
    for (const auto& name : names_of(words.at(1))) {
      Expectation expectation;
      expectation.row = row;
      expectation.link = name;
      expectation.answer = answer;
      expectation.confidence_given = confidence;
      scenario.expectations.push_back(expectation);
    }
  }

  void claim(const Words& words, std::size_t row, std::string_view line) {
    for (const auto& name : names_of(words.at(1))) {
      Expectation claim;
      claim.row = row;
      claim.link = name;
      if (words[0] == "flagged") claim.flagged = {duration(words.at(2)), duration(words.at(3))};
      else if (words[0] == "never-flagged") claim.never_flagged = true;
      else if (words[0] == "changes") claim.most_changes = static_cast<unsigned>(std::stoul(words.at(2)));
      else if (words[0] == "passes") claim.passes = words.at(2);
      else if (words[0] == "advises") claim.advises = advice_id(words.at(2));
      else claim.says = line.substr(line.find(words.at(2), line.find(words.at(1)) + words.at(1).size()));
      scenario.expectations.push_back(claim);
    }
  }

  // every STEP from TIME to TIME: an event's words
  void every(const Words& words) {
    const auto step = duration(words.at(1));
    const auto to = duration(words.at(5));
    if (words.at(2) != "from" || words.at(4) != "to" || step <= Nanoseconds{}) {
      throw std::runtime_error("expected: every STEP from TIME to TIME EVENT");
    }
    for (auto at = duration(words.at(3)); at <= to; at += step) event(at, Words(words.begin() + 6, words.end()));
  }

  void add(Nanoseconds at, TraceEvent event) { scenario.trace.push_back({at, std::move(event), {}}); }

  void introduce(Nanoseconds at, const Words& words) {
    for (const auto& name : names_of(words.at(1))) {
      TraceLink link;
      link.link = name;
      link.port = Bdf{0, static_cast<std::uint8_t>(0x40 + known_.size()), 1, 1};
      link.speed_gts = speed_of(words.at(2));
      link.width = width_of(words.at(3));
      // "of gen4 x16"
      link.max_speed_gts = speed_of(words.at(5));
      link.max_width = width_of(words.at(6));
      link.evidence = {Evidence::native, Evidence::native};
      known_[name] = *link.max_speed_gts;
      add(at, link);
    }
  }

  void event(Nanoseconds at, const Words& words) {
    const auto& verb = words.at(0);
    if (verb == "link") return introduce(at, words);
    if (verb == "watch") return add(at, TraceWatch{words.at(1) == "on"});
    if (verb == "run") return add(at, TraceRun{words.at(2), words.at(1) == "begins"});
    if (verb == "end") return add(at, TraceEnd{});
    if (verb == "boot") return add(at, TraceBoot{"second", *parse_rfc3339("2026-06-01T00:00:00Z")});
    if (verb == "transition") {
      const auto kind = parse_word<Transition>(words.at(1));
      if (!kind) throw std::runtime_error(fmt::format("no such transition: \"{}\"", words.at(1)));
      return add(at, TraceTransition{words.size() > 2 ? words[2] : "", *kind});
    }
    for (const auto& name : names_of(words.at(1))) {
      if (!known_.contains(name)) throw std::runtime_error(fmt::format("no link \"{}\"", name));
      event_at_link(at, words, name);
    }
  }

  void event_at_link(Nanoseconds at, const Words& words, const std::string& name) {
    const auto& verb = words[0];
    TraceLink news;
    news.link = name;
    if (verb == "load") news.speed_gts = known_[name];
    else if (verb == "idle") news.speed_gts = 2.5;
    else if (verb == "speed") news.speed_gts = speed_of(words.at(2));
    else if (verb == "width") news.width = width_of(words.at(2));
    else if (verb == "busy") news.busy = words.at(2) == "yes";
    else if (verb == "present") news.present = words.at(2) == "yes";
    else if (verb == "sticky-counts") news.sticky_counts = true;
    else if (verb == "evidence") news.evidence = {evidence_word(words.at(2)), evidence_word(words.at(3))};
    else if (verb == "mark") {
      std::string text = words.at(2);
      for (std::size_t i = 3; i < words.size(); ++i) text += " " + words[i];
      return add(at, TraceMark{name, text});
    } else if (verb == "xid") return add(at, TraceXid{name, static_cast<unsigned>(std::stoul(words.at(2)))});
    else if (verb == "unattributed") return add(at, TraceUnattributed{name, std::stoul(words.at(2))});
    else if (verb == "count") {
      TraceCount count;
      count.link = name;
      count.side = one_of(words.at(2), std::array{Side::port, Side::device});
      count.added = {{words.at(3), words.size() > 4 ? std::stoul(words[4]) : 1}};
      if (words.size() > 5) count.severity = one_of(words[5], std::array{Severity::correctable, Severity::nonfatal, Severity::fatal});
      return add(at, count);
    } else throw std::runtime_error(fmt::format("no event \"{}\"", verb));
    add(at, news);
  }

  std::map<std::string, double> known_;
};

}  // namespace

std::optional<Nanoseconds> parse_duration(std::string_view text) {
  double seconds = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const char unit = text.empty() ? 's' : text.front();
    if (!text.empty()) text.remove_prefix(1);
    switch (unit) {
      case 's': seconds += value; break;
      case 'm': seconds += value * 60; break;
      case 'h': seconds += value * 3600; break;
      case 'd': seconds += value * 86400; break;
      case 'w': seconds += value * 7 * 86400; break;
      default: return std::nullopt;
    }
  }
  return seconds_of(seconds);
}

Result<Scenario> parse_scenario(std::string_view text, std::string_view where) {
  Reader reader;
  std::size_t row = 0;
  try {
    while (!text.empty()) {
      ++row;
      const auto end = std::min(text.find('\n'), text.size());
      reader.read(text.substr(0, end), row);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    reader.finish();
  } catch (const std::exception& problem) {
    return fail(problem.what(), fmt::format("{}:{}", where, row));
  }
  return std::move(reader.scenario);
}

}  // namespace wopr::test
