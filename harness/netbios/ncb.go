// SPDX-License-Identifier: MIT

package netbios

import "fmt"

// Command is the command byte of a network control block, without the no-wait bit.
type Command uint8

// The commands that the harness models; a stack answers any other with [ILLCMD].
const (
	Call             Command = 0x10
	Listen           Command = 0x11
	HangUp           Command = 0x12
	Send             Command = 0x14
	Receive          Command = 0x15
	ReceiveAny       Command = 0x16
	SendDatagram     Command = 0x20
	ReceiveDatagram  Command = 0x21
	SendBroadcast    Command = 0x22
	ReceiveBroadcast Command = 0x23
	AddName          Command = 0x30
	DeleteName       Command = 0x31
	Reset            Command = 0x32
	AdapterStatus    Command = 0x33
	SessionStatus    Command = 0x34
	Cancel           Command = 0x35
	AddGroupName     Command = 0x36
	FindName         Command = 0x78
)

// NoWait is the bit of the command byte that asks for asynchronous completion. Every call through the harness is
// asynchronous, so a stack ignores it.
const NoWait Command = 0x80

var commandNames = map[Command]string{
	Call: "CALL", Listen: "LISTEN", HangUp: "HANG UP", Send: "SEND", Receive: "RECEIVE", ReceiveAny: "RECEIVE ANY",
	SendDatagram: "SEND DATAGRAM", ReceiveDatagram: "RECEIVE DATAGRAM", SendBroadcast: "SEND BROADCAST",
	ReceiveBroadcast: "RECEIVE BROADCAST", AddName: "ADD NAME", DeleteName: "DELETE NAME", Reset: "RESET",
	AdapterStatus: "ADAPTER STATUS", SessionStatus: "SESSION STATUS", Cancel: "CANCEL", AddGroupName: "ADD GROUP NAME",
	FindName: "FIND NAME",
}

// String returns the command's name in the IBM manual's spelling.
func (c Command) String() string {
	if s, ok := commandNames[c&^NoWait]; ok {
		return s
	}
	return fmt.Sprintf("command 0x%02x", uint8(c))
}

// NCB is a network control block: one request of an application. Which fields a command reads is said in the IBM manual
// and in the stack that carries it out; the others are ignored.
type NCB struct {
	Command  Command
	Name     Name   // the local name
	CallName Name   // the remote name; for LISTEN and ADAPTER STATUS a leading asterisk means any, or this node
	Num      uint8  // name number, from the completion of ADD NAME; [AnyName] in receives
	LSN      uint8  // local session number, from the completion of CALL or LISTEN; RESET: 0 allocates, others free
	RTO      uint8  // receive time-out of a session in units of 500 ms, 0 for none
	STO      uint8  // send time-out of a session in units of 500 ms, 0 for none
	Length   uint16 // size of the buffer offered to receives and status commands, in bytes
	Data     []byte // what to send
	Target   uint32 // CANCEL: the identifier of the call to cancel
	Limits   Limits // RESET: the new limits, zero values for those that the node was made with
}

// AnyName is the name number that means "any name" in receives.
const AnyName = 0xff

// Limits are the sizes of a node's tables. Zero values mean the defaults.
type Limits struct {
	Names    int // unique and group names besides the permanent one, at most [MaxNames]
	Sessions int // sessions established or being set up, at most [MaxSessions]
}

// Table sizes. The defaults are those of classic adapters; Windows NT allows the maxima (KB Q132501).
const (
	DefaultNames    = 16
	DefaultSessions = 16
	MaxNames        = 253 // numbers 2-254
	MaxSessions     = 254 // numbers 1-254
	MaxDatagram     = 512 // bytes of user data in a datagram
)

// WithDefaults fills in the defaults and cuts what exceeds the maxima.
func (l Limits) WithDefaults() Limits {
	if l.Names <= 0 {
		l.Names = DefaultNames
	}
	if l.Sessions <= 0 {
		l.Sessions = DefaultSessions
	}
	return Limits{Names: min(l.Names, MaxNames), Sessions: min(l.Sessions, MaxSessions)}
}

// Or returns the limits with those of other in place of its own where other states any.
func (l Limits) Or(other Limits) Limits {
	if other.Names > 0 {
		l.Names = other.Names
	}
	if other.Sessions > 0 {
		l.Sessions = other.Sessions
	}
	return l.WithDefaults()
}

// Name flags of an ADAPTER STATUS row (nb30.h NAME_BUFFER): bit 0x80 for a group, the state in the low bits.
const (
	FlagGroup             = 0x80
	FlagRegistering       = 0x00
	FlagRegistered        = 0x04
	FlagDeregistered      = 0x05
	FlagDuplicate         = 0x06
	FlagDuplicateDeregist = 0x07
)

// Layout of what ADAPTER STATUS and SESSION STATUS return, in bytes (nb30.h).
const (
	StatusHeaderLen  = 60 // ADAPTER_STATUS; the number of names is its last little-endian word
	StatusRowLen     = 18 // NAME_BUFFER: name, number, flags
	SessionHeaderLen = 4  // SESSION_HEADER: name number, sessions, datagram and any-receives outstanding
	SessionRowLen    = 36 // SESSION_BUFFER: lsn, state, local name, remote name, receives and sends outstanding
	FindHeaderLen    = 4  // FIND_NAME_HEADER: node count, reserved, unique/group
	FindRowLen       = 33 // FIND_NAME_BUFFER
)

// NameRow is one row of an ADAPTER STATUS answer.
type NameRow struct {
	Name  Name
	Num   uint8
	Flags uint8
}

// ParseStatus reads the name rows of an ADAPTER STATUS buffer. A buffer cut by its length (return code [INCOMP]) gives
// the rows that are whole; one without a whole header is an error.
func ParseStatus(b []byte) ([]NameRow, error) {
	if len(b) < StatusHeaderLen {
		return nil, fmt.Errorf("netbios: adapter status of %d bytes, the header alone has %d", len(b), StatusHeaderLen)
	}
	count := int(b[StatusHeaderLen-2]) | int(b[StatusHeaderLen-1])<<8
	count = min(count, (len(b)-StatusHeaderLen)/StatusRowLen)
	rows := make([]NameRow, count)
	for i := range rows {
		row := b[StatusHeaderLen+i*StatusRowLen:]
		rows[i] = NameRow{Name: Name(row[:NameLen]), Num: row[NameLen], Flags: row[NameLen+1]}
	}
	return rows, nil
}

// AppendStatus appends an ADAPTER STATUS buffer that tells of a node's unit address and names, and of nothing else.
func AppendStatus(b []byte, unit [6]byte, rows []NameRow) []byte {
	header := make([]byte, StatusHeaderLen)
	copy(header, unit[:])
	header[StatusHeaderLen-2], header[StatusHeaderLen-1] = byte(len(rows)), byte(len(rows)>>8)
	b = append(b, header...)
	for _, row := range rows {
		b = append(append(b, row.Name[:]...), row.Num, row.Flags)
	}
	return b
}
