// SPDX-License-Identifier: MIT

package node_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"

	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// The hosts of the bench: the node's own address, two others, and the broadcast address.
var (
	ownAddr   = netip.MustParseAddr("10.0.0.10")
	peerAddr  = netip.MustParseAddr("10.0.0.20")
	thirdAddr = netip.MustParseAddr("10.0.0.30")
	winsAddr  = netip.MustParseAddr("10.0.0.2") // the name server of those that have one
	allAddr   = netip.MustParseAddr("10.0.0.255")
)

var hostNames = map[netip.Addr]string{ownAddr: "pc", peerAddr: "peer", thirdAddr: "third", winsAddr: "wins", allAddr: "all"}

func host(a netip.Addr) string {
	if s, ok := hostNames[a]; ok {
		return s
	}
	return a.String()
}

func place(a netip.AddrPort) string { return fmt.Sprintf("%s:%d", host(a.Addr()), a.Port()) }

// bench is a node with nothing around it but a clock that stands still until it is moved. Whatever the node puts out is
// kept as text, one line each, and checked on the way: no call completes twice, no timer is lost, nothing is sent on a
// connection that is not there, and the ledger of references adds up.
type bench struct {
	node   *node.Node
	now    time.Duration
	faulty bool       // the ledger need not add up
	all    netip.Addr // the network's broadcast address

	alarms  []stack.Arm // in the order of arming
	labels  map[stack.CallID]string
	open    map[stack.Conn]bool
	refs    map[uint32]stack.RefTaken
	lastRef uint32
	states  map[netbios.Name]stack.State

	lastCall stack.CallID
	lastTrn  uint16 // the last NAME_TRN_ID that the node sent
	inbound  stack.Conn
}

// config is a node at 10.0.0.10/24 with the timers of RFC 1002.
func config() node.Config {
	return node.Config{
		Prefix:  netip.MustParsePrefix("10.0.0.10/24"),
		UnitID:  [6]byte{2, 0, 0, 0, 0, 0x0a},
		Profile: node.RFC1002,
	}
}

func newBench() *bench { return benchOf(config()) }

func benchOf(cfg node.Config) *bench {
	return &bench{
		node:   node.New(cfg),
		faulty: cfg.Faults != fault.Set{},
		all:    allAddr,
		labels: map[stack.CallID]string{},
		open:   map[stack.Conn]bool{},
		refs:   map[uint32]stack.RefTaken{},
		states: map[netbios.Name]stack.State{},
	}
}

// benchWith is a bench whose configuration is changed.
func benchWith(change func(*node.Config)) *bench {
	cfg := config()
	change(&cfg)
	return benchOf(cfg)
}

// model is a bench whose node is given by its faults.
func model(text string) *bench {
	return benchWith(func(cfg *node.Config) { cfg.Faults = faults(text) })
}

func faults(text string) fault.Set {
	set, err := fault.Parse(text)
	if err != nil {
		panic(err)
	}
	return set
}

// event is an output as text.
type event struct {
	at   time.Duration
	kind kind
	text string
}

type kind uint8

const (
	completion kind = iota
	traffic
	timer
	change
	reference
	remark
)

// transcript is what a node put out.
type transcript []event

func (t transcript) only(kinds ...kind) []string {
	var lines []string
	for _, e := range t {
		if slices.Contains(kinds, e.kind) {
			lines = append(lines, e.text)
		}
	}
	return lines
}

// all are the lines in order, done the completions, sent what goes out on the network, timers what is armed and disarmed,
// changes the states of names, held the references, and remarks the remarks.
func (t transcript) all() []string {
	return t.only(completion, traffic, timer, change, reference, remark)
}
func (t transcript) done() []string    { return t.only(completion) }
func (t transcript) sent() []string    { return t.only(traffic) }
func (t transcript) timers() []string  { return t.only(timer) }
func (t transcript) changes() []string { return t.only(change) }
func (t transcript) held() []string    { return t.only(reference) }
func (t transcript) remarks() []string { return t.only(remark) }

// effects are all lines but those about timers.
func (t transcript) effects() []string { return t.only(completion, traffic, change, reference, remark) }

// timed are completions and traffic, each with its time in front.
func (t transcript) timed() []string {
	var lines []string
	for _, e := range t {
		if e.kind == completion || e.kind == traffic {
			lines = append(lines, fmt.Sprint(e.at, " ", e.text))
		}
	}
	return lines
}

// step hands the node an input and returns what it put out.
func (b *bench) step(in stack.Input) transcript {
	GinkgoHelper()
	var out stack.Outputs
	b.node.Step(b.now, in, &out)
	var t transcript
	for _, o := range out.All() {
		k, text := b.render(o)
		t = append(t, event{b.now, k, text})
	}
	b.checkLedger()
	return t
}

// call submits an NCB; its completion is printed with the name of its command.
func (b *bench) call(ncb netbios.NCB) transcript {
	GinkgoHelper()
	return b.callAs(ncb.Command.String(), ncb)
}

// callAs is call with another name.
func (b *bench) callAs(label string, ncb netbios.NCB) transcript {
	GinkgoHelper()
	b.lastCall++
	b.labels[b.lastCall] = label
	return b.step(stack.Call{ID: b.lastCall, NCB: ncb})
}

// id is the identifier of the call that goes by a label and is not over.
func (b *bench) id(label string) uint32 {
	for id, l := range b.labels {
		if l == label {
			return uint32(id)
		}
	}
	Fail("no call under way is called " + label)
	return 0
}

// waiting cancels what is still under way, and returns the names of the calls that the node knew of, sorted.
func (b *bench) waiting() []string {
	GinkgoHelper()
	var labels []string
	for _, id := range slices.Sorted(maps.Keys(b.labels)) {
		label := b.labels[id]
		if slices.Contains(b.call(cancel(uint32(id))).done(), label+": NRC_CMDCAN") {
			labels = append(labels, label)
		}
	}
	return labels
}

// advance moves the clock and rings the timers whose time comes, in order.
func (b *bench) advance(d time.Duration) transcript {
	GinkgoHelper()
	var t transcript
	for until := b.now + d; ; {
		next := -1
		for i, a := range b.alarms {
			if a.At <= until && (next < 0 || a.At < b.alarms[next].At) {
				next = i
			}
		}
		if next < 0 {
			b.now = until
			return t
		}
		a := b.alarms[next]
		b.alarms = slices.Delete(b.alarms, next, next+1)
		b.now = max(b.now, a.At)
		t = append(t, b.step(stack.Timer{ID: a.ID})...)
	}
}

// via is the way that a UDP packet takes to the node.
type via struct {
	from, to  netip.AddrPort
	broadcast bool
}

// The ways from the peer: to all or to this node, by name service and datagram service.
var (
	toAll    = via{netip.AddrPortFrom(peerAddr, 137), netip.AddrPortFrom(allAddr, 137), true}
	toPC     = via{netip.AddrPortFrom(peerAddr, 137), netip.AddrPortFrom(ownAddr, 137), false}
	dgmToAll = via{netip.AddrPortFrom(peerAddr, 138), netip.AddrPortFrom(allAddr, 138), true}
	dgmToPC  = via{netip.AddrPortFrom(peerAddr, 138), netip.AddrPortFrom(ownAddr, 138), false}
)

// by is the same way from another address.
func (v via) by(a netip.Addr) via {
	v.from = netip.AddrPortFrom(a, v.from.Port())
	return v
}

// port is the same way from another port.
func (v via) port(p uint16) via {
	v.from = netip.AddrPortFrom(v.from.Addr(), p)
	return v
}

// receive hands the node a UDP packet.
func (b *bench) receive(v via, frame string) transcript {
	GinkgoHelper()
	return b.step(stack.Datagram{From: v.from, To: v.to, Broadcast: v.broadcast, Payload: packet(frame)})
}

// connect opens a connection from the peer.
func (b *bench) connect() (stack.Conn, transcript) {
	GinkgoHelper()
	return b.connectFrom(peerAddr)
}

// connectFrom opens a connection from a host.
func (b *bench) connectFrom(a netip.Addr) (stack.Conn, transcript) {
	GinkgoHelper()
	b.inbound++
	c := stack.Inbound + b.inbound
	b.open[c] = true
	return c, b.step(stack.Opened{
		Conn: c, From: netip.AddrPortFrom(a, 40000), To: netip.AddrPortFrom(ownAddr, 139), Inbound: true,
	})
}

// accepted tells the node that a connection of its own is established.
func (b *bench) accepted(c stack.Conn) transcript {
	GinkgoHelper()
	return b.step(stack.Opened{Conn: c, From: netip.AddrPortFrom(ownAddr, 40000), To: netip.AddrPortFrom(peerAddr, 139)})
}

// data hands the node bytes of a connection.
func (b *bench) data(c stack.Conn, frame string) transcript {
	GinkgoHelper()
	return b.step(stack.Data{Conn: c, Bytes: packet(frame)})
}

// closed tells the node that a connection has ended.
func (b *bench) closed(c stack.Conn, why stack.CloseReason) transcript {
	GinkgoHelper()
	if why != stack.EOF {
		delete(b.open, c)
	}
	return b.step(stack.Closed{Conn: c, Reason: why})
}

// registered adds a unique name and lets its claim end.
func (b *bench) registered(names ...string) {
	GinkgoHelper()
	for _, n := range names {
		b.call(add(n))
		b.advance(2 * time.Second)
	}
}

// registeredGroup adds a group name and lets its claim end.
func (b *bench) registeredGroup(n string) {
	GinkgoHelper()
	b.call(addGroup(n))
	b.advance(2 * time.Second)
}

// sessionFrom lets FRIEND at the peer set up a session with a local name, and returns its connection.
func (b *bench) sessionFrom(local string) stack.Conn {
	GinkgoHelper()
	b.call(listen(local, star))
	c, _ := b.connect()
	b.data(c, "8100 0044 "+local+" "+friend)
	return c
}

// sessionTo calls FRIEND at the peer from a local name, and returns its connection: the number-th of the node.
func (b *bench) sessionTo(local string, number stack.Conn) stack.Conn {
	GinkgoHelper()
	b.call(callFrom(local, friend))
	b.receive(toPC, response(b.lastTrn, "8500", friend, unique, peerIP))
	b.accepted(number)
	b.data(number, "8200 0000")
	return number
}

func (b *bench) render(o stack.Output) (kind, string) {
	GinkgoHelper()
	switch o := o.(type) {
	case stack.Complete:
		return completion, b.complete(o)
	case stack.Stopped:
		return completion, "stopped"
	case stack.SendDatagram:
		return traffic, b.udp(o)
	case stack.Open:
		b.must(!b.open[o.Conn] && o.Conn < stack.Inbound, "connection %d opened twice", o.Conn)
		b.open[o.Conn] = true
		return traffic, fmt.Sprintf("open %s to %s", conn(o.Conn), place(o.To))
	case stack.SendData:
		b.must(b.open[o.Conn], "data on connection %s, which is not open", conn(o.Conn))
		return traffic, fmt.Sprintf("%s: %s", conn(o.Conn), notation(o.Bytes))
	case stack.Close:
		b.must(b.open[o.Conn], "close of connection %s, which is not open", conn(o.Conn))
		delete(b.open, o.Conn)
		if o.Abort {
			return traffic, "abort " + conn(o.Conn)
		}
		return traffic, "close " + conn(o.Conn)
	case stack.Arm:
		b.must(b.alarm(o.ID) < 0, "timer %d armed twice", o.ID)
		b.alarms = append(b.alarms, o)
		return timer, fmt.Sprintf("arm %d for %v", o.ID, o.At)
	case stack.Disarm:
		i := b.alarm(o.ID)
		b.must(i >= 0, "timer %d disarmed without being armed", o.ID)
		b.alarms = slices.Delete(b.alarms, i, i+1)
		return timer, fmt.Sprintf("disarm %d", o.ID)
	case stack.NameChanged:
		return change, b.changed(o)
	case stack.RefTaken:
		return reference, b.taken(o)
	case stack.RefDropped:
		return reference, b.dropped(o)
	case stack.Remark:
		return remark, o.Text
	}
	panic(fmt.Sprintf("unknown output %T", o))
}

func (b *bench) must(ok bool, format string, args ...any) {
	GinkgoHelper()
	if !ok {
		Fail(fmt.Sprintf(format, args...))
	}
}

func (b *bench) alarm(id stack.TimerID) int {
	return slices.IndexFunc(b.alarms, func(a stack.Arm) bool { return a.ID == id })
}

// conn writes the number of a connection: in-1 for the first that came in.
func conn(c stack.Conn) string {
	if c > stack.Inbound {
		return fmt.Sprintf("in-%d", c-stack.Inbound)
	}
	return fmt.Sprintf("out-%d", c)
}

func (b *bench) complete(c stack.Complete) string {
	GinkgoHelper()
	label, known := b.labels[c.ID]
	b.must(known, "call %d completes, but is not under way", c.ID)
	delete(b.labels, c.ID)
	var t strings.Builder
	fmt.Fprintf(&t, "%s: %v", label, c.Code)
	if c.Num != 0 {
		fmt.Fprintf(&t, " num %d", c.Num)
	}
	if c.LSN != 0 {
		fmt.Fprintf(&t, " lsn %d", c.LSN)
	}
	if c.CallName != (netbios.Name{}) {
		fmt.Fprintf(&t, " from %v", c.CallName)
	}
	if len(c.Data) > 0 {
		fmt.Fprintf(&t, " %q", c.Data)
	}
	return t.String()
}

func (b *bench) udp(o stack.SendDatagram) string {
	GinkgoHelper()
	b.must(o.From.Addr() == ownAddr, "a packet from %v", o.From)
	b.must(o.Broadcast == (o.To.Addr() == b.all), "a packet to %v with broadcast %v", o.To, o.Broadcast)
	if o.From.Port() == 137 {
		b.lastTrn = binary.BigEndian.Uint16(o.Payload)
	}
	return fmt.Sprintf("%d to %s: %s", o.From.Port(), place(o.To), notation(o.Payload))
}

func (b *bench) changed(o stack.NameChanged) string {
	GinkgoHelper()
	b.must(b.states[o.Name] == o.From || b.faulty, "%v goes from %v, but is %v", o.Name, o.From, b.states[o.Name])
	b.states[o.Name] = o.To
	of := ""
	if o.Group {
		of = "group "
	}
	return fmt.Sprintf("%s%v %d from %v to %v", of, o.Name, o.Num, o.From, o.To)
}

func (b *bench) taken(o stack.RefTaken) string {
	GinkgoHelper()
	b.must(o.Ref > b.lastRef, "reference %d is not new", o.Ref)
	b.lastRef = o.Ref
	b.refs[o.Ref] = o
	b.must(b.count(o.Name) == o.Count, "%v is held %d times, not %d", o.Name, b.count(o.Name), o.Count)
	text := fmt.Sprintf("%v held %d: by %v", o.Name, o.Count, o.Holder)
	if o.By != (netbios.Name{}) {
		text += " " + o.By.String()
	}
	if o.Addr.IsValid() {
		text += " at " + host(o.Addr)
	}
	return text
}

func (b *bench) dropped(o stack.RefDropped) string {
	GinkgoHelper()
	r, known := b.refs[o.Ref]
	b.must(known && r.Name == o.Name && r.Holder == o.Holder, "reference %d of %v dropped, but not held", o.Ref, o.Name)
	delete(b.refs, o.Ref)
	b.must(b.count(o.Name) == o.Count, "%v is held %d times, not %d", o.Name, b.count(o.Name), o.Count)
	return fmt.Sprintf("%v held %d: no longer by %v", o.Name, o.Count, o.Holder)
}

func (b *bench) count(n netbios.Name) int {
	count := 0
	for _, r := range b.refs {
		if r.Name == n {
			count++
		}
	}
	return count
}

// checkLedger holds a correct node to invariants I1 and I2 of the reference, section 3.2: references are the registration
// and the sessions, and the name is free exactly when there are none.
func (b *bench) checkLedger() {
	GinkgoHelper()
	if b.faulty {
		return
	}
	held, registered := map[netbios.Name]int{}, map[netbios.Name]int{}
	for _, r := range b.refs {
		held[r.Name]++
		if r.Holder == stack.ByRegistration {
			registered[r.Name]++
		}
	}
	for n, s := range b.states {
		if held[n] == 0 && s == stack.Free {
			continue
		}
		switch s {
		case stack.Free, stack.Claiming, stack.Placeholder:
			b.must(held[n] == 0, "%v is %v and held", n, s)
		case stack.Registered, stack.Conflict:
			b.must(registered[n] == 1, "%v is %v with %d registrations", n, s, registered[n])
		case stack.Deregistered, stack.ConflictDeregistered:
			b.must(registered[n] == 0 && held[n] > 0, "%v is %v and held %d times", n, s, held[n])
		}
	}
}

// ring rings a timer whether or not it is armed.
func (b *bench) ring(id int) []string {
	GinkgoHelper()
	return b.step(stack.Timer{ID: stack.TimerID(id)}).all()
}
