// SPDX-License-Identifier: MIT

// Package stack is the seam between a NetBIOS stack and whatever drives it: what goes in, what comes out, and the words
// in which a stack tells why.
//
// A stack implements one method:
//
//	Step(at time.Duration, in stack.Input, out *stack.Outputs)
//
// It is handed one input at a time, with the time since the run began, and appends what it wants done. It never waits,
// reads a clock, draws a random number or touches a socket; the driver does all that, drains the outputs in order and
// only then steps again. The same inputs at the same times give the same outputs.
package stack

import (
	"net/netip"
	"time"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// Stack is a NetBIOS stack under study.
type Stack interface {
	Step(at time.Duration, in Input, out *Outputs)
}

// The well-known ports of RFC 1002 section 4: name, datagram and session service.
const (
	NamePort     = 137
	DatagramPort = 138
	SessionPort  = 139
)

// LimitedBroadcast is everybody on the network of the sender, without saying which network that is (RFC 919).
var LimitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// BroadcastOf returns the directed broadcast address of an IPv4 network.
func BroadcastOf(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		a[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(a)
}

// CallID identifies a call, from [Call] to [Complete]. The driver chooses it and never reuses it in a run.
type CallID uint32

// Conn identifies a TCP connection at one end of it. The stack chooses the numbers of the connections that it opens, from
// 1; the driver chooses those of inbound ones, from [Inbound]+1.
type Conn uint32

// Inbound is the first bit of the numbers of connections that others opened.
const Inbound Conn = 1 << 31

// TimerID identifies a timer of one stack. Arming an identifier again replaces its time.
type TimerID uint32

// Input is one thing that happens to a stack.
//
//sumtype:decl
type Input interface{ input() }

// Call is an NCB that an application submits.
type Call struct {
	ID  CallID
	NCB netbios.NCB
}

// Stop asks for an orderly stop: sessions end, names are released, then the stack answers [Stopped].
type Stop struct{}

// Datagram is a UDP payload that arrived. Broadcast tells that its destination was a broadcast address.
type Datagram struct {
	From, To  netip.AddrPort
	Broadcast bool
	Payload   []byte
}

// Opened tells that a TCP connection is established. From opened it; at the opening end Conn is that of [Open].
type Opened struct {
	Conn     Conn
	From, To netip.AddrPort
	Inbound  bool
}

// Data is the next bytes of a connection, in any chunking.
type Data struct {
	Conn  Conn
	Bytes []byte
}

// Closed tells that nothing more will arrive on a connection, and why.
type Closed struct {
	Conn   Conn
	Reason CloseReason
}

// Timer tells that a timer's time has come.
type Timer struct{ ID TimerID }

func (Call) input()     {}
func (Stop) input()     {}
func (Datagram) input() {}
func (Opened) input()   {}
func (Data) input()     {}
func (Closed) input()   {}
func (Timer) input()    {}

// CloseReason is why a connection ended.
type CloseReason uint8

// The reasons.
const (
	EOF     CloseReason = iota // the other side sent FIN
	Reset                      // the other side sent RST
	Refused                    // nobody accepts connections there
	Timeout                    // no answer
)

func (r CloseReason) String() string {
	return [...]string{"eof", "reset", "refused", "timeout"}[r]
}

// Output is one thing that a stack wants done, or tells.
//
//sumtype:decl
type Output interface{ output() }

// Complete ends a call.
type Complete struct {
	ID       CallID
	Code     netbios.Code
	Num      uint8        // ADD NAME, ADD GROUP NAME; RECEIVE ANY and datagram receives: the name's number
	LSN      uint8        // CALL, LISTEN, RECEIVE ANY
	CallName netbios.Name // LISTEN and datagram receives: who it was
	Data     []byte       // what was received or asked for
}

// Stopped ends an orderly stop.
type Stopped struct{}

// SendDatagram sends a UDP payload.
type SendDatagram struct {
	From, To  netip.AddrPort
	Broadcast bool
	Payload   []byte
}

// Open opens a TCP connection.
type Open struct {
	Conn Conn
	To   netip.AddrPort
}

// SendData sends bytes on a connection.
type SendData struct {
	Conn  Conn
	Bytes []byte
}

// Close ends the sending side of a connection (FIN), or with Abort the whole of it (RST).
type Close struct {
	Conn  Conn
	Abort bool
}

// Arm asks for a [Timer] input at a time since the run began.
type Arm struct {
	ID TimerID
	At time.Duration
}

// Disarm cancels a timer. Cancelling one that is not armed does nothing.
type Disarm struct{ ID TimerID }

func (Complete) output()     {}
func (Stopped) output()      {}
func (SendDatagram) output() {}
func (Open) output()         {}
func (SendData) output()     {}
func (Close) output()        {}
func (Arm) output()          {}
func (Disarm) output()       {}
func (NameChanged) output()  {}
func (RefTaken) output()     {}
func (RefDropped) output()   {}
func (Remark) output()       {}

// Outputs collects what one step wants done, in order: cause before effect.
type Outputs struct{ list []Output }

// Add appends an output.
func (o *Outputs) Add(x Output) { o.list = append(o.list, x) }

// All returns the outputs since the last [Outputs.Reset]; the slice is valid until then.
func (o *Outputs) All() []Output { return o.list }

// Reset empties the list and keeps its memory.
func (o *Outputs) Reset() {
	clear(o.list)
	o.list = o.list[:0]
}
