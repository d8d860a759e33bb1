// SPDX-License-Identifier: MIT

package live

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Device is a stack under test that is not ours: it is seen on the wire, and made to do things by its hand.
type Device struct {
	Hand Hand // nil when nobody can make it do anything
	off  bool // it was stopped in order
}

// Hand makes a device do what a scenario wants of it. Its methods may be called from the goroutine that runs the LAN; Done
// is called once for each Do, from another.
type Hand interface {
	// Can reports whether the device can be made to do something: "add-name", "listen", "stop", "restart". The words are
	// those of the scenario language.
	Can(op string) bool
	// Do has it done. Done gets what the device answered, or why there is no answer.
	Do(op string, call stack.Call, done func(stack.Complete, error))
	// Gone is closed when the hand can do nothing more, for the reason that Err then gives.
	Gone() <-chan struct{}
	Err() error
}

// AttachDevice adds a device at an address as the next node.
func (l *LAN) AttachDevice(name string, prefix netip.Prefix, d *Device) int {
	l.hosts = append(l.hosts, &host{name: name, prefix: prefix, device: d})
	index := len(l.hosts) - 1
	l.byIP[prefix.Addr()] = index
	if d.Hand != nil {
		go func() {
			select {
			case <-d.Hand.Gone():
				_ = l.request(func() { l.fail(index, d.Hand.Err()) }) // a LAN that has ended needs no hand
			case <-l.done:
			}
		}()
	}
	return index
}

// deviceAt is the node of the device that has an address, or [trace.LAN] for that of a stranger.
func (l *LAN) deviceAt(addr netip.Addr) int {
	if i, known := l.byIP[addr]; known && l.hosts[i].device != nil {
		return i
	}
	return trace.LAN
}

func (l *LAN) fail(node int, err error) {
	if l.failed == "" {
		l.failed = fmt.Sprintf("the agent of %s: %s", l.hosts[node].name, err)
	}
}

func (l *LAN) failure() string { return l.failed }

// Ops are the words for the commands of the NCB interface, as scenarios and agents write them.
var Ops = map[netbios.Command]string{
	netbios.AddName: "add-name", netbios.AddGroupName: "add-group", netbios.DeleteName: "delete-name",
	netbios.Call: "call", netbios.Listen: "listen", netbios.HangUp: "hang-up", netbios.Send: "send",
	netbios.Receive: "receive", netbios.ReceiveAny: "receive-any", netbios.SendDatagram: "send-datagram",
	netbios.ReceiveDatagram: "receive-datagram", netbios.SendBroadcast: "send-broadcast",
	netbios.ReceiveBroadcast: "receive-broadcast", netbios.AdapterStatus: "adapter-status",
	netbios.SessionStatus: "session-status", netbios.FindName: "find-name", netbios.Cancel: "cancel", netbios.Reset: "reset",
}

func opOf(c netbios.Command) string {
	if op, ok := Ops[c&^netbios.NoWait]; ok {
		return op
	}
	return scenario.Ncb.String()
}

// unable tells of the first step that cannot be done on a real network with these devices.
func (l *LAN) unable(s *scenario.Scenario, index int) string {
	steps := s.Cases[index].Steps
	for i := range steps {
		step := &steps[i]
		switch {
		case step.Verb >= scenario.Lose && step.Verb <= scenario.Alter:
			return fmt.Sprintf("line %d: %s: a real network takes no orders, this needs a simulated one", step.Pos.Line, step.Text)
		case step.Verb == scenario.Inject && l.hosts[step.Node].device != nil:
			return fmt.Sprintf("line %d: %s: %s is a real device, and nobody else can send in its name",
				step.Pos.Line, step.Text, s.Nodes[step.Node].Name)
		}
	}
	for node, h := range l.hosts {
		if h.device == nil {
			continue
		}
		for _, need := range s.Needs(index, node) {
			op, step := need.Verb.String(), &steps[need.Step]
			switch {
			case need.Verb == scenario.AdapterStatus, h.device.Hand != nil && h.device.Hand.Can(op): // the wire tells of tables
			case h.device.Hand == nil:
				return fmt.Sprintf("line %d: %s: this needs %s of %s, which has no agent to do it", step.Pos.Line, step.Text, op, h.name)
			default:
				return fmt.Sprintf("line %d: %s: this needs %s of %s, of which its agent is not capable", step.Pos.Line, step.Text, op, h.name)
			}
		}
	}
	return ""
}

// submit hands a call to a node, whoever's it is.
func (l *LAN) submit(ctx context.Context, node int, call stack.Call) {
	d := l.hosts[node].device
	if d == nil {
		l.input(node, call)
		return
	}
	seq := l.record(node, call, 0)
	op := opOf(call.NCB.Command)
	if d.Hand == nil || !d.Hand.Can(op) { // a name table to look at, or unable would have said so
		l.completeByWire(ctx, node, call, seq)
		return
	}
	answered := false
	d.Hand.Do(op, call, func(c stack.Complete, err error) {
		_ = l.request(func() { // a LAN that has ended needs no answer
			answered = true
			if err != nil {
				l.fail(node, err)
				return
			}
			c.ID = call.ID
			l.record(node, c, seq)
			if wrong := l.script.Observe(node, c); wrong != "" {
				l.fail(node, errors.New(wrong))
			}
		})
	})
	// The script does not wait for these. But a look at a name table has to be over before the next step changes it; and of a
	// call that waits for others nobody says when it has been made, so that what a peer does next must not come before it.
	until := time.Duration(-1)
	switch {
	case call.ID&trace.Probe != 0:
	case waits(call.NCB.Command):
		until = l.clock() + handPatience
	default:
		return
	}
	for !answered && l.failed == "" && (until < 0 || l.clock() < until) {
		if !l.next(ctx, until) {
			return
		}
	}
}

// handPatience is how long a hand is given to make a call that is not answered before somebody else does something.
const handPatience = 500 * time.Millisecond

func waits(c netbios.Command) bool {
	switch c &^ netbios.NoWait {
	case netbios.Listen, netbios.Receive, netbios.ReceiveAny, netbios.ReceiveDatagram, netbios.ReceiveBroadcast:
		return true
	}
	return false
}

// completeByWire answers an ADAPTER STATUS with what a device tells everybody who asks.
func (l *LAN) completeByWire(ctx context.Context, node int, call stack.Call, seq uint32) {
	c := stack.Complete{ID: call.ID, Code: netbios.CMDTMO}
	if s, ok := l.ask(ctx, node); ok {
		c.Code, c.Data = netbios.GOODRET, s.buffer()
	}
	l.record(node, c, seq)
	if wrong := l.script.Observe(node, c); wrong != "" {
		l.fail(node, errors.New(wrong))
	}
}

// stop has a node stop in order.
func (l *LAN) stop(node int) {
	d := l.hosts[node].device
	if d == nil {
		l.input(node, stack.Stop{})
		return
	}
	seq := l.record(node, stack.Stop{}, 0)
	d.Hand.Do(scenario.Stop.String(), stack.Call{}, func(_ stack.Complete, err error) {
		_ = l.request(func() { // a LAN that has ended needs no answer
			if err != nil {
				l.fail(node, err)
				return
			}
			d.off = true
			l.record(node, stack.Stopped{}, seq)
			l.script.Observe(node, stack.Stopped{})
		})
	})
}

// restartNode switches a node off and on.
func (l *LAN) restartNode(ctx context.Context, node int) error {
	d := l.hosts[node].device
	if d == nil {
		return l.restart(node)
	}
	restarted := false
	d.Hand.Do(scenario.Restart.String(), stack.Call{}, func(_ stack.Complete, err error) {
		_ = l.request(func() { // a LAN that has ended needs no answer
			if err != nil {
				l.fail(node, err)
			}
			restarted = true
		})
	})
	for !restarted && l.failed == "" {
		if !l.next(ctx, -1) {
			return ctx.Err()
		}
	}
	d.off = false
	l.record(node, trace.Started{}, 0)
	return nil
}

// status is what a node status response lists.
type status struct{ nbt.NodeStatus }

// buffer is the status in the layout of ADAPTER STATUS. A response has no numbers of names, so they are counted.
func (s status) buffer() []byte {
	rows := make([]netbios.NameRow, len(s.Names))
	for i, n := range s.Names {
		flags := uint8(netbios.FlagRegistering)
		switch {
		case n.Flags&nbt.NameCNF != 0 && n.Flags&nbt.NameDRG != 0:
			flags = netbios.FlagDuplicateDeregist
		case n.Flags&nbt.NameCNF != 0:
			flags = netbios.FlagDuplicate
		case n.Flags&nbt.NameDRG != 0:
			flags = netbios.FlagDeregistered
		case n.Flags&nbt.NameACT != 0:
			flags = netbios.FlagRegistered
		}
		if n.Flags&nbt.NameGroup != 0 {
			flags |= netbios.FlagGroup
		}
		rows[i] = netbios.NameRow{Name: n.Name, Num: uint8(i + 1), Flags: flags}
	}
	return netbios.AppendStatus(nil, s.Stats.UnitID, rows)
}

// How a device is asked for its status, and how the asking is told from the traffic of the stacks: theirs begin below
// 0x8000.
const (
	askTries = 4
	askEvery = 500 * time.Millisecond
	firstAsk = 0xf000
)

// inquiry is a request of the harness's own, from the address and port of one of our stacks: some devices answer to port 137
// whatever they were asked from. Neither the stack nor the record hears of it.
type inquiry struct {
	lan     *LAN
	from    *host
	id      uint16
	payload []byte
	to      netip.AddrPort
}

// inquire prepares a node status request to a device; answered is called with every answer until its end.
func (l *LAN) inquire(from *host, node int, answered func(status)) inquiry {
	device := l.hosts[node].prefix.Addr()
	return l.question(from, func(m *nbt.NameMessage, from netip.Addr) {
		if from == device && m.Kind() == nbt.KindStatusResponse {
			answered(status{*m.Record().Status})
		}
	}, device, func(id uint16) nbt.NameMessage { return nbt.StatusRequest(id, netbios.Wildcard) })
}

// question prepares an inquiry; answered is called with every response to it until its end.
func (l *LAN) question(from *host, answered func(m *nbt.NameMessage, from netip.Addr), to netip.Addr, ask func(id uint16) nbt.NameMessage) inquiry {
	from.lastAsked = (from.lastAsked + 1) & 0xfff
	q := inquiry{lan: l, from: from, id: firstAsk | from.lastAsked, to: netip.AddrPortFrom(to, l.real(stack.NamePort))}
	from.asked[q.id] = answered
	b, err := ask(q.id).AppendBinary(nil)
	if err != nil {
		panic("live: a question of the harness does not encode: " + err.Error())
	}
	q.payload = b
	return q
}

func (q *inquiry) send() {
	if err := q.from.sockets.name.send(q.payload, q.to); err != nil {
		q.lan.counters.sendErrors.Add(1)
	}
}

func (q *inquiry) end() { delete(q.from.asked, q.id) }

// ask asks a device for its node status, a few times if need be.
func (l *LAN) ask(ctx context.Context, node int) (status, bool) {
	first := l.firstStack()
	if first < 0 {
		return status{}, true // there is nobody to ask from
	}
	var answer *status
	q := l.inquire(l.hosts[first], node, func(s status) { answer = &s })
	defer q.end()
	for range askTries {
		q.send()
		for until := l.clock() + askEvery; answer == nil && l.clock() < until; {
			if !l.next(ctx, until) {
				return status{}, false
			}
		}
		if answer != nil {
			return *answer, true
		}
	}
	return status{}, false
}

// How the network is looked at: so many requests to each device, one after the other, each with so much time.
const (
	wireRequests = 64
	wirePatience = 250 * time.Millisecond
	wireEcho     = 100 * time.Millisecond // for what is delivered twice
)

// Disturbed tells how the network between our stacks and the devices mistreats frames: of many node status requests each has to
// be answered, and once. Empty when nothing is wrong with it. It takes milliseconds where nothing is lost, and is asked after a
// script, of which it leaves no trace.
func (l *LAN) Disturbed(ctx context.Context) string {
	l.turn.Lock()
	defer l.turn.Unlock()
	first := l.firstStack()
	if first < 0 {
		return ""
	}
	from := l.hosts[first]
	wait := func(until time.Duration, enough func() bool) bool {
		for !enough() && l.clock() < until {
			if !l.next(ctx, until) {
				return false
			}
		}
		return true
	}
	for node, h := range l.hosts {
		if h.device == nil || h.device.off {
			continue
		}
		answers := make([]int, wireRequests)
		for i := range answers {
			q := l.inquire(from, node, func(status) { answers[i]++ })
			defer q.end()
			q.send()
			if !wait(l.clock()+wirePatience, func() bool { return answers[i] > 0 }) {
				return ""
			}
		}
		if !wait(l.clock()+wireEcho, func() bool { return false }) {
			return ""
		}
		lost, twice := 0, 0
		for _, n := range answers {
			switch {
			case n == 0:
				lost++
			case n > 1:
				twice++
			}
		}
		if lost > 0 || twice > 0 {
			return fmt.Sprintf("the network, or %s itself, does not deliver each frame once: of %d node status requests after the run %d had no answer "+
				"and %d more than one", h.name, wireRequests, lost, twice)
		}
	}
	return ""
}

// takesAnswer takes a response to an [inquiry].
func (h *host) takesAnswer(a arrival) bool {
	if len(h.asked) == 0 || a.port != stack.NamePort || len(a.payload) < 2 {
		return false
	}
	answered := h.asked[uint16(a.payload[0])<<8|uint16(a.payload[1])]
	if answered == nil {
		return false
	}
	m, err := nbt.ParseNameMessage(a.payload)
	if err != nil || !m.Response {
		return false
	}
	answered(&m, a.from.Addr())
	return true
}

// How often the segment is asked who has a name, and how long each time.
const (
	bystanderTries = 3
	bystanderEvery = 250 * time.Millisecond
)

// Bystander tells of a host that is none of the LAN's and has one of some unique names: whoever claims that is refused for it, and
// what follows says nothing about a device. Empty when nobody else answers for any. It is asked after a script, of which it leaves
// no trace.
func (l *LAN) Bystander(ctx context.Context, names []netbios.Name) (told string) {
	l.turn.Lock()
	defer l.turn.Unlock()
	first := l.firstStack()
	if first < 0 {
		return ""
	}
	recorder := l.opts.Recorder
	l.opts.Recorder = nil // our stacks hear the question, too
	defer func() { l.opts.Recorder = recorder }()
	from := l.hosts[first]
	queries := make([]inquiry, len(names))
	for i, name := range names {
		q := l.question(from, func(m *nbt.NameMessage, at netip.Addr) {
			flags, _ := m.Owner()
			if _, ours := l.byIP[at]; !ours && m.Kind() == nbt.KindPositiveQuery && flags&nbt.NBGroup == 0 {
				told = fmt.Sprintf("%s, which is no node of this run, has the name %s: whoever claims it is refused for that", at, name)
			}
		}, from.broadcast, func(id uint16) nbt.NameMessage { return nbt.Query(id, name) })
		defer q.end()
		queries[i] = q
	}
	for range bystanderTries {
		for i := range queries {
			queries[i].send()
		}
		for until := l.clock() + bystanderEvery; told == "" && l.clock() < until; {
			if !l.next(ctx, until) {
				return told
			}
		}
	}
	return told
}

// silent tells of a device that does not answer: it is off or out of reach, so whatever it did not do says nothing.
func (l *LAN) silent(ctx context.Context, when string) string {
	for i, h := range l.hosts {
		if h.device == nil || h.device.off {
			continue
		}
		if _, ok := l.ask(ctx, i); !ok {
			if ctx.Err() != nil {
				return interrupted
			}
			if l.failed != "" {
				return l.failed
			}
			return fmt.Sprintf("%s at %s is silent: no answer to node status on UDP port %d %s: is it switched on, and within reach?",
				h.name, h.prefix.Addr(), stack.NamePort, when)
		}
	}
	return l.failed
}
