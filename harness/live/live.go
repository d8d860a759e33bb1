// SPDX-License-Identifier: MIT

// Package live is the driver with a network: stacks on real sockets, in real time. It turns bytes into what a stack is told
// and what a stack wants into bytes; it decides nothing about NetBIOS.
//
// One goroutine at a time has the stacks, as a rule that of [LAN.Run] or [LAN.Play]. A stack has an IPv4 address of this host to itself, with
// UDP 137 and 138 and TCP 139 on it; broadcasts are heard on the network's broadcast address, and on 255.255.255.255 what comes
// from that network. Everything that others can fill has a bound, and what a bound turned away is counted ([Counters]).
//
// Time is that since the LAN was made, on the monotonic clock. A timer rings at the time that it was armed for, however
// late the machine gets round to it, and before anything that happened after that time; so a record shows the times that the
// stack decided, and a machine too slow for them is noted as having been late.
package live

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/runner"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Ports are the real ports in the place of the well-known ones, 0 for the well-known one. A stack sees only the well-known
// ones: the translation is for tests, since ports below 1024 need a privilege.
type Ports struct{ Name, Datagram, Session uint16 }

// Recorder takes the record of what happens. A [trace.Trace] is one, and so is a [Tape].
type Recorder interface {
	Add(e trace.Event) uint32
}

// Options are what a LAN is made with.
type Options struct {
	Ports    Ports
	Recorder Recorder // nil records nothing
}

// The bounds.
const (
	queueLen   = 256     // datagrams of one service that wait for the stacks
	maxPayload = 4096    // bytes of a datagram; the longest that NBT has any use for is well below
	maxTimers  = 1 << 16 // of one stack
	maxEvents  = 1 << 20 // of a scenario's run
	tooLate    = 200 * time.Millisecond
)

// LAN is the stacks of this process on their addresses. Make it with [New].
type LAN struct {
	opts  Options
	began time.Time
	now   time.Duration
	hosts []*host
	byIP  map[netip.Addr]int

	// Whoever holds turn has the stacks: the goroutine of Run or Play but while it waits, or a reader of datagrams that finds
	// it waiting and spares a change of goroutines.
	turn  sync.Mutex
	awake chan struct{} // the waiting one has to look again

	names, datagrams queue
	streams          chan streamEvent
	requests         chan func() // what other goroutines want done by the one that owns the stacks
	done             chan struct{}
	closed           bool

	timers   timerQueue
	timerSeq uint64
	out      stack.Outputs
	unsent   outbox
	batch    bool // several inputs in a row: what they send goes together
	cause    uint32
	runs     bool // Run drives the stacks, and no script
	step     int32
	events   int
	foreign  stack.Conn // numbers of the ends of connections that are no stack of ours
	dialled  map[netip.AddrPort]bool
	lastPort uint16        // that a connection came from
	arrivals []trace.Event // at devices, recorded behind the outputs that brought them about
	script   runner.Script
	pending  map[stack.CallID]func(stack.Complete)
	stopped  map[int]chan struct{}
	lastCall stack.CallID
	crash    error
	waiting  *time.Timer

	attaching netip.Prefix // of the host whose sockets are being opened
	failed    string       // why the run cannot go on: what became of a device or its hand

	counters counters
}

type host struct {
	name      string
	prefix    netip.Prefix
	broadcast netip.Addr
	boot      func(firstID uint16) stack.Stack
	stack     stack.Stack // nil for a device
	device    *Device
	off       bool
	crashed   bool
	life      uint32
	armed     map[stack.TimerID]uint64
	sockets   sockets
	conns     map[stack.Conn]*stream
	inbound   stack.Conn
	asked     map[uint16]func(m *nbt.NameMessage, from netip.Addr) // asked for the harness itself, by identifier
	lastAsked uint16
}

// New makes a LAN at time 0.
func New(opts Options) *LAN {
	l := &LAN{
		opts: opts, began: time.Now(), step: -1,
		byIP:  map[netip.Addr]int{},
		names: newQueue(), datagrams: newQueue(),
		streams: make(chan streamEvent, queueLen), requests: make(chan func()),
		done: make(chan struct{}), awake: make(chan struct{}, 1),
		dialled: map[netip.AddrPort]bool{},
		pending: map[stack.CallID]func(stack.Complete){},
		stopped: map[int]chan struct{}{},
		waiting: time.NewTimer(time.Hour),
	}
	l.lastPort = uint16(l.began.UnixMicro()) // not where the process before this one began
	l.unsent.init()
	return l
}

// Attach puts a stack on an address of this host. Boot makes it, now and at every restart. The error says what to do about
// an address that is not this host's, a port that is taken or one that may not be had.
func (l *LAN) Attach(name string, prefix netip.Prefix, boot func(firstID uint16) stack.Stack) (int, error) {
	h := &host{
		name: name, prefix: prefix, broadcast: stack.BroadcastOf(prefix), boot: boot,
		conns: map[stack.Conn]*stream{}, asked: map[uint16]func(*nbt.NameMessage, netip.Addr){},
	}
	index := len(l.hosts)
	l.attaching = prefix
	if err := l.openSockets(index, h); err != nil {
		h.sockets.close()
		return 0, err
	}
	l.hosts = append(l.hosts, h)
	l.byIP[prefix.Addr()] = index
	l.start(index)
	return index, nil
}

func (l *LAN) start(node int) {
	h := l.hosts[node]
	h.life++
	id := uint16(rand.Uint32() & 0x7fff)
	h.off, h.crashed, h.armed, h.inbound = false, false, map[stack.TimerID]uint64{}, stack.Inbound
	l.record(node, trace.Started{FirstID: id}, 0)
	h.stack = h.boot(id)
}

// Close ends everything at once: sockets and connections, as in a crash. What was to be said before has been said.
func (l *LAN) Close() {
	if l.closed {
		return
	}
	l.closed = true
	close(l.done)
	for _, h := range l.hosts {
		for _, s := range h.conns {
			l.forget(h, s, true)
		}
		h.sockets.close()
	}
	l.counters.wait.Wait()
}

// clock is the time since the LAN was made; never less than that of what was handled last.
func (l *LAN) clock() time.Duration { return max(l.now, time.Since(l.began)) }

func (l *LAN) record(node int, what any, cause uint32) uint32 {
	if l.opts.Recorder == nil {
		return 0
	}
	if l.events++; l.events > maxEvents && l.script != nil {
		l.failed = fmt.Sprintf("more than %d events", maxEvents)
		return 0
	}
	return l.opts.Recorder.Add(trace.Event{At: l.now, What: what, Cause: cause, Step: l.step, Node: int16(node)})
}

// input hands something to a host's stack, and carries out what it wants done.
func (l *LAN) input(node int, in stack.Input) {
	h := l.hosts[node]
	_, call := in.(stack.Call)
	if h.off && (h.crashed || !call) {
		l.gone(node)
		return
	}
	l.cause = l.record(node, in, 0)
	l.stepStack(node, h, in)
	for _, out := range l.out.All() {
		if wrong := l.output(node, out); wrong != "" {
			l.crashed(node, wrong)
			break
		}
	}
	l.out.Reset()
	if !l.batch {
		l.settle()
	}
}

// settle has everything sent, and records what that brought about.
func (l *LAN) settle() {
	l.flush()
	for _, e := range l.arrivals {
		l.record(int(e.Node), e.What, e.Cause)
	}
	l.arrivals = l.arrivals[:0]
}

func (l *LAN) gone(node int) {
	if l.script != nil {
		l.script.Gone(node)
	}
}

// CrashError tells of a stack that panicked in a step, or broke the rules of the seam.
type CrashError struct{ Node, Text string }

func (e *CrashError) Error() string { return "the stack crashed: " + e.Text }

func (l *LAN) crashed(node int, text string) {
	h := l.hosts[node]
	h.off, h.crashed = true, true
	l.record(node, trace.Crashed{Text: text}, l.cause)
	l.crash = &CrashError{h.name, text}
	l.gone(node)
}

func (l *LAN) stepStack(node int, h *host, in stack.Input) {
	defer func() {
		if r := recover(); r != nil {
			l.out.Reset()
			l.crashed(node, fmt.Sprintf("%v\n%s", r, debug.Stack()))
		}
	}()
	h.stack.Step(l.now, in, &l.out)
}

// output carries out one thing that a stack wants done. It returns what is wrong with one that no stack may want.
func (l *LAN) output(node int, out stack.Output) (wrong string) {
	h := l.hosts[node]
	seq := l.record(node, out, l.cause)
	switch out.(type) {
	case stack.Open, stack.SendData, stack.Close, stack.Complete, stack.Stopped:
		l.flush() // what came before is seen before
	default:
	}
	switch out := out.(type) {
	case stack.Arm:
		return l.arm(node, out)
	case stack.Disarm:
		delete(h.armed, out.ID)
	case stack.SendDatagram:
		l.transmit(node, out, seq)
	case stack.Open:
		l.open(node, out, seq)
	case stack.SendData:
		if s := h.conns[out.Conn]; s != nil {
			s.send(out.Bytes)
		}
	case stack.Close:
		if s := h.conns[out.Conn]; s != nil {
			if out.Abort {
				l.counters.streamsAborted.Add(1)
			}
			l.closeStream(h, s, out.Abort)
		}
	case stack.Complete:
		return l.completed(node, out)
	case stack.Stopped:
		h.off = true
		h.sockets.refuseStreams()
		l.tellStopped(node)
		if l.script != nil {
			return l.script.Observe(node, out)
		}
	case stack.Remark:
		l.counters.remarks.Add(1)
	case stack.NameChanged, stack.RefTaken, stack.RefDropped:
	}
	return ""
}

func (l *LAN) tellStopped(node int) {
	if done := l.stopped[node]; done != nil {
		close(done)
		delete(l.stopped, node)
	}
}

func (l *LAN) completed(node int, c stack.Complete) (wrong string) {
	if l.script != nil {
		return l.script.Observe(node, c)
	}
	done := l.pending[c.ID]
	if done == nil {
		return "it completed a call that nobody made, or twice"
	}
	delete(l.pending, c.ID)
	done(c)
	return ""
}

// timer is a time at which a stack wants to be told.
type timer struct {
	at   time.Duration
	seq  uint64
	node int
	life uint32
	id   stack.TimerID
}

type timerQueue []timer

func (q timerQueue) Len() int { return len(q) }
func (q timerQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q timerQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *timerQueue) Push(x any)   { *q = append(*q, x.(timer)) }
func (q *timerQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

func (l *LAN) arm(node int, a stack.Arm) (wrong string) {
	if a.ID == 0 || a.ID > maxTimers {
		return fmt.Sprintf("it armed timer %d: identifiers are 1 to %d", a.ID, maxTimers)
	}
	h := l.hosts[node]
	l.timerSeq++
	h.armed[a.ID] = l.timerSeq
	heap.Push(&l.timers, timer{max(a.At, l.now), l.timerSeq, node, h.life, a.ID})
	if len(l.timers) > 1024 && len(l.timers) > 4*l.armedTimers() {
		l.sweepTimers()
	}
	return ""
}

func (l *LAN) armedTimers() int {
	n := 0
	for _, h := range l.hosts {
		n += len(h.armed)
	}
	return n
}

// sweepTimers drops the timers that will not ring: a stack that arms and disarms for every packet must not fill the queue.
func (l *LAN) sweepTimers() {
	kept := l.timers[:0]
	for _, t := range l.timers {
		if l.rings(t) {
			kept = append(kept, t)
		}
	}
	l.timers = kept
	heap.Init(&l.timers)
}

func (l *LAN) rings(t timer) bool {
	h := l.hosts[t.node]
	return h.life == t.life && h.armed[t.id] == t.seq
}

// ringUntil rings the timers that are due at a time, in their order and each at its own time, and tells whether there were any.
func (l *LAN) ringUntil(at time.Duration) (rang bool) {
	for len(l.timers) > 0 && l.timers[0].at <= at {
		t := heap.Pop(&l.timers).(timer)
		if !l.rings(t) {
			continue
		}
		delete(l.hosts[t.node].armed, t.id)
		l.now = max(l.now, t.at)
		if late := at - t.at; late > tooLate {
			l.record(t.node, trace.Late{By: late}, 0)
		}
		l.input(t.node, stack.Timer{ID: t.id})
		rang = true
	}
	l.now = max(l.now, at)
	return rang
}

// Run drives the stacks until the context ends, or a stack crashes: then it returns a [*CrashError].
func (l *LAN) Run(ctx context.Context) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	l.runs = true
	defer func() { l.runs = false }()
	for l.crash == nil {
		if !l.next(ctx, -1) {
			return nil
		}
	}
	return l.crash
}

// next lets one thing happen. It returns false when the context has ended. A time until which to wait at most is given,
// negative for none; when it has come, nothing need have happened.
func (l *LAN) next(ctx context.Context, until time.Duration) bool {
	if l.ringUntil(l.clock()) {
		return ctx.Err() == nil // whoever waits for what a timer brought about need not wait on
	}
	wait := time.Duration(1<<63 - 1)
	if len(l.timers) > 0 {
		wait = l.timers[0].at - l.now
	}
	if until >= 0 {
		wait = min(wait, until-l.now)
	}
	if wait <= 0 {
		return ctx.Err() == nil
	}
	l.waiting.Reset(wait)
	var a arrival
	var seen *atomic.Int64
	var e streamEvent
	var f func()
	l.turn.Unlock()
	select {
	case a = <-l.names.arrivals:
		seen = &l.names.unseen
	case a = <-l.datagrams.arrivals:
		seen = &l.datagrams.unseen
	case e = <-l.streams:
	case f = <-l.requests:
	case <-l.awake:
	case <-l.waiting.C:
	case <-ctx.Done():
	}
	l.turn.Lock()
	switch {
	case a.payload != nil:
		l.arrived(a)
		seen.Add(-1)
	case e.stream != nil:
		l.ringUntil(l.clock())
		l.streamed(e)
	case f != nil:
		l.ringUntil(l.clock())
		f()
	default:
		return ctx.Err() == nil
	}
	return true
}

// atOnce has a reader hand datagrams to the stacks itself, if nobody has them and nothing came before. A script is not
// bypassed: it has to look at what happens.
func (l *LAN) atOnce(batch []arrival, q *queue) bool {
	if !l.turn.TryLock() {
		return false
	}
	defer l.turn.Unlock()
	// One that was taken out of the queue still counts: whoever took it may not have had its turn yet.
	if q.unseen.Load() > 0 || !l.runs || l.crash != nil {
		return false
	}
	next := time.Duration(-1)
	if len(l.timers) > 0 {
		next = l.timers[0].at
	}
	l.batch = true
	for _, a := range batch {
		if l.arrived(a); l.crash != nil {
			break
		}
	}
	l.batch = false
	l.settle()
	if l.crash != nil || len(l.timers) > 0 && l.timers[0].at != next {
		select {
		case l.awake <- struct{}{}:
		default: // it will look again anyway
		}
	}
	return true
}

// ErrOver is what is asked of a LAN that has ended.
var ErrOver = errors.New("live: the LAN has ended")

// request has the goroutine that owns the stacks do something.
func (l *LAN) request(f func()) error {
	select {
	case l.requests <- f:
		return nil
	case <-l.done:
		return ErrOver
	}
}

// Submit hands an NCB to the stack of a node; done is called with its completion, on the goroutine that runs the LAN. It
// returns the call's identifier, by which it can be cancelled.
func (l *LAN) Submit(node int, ncb netbios.NCB, done func(stack.Complete)) (stack.CallID, error) {
	given := make(chan stack.CallID, 1)
	err := l.request(func() {
		l.lastCall++
		id := l.lastCall
		given <- id
		l.pending[id] = done
		l.input(node, stack.Call{ID: id, NCB: ncb})
	})
	if err != nil {
		return 0, err
	}
	return <-given, nil
}

// Do is [LAN.Submit] that waits for the completion.
func (l *LAN) Do(ctx context.Context, node int, ncb netbios.NCB) (stack.Complete, error) {
	done := make(chan stack.Complete, 1)
	if _, err := l.Submit(node, ncb, func(c stack.Complete) { done <- c }); err != nil {
		return stack.Complete{}, err
	}
	select {
	case c := <-done:
		return c, nil
	case <-ctx.Done():
		return stack.Complete{}, ctx.Err()
	case <-l.done:
		return stack.Complete{}, ErrOver
	}
}

// Stop stops a stack in order, and waits until it has stopped: its names are released then.
func (l *LAN) Stop(ctx context.Context, node int) error {
	done := make(chan struct{})
	if err := l.request(func() {
		if l.hosts[node].off {
			close(done)
			return
		}
		l.stopped[node] = done
		l.input(node, stack.Stop{})
	}); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.done:
		return ErrOver
	}
}

// Restart makes the stack of a node anew, as after power-on.
func (l *LAN) Restart(node int) error {
	done := make(chan error, 1)
	if err := l.request(func() { done <- l.restart(node) }); err != nil {
		return err
	}
	return <-done
}

func (l *LAN) restart(node int) error {
	h := l.hosts[node]
	for _, s := range h.conns {
		l.closeStream(h, s, true)
	}
	for id := range l.pending { // nobody answers for a life that is over
		if l.script == nil {
			delete(l.pending, id)
		}
	}
	l.start(node)
	return l.listen(node, h)
}

// Play performs a case of a scenario, by its index, whose nodes are the LAN's hosts, in order. The record ends with [trace.Ended], and
// with [trace.Exhausted] before it when the run ended early: the context did, or there is something that cannot be done.
func (l *LAN) Play(ctx context.Context, s *scenario.Scenario, index int, m *runner.Machine) {
	if why := l.unable(s, index); why != "" {
		l.exhausted(why)
		return
	}
	l.Perform(ctx, m)
}

// interrupted is why a run ended that its context ended.
const interrupted = "the run was interrupted"

func (l *LAN) exhausted(why string) {
	l.record(trace.LAN, trace.Exhausted{Limit: why}, 0)
	l.record(trace.LAN, trace.Ended{}, 0)
}

// Perform performs any script whose nodes are the LAN's hosts, in order. The record ends as that of [LAN.Play].
func (l *LAN) Perform(ctx context.Context, m runner.Script) {
	l.turn.Lock()
	defer l.turn.Unlock()
	if why := l.perform(ctx, m); why != "" {
		l.exhausted(why)
		return
	}
	l.record(trace.LAN, trace.Ended{}, 0)
}

func (l *LAN) perform(ctx context.Context, m runner.Script) (why string) {
	if why := l.silent(ctx, "before the first step"); why != "" {
		return why
	}
	l.script = m
	for {
		if ctx.Err() != nil { // what has nothing to wait for is interrupted too
			return interrupted
		}
		l.ringUntil(l.clock())
		switch a := m.Next(l.now).(type) {
		case runner.Begin:
			l.step = int32(a.Step)
			l.record(trace.LAN, trace.StepBegan{}, 0)
		case runner.Submit:
			l.submit(ctx, a.Node, a.Call)
		case runner.Inject:
			l.cause = 0
			l.transmit(a.Node, a.Frame, l.record(a.Node, trace.Injected{Frame: a.Frame}, 0))
			l.settle()
		case runner.Emit:
			l.cause = 0
			if wrong := l.output(a.Node, a.Out); wrong != "" {
				return wrong
			}
			l.settle()
		case runner.Restart:
			if err := l.restartNode(ctx, a.Node); err != nil {
				return err.Error()
			}
		case runner.Stop:
			l.stop(a.Node)
		case runner.Wait:
			for l.now < a.Until && !m.Ready() {
				if why := l.failure(); why != "" {
					return why
				}
				if !l.next(ctx, a.Until) {
					return interrupted
				}
			}
		case runner.Impair: // unable has refused it
		case runner.Done:
			if a.Exhausted != "" {
				return a.Exhausted
			}
			return l.silent(ctx, "after the last step")
		}
	}
}
