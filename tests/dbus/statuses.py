# SPDX-License-Identifier: GPL-2.0-or-later
"""Statuses to publish, in the JSON the product itself writes."""
import copy

CORRECTABLE = ("RxErr", "BadTLP", "BadDLLP", "Rollover", "Timeout")

CABLE = ("these lanes lie in lanes 0-7: on a C-Payne x16 riser, which has one 8i cable for lanes 0-7 and one for lanes 8-15, "
         "the first cable is the suspect (the other one where the lanes are wired in reverse)")
AGELESS = ("lane bits stay set until they are cleared or the power goes: they have no time, and training may set them")


def end(**counts):
    return {**dict.fromkeys(CORRECTABLE, 0), **counts}


def slot(label="PCIE3", port="0000:c0:01.1", device="0000:c2:00.0", index=2):
    uncorrectable = {"nonfatal": {"CmpltTO": 0}, "fatal": {"DLP": 0}}
    return {
        "slot": label, "slot_source": "board", "slot_note": None, "port": port, "hop": 0, "upstream": None,
        "device": device, "functions": [device, device[:-1] + "1"], "name": "NVIDIA GeForce RTX 4090",
        "driver": "nvidia", "gpu": {"index": index, "uuid": f"GPU-{index}"},
        "link": {"speed_gts": 2.5, "width": 16, "max_speed_gts": 16.0, "max_width": 16, "state": "idle"},
        "lanes": {"port": {"errors": [5, 6], "parity": [], "first_retimer": None, "second_retimer": None}, "device": None,
                  "width": 16, "retimers": 1, "autonomous_speed_disabled": False, "capped_speed_gts": None,
                  "meaning": ["the port had receive errors on lanes 5 and 6 (Lane Error Status)", CABLE, AGELESS,
                              "a retimer is fitted on this link (LnkSta2)"]},
        "evidence": {"port": "native", "device": "native", "verified": True, "reason": "Linux owns AER",
                     "port_verified": True, "device_verified": True, "port_reason": "Linux owns AER",
                     "device_reason": "Linux owns AER"},
        "correctable": {"port": end(), "device": end(), "lower_bound": False},
        "uncorrectable": {"port": copy.deepcopy(uncorrectable), "device": copy.deepcopy(uncorrectable)},
        "before_monitoring": {"port": {}, "device": {}},
        "before_monitoring_uncorrectable": {"port": {"nonfatal": {}, "fatal": {}},
                                            "device": {"nonfatal": {}, "fatal": {}}},
        "latched": {"port": [], "device": [], "root_port": ["CERcvd", "MultCERcvd"]},
        "latched_since": {"port": {}, "device": {}},
        "counted_by_clearing": {"port": False, "device": True},
        "firmware_records": {"port": {"correctable": 3}, "device": {}},
        "lifetime": {"since": "2026-01-01T00:00:00Z", "port": {"BadTLP": 3}, "device": {"RxErr": 2, "DLP": 1},
                     "uncorrectable": {"port": {"nonfatal": {}, "fatal": {}}, "device": {"nonfatal": {}, "fatal": {"DLP": 1}}}},
        "gone": None, "root_port_messages": {"correctable": 0, "nonfatal": 0, "fatal": 0}, "unattributed": 0,
        "grade": "clean", "riser_candidate": False, "confidence": None, "direction": "none", "reasons": [],
        "advice": [], "figures": {"loaded_hours": 1.5, "to_host_errors": 3.0},
    }


def blind_slot():
    """An empty slot nobody can see into."""
    blind = slot("PCIE6", "0000:c0:03.1")
    blind.update(lifetime=None, device=None, functions=[], name=None, driver=None, gpu=None, root_port_messages=None, grade="unknown",
                 link={"speed_gts": None, "width": None, "max_speed_gts": 16.0, "max_width": 16, "state": "down"},
                 lanes=None, latched={"port": None, "device": None, "root_port": None},
                 firmware_records={"port": None, "device": None}, latched_since={"port": None, "device": None},
                 before_monitoring={"port": None, "device": None},
                 before_monitoring_uncorrectable={"port": None, "device": None},
                 correctable={"port": None, "device": None, "lower_bound": False},
                 uncorrectable={"port": None, "device": None})
    reason = "the kernel was booted with pci=noaer"
    blind["evidence"] = {"port": "blind", "device": "blind", "verified": False, "reason": reason,
                         "port_verified": False, "device_verified": False, "port_reason": reason,
                         "device_reason": reason}
    return blind


def status(*slots):
    return {
        "schema": 1, "host": "wopr", "monitor": "service", "boot_id": "11111111-2222-3333-4444-555555555555",
        "kernel": "6.1.0-30-amd64", "since": "2026-03-01T20:15:07Z", "now": "2026-03-01T20:15:07Z",
        "board": {"vendor": "ASRockRack", "name": "ROMED8-2T"}, "slots": list(slots),
        "problems": [{"what": "cannot be read", "where": "x:3", "advice": "run as root"}], "notes": ["a note"],
        "config_closed": "the root helper refuses: not you", "degraded": None,
    }


def usual():
    """PCIE5, PCIE3 and the empty PCIE6, in the order of their ports."""
    return status(slot("PCIE5", "0000:00:01.1", "0000:01:00.0", 0), slot(), blind_slot())


def many(count):
    """A machine of `count` links."""
    slots = []
    for i in range(count):
        address = f"{i >> 8:04x}:{i & 0xff:02x}:02.1"
        slots.append(slot(f"SLOT{i}", address, address[:-1] + "0", i))
    return status(*slots)


def path(port):
    """What sd_bus_path_encode() makes of a port's address."""
    first, rest = port[0], port[1:]
    encoded = f"_{ord(first):02x}" if first.isdigit() else first
    encoded += "".join(c if c.isalnum() else f"_{ord(c):02x}" for c in rest)
    return "/org/wopr/Aer1/link/" + encoded
