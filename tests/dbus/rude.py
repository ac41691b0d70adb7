# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages as bytes, for what a well-behaved library will not send."""
import os
import socket

from gi.repository import Gio, GLib

from bus import DEADLINE


def blob(method, path, interface, name, signature=None, *arguments):
    message = Gio.DBusMessage.new_method_call(method, path, interface, name)
    message.set_serial(1)
    if signature:
        message.set_body(GLib.Variant(signature, arguments))
    return bytes(message.to_blob(Gio.DBusCapabilityFlags.NONE))


def connect(address):
    """A socket that has said Hello and reads nothing."""
    rude = socket.socket(socket.AF_UNIX)
    rude.settimeout(DEADLINE)
    rude.connect(address.removeprefix("unix:path="))
    rude.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
    assert rude.recv(4096).startswith(b"OK")
    rude.sendall(b"BEGIN\r\n" + blob("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "Hello"))
    return rude
