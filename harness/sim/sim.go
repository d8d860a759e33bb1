// SPDX-License-Identifier: MIT

// Package sim is the driver without a network: a virtual LAN and a virtual clock. Stacks are attached to it, scenarios are
// played on it, and the same seed gives the same run to the byte.
//
// Everything on the LAN takes [Latency] to arrive. TCP is reliable: to a stream, loss is delay.
package sim

import (
	"fmt"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/nbtlab/nbtlab/harness/runner"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Latency is the time from one host to another.
const Latency = 100 * time.Microsecond

// DefaultMaxEvents bounds a run: more inputs than this to all stacks together, and it ends as exhausted.
const DefaultMaxEvents = 1_000_000

// MaxTime bounds a run in virtual time.
const MaxTime = 1000 * time.Hour

// Options are what a LAN is made with.
type Options struct {
	Seed      uint64
	Trace     *trace.Trace // receives the record; nil records nothing
	MaxEvents int          // 0 for DefaultMaxEvents
	Odds      Odds
	Perturb   []Perturbation
}

// Odds are chances in a thousand that something happens to a frame.
type Odds struct{ Lose, Double, Delay, Reorder int }

// Perturbation is something that happens to one frame of the run, counted from 1 in the order in which they are sent: UDP
// datagrams, and the opening, messages and ends of TCP connections.
type Perturbation struct {
	Frame int
	Do    Fate
}

// Fate is what becomes of a frame.
type Fate uint8

// The fates.
const (
	Deliver Fate = iota
	Lose         // UDP: it does not arrive. TCP: it arrives a retransmission later
	Double       // UDP: it arrives twice. TCP: the receiver's TCP drops the second
	Delay        // it arrives late: see DelayBy
	Reorder      // it arrives after the frame that is sent next
)

func (f Fate) String() string {
	return [...]string{"delivered", "lost", "doubled", "delayed", "reordered"}[f]
}

// DelayBy is how late a delayed frame is: later than one retransmission of the name service, earlier than a step's end.
const DelayBy = 400 * time.Millisecond

// retransmission is when TCP sends again what was lost.
const retransmission = time.Second

// LAN is a network of hosts with stacks.
type LAN struct {
	opts     Options
	dice     dice
	now      time.Duration
	seq      uint64
	queue    queue
	hosts    []host
	streams  []stream
	frames   int // sent so far
	events   int // inputs so far
	held     []item
	impaired []impairment
	nodes    []scenario.Node // of the scenario being played, for its impairments
	out      stack.Outputs
	cause    uint32 // the event being handled
	step     int32
	script   runner.Script // being played, nil for none
}

type host struct {
	name    string
	addr    netip.Addr
	boot    func(firstID uint16) stack.Stack
	stack   stack.Stack
	off     bool // stopped or crashed: nothing answers
	crashed bool
	armed   []uint64 // by timer identifier less one: the sequence number of the item that will ring it
	started uint64   // the sequence number at its last start: what was queued before is not for it
	port    uint16   // of its next outgoing connection
	inbound stack.Conn
}

// New makes an empty LAN at time 0.
func New(opts Options) *LAN {
	if opts.MaxEvents == 0 {
		opts.MaxEvents = DefaultMaxEvents
	}
	// Room for what a small LAN has under way at one time: growing there costs as much as a short run.
	return &LAN{opts: opts, dice: newDice(opts.Seed), step: -1, queue: make(queue, 0, 32), hosts: make([]host, 0, 4)}
}

// Attach adds a host. Boot makes its stack, now and at every restart, with a first transaction identifier of the LAN's
// choice. It returns the host's index.
func (l *LAN) Attach(name string, addr netip.Addr, boot func(firstID uint16) stack.Stack) int {
	l.hosts = append(l.hosts, host{name: name, addr: addr, boot: boot, port: firstPort, armed: make([]uint64, 0, 8)})
	l.start(len(l.hosts) - 1)
	return len(l.hosts) - 1
}

// firstPort is the first port above the well-known ones, where stacks of the nineties began.
const firstPort = 1025

func (l *LAN) start(node int) {
	h := &l.hosts[node]
	id := l.dice.id()
	h.stack, h.off, h.crashed, h.armed, h.inbound, h.started = h.boot(id), false, false, h.armed[:0], stack.Inbound, l.seq
	l.record(node, trace.Started{FirstID: id}, 0)
}

// Now returns the time since the run began.
func (l *LAN) Now() time.Duration { return l.now }

func (l *LAN) record(node int, what any, cause uint32) uint32 {
	if l.opts.Trace == nil {
		return 0
	}
	return l.opts.Trace.Add(trace.Event{At: l.now, What: what, Cause: cause, Step: l.step, Node: int16(node)})
}

func (l *LAN) schedule(x item) {
	l.seq++
	x.seq = l.seq
	l.queue.push(x)
}

// Input hands something to a host's stack now, and carries out what it wants done.
func (l *LAN) Input(node int, in stack.Input) { l.input(node, in, 0) }

func (l *LAN) input(node int, in stack.Input, cause uint32) {
	h := &l.hosts[node]
	_, call := in.(stack.Call)
	if h.off && (h.crashed || !call) {
		l.gone(node)
		return
	}
	l.events++
	l.cause = l.record(node, in, cause)
	l.stepStack(node, h, in)
	for _, out := range l.out.All() {
		if wrong := l.output(node, out); wrong != "" {
			l.crash(node, wrong)
			break
		}
	}
	l.out.Reset()
}

// gone tells the script that nothing will come of a node that is switched off.
func (l *LAN) gone(node int) {
	if l.script != nil {
		l.script.Gone(node)
	}
}

// crash switches a host off whose stack has broken down, or broken the rules of the seam.
func (l *LAN) crash(node int, text string) {
	l.hosts[node].off, l.hosts[node].crashed = true, true
	l.record(node, trace.Crashed{Text: text}, l.cause)
	l.gone(node)
}

// stepStack steps a stack. One that panics has crashed: it is switched off, and the run goes on without it.
func (l *LAN) stepStack(node int, h *host, in stack.Input) {
	defer func() {
		if r := recover(); r != nil {
			l.out.Reset()
			l.crash(node, fmt.Sprintf("%v\n%s", r, debug.Stack()))
		}
	}()
	h.stack.Step(l.now, in, &l.out)
}

// output carries out one thing that a stack wants done. It returns what is wrong with one that no stack may want.
func (l *LAN) output(node int, out stack.Output) (wrong string) {
	seq := l.record(node, out, l.cause)
	switch out := out.(type) {
	case stack.Arm:
		return l.arm(node, out, seq)
	case stack.Disarm:
		l.disarm(node, out.ID)
	case stack.SendDatagram:
		l.transmit(node, out, seq)
	case stack.Open:
		l.open(node, out, seq)
	case stack.SendData:
		l.sendData(node, out, seq)
	case stack.Close:
		l.close(node, out, seq)
	case stack.Complete:
		return l.tell(node, out)
	case stack.Stopped:
		l.hosts[node].off = true
		return l.tell(node, out)
	case stack.NameChanged, stack.RefTaken, stack.RefDropped, stack.Remark:
	}
	return ""
}

func (l *LAN) tell(node int, out stack.Output) (wrong string) {
	if l.script == nil {
		return ""
	}
	return l.script.Observe(node, out)
}

// maxTimers bounds the timers of one stack, and so what a stack that numbers them wildly can make the LAN allocate.
const maxTimers = 1 << 16

func (l *LAN) arm(node int, a stack.Arm, seq uint32) (wrong string) {
	if a.ID == 0 || a.ID > maxTimers {
		return fmt.Sprintf("it armed timer %d: identifiers are 1 to %d", a.ID, maxTimers)
	}
	h := &l.hosts[node]
	for int(a.ID) > len(h.armed) {
		h.armed = append(h.armed, 0)
	}
	l.schedule(item{at: max(a.At, l.now), cause: seq, node: int32(node), timer: uint32(a.ID)})
	h.armed[a.ID-1] = l.seq
	return ""
}

func (l *LAN) disarm(node int, id stack.TimerID) {
	if armed := l.hosts[node].armed; id > 0 && int(id) <= len(armed) {
		armed[id-1] = 0
	}
}

// happen carries out the next item of the queue.
func (l *LAN) happen(x *item) {
	l.now = x.at
	if x.node == everybody {
		from := x.in.(stack.Datagram).From.Addr()
		for node := range l.hosts {
			if l.hosts[node].addr != from {
				l.input(node, x.in, x.cause)
			}
		}
		return
	}
	node := int(x.node)
	h := &l.hosts[node]
	if x.timer == 0 {
		if _, wire := x.in.(stack.Datagram); wire || x.seq > h.started {
			l.input(node, x.in, x.cause)
		}
		return
	}
	// A timer that was armed again or disarmed since, or belongs to an earlier life of the stack, does not ring.
	if int(x.timer) <= len(h.armed) && h.armed[x.timer-1] == x.seq {
		h.armed[x.timer-1] = 0
		l.input(node, stack.Timer{ID: stack.TimerID(x.timer)}, x.cause)
	}
}

// RunUntil lets everything happen that happens up to a time, and stands at that time then. It returns false when a limit
// ended it.
func (l *LAN) RunUntil(until time.Duration) bool { return l.runUntil(until, nil) }

func (l *LAN) runUntil(until time.Duration, enough func() bool) bool {
	until = min(until, MaxTime)
	for len(l.queue) > 0 && l.queue[0].at <= until {
		if l.events >= l.opts.MaxEvents {
			return false
		}
		x := l.queue.pop()
		l.happen(&x)
		if enough != nil && enough() {
			return true
		}
	}
	l.now = max(l.now, until)
	return l.now < MaxTime
}

// Play performs a script, such as a case of a scenario, whose nodes are the LAN's hosts, in order. The record ends with [trace.Ended], and
// with [trace.Exhausted] before it when a limit ended the run.
func (l *LAN) Play(nodes []scenario.Node, m runner.Script) {
	l.nodes, l.script = nodes, m
	ready := m.Ready
	for {
		switch a := m.Next(l.now).(type) {
		case runner.Begin:
			l.step = int32(a.Step)
			l.record(trace.LAN, trace.StepBegan{}, 0)
		case runner.Submit:
			l.input(a.Node, a.Call, 0)
		case runner.Inject:
			l.inject(a)
		case runner.Emit:
			l.cause = 0
			l.output(a.Node, a.Out)
		case runner.Impair:
			l.impaired = append(l.impaired, impairment{a.Verb, a.Impair})
		case runner.Restart:
			l.restart(a.Node)
		case runner.Stop:
			l.input(a.Node, stack.Stop{}, 0)
		case runner.Wait:
			if !l.runUntil(a.Until, ready) {
				l.exhausted(fmt.Sprintf("more than %d events or %s of virtual time", l.opts.MaxEvents, MaxTime))
				return
			}
		case runner.Done:
			if a.Exhausted != "" {
				l.exhausted(a.Exhausted)
				return
			}
			l.record(trace.LAN, trace.Ended{}, 0)
			return
		}
	}
}

func (l *LAN) exhausted(limit string) {
	l.record(trace.LAN, trace.Exhausted{Limit: limit}, 0)
	l.record(trace.LAN, trace.Ended{}, 0)
}

// restart switches a host off and on. Its peers learn of it when they send on a connection of its earlier life.
func (l *LAN) restart(node int) {
	for i := range l.streams {
		for end := range l.streams[i].ends {
			if l.streams[i].ends[end].node == node {
				l.streams[i].ends[end].dead = true
			}
		}
	}
	l.start(node)
}

func (l *LAN) byAddr(addr netip.Addr) int {
	for i := range l.hosts {
		if l.hosts[i].addr == addr {
			return i
		}
	}
	return -1
}
