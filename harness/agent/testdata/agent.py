#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An agent in fifty lines, and the stack that it is the hand of: it answers name queries and node status on UDP port 137.

    nbtlab run my.scenario --dut pc=10.77.0.1 --agent pc='python3 agent.py 10.77.0.1'
"""
import json, socket, struct, sys, threading

names = {}  # the name table: 16 bytes of a name -> its number


def encoded(name):
    return b" " + bytes(0x41 + half for byte in name for half in (byte >> 4, byte & 15)) + b"\0"


def serve(sock, address):
    while True:
        request, sender = sock.recvfrom(2048)
        if len(request) < 50 or request[2] & 0x80 or request[4:6] != b"\0\1":
            continue  # no question
        label, kind = request[12:46], struct.unpack(">H", request[46:48])[0]
        name = bytes((label[1 + 2 * i] - 0x41) << 4 | label[2 + 2 * i] - 0x41 & 15 for i in range(16))
        header = request[:2] + struct.pack(">5H", 0x8500, 0, 1, 0, 0)
        if kind == 0x21:  # node status, of whatever name
            rows = b"".join(n + b"\x04\0" for n in names)
            data = bytes([len(names)]) + rows + bytes(46)
            sock.sendto(header + label + struct.pack(">HHIH", 0x21, 1, 0, len(data)) + data, sender)
        elif name in names and not request[2] & 0x78:  # a query
            sock.sendto(header + label + struct.pack(">HHIHH", 0x20, 1, 0, 6, 0) + socket.inet_aton(address), sender)


def parse(text):  # CHAT<20> -> 16 bytes
    text, suffix = text[:-4], int(text[-3:-1], 16)
    return text.encode("latin1").decode("unicode_escape").encode("latin1").ljust(15) + bytes([suffix])


def do(request):
    op, name = request["op"], parse(request["name"])
    if op == "add-name":
        if name in names:
            return {"code": 0x0D}  # NRC_DUPNAME
        names[name] = len(names) + 2
        return {"code": 0, "number": names[name]}
    return {"code": 0} if names.pop(name, None) else {"code": 0x15}  # delete-name; NRC_NOWILD


for host in sys.argv[1:2]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", 137))
    threading.Thread(target=serve, args=(sock, host), daemon=True).start()
print(json.dumps({"nbtlab_agent": 1, "name": "fifty lines of Python", "can": ["add-name", "delete-name"]}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({"id": request["id"], **do(request)}), flush=True)
