// SPDX-License-Identifier: MIT

package netbios

import "fmt"

// Code is an NCB return code.
type Code uint8

// The return codes of nb30.h. The harness's stacks give those up to NAMCONF, and CANOCCR and CANCEL.
const (
	GOODRET     Code = 0x00 // completed
	BUFLEN      Code = 0x01 // length out of range
	ILLCMD      Code = 0x03 // unknown or unimplemented command
	CMDTMO      Code = 0x05 // timed out
	INCOMP      Code = 0x06 // more data than the buffer holds
	BADDR       Code = 0x07 // bad buffer
	SNUMOUT     Code = 0x08 // not an open session
	NORES       Code = 0x09 // out of transient resources
	SCLOSED     Code = 0x0a // session ended in order
	CMDCAN      Code = 0x0b // cancelled
	DUPNAME     Code = 0x0d // already in the local name table, in whatever state
	NAMTFUL     Code = 0x0e // no free slot in the name table
	ACTSES      Code = 0x0f // deleted, but sessions are active: deregistered, removed when the last one ends
	LOCTFUL     Code = 0x11 // local session table full
	REMTFUL     Code = 0x12 // open rejected: nobody listens, or no session room
	ILLNN       Code = 0x13 // illegal name number
	NOCALL      Code = 0x14 // called name not found
	NOWILD      Code = 0x15 // no such local name, or a name that may not be added
	INUSE       Code = 0x16 // name in use on another node
	NAMERR      Code = 0x17 // name deleted
	SABORT      Code = 0x18 // session lost
	NAMCONF     Code = 0x19 // name conflict detected
	IFBUSY      Code = 0x21
	TOOMANY     Code = 0x22
	BRIDGE      Code = 0x23
	CANOCCR     Code = 0x24 // the command completed before it could be cancelled
	CANCEL      Code = 0x26 // not a command that can be cancelled
	DUPENV      Code = 0x30
	ENVNOTDEF   Code = 0x34
	OSRESNOTAV  Code = 0x35
	MAXAPPS     Code = 0x36
	NORESOURCES Code = 0x38
	INVADDRESS  Code = 0x39
	PENDING     Code = 0xff // not completed yet
)

var codeNames = map[Code]string{
	GOODRET: "GOODRET", BUFLEN: "BUFLEN", ILLCMD: "ILLCMD", CMDTMO: "CMDTMO", INCOMP: "INCOMP", BADDR: "BADDR",
	SNUMOUT: "SNUMOUT", NORES: "NORES", SCLOSED: "SCLOSED", CMDCAN: "CMDCAN", DUPNAME: "DUPNAME", NAMTFUL: "NAMTFUL",
	ACTSES: "ACTSES", LOCTFUL: "LOCTFUL", REMTFUL: "REMTFUL", ILLNN: "ILLNN", NOCALL: "NOCALL", NOWILD: "NOWILD",
	INUSE: "INUSE", NAMERR: "NAMERR", SABORT: "SABORT", NAMCONF: "NAMCONF", IFBUSY: "IFBUSY", TOOMANY: "TOOMANY",
	BRIDGE: "BRIDGE", CANOCCR: "CANOCCR", CANCEL: "CANCEL", DUPENV: "DUPENV", ENVNOTDEF: "ENVNOTDEF",
	OSRESNOTAV: "OSRESNOTAV", MAXAPPS: "MAXAPPS", NORESOURCES: "NORESOURCES", INVADDRESS: "INVADDRESS",
	PENDING: "PENDING",
}

// String returns the name of nb30.h, such as NRC_DUPNAME.
func (c Code) String() string {
	if s, ok := codeNames[c]; ok {
		return "NRC_" + s
	}
	return fmt.Sprintf("NRC 0x%02x", uint8(c))
}

// ParseCode returns the code of a name as [Code.String] writes it.
func ParseCode(s string) (Code, bool) {
	for c, name := range codeNames {
		if s == "NRC_"+name {
			return c, true
		}
	}
	return 0, false
}

// CodeNames returns the names of all codes in the order of their values.
func CodeNames() []string {
	var names []string
	for c := range 0x100 {
		if s, ok := codeNames[Code(c)]; ok {
			names = append(names, "NRC_"+s)
		}
	}
	return names
}
