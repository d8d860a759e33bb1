// SPDX-License-Identifier: MIT

// Package node is a NetBIOS-over-TCP/IP end node (RFC 1001 section 10): NCB commands in, packets out, around a
// [nametable.Table]. It is a pure state machine behind the seam of package stack; a virtual LAN and real sockets drive
// the same code.
//
// A node is of type B, which broadcasts, or P, M or H, which have a name server. What RFC 1002 leaves open there:
//
//   - ADD NAME of a P or M node whose name server is silent returns CMDTMO; an H node claims the name by broadcast then,
//     and goes on refreshing it at the name server until that is back.
//   - An M node sends its overwrite demand when both the segment and the name server have let it have the name.
//   - There is no datagram distribution server: group and broadcast datagrams are broadcast by every type of node, and
//     heard by every type.
//   - A refresh that the name server refuses puts the name in conflict. One that it does not answer changes nothing.
//   - Every node refuses a registration, an overwrite or a refresh of its name that is sent to it alone; a P node hears
//     nothing that was broadcast.
//   - Answers to what was sent to one address count from there alone.
//
// A return code is decided where its cause is: 0x0D, 0x0E, 0x0F and 0x15 of a name in the table, the rest here. A SEND
// completes when its bytes are handed to the transport, so HANG UP never has one to wait for.
package node

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/nametable"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// Config is what a node is made of. A restart is a new node of the same configuration.
type Config struct {
	Prefix     netip.Prefix // its IPv4 address and the network it is on
	Type       Type
	NameServer netip.Addr // that of a P, M or H node. One without is a B node, as is one that is its own
	Serves     bool       // be a name server too, with the profile's policy
	Names      int        // most names that the name server holds, 0 for [nameserver.DefaultNames]
	UnitID     [6]byte    // the unit address of the permanent name and the status replies
	Limits     netbios.Limits
	Profile    Profile
	Faults     fault.Set
	Hosts      []Host // LMHOSTS entries, preloaded: names reached without a query
	FirstID    uint16 // of the transaction and datagram identifiers
}

// Type is how a node finds and defends names (RFC 1001 section 10).
type Type uint8

// The types.
const (
	B Type = iota // by broadcast
	P             // at a name server
	M             // by broadcast, then at a name server
	H             // at a name server, then by broadcast ([MS-NBTE] section 3.1.7)
)

var typeWords = [...]string{B: "b", P: "p", M: "m", H: "h"}

func (t Type) String() string { return typeWords[t] }

// FindType returns the type that is written as a letter: b, p, m or h.
func FindType(word string) (Type, bool) {
	i := slices.Index(typeWords[:], word)
	return Type(max(i, 0)), i >= 0
}

// Host is an LMHOSTS entry.
type Host struct {
	Name netbios.Name
	Addr netip.Addr
}

// Node is one end node. Make it with [New].
type Node struct {
	cfg       Config
	profile   Profile
	limits    netbios.Limits
	addr      netip.Addr
	broadcast netip.Addr

	table     nametable.Table
	requests  []*request
	claims    []recentClaim
	cache     []cached
	waiting   []waiting
	sessions  []*session
	fragments []*fragment
	leases    []*lease
	alarms    []alarm // by timer identifier less one
	server    *served // nil for most

	lastTrn, lastDgm uint16
	lastConn         stack.Conn
	lastLSN          uint8
	stopping, gone   bool

	now time.Duration
	out *stack.Outputs // of the step under way
}

// New makes a node that has just been switched on.
func New(cfg Config) *Node {
	limits := cfg.Limits.WithDefaults()
	if !cfg.NameServer.IsValid() || cfg.NameServer == cfg.Prefix.Addr() {
		cfg.Type = B
	}
	n := &Node{
		cfg:       cfg,
		profile:   cfg.Profile,
		limits:    limits,
		addr:      cfg.Prefix.Addr(),
		broadcast: stack.BroadcastOf(cfg.Prefix),
		table:     nametable.New(limits.Names, cfg.Faults),
		lastTrn:   cfg.FirstID,
		lastDgm:   cfg.FirstID,
	}
	if cfg.Serves {
		n.serve()
	}
	return n
}

// Step implements [stack.Stack]. A time before the last one is taken as the last one.
func (n *Node) Step(at time.Duration, in stack.Input, out *stack.Outputs) {
	n.now, n.out = max(n.now, at), out
	if call, ok := in.(stack.Call); ok && n.stopping {
		n.completeCode(call.ID, netbios.BRIDGE) // the adapter is going, or gone
		return
	}
	if n.gone {
		return
	}
	switch in := in.(type) {
	case stack.Call:
		n.call(in.ID, in.NCB)
	case stack.Stop:
		n.stop()
	case stack.Datagram:
		n.datagram(in)
	case stack.Opened:
		n.opened(in)
	case stack.Data:
		n.data(in)
	case stack.Closed:
		n.closed(in)
	case stack.Timer:
		n.ring(in.ID)
	default:
		panic(fmt.Sprintf("node: unknown input %T", in))
	}
}

// datagram sorts what arrives by UDP. What we sent ourselves is not for us: a node would defend its names against
// itself (Samba eead6d310b2).
func (n *Node) datagram(in stack.Datagram) {
	if in.From.Addr() == n.addr {
		return
	}
	switch in.To.Port() {
	case stack.NamePort:
		n.nameService(in)
	case stack.DatagramPort:
		n.datagramService(in)
	}
}

// stop is an orderly stop: calls end, sessions end, names are released, and then nothing more is done.
func (n *Node) stop() {
	n.stopping = true
	n.abandonCalls()
	n.dropLeases()
	for _, s := range slices.Clone(n.sessions) {
		n.hangUp(s)
	}
	for _, e := range n.table.Clear(n.out) {
		n.release(e)
	}
	n.stopIfQuiet()
}

// releasesAtStop reports whether an orderly stop tells the network about the names that go.
func (n *Node) releasesAtStop() bool { return n.cfg.Faults.Get(fault.SilentStop) == fault.Off }

func (n *Node) stopIfQuiet() {
	if n.stopping && len(n.requests) == 0 {
		n.gone = true
		n.out.Add(stack.Stopped{})
	}
}

func (n *Node) complete(c stack.Complete) { n.out.Add(c) }

func (n *Node) completeCode(id stack.CallID, code netbios.Code) {
	n.complete(stack.Complete{ID: id, Code: code})
}

func (n *Node) remark(text string) { n.out.Add(stack.Remark{Text: text}) }

// alarm is something that waits for a time.
type alarm interface{ ring(n *Node) }

// arm makes an alarm ring once, after a time.
func (n *Node) arm(a alarm, after time.Duration) stack.TimerID {
	i := slices.Index(n.alarms, nil)
	if i < 0 {
		i = len(n.alarms)
		n.alarms = append(n.alarms, nil)
	}
	n.alarms[i] = a
	id := stack.TimerID(i + 1)
	n.out.Add(stack.Arm{ID: id, At: n.after(after)})
	return id
}

// after returns a time from now on; at the end of time it stands still.
func (n *Node) after(d time.Duration) time.Duration {
	if t := n.now + d; t > n.now {
		return t
	}
	return n.now
}

// disarm cancels an alarm that has not rung; 0 is none.
func (n *Node) disarm(id stack.TimerID) {
	if id != 0 {
		n.alarms[id-1] = nil
		n.out.Add(stack.Disarm{ID: id})
	}
}

func (n *Node) ring(id stack.TimerID) {
	if id == 0 || int(id) > len(n.alarms) || n.alarms[id-1] == nil {
		return
	}
	a := n.alarms[id-1]
	n.alarms[id-1] = nil
	a.ring(n)
}
