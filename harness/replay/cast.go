// SPDX-License-Identifier: MIT

package replay

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Cast tells who plays whom when a capture is performed before a device: where the hosts of the capture stand on a real
// network, and which names there stand for the capture's.
type Cast struct {
	Device netip.Prefix // in the place of the view's host
	Peers  []Part       // in the places of the others
	Names  []Binding
}

// Part is the part of a peer: the host of the capture, and who plays it.
type Part struct {
	Captured netip.Addr
	Place    netip.Prefix
}

// Binding is a name of the capture, and the one that stands for it.
type Binding struct{ Captured, Real netbios.Name }

// Peers lists the hosts that have something to say to a view's host: those who sent it something, or sent something to
// everybody, in the order of their first frames.
func (v *View) Peers() []netip.Addr {
	var list []netip.Addr
	known := map[netip.Addr]bool{}
	for i := range v.Frames {
		if from := v.Frames[i].From.Addr(); !v.read[i].out && !known[from] {
			list, known[from] = append(list, from), true
		}
	}
	return list
}

// Names lists the names that a view's frames are about, in the order of their first frames: those that somebody has, claims,
// asks for or calls.
func (v *View) Names() []netbios.Name {
	var list []netbios.Name
	known := map[netbios.Name]bool{{}: true, netbios.Wildcard: true} // or of no interest
	add := func(n netbios.Name) {
		if !known[n] {
			list, known[n] = append(list, n), true
		}
	}
	for i := range v.read {
		r := &v.read[i]
		add(r.name)
		add(r.from)
		for _, row := range r.rows {
			add(row.Name)
		}
	}
	return list
}

// check tells what is wrong with a cast for a view.
func (c *Cast) check(v *View) error {
	names := v.Names()
	for i, b := range c.Names {
		switch {
		case b.Captured == netbios.Wildcard || b.Real == netbios.Wildcard:
			return fmt.Errorf("replay: * stands for any name and cannot be bound")
		case !slices.Contains(names, b.Captured):
			return fmt.Errorf("replay: name %s is not in the capture (it has %s)", b.Captured, someNames(names))
		}
		for _, other := range c.Names[:i] {
			if other.Captured == b.Captured || other.Real == b.Real {
				return fmt.Errorf("replay: %s and %s cannot be bound to %s and %s: two names would become one, or one two",
					other.Captured, b.Captured, other.Real, b.Real)
			}
		}
		if slices.Contains(names, b.Real) && !slices.ContainsFunc(c.Names, func(x Binding) bool { return x.Captured == b.Real }) {
			return fmt.Errorf("replay: %s is in the capture already: with %s bound to it the two names would become one", b.Real, b.Captured)
		}
	}
	return nil
}

func someNames(names []netbios.Name) string {
	if len(names) == 0 {
		return "none"
	}
	const most = 8
	var texts []string
	for _, n := range names[:min(len(names), most)] {
		texts = append(texts, n.String())
	}
	if len(names) > most {
		texts = append(texts, "...")
	}
	return strings.Join(texts, ", ")
}

// mask translates between a capture and the network that it is performed on. Each address and name has one counterpart, so
// that what a device says can be read as the capture's host would have said it.
type mask struct {
	there, back         map[netip.Addr]netip.Addr
	thereNames, asNames map[netbios.Name]netbios.Name
	strangers           []netip.Addr // of the capture, whom nobody plays
	taken               map[netip.Addr]bool
}

func newMask(v *View, c *Cast) *mask {
	m := &mask{
		there: map[netip.Addr]netip.Addr{}, back: map[netip.Addr]netip.Addr{}, taken: map[netip.Addr]bool{},
		thereNames: map[netbios.Name]netbios.Name{}, asNames: map[netbios.Name]netbios.Name{},
	}
	m.pair(v.Host, c.Device.Addr())
	for _, p := range c.Peers {
		m.pair(p.Captured, p.Place.Addr())
	}
	// That no sender's address can be the broadcast one keeps the pairs apart.
	m.pair(stack.BroadcastOf(v.prefix), stack.BroadcastOf(c.Device))
	for _, b := range c.Names {
		m.thereNames[b.Captured], m.asNames[b.Real] = b.Real, b.Captured
	}
	return m
}

func (m *mask) pair(captured, real netip.Addr) {
	if _, known := m.there[captured]; !known && !m.taken[real] {
		m.there[captured], m.back[real], m.taken[real] = real, captured, true
	}
}

// nowhere is the first address of a network that leads nowhere (TEST-NET-1, RFC 5737): nobody plays the hosts there.
var nowhere = netip.AddrFrom4([4]byte{192, 0, 2, 1})

// maxStrangers is how many hosts that nobody plays are told apart.
const maxStrangers = 200

// real is the address that stands for one of the capture. A host that nobody plays is sent nowhere: what a frame says of it must
// not make the device send to whoever has that address here.
func (m *mask) real(a netip.Addr) netip.Addr {
	if to, known := m.there[a]; known {
		return to
	}
	if a.IsUnspecified() || a == stack.LimitedBroadcast {
		return a
	}
	to := nowhere
	for range min(len(m.strangers), maxStrangers) {
		to = to.Next()
	}
	if len(m.strangers) < maxStrangers {
		m.strangers = append(m.strangers, a)
		m.pair(a, to)
	}
	return to
}

// captured is the address that one stands for.
func (m *mask) captured(a netip.Addr) netip.Addr {
	if from, known := m.back[a]; known {
		return from
	}
	return a
}

func (m *mask) realName(n netbios.Name) netbios.Name     { return other(m.thereNames, n) }
func (m *mask) capturedName(n netbios.Name) netbios.Name { return other(m.asNames, n) }

func other(names map[netbios.Name]netbios.Name, n netbios.Name) netbios.Name {
	if to, bound := names[n]; bound {
		return to
	}
	return n
}

// disguised is the payload of a frame of the capture as it is sent.
func (m *mask) disguised(f *trace.Frame) []byte { return rewritten(f, m.real, m.realName) }

// isAddress reports whether a field is an IPv4 address of somebody.
func isAddress(x *nbt.Field) bool {
	return x.Len == 4 && (strings.Contains(x.Name, "NB_ADDRESS") || strings.Contains(x.Name, "NSD_IP_ADDR"))
}

// unmasked is a frame of the network as it would stand in the capture.
func (m *mask) unmasked(f *trace.Frame) trace.Frame {
	own := *f
	own.From = netip.AddrPortFrom(m.captured(f.From.Addr()), f.From.Port())
	own.To = netip.AddrPortFrom(m.captured(f.To.Addr()), f.To.Port())
	own.Payload = rewritten(f, m.captured, m.capturedName)
	return own
}

// rewritten is a payload with other addresses and names, and else byte for byte what it was. What is no message of its service
// keeps what looks like a name or an address somewhere.
func rewritten(f *trace.Frame, addr func(netip.Addr) netip.Addr, name func(netbios.Name) netbios.Name) []byte {
	r := read(f)
	switch {
	case f.Kind != trace.UDP && f.Kind != trace.Message:
		return nil
	case r.service == nameService:
		return rewrittenName(f.Payload, addr, name)
	case r.bad && r.name == (netbios.Name{}) && r.service == datagramService:
		return slices.Clone(f.Payload)
	case r.service == datagramService:
		b := nbt.Rename(f.Payload, name)
		swap(b, sourceIP, addr)
		return b
	case r.service == sessionService && r.ssn == nbt.SsnMessage:
		return slices.Clone(f.Payload) // it is the applications' business
	}
	b := nbt.Rename(f.Payload, name)
	if r.ssn == nbt.SsnRetarget {
		swap(b, retargetIP, addr)
	}
	return b
}

// Where addresses stand in messages (RFC 1002 sections 4.4.1 and 4.3.5).
const (
	sourceIP   = 4
	retargetIP = 4
)

func swap(b []byte, at int, addr func(netip.Addr) netip.Addr) {
	if at+4 > len(b) {
		return
	}
	to := addr(netip.AddrFrom4([4]byte(b[at:]))).As4()
	copy(b[at:], to[:])
}

func rewrittenName(payload []byte, addr func(netip.Addr) netip.Addr, name func(netbios.Name) netbios.Name) []byte {
	b := nbt.Rename(payload, name)
	m, err := nbt.ParseNameMessageLenient(payload)
	if err != nil {
		return b
	}
	for _, x := range m.Fields() {
		at := b[x.Offset : x.Offset+x.Len]
		switch {
		case isAddress(&x):
			swap(b, x.Offset, addr)
		case x.Len == netbios.NameLen && strings.Contains(x.Name, "NODE_NAME"):
			n := name(netbios.Name(at))
			copy(at, n[:])
		}
	}
	return b
}
