// SPDX-License-Identifier: MIT

package harnesstest_test

import (
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// tiny is somebody else's stack, as small as a B node gets: it claims unique names, answers queries for them, defends and
// releases them. It has no sessions, no groups and no datagrams, and that nobody asks it for its node status it just hopes.
type tiny struct {
	addr, broadcast netip.Addr
	id              uint16
	names           []*tinyName
	room            int
	stopping        bool
	out             *stack.Outputs
}

// tinyName is a name and the request about it that is being repeated.
type tinyName struct {
	name  netbios.Name
	num   uint8
	timer stack.TimerID
	state stack.State

	call    stack.CallID // the ADD NAME that waits for the claim
	id      uint16
	request []byte
	left    int
}

func newTiny(cfg node.Config) stack.Stack {
	return &tiny{
		addr: cfg.Prefix.Addr(), broadcast: stack.BroadcastOf(cfg.Prefix), id: cfg.FirstID, room: cfg.Limits.WithDefaults().Names,
	}
}

func (t *tiny) Step(at time.Duration, in stack.Input, out *stack.Outputs) {
	t.out = out
	switch in := in.(type) {
	case stack.Call:
		t.call(at, in)
	case stack.Datagram:
		if in.To.Port() == stack.NamePort && in.From.Addr() != t.addr {
			t.received(in)
		}
	case stack.Timer:
		for _, n := range t.names {
			if n.timer == in.ID {
				t.again(at, n)
				break
			}
		}
	case stack.Stop:
		t.stopping = true
		for _, n := range slices.Clone(t.names) {
			t.release(at, n)
		}
		t.stopped()
	case stack.Opened:
		out.Add(stack.Close{Conn: in.Conn, Abort: true})
	}
}

func (t *tiny) find(name netbios.Name) *tinyName {
	for _, n := range t.names {
		if n.name == name && n.state != stack.Free {
			return n
		}
	}
	return nil
}

func (t *tiny) call(at time.Duration, c stack.Call) {
	done := stack.Complete{ID: c.ID, Code: netbios.GOODRET}
	switch c.NCB.Command {
	case netbios.AddName:
		switch {
		case t.find(c.NCB.Name) != nil:
			done.Code = netbios.DUPNAME
		case len(t.names) == t.room:
			done.Code = netbios.NAMTFUL
		default:
			t.claim(at, c)
			return
		}
	case netbios.DeleteName:
		n := t.find(c.NCB.Name)
		if n == nil {
			done.Code = netbios.NOWILD
			break
		}
		t.release(at, n)
	case netbios.AdapterStatus:
		done.Data = t.status()
	default:
		done.Code = netbios.ILLCMD
	}
	t.out.Add(done)
}

func (t *tiny) claim(at time.Duration, c stack.Call) {
	t.names = slices.DeleteFunc(t.names, func(n *tinyName) bool { return n.name == c.NCB.Name }) // what is left of its releases
	t.id += 2
	n := &tinyName{name: c.NCB.Name, num: uint8(len(t.names) + 2), timer: t.free(), state: stack.Claiming, call: c.ID, id: t.id}
	t.names = append(t.names, n)
	t.start(at, n, nbt.Claim(t.id, n.name, 0, t.addr))
}

// free returns the number of a timer that no name has.
func (t *tiny) free() stack.TimerID {
	for id := stack.TimerID(1); ; id++ {
		if !slices.ContainsFunc(t.names, func(n *tinyName) bool { return n.timer == id }) {
			return id
		}
	}
}

func (t *tiny) release(at time.Duration, n *tinyName) {
	if n.state == stack.Registered {
		n.state = stack.Free
		t.id += 2
		t.start(at, n, nbt.ReleaseDemand(t.id, n.name, 0, t.addr))
	}
}

func (t *tiny) start(at time.Duration, n *tinyName, m nbt.NameMessage) {
	n.request, n.left = encoded(m), 3
	t.again(at, n)
}

// again sends a name's request once more or, after the third time, ends it.
func (t *tiny) again(at time.Duration, n *tinyName) {
	if n.left > 0 {
		n.left--
		t.send(netip.AddrPortFrom(t.broadcast, stack.NamePort), n.request)
		t.out.Add(stack.Arm{ID: n.timer, At: at + 250*time.Millisecond})
		return
	}
	if n.state == stack.Claiming {
		t.send(netip.AddrPortFrom(t.broadcast, stack.NamePort), encoded(nbt.OverwriteDemand(n.id+1, n.name, 0, t.addr)))
		n.state = stack.Registered
		t.out.Add(stack.Complete{ID: n.call, Num: n.num})
		return
	}
	t.forget(n)
	t.stopped()
}

func (t *tiny) forget(n *tinyName) {
	t.out.Add(stack.Disarm{ID: n.timer})
	t.names = slices.DeleteFunc(t.names, func(x *tinyName) bool { return x == n })
}

func (t *tiny) stopped() {
	if t.stopping && len(t.names) == 0 {
		t.out.Add(stack.Stopped{})
	}
}

func (t *tiny) received(in stack.Datagram) {
	m, err := nbt.ParseNameMessage(in.Payload)
	if err != nil {
		return
	}
	name, scope := m.Subject()
	n := t.find(name)
	if n == nil || scope != "" {
		return
	}
	switch kind := m.Kind(); {
	case kind == nbt.KindNegativeRegistration && n.state == stack.Claiming && m.ID == n.id:
		t.forget(n)
		t.out.Add(stack.Complete{ID: n.call, Code: netbios.INUSE})
	case n.state != stack.Registered:
	case kind == nbt.KindQuery:
		t.send(in.From, encoded(nbt.PositiveAnswer(m.ID, name, 0, t.addr)))
	case kind == nbt.KindClaim, kind == nbt.KindMultihomed:
		t.send(in.From, encoded(nbt.Refusal(m.ID, name, nbt.ActErr, 0, t.addr)))
	}
}

func (t *tiny) send(to netip.AddrPort, payload []byte) {
	t.out.Add(stack.SendDatagram{
		From: netip.AddrPortFrom(t.addr, stack.NamePort), To: to, Broadcast: to.Addr() == t.broadcast, Payload: payload,
	})
}

// status is the answer to ADAPTER STATUS: the rows, and of the header only their number.
func (t *tiny) status() []byte {
	b := make([]byte, netbios.StatusHeaderLen)
	for _, n := range t.names {
		if n.state == stack.Registered {
			b[netbios.StatusHeaderLen-2]++
			b = append(append(b, n.name[:]...), n.num, netbios.FlagRegistered)
		}
	}
	return b
}

func encoded(m nbt.NameMessage) []byte {
	b, err := m.AppendBinary(nil)
	if err != nil {
		panic(err)
	}
	return b
}
