// SPDX-License-Identifier: MIT

package replay

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// prelude is how long a model runs before the capture begins, so that the names held by then are registered and the time
// for objections to them is over.
const prelude = 30 * time.Second

// sent is a frame that a model sends.
type sent struct {
	trace.Frame     // At in the capture's time
	call        int // ID of the call that it belongs to, or -1
	cause       int // index of the frame that brought it about
	read        meaning
}

// engine drives one stack through a history.
type engine struct {
	v     *View
	cfg   node.Config
	stack stack.Stack
	out   stack.Outputs

	now    time.Duration // since the stack's run began
	armed  []timer       // by identifier less one
	calls  []Call        // under way, by CallID less one
	call   int           // ID of the call being carried out, or -1
	cause  int           // index of the frame that brings about what is being done
	pos    int           // index of the frame that is on the wire
	known  *Call         // the call whose resolution the replay answers: the host knew where to send
	gone   bool
	silent bool // the prelude's frames are nobody's

	nums    map[netbios.Name]uint8
	lsns    map[int]uint8 // by connection of the capture
	own     map[stack.Conn]int
	conns   map[int]stack.Conn
	inbound stack.Conn
	opening []int // connections of the capture whose CALL has not opened yet

	lastAdd, lastRemove map[netbios.Name]int // IDs of calls
	ids                 map[uint16]uint16    // NAME_TRN_ID of the capture to that of the model, of the host's requests
	lastID              uint16

	sent    []sent
	states  map[netbios.Name][]change
	changes uint64 // a digest of what changed in the name table
	leaks   []Leak
	marks   []Leak
	crashed string
	goneAt  int // index of the frame at which the stack was stopped; -1 while it was not
}

type timer struct {
	at          time.Duration
	set         bool
	call, cause int
}

// change is a change of a name's state, at the place of a frame.
type change struct {
	pos   int
	state stack.State
}

// Leak is a place where a model took something to heart that a correct stack does not.
type Leak struct {
	Name  netbios.Name
	Frame int // index
}

// play drives a model through a history.
func play(v *View, cfg node.Config, h *History) *engine {
	e := &engine{
		v: v, cfg: cfg, call: -1,
		nums: map[netbios.Name]uint8{}, lsns: map[int]uint8{}, own: map[stack.Conn]int{}, conns: map[int]stack.Conn{},
		lastAdd: map[netbios.Name]int{}, lastRemove: map[netbios.Name]int{}, ids: map[uint16]uint16{},
		states: map[netbios.Name][]change{}, inbound: stack.Inbound, goneAt: -1,
	}
	e.boot()
	e.silent = true
	for _, held := range h.Held {
		command := netbios.AddName
		if held.Group {
			command = netbios.AddGroupName
		}
		e.submit(Call{ID: -1, Name: held.Name}, netbios.NCB{Command: command, Name: held.Name})
	}
	e.until(prelude - time.Millisecond)
	e.silent = false
	next := 0
	for i := range v.Frames {
		for ; next < len(h.Calls) && h.Calls[next].Pos <= i; next++ {
			e.make(&h.Calls[next])
		}
		e.cause, e.pos = i, i
		e.until(prelude + v.Frames[i].At)
		if v.read[i].out {
			e.passed(i, h)
		} else {
			e.deliver(i)
		}
	}
	e.cause, e.pos = len(v.Frames), len(v.Frames)
	for ; next < len(h.Calls); next++ {
		e.make(&h.Calls[next])
	}
	e.until(e.now + afterwards)
	return e
}

// afterwards is how long a model runs on behind the capture's end.
const afterwards = 10 * time.Second

func (e *engine) boot() {
	e.stack, e.gone, e.armed = node.New(e.cfg), false, nil
	clear(e.nums)
	clear(e.lsns)
	clear(e.own)
	clear(e.conns)
}

// until lets the timers ring that are due, and moves on.
func (e *engine) until(at time.Duration) {
	for range maxRings {
		next := -1
		for i := range e.armed {
			if t := &e.armed[i]; t.set && t.at <= at && (next < 0 || t.at < e.armed[next].at) {
				next = i
			}
		}
		if next < 0 {
			break
		}
		t := e.armed[next]
		e.armed[next].set = false
		e.now = max(e.now, t.at)
		call, cause := e.call, e.cause
		e.call, e.cause = t.call, t.cause
		e.step(stack.Timer{ID: stack.TimerID(next + 1)})
		e.call, e.cause = call, cause
	}
	e.now = max(e.now, at)
}

// maxRings bounds the timers that ring between two frames: a stack that arms one for now again and again stands still.
const maxRings = 1 << 16

// step hands the stack an input and carries out what it wants done.
func (e *engine) step(in stack.Input) {
	if e.crashed != "" {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			e.crashed = fmt.Sprint(r)
		}
	}()
	e.stack.Step(e.now, in, &e.out)
	list := slices.Clone(e.out.All())
	e.out.Reset()
	for _, out := range list {
		e.output(out)
	}
}

func (e *engine) output(out stack.Output) {
	switch out := out.(type) {
	case stack.Arm:
		if out.ID == 0 || out.ID > 1<<16 {
			return
		}
		for int(out.ID) > len(e.armed) {
			e.armed = append(e.armed, timer{})
		}
		e.armed[out.ID-1] = timer{max(out.At, e.now), true, e.call, e.cause}
	case stack.Disarm:
		if out.ID > 0 && int(out.ID) <= len(e.armed) {
			e.armed[out.ID-1].set = false
		}
	case stack.SendDatagram:
		e.datagram(out)
	case stack.Open:
		e.open(out)
	case stack.SendData:
		e.sentOn(out.Conn, trace.Message, out.Bytes)
	case stack.Close:
		e.sentOn(out.Conn, trace.Fin, nil)
	case stack.Complete:
		e.complete(out)
	case stack.Stopped:
		e.gone = true
	case stack.NameChanged:
		e.states[out.Name] = append(e.states[out.Name], change{e.pos, out.To})
		e.note(fmt.Sprint("n", out.Name, out.From, out.To))
		if out.To == stack.Conflict || out.To == stack.ConflictDeregistered {
			e.marks = append(e.marks, Leak{out.Name, e.pos})
		}
	case stack.RefTaken:
		e.note(fmt.Sprint("t", out.Name, out.Count, out.Holder))
		if out.Holder == stack.ByDatagram {
			e.leaks = append(e.leaks, Leak{out.Name, e.pos})
		}
	case stack.RefDropped:
		e.note(fmt.Sprint("d", out.Name, out.Count, out.Holder))
	case stack.Remark:
	}
}

// note adds to the digest of what changed in the name table (FNV-1a, to tell two runs of one process apart).
func (e *engine) note(what string) {
	const prime = 1099511628211
	for i := range len(what) {
		e.changes = (e.changes ^ uint64(what[i])) * prime
	}
}

// stateAt is a name's state when the frame of an index is on the wire.
func (e *engine) stateAt(name netbios.Name, pos int) stack.State {
	state := stack.Free
	for _, c := range e.states[name] {
		if c.pos > pos {
			break
		}
		state = c.state
	}
	return state
}

// put notes a frame that the model sends.
func (e *engine) put(f trace.Frame, call int) {
	if e.silent {
		return
	}
	f.At = e.now - prelude
	e.sent = append(e.sent, sent{f, call, e.cause, read(&f)})
}

func (e *engine) datagram(d stack.SendDatagram) {
	if d.To.Addr() == e.v.Host {
		return
	}
	f := trace.Frame{Kind: trace.UDP, Broadcast: d.Broadcast, From: d.From, To: d.To, Payload: d.Payload}
	call := e.call
	m := readName(d.Payload)
	if d.From.Port() == stack.NamePort && !m.reply && !m.bad {
		switch m.kind {
		case nbt.KindQuery:
			if e.known != nil {
				e.answer(m, d)
				return
			}
		case nbt.KindClaim, nbt.KindOverwrite:
			call = e.callFor(e.lastAdd, m.name)
		case nbt.KindRelease:
			call = e.callFor(e.lastRemove, m.name)
		}
		e.lastID = max(e.lastID, m.id)
		if e.silent && !d.Broadcast && m.kind == nbt.KindClaim {
			e.register(m, d)
			return
		}
	}
	e.put(f, call)
}

func (e *engine) callFor(last map[netbios.Name]int, name netbios.Name) int {
	if id, ok := last[name]; ok {
		return id
	}
	return -1
}

// answer tells the stack where a name is that the host knew: an answer to a query that it did not send.
func (e *engine) answer(m meaning, query stack.SendDatagram) {
	c := e.known
	at := c.To.Addr()
	var flags nbt.NBFlags
	if c.Group {
		flags = nbt.NBGroup
	}
	b, err := nbt.PositiveAnswer(m.id, m.name, flags, at).AppendBinary(nil)
	if err != nil {
		return
	}
	from := query.To
	if query.Broadcast {
		from = netip.AddrPortFrom(at, stack.NamePort)
	}
	e.step(stack.Datagram{
		From: from, To: netip.AddrPortFrom(e.v.Host, stack.NamePort), Payload: b,
	})
}

// register has the name server register a name that the host held before the capture.
func (e *engine) register(m meaning, claim stack.SendDatagram) {
	b, err := nbt.PositiveRegistration(m.id, m.name, m.ont, e.v.Host, 0).AppendBinary(nil)
	if err == nil {
		e.step(stack.Datagram{From: claim.To, To: claim.From, Payload: b})
	}
}

// passed is told that a frame of the host is on the wire: which identifier it has, and what becomes of its connection.
func (e *engine) passed(i int, h *History) {
	f, m := &e.v.Frames[i], &e.v.read[i]
	switch {
	case f.Kind == trace.UDP:
		if m.service == nameService && !m.reply && h.roles[i].call >= 0 {
			e.bind(m, h.roles[i].call)
		}
	case f.Kind == trace.Message && m.ssn == nbt.SsnRequest:
		// That the host asks for its session shows that TCP has connected.
		if conn, ok := e.conns[f.Conn]; ok {
			e.step(stack.Opened{Conn: conn, From: f.From, To: f.To})
		}
	}
}

// bind notes which identifier of the model's a request of the host has: that of the last one of its kind and call.
func (e *engine) bind(m *meaning, call int) {
	for k := len(e.sent) - 1; k >= max(0, len(e.sent)-maxBind); k-- {
		if s := &e.sent[k]; s.call == call && s.read.service == nameService && s.read.kind == m.kind {
			e.ids[m.id] = s.read.id
			return
		}
	}
}

// maxBind is how far back the request of a call is looked for: further back lie those of calls that are over.
const maxBind = 256

// deliver hands the stack what was sent to it.
func (e *engine) deliver(i int) {
	f, m := &e.v.Frames[i], &e.v.read[i]
	if m.unheard {
		return
	}
	if f.Kind == trace.UDP {
		payload := f.Payload
		if m.service == nameService && m.reply && !m.bad {
			payload = e.translated(payload, m.id)
		}
		e.step(stack.Datagram{From: f.From, To: f.To, Broadcast: f.Broadcast, Payload: payload})
		return
	}
	if f.Kind == trace.Connect {
		e.inbound++
		e.conns[f.Conn], e.own[e.inbound] = e.inbound, f.Conn
		e.step(stack.Opened{Conn: e.inbound, From: f.From, To: f.To, Inbound: true})
		return
	}
	conn, ok := e.conns[f.Conn]
	if !ok {
		return
	}
	switch f.Kind {
	case trace.Message:
		e.step(stack.Data{Conn: conn, Bytes: f.Payload})
		e.consume(f.Conn, m)
	case trace.Fin:
		e.step(stack.Closed{Conn: conn, Reason: stack.EOF})
	case trace.Reset:
		e.step(stack.Closed{Conn: conn, Reason: stack.Reset})
	case trace.Refuse:
		e.step(stack.Closed{Conn: conn, Reason: stack.Refused})
	case trace.Connect, trace.UDP:
	}
}

// consume receives a session message, as the application must have done: else the stack would be full of them.
func (e *engine) consume(conn int, m *meaning) {
	lsn, ok := e.lsns[conn]
	if !ok || m.bad || m.ssn != nbt.SsnMessage {
		return
	}
	for rest := len(m.data); ; rest -= 0xffff {
		e.submit(Call{ID: -1, Conn: conn}, netbios.NCB{Command: netbios.Receive, LSN: lsn, Length: 0xffff})
		if rest <= 0xffff {
			return
		}
	}
}

// translated gives a response to a request of the host the identifier that the model's request has. One that answers no
// request of the host gets one that the model has not used.
func (e *engine) translated(b []byte, id uint16) []byte {
	own, ok := e.ids[id]
	if !ok {
		if id > e.lastID {
			return b
		}
		own = 0xffff
	}
	b = slices.Clone(b)
	b[0], b[1] = byte(own>>8), byte(own)
	return b
}

// make carries out a call.
func (e *engine) make(c *Call) {
	e.cause, e.pos = max(c.Pos, 0), max(c.Pos, 0)
	e.until(prelude + c.At)
	switch c.Verb {
	case scenario.Stop:
		e.goneAt = c.Pos
		for _, d := range c.Instead {
			e.lastRemove[d.Name] = d.ID
		}
		e.step(stack.Stop{})
	case scenario.Restart:
		e.goneAt = -1
		e.boot()
		for name := range e.states {
			e.states[name] = append(e.states[name], change{c.Pos, stack.Free})
		}
	case scenario.AddName, scenario.AddGroup:
		e.lastAdd[c.Name] = c.ID
		e.submit(*c, c.ncb(e.nums, e.lsns))
	case scenario.DeleteName:
		e.lastRemove[c.Name] = c.ID
		e.submit(*c, c.ncb(e.nums, e.lsns))
	case scenario.Call:
		e.opening = append(e.opening, c.Conn)
		e.resolving(c, c.ncb(e.nums, e.lsns))
	case scenario.SendDatagram:
		e.resolving(c, c.ncb(e.nums, e.lsns))
	case scenario.Listen, scenario.HangUp, scenario.Send, scenario.SendBroadcast, scenario.FindName:
		e.submit(*c, c.ncb(e.nums, e.lsns))
	default: // no other verb is inferred
	}
}

// ncb is the control block of a call, with the numbers that the stack has given to names and sessions.
func (c *Call) ncb(nums map[netbios.Name]uint8, lsns map[int]uint8) netbios.NCB {
	switch c.Verb {
	case scenario.AddName:
		return netbios.NCB{Command: netbios.AddName, Name: c.Name}
	case scenario.AddGroup:
		return netbios.NCB{Command: netbios.AddGroupName, Name: c.Name}
	case scenario.DeleteName:
		return netbios.NCB{Command: netbios.DeleteName, Name: c.Name}
	case scenario.Listen:
		return netbios.NCB{Command: netbios.Listen, Name: c.Name, CallName: c.Remote}
	case scenario.Call:
		return netbios.NCB{Command: netbios.Call, Name: c.Name, CallName: c.Remote}
	case scenario.HangUp:
		return netbios.NCB{Command: netbios.HangUp, LSN: lsns[c.Conn]}
	case scenario.Send:
		return netbios.NCB{Command: netbios.Send, LSN: lsns[c.Conn], Data: c.Data}
	case scenario.SendDatagram:
		return netbios.NCB{Command: netbios.SendDatagram, Num: nums[c.Name], CallName: c.Remote, Data: c.Data}
	case scenario.SendBroadcast:
		return netbios.NCB{Command: netbios.SendBroadcast, Num: nums[c.Name], Data: c.Data}
	case scenario.FindName:
		return netbios.NCB{Command: netbios.FindName, CallName: c.Remote, Length: 0xffff}
	default: // no other verb is inferred
		return netbios.NCB{}
	}
}

// resolving submits a call that has to find a name: wherever the host found it, there it was.
func (e *engine) resolving(c *Call, ncb netbios.NCB) {
	e.known = c
	e.submit(*c, ncb)
	e.known = nil
}

func (e *engine) submit(c Call, ncb netbios.NCB) {
	e.calls = append(e.calls, c)
	outer := e.call
	e.call = c.ID
	e.step(stack.Call{ID: stack.CallID(len(e.calls)), NCB: ncb})
	e.call = outer
}

func (e *engine) complete(out stack.Complete) {
	if out.ID == 0 || int(out.ID) > len(e.calls) {
		return
	}
	c := &e.calls[out.ID-1]
	if out.Num != 0 && out.Code == netbios.GOODRET && c.Conn == 0 {
		e.nums[c.Name] = out.Num
	}
	if out.LSN != 0 && out.Code == netbios.GOODRET && c.Conn != 0 {
		e.lsns[c.Conn] = out.LSN
	}
}

func (e *engine) open(o stack.Open) {
	if len(e.opening) == 0 {
		return
	}
	conn := e.opening[len(e.opening)-1]
	e.opening = e.opening[:len(e.opening)-1]
	e.conns[conn], e.own[o.Conn] = o.Conn, conn
	e.put(trace.Frame{Kind: trace.Connect, From: netip.AddrPortFrom(e.v.Host, 0), To: o.To, Conn: conn}, e.call)
}

func (e *engine) sentOn(conn stack.Conn, kind trace.FrameKind, b []byte) {
	of, ok := e.own[conn]
	if !ok {
		return
	}
	f := trace.Frame{Kind: kind, Conn: of, Payload: b}
	f.From, f.To = e.v.ends[of][0], e.v.ends[of][1]
	e.put(f, e.call)
}

// config is what a model is made of for a view.
func config(v *View, model fault.Set, profile node.Profile, o *Options) node.Config {
	profile.KeepAlive = 10000 * time.Hour // RFC 1002 section 5.2.2.2 leaves it to the stack
	cfg := node.Config{
		Prefix: v.prefix, Profile: profile, Faults: model, Type: v.kind, NameServer: v.server,
		Limits: netbios.Limits{Names: netbios.MaxNames, Sessions: netbios.MaxSessions},
	}
	if o.Limits != (netbios.Limits{}) {
		cfg.Limits = o.Limits
	}
	return cfg
}
