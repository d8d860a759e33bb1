// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"slices"

	"github.com/nbtlab/nbtlab/harness/nametable"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// namesLen is the length of two encoded names without scope.
const namesLen = 68

// outgoing is a SEND DATAGRAM under way.
type outgoing struct {
	call         stack.CallID
	source, dest netbios.Name
	data         []byte
}

func (n *Node) sendDatagram(id stack.CallID, ncb netbios.NCB) {
	e, code := n.sender(ncb)
	if code != netbios.GOODRET {
		n.completeCode(id, code)
		return
	}
	d := &outgoing{id, e.Name, ncb.CallName, ncb.Data}
	own, found := n.table.Find(d.dest)
	switch {
	case found && own.State == stack.Registered && own.Group:
		d.resolved(n, n.broadcast, true)
	case found && own.State == stack.Registered:
		n.deliverLocally(d, nbt.DgmUnique)
		n.completeCode(id, netbios.GOODRET)
	default:
		n.resolve(d.dest, d)
	}
}

// sendBroadcast sends to every node, ourselves among them.
func (n *Node) sendBroadcast(id stack.CallID, ncb netbios.NCB) {
	e, code := n.sender(ncb)
	if code == netbios.GOODRET {
		d := &outgoing{id, e.Name, netbios.Wildcard, ncb.Data}
		n.transmitDatagram(d, nbt.DgmBroadcast, n.broadcast)
		n.deliverLocally(d, nbt.DgmBroadcast)
	}
	n.completeCode(id, code)
}

// sender checks what a datagram is to be sent with: a name of ours, by its number, and not too much data.
func (n *Node) sender(ncb netbios.NCB) (nametable.Entry, netbios.Code) {
	e, code := n.usableNum(ncb.Num)
	if code == netbios.GOODRET && len(ncb.Data) > netbios.MaxDatagram {
		code = netbios.BUFLEN
	}
	return e, code
}

func (d *outgoing) caller() stack.CallID { return d.call }

// resolved sends the datagram: to the owner of a unique name, to everybody for a group (RFC 1002 section 5.3.1).
func (d *outgoing) resolved(n *Node, at netip.Addr, group bool) {
	e, _ := n.table.Find(d.source)
	if code := usable(e, netbios.ILLNN); code != netbios.GOODRET {
		n.completeCode(d.call, code) // the name went while its datagram was waiting
		return
	}
	if group {
		n.transmitDatagram(d, nbt.DgmGroup, n.broadcast)
		n.deliverLocally(d, nbt.DgmGroup)
	} else {
		n.transmitDatagram(d, nbt.DgmUnique, at)
	}
	n.completeCode(d.call, netbios.GOODRET)
}

// abandon ends the call. SEND DATAGRAM has no delivery report: a name that nobody answers for is not an error.
func (d *outgoing) abandon(n *Node, code netbios.Code) {
	if code == netbios.CMDTMO {
		n.remark("nobody answers for " + d.dest.String() + ": the datagram was not sent")
		code = netbios.GOODRET
	}
	n.completeCode(d.call, code)
}

func (n *Node) transmitDatagram(d *outgoing, t nbt.DatagramType, to netip.Addr) {
	n.lastDgm++
	m := nbt.UniqueDatagram(n.lastDgm, netip.AddrPortFrom(n.addr, stack.DatagramPort), d.source, d.dest, d.data)
	m.Type = t
	m.Flags |= n.sourceType()
	for more := true; more; {
		var fragment nbt.DatagramMessage
		fragment, m, more = m.Split()
		n.sendDgm(to, fragment)
	}
}

// sourceType is the node type in the flags of a datagram. Microsoft's H nodes have that of a datagram distribution server.
func (n *Node) sourceType() nbt.DatagramFlags {
	return [...]nbt.DatagramFlags{B: nbt.SNTB, P: nbt.SNTP, M: nbt.SNTM, H: nbt.SNTNBDD}[n.cfg.Type]
}

func (n *Node) sendDgm(to netip.Addr, m nbt.DatagramMessage) {
	b, err := m.AppendBinary(make([]byte, 0, 14+namesLen+len(m.Data)))
	if err != nil {
		panic("node: own datagram does not encode: " + err.Error())
	}
	n.sendUDP(stack.DatagramPort, netip.AddrPortFrom(to, stack.DatagramPort), b)
}

// deliverLocally hands our own datagram to our own applications, through the same look-up as one from the network.
func (n *Node) deliverLocally(d *outgoing, t nbt.DatagramType) {
	n.deliver(n.addr, nbt.DatagramMessage{Type: t, SourceName: d.source, DestName: d.dest, Data: d.data})
}

// datagramService handles a message on port 138.
func (n *Node) datagramService(in stack.Datagram) {
	m, err := nbt.ParseDatagram(in.Payload)
	if err != nil {
		n.remark("datagram ignored: " + err.Error())
		return
	}
	if n.stopping {
		return
	}
	switch m.Type {
	case nbt.DgmUnique, nbt.DgmGroup, nbt.DgmBroadcast:
		m, whole := n.reassemble(in.From.Addr(), m)
		if !whole {
			return
		}
		// Only a direct datagram sent to this node alone is answered when its name is not here: else every node would
		// answer every broadcast (RFC 1002 section 5.3.3, reference trap 8).
		if n.deliver(in.From.Addr(), m) == nametable.Absent && m.Type == nbt.DgmUnique && !in.Broadcast {
			n.refuseDatagram(in.From, m.ID)
		}
	default:
		// Errors have nobody to go to: SEND DATAGRAM has completed. Queries are for datagram distribution servers.
	}
}

func (n *Node) refuseDatagram(to netip.AddrPort, id uint16) {
	m := nbt.ErrorDatagram(id, netip.AddrPortFrom(n.addr, stack.DatagramPort), nbt.DgmNotPresent)
	b, err := m.AppendBinary(nil)
	if err != nil {
		panic("node: own datagram error does not encode: " + err.Error())
	}
	n.sendUDP(stack.DatagramPort, to, b)
}

// deliver hands a whole datagram to the commands that wait for it. What nobody waits for is lost, as datagrams are.
func (n *Node) deliver(from netip.Addr, m nbt.DatagramMessage) nametable.Reception {
	if m.DestScope != "" {
		return nametable.Absent // a name in another scope is another name
	}
	if m.Type == nbt.DgmBroadcast || m.DestName == netbios.Wildcard {
		n.deliverBroadcast(m)
		return nametable.Accepted
	}
	var e nametable.Entry
	reception := nametable.Accepted
	if m.Type == nbt.DgmUnique {
		e, reception = n.table.Receive(m.DestName, m.SourceName, from, n.out)
	} else if e, _ = n.table.Find(m.DestName); e.State != stack.Registered {
		reception = nametable.Unusable
	}
	if reception == nametable.Accepted {
		if w, found := n.takeWaiting(netbios.ReceiveDatagram, e.Name, anyWaiting); found {
			n.completeReceive(w.call, e.Num, m, w.ncb.Length)
		}
	}
	return reception
}

// deliverBroadcast completes every RECEIVE BROADCAST that waits, not just one.
func (n *Node) deliverBroadcast(m nbt.DatagramMessage) {
	n.waiting = slices.DeleteFunc(n.waiting, func(w waiting) bool {
		if w.ncb.Command&^netbios.NoWait != netbios.ReceiveBroadcast {
			return false
		}
		n.completeReceive(w.call, w.ncb.Num, m, w.ncb.Length)
		return true
	})
}

func (n *Node) completeReceive(id stack.CallID, num uint8, m nbt.DatagramMessage, length uint16) {
	c := stack.Complete{ID: id, Num: num, CallName: m.SourceName, Data: m.Data}
	if len(c.Data) > int(length) {
		c.Code, c.Data = netbios.INCOMP, c.Data[:length]
	}
	n.complete(c)
}

// fragment is the first part of a datagram whose rest has not come yet.
type fragment struct {
	from  netip.Addr
	first nbt.DatagramMessage
	timer stack.TimerID
}

// maxFragments bounds the unfinished datagrams remembered; the oldest goes first.
const maxFragments = 64

// reassemble returns a whole datagram, once it is whole. A datagram takes at most two packets, so a first part that
// announces more than one other, or a second out of order, comes to nothing (RFC 1002 section 5.3.3). PACKET_OFFSET is read
// either way: as counting user data, or names and user data.
func (n *Node) reassemble(from netip.Addr, m nbt.DatagramMessage) (nbt.DatagramMessage, bool) {
	first, more := m.Flags&nbt.DgmFirst != 0, m.Flags&nbt.DgmMore != 0
	if first && !more {
		return m, true
	}
	i := slices.IndexFunc(n.fragments, func(f *fragment) bool { return f.from == from && f.first.ID == m.ID })
	if i >= 0 {
		f := n.fragments[i]
		n.disarm(f.timer)
		n.fragments = slices.Delete(n.fragments, i, i+1)
		whole := f.first
		if sent := len(whole.Data); !first && !more && (int(m.Offset) == sent || int(m.Offset) == namesLen+sent) {
			whole.Data = slices.Concat(whole.Data, m.Data)
			return whole, true
		}
	}
	if first {
		if len(n.fragments) == maxFragments {
			n.disarm(n.fragments[0].timer)
			n.fragments = slices.Delete(n.fragments, 0, 1)
		}
		f := &fragment{from: from, first: m}
		f.timer = n.arm(f, n.profile.FragmentTimeout)
		n.fragments = append(n.fragments, f)
	}
	return nbt.DatagramMessage{}, false
}

// ring gives up waiting for the rest of a datagram.
func (f *fragment) ring(n *Node) {
	n.fragments = slices.DeleteFunc(n.fragments, func(x *fragment) bool { return x == f })
}
