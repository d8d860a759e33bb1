// SPDX-License-Identifier: MIT

// Package runner turns one case of a scenario into what a driver has to do next: submit a call, put a packet on the wire,
// restart a stack, wait. It never knows which driver that is, and never judges.
package runner

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// CallPatience is how long a step waits for its call to complete. NCB commands that wait for ever are not waited for; of
// the others the longest, CALL, gives up far earlier. A run that runs out of it cannot be judged.
const CallPatience = 10 * time.Minute

// Action is what a driver does next.
//
//sumtype:decl
type Action interface{ action() }

// Begin marks the start of a step: what is recorded from now on belongs to it.
type Begin struct{ Step int }

// Submit hands a call to a node.
type Submit struct {
	Node int
	Call stack.Call
}

// Inject puts a datagram on the wire that no stack sent.
type Inject struct {
	Node  int // in whose name
	Frame stack.SendDatagram
}

// Emit has a node put out what no stack of its own wanted: what a script does on a connection in a node's name.
type Emit struct {
	Node int
	Out  stack.Output // Open, SendData or Close
}

// Impair has the network treat the next frames that match badly.
type Impair struct {
	Verb   scenario.Verb // Lose, Double, Delay or Alter
	Impair scenario.Impairment
}

// Restart makes a node anew, as after power-on.
type Restart struct{ Node int }

// Stop asks a node for an orderly stop.
type Stop struct{ Node int }

// Wait lets time pass until a time of the run, or until [Machine.Ready].
type Wait struct{ Until time.Duration }

// Done ends the run. Exhausted names the limit that ended it early.
type Done struct{ Exhausted string }

func (Begin) action()   {}
func (Submit) action()  {}
func (Inject) action()  {}
func (Emit) action()    {}
func (Impair) action()  {}
func (Restart) action() {}
func (Stop) action()    {}
func (Wait) action()    {}
func (Done) action()    {}

// Script is what a driver performs: it asks for the next action, and tells what comes of the actions.
type Script interface {
	Next(now time.Duration) Action
	// Ready reports whether a wait may end before its time because what was awaited has come.
	Ready() bool
	// Observe takes in what a node completes. It returns what is wrong with a completion that no stack may give.
	Observe(node int, out stack.Output) (wrong string)
	// Gone tells that nothing will come of a node any more: it is switched off.
	Gone(node int)
}

// Machine is the [Script] of one case of a scenario.
type Machine struct {
	nodes  []scenario.Node
	settle []time.Duration // by node
	steps  []scenario.Step

	step     int // the one under way
	phase    phase
	repeated int
	until    time.Duration // of a wait
	hold     time.Duration // the last "for" window of the case
	awaited  stack.CallID  // 0 for none
	stopping bool          // an orderly stop is awaited
	probes   []int         // nodes whose tables remain to be looked at in this step
	probe    stack.CallID

	calls   []call // by identifier less one
	numbers []number
}

type phase uint8

const (
	beginning phase = iota // of a step
	acting                 // its call, once more
	awaiting               // the completion
	settling
	probing
	holding // after the last step
)

type call struct {
	step int
	lsn  uint8
	done bool
}

// number is what an application knows a name by, from the completion of ADD NAME.
type number struct {
	node int
	name netbios.Name
	num  uint8
}

// New prepares a case. Settle is each node's settle time: how long after a call's completion its traffic is over.
func New(nodes []scenario.Node, settle []time.Duration, c *scenario.Case) *Machine {
	return &Machine{nodes: nodes, settle: settle, steps: c.Steps}
}

// Ready reports whether a wait may end before its time because what was awaited has come.
func (m *Machine) Ready() bool { return m.phase == awaiting && m.awaited == 0 && !m.stopping }

// Observe tells the machine of a node's output. Only completions and stops matter to it. It returns what is wrong with an
// output that no stack may give: the completion of a call that was not made to it, or twice.
func (m *Machine) Observe(node int, out stack.Output) (wrong string) {
	switch out := out.(type) {
	case stack.Complete:
		return m.completed(node, out)
	case stack.Stopped:
		m.stopping = false
	default: // the driver's business
	}
	return ""
}

// Gone tells the machine that a node will never answer again: what is awaited of it is not waited for.
func (m *Machine) Gone(node int) {
	if m.step < len(m.steps) && m.steps[m.step].Node == node {
		m.awaited, m.stopping = 0, false
	}
}

func (m *Machine) completed(node int, c stack.Complete) (wrong string) {
	if c.ID&trace.Probe != 0 {
		if c.ID&^trace.Probe == 0 || c.ID&^trace.Probe > m.probe {
			return "it completed a call that nobody made"
		}
		return ""
	}
	if c.ID == 0 || int(c.ID) > len(m.calls) || m.steps[m.calls[c.ID-1].step].Node != node {
		return "it completed a call that nobody made to it"
	}
	of := &m.calls[c.ID-1]
	if of.done {
		return "it completed a call twice"
	}
	of.done = true
	if c.ID == m.awaited {
		m.awaited = 0
	}
	of.lsn = c.LSN
	switch step := &m.steps[of.step]; step.Verb {
	case scenario.AddName, scenario.AddGroup:
		m.forgetNumber(node, step.Name)
		if c.Code == netbios.GOODRET {
			m.numbers = append(m.numbers, number{node, step.Name, c.Num})
		}
	case scenario.DeleteName:
		m.forgetNumber(node, step.Name)
	}
	return ""
}

func (m *Machine) forgetNumber(node int, name netbios.Name) {
	for i, x := range m.numbers {
		if x.node == node && x.name == name {
			m.numbers = append(m.numbers[:i], m.numbers[i+1:]...)
			return
		}
	}
}

// numberOf returns the number that the application on a node knows a name by; 0, which no stack gives, for none.
func (m *Machine) numberOf(node int, name netbios.Name) uint8 {
	for _, x := range m.numbers {
		if x.node == node && x.name == name {
			return x.num
		}
	}
	return 0
}

// Next returns what to do at this time of the run.
func (m *Machine) Next(now time.Duration) Action {
	for {
		switch m.phase {
		case beginning:
			if m.step == len(m.steps) {
				m.phase = holding
				return Wait{Until: max(now, m.hold)}
			}
			m.phase, m.repeated = acting, 0
			m.noteWindows(now)
			return Begin{m.step}
		case acting:
			if a := m.act(now); a != nil {
				return a
			}
		case awaiting:
			if m.awaited != 0 || m.stopping {
				if now >= m.until {
					return Done{Exhausted: "a call did not complete within " + CallPatience.String()}
				}
				return Wait{Until: m.until}
			}
			m.repeated++
			if m.repeated < m.steps[m.step].Times && m.steps[m.step].Verb.Calls() {
				m.phase = acting
				continue
			}
			m.settleUntil(now)
		case settling:
			if now < m.until {
				return Wait{Until: m.until}
			}
			m.phase, m.probes = probing, m.tablesToLookAt()
		case probing:
			if len(m.probes) == 0 {
				m.step++
				m.phase = beginning
				continue
			}
			node := m.probes[0]
			m.probes = m.probes[1:]
			m.probe++
			return Submit{node, stack.Call{ID: trace.Probe | m.probe, NCB: netbios.NCB{
				Command: netbios.AdapterStatus, CallName: netbios.Wildcard, Length: 0xffff,
			}}}
		case holding:
			return Done{}
		}
	}
}

// noteWindows remembers how long the frames of the step's "for" clauses have to be waited for.
func (m *Machine) noteWindows(now time.Duration) {
	for _, e := range m.steps[m.step].Expect {
		m.noteClauses(now, e.Clauses)
		for _, a := range e.Alternatives {
			m.noteClauses(now, a.Clauses)
		}
	}
}

func (m *Machine) noteClauses(now time.Duration, clauses []scenario.Clause) {
	for _, c := range clauses {
		if w, ok := c.(scenario.Wire); ok {
			m.hold = max(m.hold, now+w.Pattern.For)
		}
	}
}

// tablesToLookAt lists the nodes whose name tables the step's expectations are about.
func (m *Machine) tablesToLookAt() []int {
	var nodes []int
	add := func(clauses []scenario.Clause) {
		for _, c := range clauses {
			l, ok := c.(scenario.Listed)
			if !ok {
				continue
			}
			seen := false
			for _, n := range nodes {
				seen = seen || n == l.Node
			}
			if !seen {
				nodes = append(nodes, l.Node)
			}
		}
	}
	for _, e := range m.steps[m.step].Expect {
		add(e.Clauses)
		for _, a := range e.Alternatives {
			add(a.Clauses)
		}
	}
	return nodes
}

func (m *Machine) settleUntil(now time.Duration) {
	m.phase, m.until = settling, now
	if node := m.steps[m.step].Node; node >= 0 {
		m.until += m.settle[node]
	}
}

// act performs a step once. It returns nil when there is nothing to hand to the driver.
func (m *Machine) act(now time.Duration) Action {
	step := &m.steps[m.step]
	switch step.Verb {
	case scenario.Restart:
		m.numbers = dropNode(m.numbers, step.Node)
		m.settleUntil(now)
		return Restart{step.Node}
	case scenario.Stop:
		m.phase, m.stopping, m.until = awaiting, true, now+CallPatience
		return Stop{step.Node}
	case scenario.Inject:
		m.settleUntil(now)
		return Inject{step.Node, m.forge(step)}
	case scenario.Lose, scenario.Double, scenario.Delay, scenario.Alter:
		m.phase, m.until = settling, now
		return Impair{step.Verb, step.Impair}
	case scenario.After:
		m.phase, m.until = settling, now+step.Wait
		return nil
	case scenario.At:
		if now > step.Wait {
			return Done{Exhausted: fmt.Sprintf("line %d: %s: the run is at %s already", step.Pos.Line, step.Text, now)}
		}
		m.phase, m.until = settling, step.Wait
		return nil
	}
	m.calls = append(m.calls, call{step: m.step})
	id := stack.CallID(len(m.calls))
	if step.Async {
		m.repeated++
		if m.repeated >= step.Times {
			m.phase, m.until = settling, now
		}
	} else {
		m.phase, m.awaited, m.until = awaiting, id, now+CallPatience
	}
	return Submit{step.Node, stack.Call{ID: id, NCB: m.control(step)}}
}

func dropNode(list []number, node int) []number {
	kept := list[:0]
	for _, x := range list {
		if x.node != node {
			kept = append(kept, x)
		}
	}
	return kept
}

// control fills in the control block of a step.
func (m *Machine) control(step *scenario.Step) netbios.NCB {
	ncb := netbios.NCB{Command: commands[step.Verb], Name: step.Name, Length: uint16(step.Size), Data: step.Payload}
	switch step.Verb {
	case scenario.Call:
		ncb.Name, ncb.CallName = step.From, step.Name
	case scenario.Listen:
		ncb.CallName = step.From
	case scenario.HangUp, scenario.Send, scenario.Receive:
		ncb.LSN = m.session(step)
	case scenario.Cancel:
		ncb.Target = uint32(m.labelled(step.Of))
	case scenario.SendDatagram, scenario.SendBroadcast:
		ncb.Num, ncb.CallName = m.numberOf(step.Node, step.From), step.Name
	case scenario.ReceiveAny, scenario.ReceiveDatagram, scenario.ReceiveBroadcast:
		ncb.Num = netbios.AnyName
		if step.Name != netbios.Wildcard {
			ncb.Num = m.numberOf(step.Node, step.Name)
		}
	case scenario.AdapterStatus, scenario.FindName:
		ncb.CallName = step.Name
	case scenario.Ncb:
		ncb.Command = netbios.Command(step.Command)
	}
	return ncb
}

var commands = map[scenario.Verb]netbios.Command{
	scenario.AddName: netbios.AddName, scenario.AddGroup: netbios.AddGroupName, scenario.DeleteName: netbios.DeleteName,
	scenario.Call: netbios.Call, scenario.Listen: netbios.Listen, scenario.HangUp: netbios.HangUp,
	scenario.Send: netbios.Send, scenario.Receive: netbios.Receive, scenario.ReceiveAny: netbios.ReceiveAny,
	scenario.SendDatagram: netbios.SendDatagram, scenario.ReceiveDatagram: netbios.ReceiveDatagram,
	scenario.SendBroadcast: netbios.SendBroadcast, scenario.ReceiveBroadcast: netbios.ReceiveBroadcast,
	scenario.AdapterStatus: netbios.AdapterStatus, scenario.SessionStatus: netbios.SessionStatus,
	scenario.FindName: netbios.FindName, scenario.Cancel: netbios.Cancel, scenario.Reset: netbios.Reset,
}

// labelled returns the call that a label names: the last one of the step that bears it.
func (m *Machine) labelled(label string) stack.CallID {
	for i := len(m.calls) - 1; i >= 0; i-- {
		if m.steps[m.calls[i].step].Label == label {
			return stack.CallID(i + 1)
		}
	}
	return 0
}

// session returns the number of the session that a label names, 0 while there is none.
func (m *Machine) session(step *scenario.Step) uint8 {
	if id := m.labelled(step.Of); id != 0 {
		return m.calls[id-1].lsn
	}
	return 0
}

func (m *Machine) addr(node int) netip.Addr {
	if node == scenario.Everybody {
		return stack.BroadcastOf(m.nodes[0].Prefix)
	}
	return m.nodes[node].Prefix.Addr()
}
