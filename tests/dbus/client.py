# SPDX-License-Identifier: GPL-2.0-or-later
"""A D-Bus client made by others (GLib): it sees what is on the bus, not what we think we put there."""
import os
import time

from gi.repository import Gio, GLib

from bus import DEADLINE

NAME = "org.wopr.Aer1"
ROOT = "/org/wopr/Aer1"
MANAGER = "org.wopr.Aer1.Manager"
LINK = "org.wopr.Aer1.Link"
CONTROL = "org.wopr.Aer1.Control"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"


class Client:
    def __init__(self, address, uid=None):
        """`uid`: as another user, which only root can; the bus has it from the socket."""
        flags = (Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)
        own = os.geteuid()
        if uid is not None:
            os.seteuid(uid)
        try:
            self.connection = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
        finally:
            os.seteuid(own)
        self.signals = []

    def call(self, path, interface, method, signature=None, *arguments, flags=Gio.DBusCallFlags.NO_AUTO_START):
        parameters = GLib.Variant(signature, arguments) if signature else None
        reply = self.connection.call_sync(NAME, path, interface, method, parameters, None, flags,
                                          int(DEADLINE * 1000), None)
        return reply.unpack()

    def begin(self, path, interface, method, signature, *arguments):
        """As call(), without waiting: the list holds the answer, or the error, once wait_until() has seen it come."""
        answer = []

        def take(connection, result):
            try:
                answer.append(connection.call_finish(result).unpack())
            except GLib.Error as error:
                answer.append(error)
        self.connection.call(NAME, path, interface, method, GLib.Variant(signature, arguments), None,
                             Gio.DBusCallFlags.NO_AUTO_START, int(DEADLINE * 1000), None, take)
        return answer

    def all(self, path, interface):
        return self.call(path, PROPERTIES, "GetAll", "(s)", interface)[0]

    def links(self, offset=0, count=128):
        return self.call(ROOT, MANAGER, "ListLinks", "(uu)", offset, count)

    def listen(self):
        """From now on every signal of the service is kept in `signals` as (path, name, arguments)."""
        self.connection.signal_subscribe(NAME, None, None, None, None, Gio.DBusSignalFlags.NONE, self._take, None)
        # The bus knows of the subscription when it answers this.
        self.connection.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus.Peer", "Ping", None, None,
                                  Gio.DBusCallFlags.NONE, int(DEADLINE * 1000), None)

    def _take(self, connection, sender, path, interface, name, parameters, data):
        self.signals.append((path, name, parameters.unpack()))

    def heard(self):
        """What the service has sent until now: a bus keeps the order of one sender's messages."""
        self.call(ROOT, "org.freedesktop.DBus.Peer", "Ping")
        context = GLib.MainContext.default()
        while context.pending():
            context.iteration(False)
        signals, self.signals = self.signals, []
        return signals

    def wait_until(self, condition):
        deadline = time.monotonic() + DEADLINE
        context = GLib.MainContext.default()
        GLib.timeout_add(int(DEADLINE * 1000), lambda: False)  # so that iteration() comes back
        while not condition(self.signals):
            assert time.monotonic() < deadline, f"waited in vain; heard {self.signals}"
            context.iteration(True)

    def close(self):
        if not self.connection.is_closed():
            self.connection.close_sync(None)
