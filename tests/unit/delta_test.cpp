// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/count/delta.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

#include "support/samples.hpp"

namespace wopr {
namespace {

using testing::correctable;
using testing::sample;

constexpr const char* gpu = "0000:c2:00.0";
constexpr const char* audio = "0000:c2:00.1";

std::uint64_t of(const SeverityCounts& counts, std::string_view token) {
  return find_count(counts[0], token).value_or(0);
}

TEST(Delta, FirstSightTakesInWhatTheKernelHadCounted) {
  const auto d = delta(std::nullopt, sample(gpu, 7, {{"RxErr", 3}}));
  EXPECT_EQ(d.kind, DeltaKind::first_sight);
  EXPECT_EQ(d.added[0], (Counts{{"RxErr", 3}}));
  EXPECT_EQ(d.totals[0], 3U);
}

TEST(Delta, GrowthIsTheDifference) {
  const auto d = delta(sample(gpu, 7, {{"RxErr", 3}}), sample(gpu, 7, {{"RxErr", 5}, {"BadTLP", 1}}));
  EXPECT_EQ(d.kind, DeltaKind::grew);
  EXPECT_EQ(d.added[0], (Counts{{"RxErr", 2}, {"BadTLP", 1}}));
}

TEST(Delta, NothingNewIsUnchanged) {
  const auto s = sample(gpu, 7, {{"RxErr", 3}});
  EXPECT_EQ(delta(s, s).kind, DeltaKind::unchanged);
  EXPECT_EQ(sum(delta(s, s).added), 0U);
}

TEST(Delta, OnlyTheTotalRoseWhenAllBitsAreMasked) {
  const auto d = delta(sample(gpu, 7, correctable({}, 4)), sample(gpu, 7, correctable({}, 6)));
  EXPECT_EQ(d.kind, DeltaKind::grew);
  EXPECT_EQ(d.totals[0], 2U);
  EXPECT_EQ(sum(d.added), 0U);
}

TEST(Delta, SmallerInTheSameGenerationIsAResetCountedFromZero) {
  const auto d = delta(sample(gpu, 7, {{"RxErr", 9}, {"Timeout", 4}}), sample(gpu, 7, {{"RxErr", 2}, {"Timeout", 5}}));
  EXPECT_EQ(d.kind, DeltaKind::reset);
  EXPECT_EQ(d.added[0], (Counts{{"RxErr", 2}, {"Timeout", 5}}));
}

TEST(Delta, AnotherGenerationStartsFromZeroEvenWhenLarger) {
  const auto d = delta(sample(gpu, 7, {{"RxErr", 2}}), sample(gpu, 8, {{"RxErr", 5}}));
  EXPECT_EQ(d.kind, DeltaKind::replugged);
  EXPECT_EQ(d.added[0], (Counts{{"RxErr", 5}}));
}

TEST(Delta, ARowThatCouldNotBeReadHasNotShrunk) {
  auto garbled = sample(gpu, 7, correctable({{"BadTLP", 1}}, 10));
  std::erase_if(garbled.files[0]->counts, [](const Count& c) { return c.token == "RxErr"; });
  const auto before = sample(gpu, 7, {{"RxErr", 9}});
  EXPECT_EQ(delta(before, garbled).kind, DeltaKind::grew);
  EXPECT_EQ(delta(before, garbled).added[0], (Counts{{"BadTLP", 1}}));
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
  EXPECT_EQ(find_count(end.counts.total()[0], "RxErr"), 0U);
  EXPECT_EQ(find_count(end.counts.total()[0], "dev_cor_errs_bit[1]"), std::nullopt);
}

TEST(EndCounts, CountsUpTo64BitsDoNotWrap) {
  EndOf end;
  end.round({sample(gpu, 1, {{"NonFatalErr", UINT64_MAX}}), sample(audio, 2, {{"NonFatalErr", 5}})});
  EXPECT_EQ(of(end.counts.total(), "NonFatalErr"), UINT64_MAX);
  EXPECT_EQ(sum(end.counts.total()), UINT64_MAX);
}

// A model of a two-function card in the kernel: link errors reach both functions' counters; the card is removed,
// added or replaced as a whole, or one function alone is scanned anew; a sampler that reads in address order
// may see the two in adjacent rounds. After every step the end's count must be the true number of link errors.
TEST(EndCounts, ModelOfAnyInterleavingGivesTheTrueCount) {
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    std::mt19937 random(seed);
    const auto roll = [&](unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random); };
    EndCounts end;
    std::array<std::uint64_t, 2> counter{};
    std::array<std::uint64_t, 2> inode{1, 2};
    std::array<bool, 2> there{true, true};
    std::uint64_t next_inode = 3, truth = 0, last_total = 0;
    const std::array addresses{gpu, audio};

    // Reads the functions named by `which` (bit 0: the GPU, bit 1: its audio function).
    const auto sample_round = [&](std::uint64_t round, unsigned which) {
      std::vector<Sample> samples;
      EndCounts::Batch batch{.samples = {}, .vanished = {}, .round = round, .before_watch = false};
      for (const unsigned f : {0U, 1U}) {
        if (((which >> f) & 1U) == 0) continue;
        if (there[f]) samples.push_back(sample(addresses[f], inode[f], {{"RxErr", counter[f]}}));
        else batch.vanished.push_back(testing::bdf(addresses[f]));
      }
      if (roll(2) == 0) std::reverse(samples.begin(), samples.end());
      for (const auto& s : samples) batch.samples.push_back(&s);
      end.take(batch);
    };
    const auto fresh = [&](unsigned f) {
      there[f] = true;
      counter[f] = 0;
      inode[f] = next_inode++;
    };

    // Errors on the link, seen by both functions.
    const auto errors = [&] {
      if (!there[0] || !there[1]) return;
      const auto n = 1 + roll(5);
      truth += n;
      for (auto& c : counter) c += n;
    };

    std::uint64_t round = 1;
    sample_round(round, 3);
    for (int step = 0; step < 30; ++step) {
      switch (roll(6)) {
        case 0:
        case 1: errors(); break;
        case 2: there = {false, false}; break;  // the card goes
        case 3:                                 // a card comes, or replaces the one that is there
          fresh(0);
          fresh(1);
          if (roll(2) == 0) errors();
          break;
        case 4:  // one function alone is removed and found again
          if (there[0] && there[1]) fresh(roll(2));
          break;
        default: round += roll(3);
      }
      // The change may fall between the reads of the two functions: then the first is seen anew a round later.
      if (roll(3) == 0) sample_round(++round, 2);
      sample_round(++round, 3);
      const auto total = of(end.total(), "RxErr");
      ASSERT_GE(total, last_total) << "seed " << seed << " step " << step;
      ASSERT_EQ(total, truth) << "seed " << seed << " step " << step;
      last_total = total;
    }
  }
}

}  // namespace
}  // namespace wopr
