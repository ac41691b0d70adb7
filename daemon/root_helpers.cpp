// SPDX-License-Identifier: GPL-2.0-or-later
#include "root_helpers.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstring>

#include "bus/handles.hpp"

namespace wopr {
namespace {

// For a whole talk: the helper is started by the first packet and answers in microseconds.
constexpr std::uint64_t patience_us = 5'000'000;
constexpr std::uint64_t accuracy_us = 100'000;

using Source = bus::Handle<sd_event_source>;

}  // namespace

struct RootHelpers::Talk {
  HelperTalk talk;
  sd_event* event;
  std::function<void()> over;
  Source io;
  Source deadline;

  Talk(std::filesystem::path socket, sd_event* e, std::function<void()> o) : talk(std::move(socket)), event(e), over(std::move(o)) {}

  void begin(std::vector<std::string> packets) {
    if (auto begun = talk.begin(std::move(packets)); !begun) {
      talk.abandon(to_string(begun.error()));
      return over();
    }
    sd_event_source* raw = nullptr;
    int code = sd_event_add_io(event, &raw, talk.fd(), EPOLLIN, on_answer, this);
    io.reset(code < 0 ? nullptr : raw);
    raw = nullptr;
    if (code >= 0) code = sd_event_add_time_relative(event, &raw, CLOCK_MONOTONIC, patience_us, accuracy_us, on_deadline, this);
    deadline.reset(code < 0 ? nullptr : raw);
    if (code < 0) end(fmt::format("cannot wait for the helper: {}", std::strerror(-code)));
  }

  void end(std::string trouble) {
    if (!trouble.empty()) talk.abandon(std::move(trouble));
    io.reset();
    deadline.reset();
    over();
  }

  static int on_answer(sd_event_source*, int, std::uint32_t, void* self) {
    auto& talk = *static_cast<Talk*>(self);
    talk.talk.advance();
    if (!talk.talk.busy()) talk.end({});
    return 0;
  }
  static int on_deadline(sd_event_source*, std::uint64_t, void* self) {
    static_cast<Talk*>(self)->end("the helper does not answer");
    return 0;
  }
};

RootHelpers::RootHelpers(sd_event* event, std::filesystem::path probe_socket, std::filesystem::path clear_socket, Told told)
    : told_(std::move(told)) {
  if (!probe_socket.empty()) probe_ = std::make_unique<Talk>(std::move(probe_socket), event, [this] { descriptors_came(); });
  if (!clear_socket.empty()) clear_ = std::make_unique<Talk>(std::move(clear_socket), event, [this] { cleared_came(); });
}

RootHelpers::~RootHelpers() = default;

void RootHelpers::ask_descriptors(const std::vector<Bdf>& functions) {
  if (!probe_ || functions.empty() || probe_->talk.busy()) return;
  functions_ = functions;
  std::vector<std::string> packets;
  for (const auto& bdf : functions) packets.push_back(to_string(bdf));
  probe_->begin(std::move(packets));
}

void RootHelpers::descriptors_came() {
  auto outcome = probe_->talk.take();
  Descriptors descriptors;
  std::string refusal;
  for (std::size_t i = 0; i < outcome.answers.size(); ++i) {
    auto& answer = outcome.answers[i];
    if (answer.text == opened_reply && answer.descriptor) {
      descriptors.emplace_back(functions_[i], std::move(answer.descriptor));
    } else if (refusal.empty()) {
      refusal = parse_refusal(answer.text).value_or("the helper's answer makes no sense");
    }
  }
  std::string trouble;
  if (!outcome.trouble.empty()) {
    trouble = fmt::format("the root helper cannot be asked ({}): systemctl start wopr-aer-probe.socket", outcome.trouble);
  } else if (descriptors.empty() && !refusal.empty()) {
    trouble = fmt::format("the root helper refuses: {}", refusal);
  }
  told_.descriptors(std::move(descriptors), std::move(trouble));
}

bool RootHelpers::clearing() const { return clear_ && clear_->talk.busy(); }

bool RootHelpers::clearing_permitted() const {
  return clear_ && ::access(clear_->talk.socket().c_str(), W_OK) == 0;
}

void RootHelpers::ask_clearing(std::vector<ClearRequest> requests) {
  if (!clear_ || requests.empty()) return;
  requests_ = std::move(requests);
  std::vector<std::string> packets;
  for (const auto& request : requests_) packets.push_back(format_clear_request(request));
  clear_->begin(std::move(packets));
}

void RootHelpers::cleared_came() {
  auto outcome = clear_->talk.take();
  std::vector<ClearAnswer> answers;
  for (std::size_t i = 0; i < outcome.answers.size(); ++i) {
    answers.push_back(parse_clear_reply(requests_[i], outcome.answers[i].text));
  }
  told_.cleared(std::move(answers), std::move(outcome.trouble));
}

}  // namespace wopr
