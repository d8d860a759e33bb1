// SPDX-License-Identifier: MIT

package node

import (
	"errors"
	"net/netip"
	"time"

	"github.com/nbtlab/nbtlab/harness/nameserver"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// served is the name server on a node, with the alarm that wakes it.
type served struct {
	*nameserver.Server
	timer stack.TimerID
	at    time.Duration // when it rings
}

func (n *Node) serve() {
	n.server = &served{Server: nameserver.New(nameserver.Config{
		Addr: n.addr, Broadcast: n.broadcast,
		Timeout: n.profile.UnicastTimeout, Count: n.profile.UnicastCount,
		Names: n.cfg.Names, Policy: n.profile.NameServer, NextID: n.nextTrn,
	})}
}

// parse reads a name service message. A name server takes names that are longer than RFC 1002 allows, to refuse those that
// are too long for it as well.
func (n *Node) parse(in stack.Datagram) (nbt.NameMessage, error) {
	m, err := nbt.ParseNameMessage(in.Payload)
	if err == nil || n.server == nil || in.Broadcast {
		return m, err
	}
	loose, again := nbt.ParseNameMessageLenient(in.Payload)
	if again != nil {
		return m, err
	}
	for _, o := range loose.Odd {
		if !errors.Is(o.Err, nbt.ErrNameLong) {
			return m, err
		}
	}
	return loose, nil
}

// asksServer reports whether a request is for the name server on this node.
func (n *Node) asksServer(in stack.Datagram, m *nbt.NameMessage) bool {
	return n.server != nil && !in.Broadcast && nameserver.Serves(m)
}

func (n *Node) serveRequest(from netip.AddrPort, m *nbt.NameMessage) {
	var own nameserver.Own
	name, scope := m.Subject()
	if e, found := n.table.Find(name); found && e.State == stack.Registered && scope == "" {
		own = nameserver.Own{Held: true, Flags: n.flags(e.Group)}
	}
	n.server.Receive(n.now, from, m, own, n.out)
	n.wakeServer()
}

// answersServer reports whether a response answers a challenge of the name server on this node.
func (n *Node) answersServer(from netip.AddrPort, m *nbt.NameMessage) bool {
	if n.server == nil || !n.server.Answer(n.now, from, m, n.out) {
		return false
	}
	n.wakeServer()
	return true
}

// wakeServer arms the alarm that the name server wants.
func (n *Node) wakeServer() {
	s := n.server
	at, wants := s.Next()
	if wants && s.timer != 0 && s.at == at {
		return
	}
	n.disarm(s.timer)
	s.timer = 0
	if wants {
		s.at, s.timer = at, n.arm(s, at-n.now)
	}
}

// ring wakes the name server.
func (s *served) ring(n *Node) {
	s.timer = 0
	if n.stopping {
		return
	}
	s.Wake(n.now, n.out)
	n.wakeServer()
}
