// SPDX-License-Identifier: GPL-2.0-or-later
//
// The tables of the history file, and the steps from each earlier version to this one. docs/store.md explains them.
#pragma once

#include <array>

namespace wopr {

inline constexpr int schema_version = 2;
inline constexpr int application_id = 0x57414552;  // "WAER", in the file's header

// Times are microseconds of boot time unless said otherwise; counts are unsigned 64 bit in a signed column.
inline constexpr const char* schema_1 = R"sql(
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE boot(id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE,
                  zero INTEGER NOT NULL,     -- wall time at boot time 0, as last known
                  phase INTEGER NOT NULL,    -- of the day at boot time 0, as first known: where hours and days begin
                  last INTEGER NOT NULL,     -- everything before is known
                  kernel TEXT NOT NULL);
CREATE TABLE card(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, vendor INTEGER NOT NULL, device INTEGER NOT NULL,
                  serial TEXT NOT NULL, name TEXT NOT NULL);
CREATE TABLE link(id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, slot TEXT NOT NULL, port TEXT NOT NULL,
                  since INTEGER NOT NULL,    -- wall time
                  card INTEGER REFERENCES card);
CREATE TABLE occupancy(id INTEGER PRIMARY KEY, link INTEGER NOT NULL REFERENCES link, card INTEGER NOT NULL REFERENCES card,
                       boot INTEGER NOT NULL, since INTEGER NOT NULL, until_boot INTEGER, until INTEGER);
CREATE TABLE token(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE delta(id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, until INTEGER NOT NULL, since INTEGER NOT NULL,
                   link INTEGER NOT NULL, side INTEGER NOT NULL, severity INTEGER NOT NULL, token INTEGER NOT NULL,
                   count INTEGER NOT NULL, evidence INTEGER NOT NULL, watched INTEGER NOT NULL, epoch INTEGER NOT NULL,
                   card INTEGER, span INTEGER NOT NULL);  -- 0 as counted, 1 an hour, 2 a day
CREATE INDEX delta_time ON delta(boot, until);
CREATE TABLE observed(boot INTEGER NOT NULL, start INTEGER NOT NULL, link INTEGER NOT NULL, epoch INTEGER NOT NULL,
                      generation INTEGER NOT NULL, length INTEGER NOT NULL, watched INTEGER NOT NULL,
                      loaded INTEGER NOT NULL, PRIMARY KEY(boot, start, link, epoch, generation)) WITHOUT ROWID;
CREATE TABLE state(id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, at INTEGER NOT NULL, link INTEGER NOT NULL,
                   speed REAL, width INTEGER, max_speed REAL, max_width INTEGER, port_evidence INTEGER NOT NULL,
                   device_evidence INTEGER NOT NULL, present INTEGER NOT NULL);
CREATE INDEX state_time ON state(boot, at);
CREATE TABLE event(id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, at INTEGER NOT NULL, link INTEGER, kind INTEGER NOT NULL,
                   number INTEGER NOT NULL, text TEXT NOT NULL);
CREATE INDEX event_time ON event(boot, at);
CREATE TABLE verdict(id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, at INTEGER NOT NULL, link INTEGER NOT NULL,
                     grade INTEGER NOT NULL, direction INTEGER NOT NULL, candidate INTEGER NOT NULL,
                     confidence INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE INDEX verdict_time ON verdict(boot, at);
CREATE TABLE mark(id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, at INTEGER NOT NULL, link INTEGER NOT NULL,
                  epoch INTEGER NOT NULL, text TEXT NOT NULL, by TEXT NOT NULL, undone INTEGER NOT NULL);
CREATE TABLE run(id INTEGER PRIMARY KEY, name TEXT NOT NULL, boot INTEGER NOT NULL, since INTEGER NOT NULL,
                 until_boot INTEGER, until INTEGER);
CREATE TABLE end_state(link INTEGER NOT NULL, side INTEGER NOT NULL, boot INTEGER NOT NULL, text TEXT NOT NULL,
                       PRIMARY KEY(link, side)) WITHOUT ROWID;
CREATE TABLE ledger(link INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE total(link INTEGER NOT NULL, side INTEGER NOT NULL, severity INTEGER NOT NULL, token INTEGER NOT NULL,
                   count INTEGER NOT NULL, PRIMARY KEY(link, side, severity, token)) WITHOUT ROWID;
)sql";

// 2: when the service watched. `run`, meant for workloads, was never filled.
inline constexpr const char* schema_2 = R"sql(
DROP TABLE run;
CREATE TABLE watch(id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, since INTEGER NOT NULL,
                   until INTEGER NOT NULL,    -- as far as known
                   ended INTEGER NOT NULL,    -- it was told to stop, and did
                   version TEXT NOT NULL);
)sql";

// upgrades[i] leads from version i + 1 to i + 2.
inline constexpr std::array<const char*, schema_version - 1> upgrades = {schema_2};

}  // namespace wopr
