"""Peers: the owner of a connection in the tables of Linux."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from queuectl_core.web.connection import peers
from queuectl_core.web.connection.peers import UnknownPeer, uid_of

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc/net/tcp")
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_owner_of_a_real_connection_is_found(family: socket.AddressFamily) -> None:
    try:
        listener = socket.create_server(("127.0.0.1" if family == socket.AF_INET else "::1", 0), family=family)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listener, socket.create_connection(listener.getsockname()[:2]) as client:
        accepted = listener.accept()[0]
        with accepted:
            assert uid_of(accepted) == os.geteuid()
            client.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc/net/tcp")
def test_a_connection_that_its_owner_has_closed_belongs_to_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        with listener.accept()[0] as accepted:
            client.close()
            with pytest.raises(UnknownPeer):
                uid_of(accepted)


@pytest.mark.skipif(sys.byteorder != "little", reason="the rows are those of a little-endian machine")
def test_a_row_is_found_by_both_addresses(tmp_path: Path) -> None:
    ours, theirs = ("127.0.0.1", 0x1F90), ("127.0.0.1", 0xD431)
    row = "   0: {} {} 01 00000000:00000000 00:00000000 00000000  {}        0 {} 1 0 20 4 30 10 -1\n"
    table = tmp_path / "tcp"
    table.write_text(
        HEAD
        + row.format("0100007F:1F90", "0100007F:D431", 1, 11)  # our own end
        + row.format("0100007F:D432", "0100007F:1F90", 2, 12)  # another client
        + row.format("0100007F:D431", "0100007F:1F90", 1000, 13)
    )
    assert peers._uid_in(str(table), peers._needle(theirs, ours, False)) == 1000
    table.write_text(HEAD + row.format("0100007F:D431", "0100007F:1F90", 0, 0))
    assert peers._uid_in(str(table), peers._needle(theirs, ours, False)) is None
    wide = peers._needle(theirs, ours, True)
    assert wide == b" 0000000000000000FFFF00000100007F:D431 0000000000000000FFFF00000100007F:1F90 "
