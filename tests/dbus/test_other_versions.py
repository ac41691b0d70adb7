# SPDX-License-Identifier: GPL-2.0-or-later
"""Our client and a service of another version: a newer one says what we do not know, an older one less than we ask for.
Neither may cost more than that."""
import json

import pytest
from gi.repository import Gio, GLib

from bus import DEADLINE
from client import MANAGER, NAME, ROOT

MACHINE = {"Host": GLib.Variant("s", "wopr"), "BootId": GLib.Variant("s", "11111111-2222-3333-4444-555555555555"),
           "Now": GLib.Variant("t", 1772396107000000), "Since": GLib.Variant("t", 1772396107000000)}
# What the very first service said of a link.
OLD_LINK = {"Slot": GLib.Variant("s", "PCIE3"), "SlotSource": GLib.Variant("s", "board"),
            "Port": GLib.Variant("s", "0000:c0:01.1"), "Hop": GLib.Variant("u", 0),
            "Device": GLib.Variant("s", "0000:c1:00.0"), "Name": GLib.Variant("s", "NVIDIA GeForce RTX 4090"),
            "Link": GLib.Variant("a{sv}", {"width": GLib.Variant("u", 16), "state": GLib.Variant("s", "ok")}),
            "Evidence": GLib.Variant("a{s(sbs)}", {"port": ("native", True, "Linux owns AER"),
                                                   "device": ("native", True, "Linux owns AER")}),
            "Correctable": GLib.Variant("a{sa{st}}", {"port": {"BadTLP": 3}, "device": {"BadTLP": 0}}),
            "Grade": GLib.Variant("s", "trace"), "Direction": GLib.Variant("s", "to-host")}


@pytest.fixture
def ask(bus, programs):
    """What our client makes of a service that says this of the machine and of one link."""
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    connection = Gio.DBusConnection.new_for_address_sync(bus.address, flags, None, None)

    def fetch(machine, link):
        properties = "".join(f'<property name="{name}" type="{value.get_type_string()}" access="read"/>'
                             for name, value in machine.items())
        node = Gio.DBusNodeInfo.new_for_xml(
            f'<node><interface name="{MANAGER}">{properties}<method name="ListLinks"><arg type="u" direction="in"/>'
            '<arg type="u" direction="in"/><arg type="u" direction="out"/><arg type="a(oa{sv})" direction="out"/></method>'
            "</interface></node>")

        def call(connection, sender, path, interface, method, arguments, invocation):
            links = [(f"{ROOT}/link/x", link)] if arguments.unpack()[0] == 0 else []
            invocation.return_value(GLib.Variant("(ua(oa{sv}))", (1, links)))

        def value(connection, sender, path, interface, name):
            return machine[name]
        number = connection.register_object(ROOT, node.interfaces[0], call, value, None)
        connection.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName",
                             GLib.Variant("(su)", (NAME, 4)), None, Gio.DBusCallFlags.NONE, int(DEADLINE * 1000), None)
        loop = GLib.MainLoop()
        said = []

        def take(process, result):
            said.append(process.communicate_utf8_finish(result)[1])
            loop.quit()
        process = Gio.Subprocess.new([str(programs / "wopr_fetch"), bus.address, str(int(DEADLINE * 1000))],
                                     Gio.SubprocessFlags.STDOUT_PIPE)
        process.communicate_utf8_async(None, None, take)
        GLib.timeout_add(int(2 * DEADLINE * 1000), loop.quit)
        loop.run()
        connection.unregister_object(number)
        assert said, "the client did not come to an end"
        return json.loads(said[0])

    yield fetch
    connection.close_sync(None)


def test_a_newer_service_says_what_is_new_and_all_else_is_shown(ask):
    status = ask(MACHINE | {"Tomorrow": GLib.Variant("a(ss)", [("a", "b")])},
                 OLD_LINK | {"Grade": GLib.Variant("s", "splendid"), "SlotSource": GLib.Variant("s", "oracle"),
                             "Margins": GLib.Variant("a{sd}", {"left": 0.5}),
                             "Link": GLib.Variant("a{sv}", {"width": GLib.Variant("u", 16), "state": GLib.Variant("s", "humming"),
                                                            "colour": GLib.Variant("(ii)", (1, 2))}),
                             "Evidence": GLib.Variant("a{s(sbs)}", {"port": ("native", True, "Linux owns AER"),
                                                                    "device": ("whispered", True, "a tap"),
                                                                    "retimer": ("native", True, "")}),
                             "Correctable": GLib.Variant("a{sa{st}}", {"port": {"BadTLP": 3, "NewErr": 1}, "retimer": {}})})
    assert "error" not in status, status["error"]
    link = status["slots"][0]
    assert (link["slot"], link["grade"], link["slot_source"]) == ("PCIE3", "unknown", "address")
    assert (link["link"]["state"], link["link"]["width"]) == ("unknown", 16)
    assert (link["evidence"]["port"], link["evidence"]["device"]) == ("native", "blind")
    assert link["correctable"]["port"] == {"BadTLP": 3, "NewErr": 1}
    assert status["notes"] == ['the service is newer than this program, which does not know what it says with "humming", '
                               '"oracle", "splendid", "whispered" and shows it as unknown']


def test_what_an_older_service_does_not_say_is_not_known(ask):
    status = ask(MACHINE, OLD_LINK)
    assert "error" not in status, status["error"]
    link = status["slots"][0]
    assert (link["slot"], link["grade"], link["direction"]) == ("PCIE3", "trace", "to-host")
    assert link["correctable"]["port"] == {"BadTLP": 3}
    assert (link["uncorrectable"]["port"], link["lifetime"], link["root_port_messages"]) == (None, None, None)
    assert status["notes"] == []
