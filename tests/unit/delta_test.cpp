// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/count/delta.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <ostream>
#include <vector>

#include "support/property.hpp"
#include "support/samples.hpp"

namespace wopr {
namespace {

using testing::correctable;
using testing::sample;

constexpr const char* gpu = "0000:c2:00.0";
constexpr const char* audio = "0000:c2:00.1";

std::uint64_t of(const SeverityCounts& counts, std::string_view token) {
  return find_count(counts[Severity::correctable], token).value_or(0);
}

TEST(Delta, FirstSightTakesInWhatTheKernelHadCounted) {
  const auto d = delta(std::nullopt, sample(gpu, 7, {{"RxErr", 3}}));
  EXPECT_EQ(d.kind, DeltaKind::first_sight);
  EXPECT_EQ(d.added[Severity::correctable], (Counts{{"RxErr", 3}}));
  EXPECT_EQ(d.totals[Severity::correctable], 3U);
}

TEST(Delta, GrowthIsTheDifference) {
  const auto d = delta(sample(gpu, 7, {{"RxErr", 3}}), sample(gpu, 7, {{"RxErr", 5}, {"BadTLP", 1}}));
  EXPECT_EQ(d.kind, DeltaKind::grew);
  EXPECT_EQ(d.added[Severity::correctable], (Counts{{"RxErr", 2}, {"BadTLP", 1}}));
}

TEST(Delta, NothingNewIsUnchanged) {
  const auto s = sample(gpu, 7, {{"RxErr", 3}});
  EXPECT_EQ(delta(s, s).kind, DeltaKind::unchanged);
  EXPECT_EQ(sum(delta(s, s).added), 0U);
}

TEST(Delta, OnlyTheTotalRoseWhenAllBitsAreMasked) {
  const auto d = delta(sample(gpu, 7, correctable({}, 4)), sample(gpu, 7, correctable({}, 6)));
  EXPECT_EQ(d.kind, DeltaKind::grew);
  EXPECT_EQ(d.totals[Severity::correctable], 2U);
  EXPECT_EQ(sum(d.added), 0U);
}

TEST(Delta, SmallerInTheSameGenerationIsAResetCountedFromZero) {
  const auto d = delta(sample(gpu, 7, {{"RxErr", 9}, {"Timeout", 4}}), sample(gpu, 7, {{"RxErr", 2}, {"Timeout", 5}}));
  EXPECT_EQ(d.kind, DeltaKind::reset);
  EXPECT_EQ(d.added[Severity::correctable], (Counts{{"RxErr", 2}, {"Timeout", 5}}));
}

TEST(Delta, AnotherGenerationStartsFromZeroEvenWhenLarger) {
  const auto d = delta(sample(gpu, 7, {{"RxErr", 2}}), sample(gpu, 8, {{"RxErr", 5}}));
  EXPECT_EQ(d.kind, DeltaKind::replugged);
  EXPECT_EQ(d.added[Severity::correctable], (Counts{{"RxErr", 5}}));
}

TEST(Delta, ARowThatCouldNotBeReadHasNotShrunk) {
  auto garbled = sample(gpu, 7, correctable({{"BadTLP", 1}}, 10));
  std::erase_if(garbled.files[Severity::correctable]->counts, [](const Count& c) { return c.token == "RxErr"; });
  const auto before = sample(gpu, 7, {{"RxErr", 9}});
  EXPECT_EQ(delta(before, garbled).kind, DeltaKind::grew);
  EXPECT_EQ(delta(before, garbled).added[Severity::correctable], (Counts{{"BadTLP", 1}}));
}

class EndOf {
 public:
  void round(std::initializer_list<Sample> samples, std::initializer_list<const char*> vanished = {},
             bool before_watch = false) {
    EndCounts::Batch batch;
    for (const auto& s : samples) batch.samples.push_back(&s);
    for (const auto* v : vanished) batch.vanished.push_back(testing::bdf(v));
    batch.round = ++round_;
    batch.before_watch = before_watch;
    counts.take(batch);
  }
  void quiet_rounds(std::uint64_t n) { round_ += n; }

  EndCounts counts;

 private:
  std::uint64_t round_ = 0;
};

TEST(EndCounts, LinkErrorsCountOncePerLinkOthersPerFunction) {
  EndOf end;
  end.round({sample(gpu, 1, {{"BadTLP", 9}, {"NonFatalErr", 2}}), sample(audio, 2, {{"BadTLP", 9}, {"NonFatalErr", 3}})});
  EXPECT_EQ(of(end.counts.total(), "BadTLP"), 9U);
  EXPECT_EQ(of(end.counts.total(), "NonFatalErr"), 5U);
}

TEST(EndCounts, TheMaximumIsOfTotalsNotOfDeltas) {
  // .0 sees errors 1 and 2 in one round, .1 sees the same two a round later.
  EndOf end;
  end.round({sample(gpu, 1, {{"RxErr", 0}}), sample(audio, 2, {{"RxErr", 0}})});
  end.round({sample(gpu, 1, {{"RxErr", 2}})});
  end.round({sample(audio, 2, {{"RxErr", 2}})});
  EXPECT_EQ(of(end.counts.total(), "RxErr"), 2U);
}

TEST(EndCounts, AReplacedCardKeepsItsCountAndTheNewOneStartsAtZero) {
  EndOf end;
  end.round({sample(gpu, 1, {{"RxErr", 4}}), sample(audio, 2, {{"RxErr", 4}})}, {}, true);
  end.round({}, {gpu, audio});
  EXPECT_EQ(of(end.counts.total(), "RxErr"), 4U);
  end.round({sample(gpu, 11, {{"RxErr", 0}}), sample(audio, 12, {{"RxErr", 0}})});
  end.round({sample(gpu, 11, {{"RxErr", 1}})});
  end.round({sample(audio, 12, {{"RxErr", 3}})});
  EXPECT_EQ(of(end.counts.total(), "RxErr"), 7U);
  EXPECT_EQ(of(end.counts.before_monitoring(), "RxErr"), 4U);
}

TEST(EndCounts, AReplacementSeenInTwoRoundsIsCountedOnce) {
  EndOf end;
  end.round({sample(gpu, 1, {{"RxErr", 4}}), sample(audio, 2, {{"RxErr", 4}})});
  end.round({sample(audio, 12, {{"RxErr", 2}})});
  end.round({sample(gpu, 11, {{"RxErr", 2}})});
  EXPECT_EQ(of(end.counts.total(), "RxErr"), 6U);
}

TEST(EndCounts, OneFunctionAloneComesAnewWhileTheOtherStays) {
  EndOf end;
  end.round({sample(gpu, 1, {{"RxErr", 4}}), sample(audio, 2, {{"RxErr", 4}})});
  end.round({sample(gpu, 11, {{"RxErr", 0}})});
  end.quiet_rounds(100);
  end.round({sample(gpu, 11, {{"RxErr", 3}}), sample(audio, 2, {{"RxErr", 7}})});
  EXPECT_EQ(of(end.counts.total(), "RxErr"), 7U);
}

TEST(EndCounts, AfterThatAWholeCardIsReplacedAtOnceOrInTwoRounds) {
  for (const bool in_two : {false, true}) {
    EndOf end;
    end.round({sample(gpu, 1, {{"RxErr", 4}}), sample(audio, 2, {{"RxErr", 4}})});
    end.round({sample(gpu, 11, {{"RxErr", 0}})});
    if (in_two) end.round({sample(audio, 22, {{"RxErr", 5}})});
    end.round({sample(audio, 22, {{"RxErr", 5}}), sample(gpu, 21, {{"RxErr", 5}})});
    EXPECT_EQ(of(end.counts.total(), "RxErr"), 9U) << in_two;
  }
}

TEST(EndCounts, AbsentIsNotZero) {
  EndOf end;
  end.round({sample(gpu, 1, {})});
  EXPECT_TRUE(end.counts.known(Severity::correctable));
  EXPECT_FALSE(end.counts.known(Severity::fatal));
  EXPECT_EQ(find_count(end.counts.total()[Severity::correctable], "RxErr"), 0U);
  EXPECT_EQ(find_count(end.counts.total()[Severity::correctable], "dev_cor_errs_bit[1]"), std::nullopt);
}

TEST(EndCounts, CountsUpTo64BitsDoNotWrap) {
  EndOf end;
  end.round({sample(gpu, 1, {{"NonFatalErr", UINT64_MAX}}), sample(audio, 2, {{"NonFatalErr", 5}})});
  EXPECT_EQ(of(end.counts.total(), "NonFatalErr"), UINT64_MAX);
  EXPECT_EQ(sum(end.counts.total()), UINT64_MAX);
}

// One step of the life of a card of two functions, and how it is sampled afterwards.
enum class Happening : std::uint8_t { errors, goes, comes, one_comes_anew, time_passes };
constexpr std::array happening_names = {"errors", "goes", "comes", "one comes anew", "time passes"};

struct Step {
  Happening happening = Happening::errors;
  unsigned number = 1;             // of errors or rounds, or which function
  unsigned errors_at_once = 0;     // on the link of a card that has just come
  bool second_first = false;       // the change fell between the reads of the two: the first is seen a round later
  bool reversed = false;           // the order of the samples in a round is no matter
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  return out << happening_names.at(static_cast<std::size_t>(step.happening)) << "(" << step.number << ", "
             << step.errors_at_once << (step.second_first ? ", second first" : "") << (step.reversed ? ", reversed)" : ")");
}

rc::Gen<std::vector<Step>> any_life() {
  const auto step = rc::gen::exec([] {
    Step made;
    made.happening = static_cast<Happening>(*rc::gen::inRange(0, 5));
    made.number = *rc::gen::inRange(1U, 6U);
    made.errors_at_once = *rc::gen::inRange(0U, 6U);
    made.second_first = *rc::gen::arbitrary<bool>();
    made.reversed = *rc::gen::arbitrary<bool>();
    return made;
  });
  return rc::gen::container<std::vector<Step>>(step);
}

// A model of the card in the kernel: link errors reach both functions' counters; the card is removed, added or replaced
// as a whole, or one function alone is scanned anew; a sampler that reads in address order may see the two in adjacent
// rounds. After every step the end's count must be the true number of link errors.
class CardModel {
 public:
  CardModel() { sample_round(3, false); }

  void play(const Step& step) {
    switch (step.happening) {
      case Happening::errors: errors(step.number); break;
      case Happening::goes: there_ = {false, false}; break;
      case Happening::comes:
        fresh(0);
        fresh(1);
        errors(step.errors_at_once);
        break;
      case Happening::one_comes_anew:
        if (there_[0] && there_[1]) fresh(step.number % 2);
        break;
      case Happening::time_passes: round_ += step.number;
    }
    if (step.second_first) sample_round(2, step.reversed);
    sample_round(3, step.reversed);
  }

  [[nodiscard]] std::uint64_t truth() const { return truth_; }
  [[nodiscard]] std::uint64_t counted() const { return of(end_.total(), "RxErr"); }

 private:
  // Reads the functions named by `which` (bit 0: the GPU, bit 1: its audio function).
  void sample_round(unsigned which, bool reversed) {
    const std::array addresses{gpu, audio};
    std::vector<Sample> samples;
    EndCounts::Batch batch{.samples = {}, .vanished = {}, .round = ++round_, .before_watch = false};
    for (const unsigned f : {0U, 1U}) {
      if (((which >> f) & 1U) == 0) continue;
      if (there_[f]) samples.push_back(sample(addresses[f], inode_[f], {{"RxErr", counter_[f]}}));
      else batch.vanished.push_back(testing::bdf(addresses[f]));
    }
    if (reversed) std::ranges::reverse(samples);
    for (const auto& s : samples) batch.samples.push_back(&s);
    end_.take(batch);
  }
  void fresh(unsigned f) {
    there_[f] = true;
    counter_[f] = 0;
    inode_[f] = next_inode_++;
  }
  // On the link, seen by both functions.
  void errors(unsigned number) {
    if (!there_[0] || !there_[1]) return;
    truth_ += number;
    for (auto& counter : counter_) counter += number;
  }

  EndCounts end_;
  std::array<std::uint64_t, 2> counter_{};
  std::array<std::uint64_t, 2> inode_{1, 2};
  std::array<bool, 2> there_{true, true};
  std::uint64_t next_inode_ = 3;
  std::uint64_t truth_ = 0;
  std::uint64_t round_ = 0;
};

TEST(EndCounts, ModelOfAnyInterleavingGivesTheTrueCount) {
  test::expect_always(
      [] {
        CardModel model;
        for (const auto& step : *any_life()) {
          const auto before = model.counted();
          model.play(step);
          RC_ASSERT(model.counted() == model.truth());
          RC_ASSERT(model.counted() >= before);
        }
      },
      {.number = 1500, .size = 60});
}

}  // namespace
}  // namespace wopr
