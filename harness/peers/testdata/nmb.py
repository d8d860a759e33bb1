# SPDX-License-Identifier: MIT
"""What impacket makes of an address: nmb.py broadcast|ask|status|name|call ADDRESS [NAME[/CALLER]...]"""
import sys

from impacket import nmb

PATIENCE = 5  # seconds, for what is answered
heard = []


class Session(nmb.NetBIOSTCPSession):
    """A session that keeps what it heard: impacket does not tell the code of a refusal."""

    def recv_packet(self, timeout=None):
        heard.append(super().recv_packet(timeout))
        return heard[-1]


op, address, names = sys.argv[1], sys.argv[2], sys.argv[3:]
client = nmb.NetBIOS()

if op == "status":
    for row in client.getnodestatus("*", address, timeout=PATIENCE):
        print("%-15s <%02x> flags 0x%04x" % (row["NAME"].decode().rstrip(), row["TYPE"], row["NAME_FLAGS"]))
    print("MAC Address =", client.getmacaddress())
elif op == "name":
    print(client.getnetbiosname(address))
elif op == "call":
    for name in names:
        called, _, caller = name.partition("/")
        try:
            Session(caller or "PYCLIENT", called, address, sess_port=139, timeout=PATIENCE).close()
            print(called, "accepts")
        except nmb.NetBIOSError as e:
            print(called, "refuses with 0x%02x:" % heard[-1].get_trailer()[0], e)
else:
    (client.set_broadcastaddr if op == "broadcast" else client.set_nameserver)(address)
    for name in names:
        try:
            # Impacket asks several times.
            answer = client.gethostbyname(name, timeout=1)
            print(name, answer.entries, "rdata", answer["RDATA"].hex())
        except (nmb.NetBIOSError, nmb.NetBIOSTimeout) as e:
            print(name, type(e).__name__, e)
