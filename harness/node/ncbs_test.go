// SPDX-License-Identifier: MIT

package node_test

import (
	"github.com/nbtlab/nbtlab/harness/netbios"
)

// The NCBs of these specs, by what they do.

func add(n string) netbios.NCB      { return netbios.NCB{Command: 0x30, Name: name(n)} }
func addGroup(n string) netbios.NCB { return netbios.NCB{Command: 0x36, Name: name(n)} }
func remove(n string) netbios.NCB   { return netbios.NCB{Command: 0x31, Name: name(n)} }
func listen(n, caller string) netbios.NCB {
	return netbios.NCB{Command: 0x11, Name: name(n), CallName: name(caller)}
}

func callFrom(n, called string) netbios.NCB {
	return netbios.NCB{Command: 0x10, Name: name(n), CallName: name(called)}
}
func hangUp(lsn uint8) netbios.NCB { return netbios.NCB{Command: 0x12, LSN: lsn} }
func send(lsn uint8, data string) netbios.NCB {
	return netbios.NCB{Command: 0x14, LSN: lsn, Data: []byte(data)}
}

func receive(lsn uint8, length uint16) netbios.NCB {
	return netbios.NCB{Command: 0x15, LSN: lsn, Length: length}
}

func receiveAny(num uint8, length uint16) netbios.NCB {
	return netbios.NCB{Command: 0x16, Num: num, Length: length}
}

func sendDatagram(num uint8, to, data string) netbios.NCB {
	return netbios.NCB{Command: 0x20, Num: num, CallName: name(to), Data: []byte(data)}
}

func receiveDatagram(num uint8, length uint16) netbios.NCB {
	return netbios.NCB{Command: 0x21, Num: num, Length: length}
}

func sendBroadcast(num uint8, data string) netbios.NCB {
	return netbios.NCB{Command: 0x22, Num: num, Data: []byte(data)}
}

func receiveBroadcast(num uint8, length uint16) netbios.NCB {
	return netbios.NCB{Command: 0x23, Num: num, Length: length}
}

func reset(lsn uint8, limits netbios.Limits) netbios.NCB {
	return netbios.NCB{Command: 0x32, LSN: lsn, Limits: limits}
}

func adapterStatus(of string, length uint16) netbios.NCB {
	return netbios.NCB{Command: 0x33, CallName: name(of), Length: length}
}

func sessionStatus(of string, length uint16) netbios.NCB {
	return netbios.NCB{Command: 0x34, Name: name(of), Length: length}
}
func cancel(id uint32) netbios.NCB { return netbios.NCB{Command: 0x35, Target: id} }
func findName(of string, length uint16) netbios.NCB {
	return netbios.NCB{Command: 0x78, CallName: name(of), Length: length}
}
