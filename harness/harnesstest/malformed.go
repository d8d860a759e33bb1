// SPDX-License-Identifier: MIT

package harnesstest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// Malformed is the name of the scenario that sends every malformed packet of package fixtures, with a case for each service:
// "malformed/name", "malformed/datagram" and "malformed/session". Its lines are those of the files of vectors. A [Device] is
// not put to the last, whose packets go by TCP.
const Malformed = "malformed"

// atOnce is how many malformed packets a device is sent before it is asked whether it is still there: on a real network each
// question takes as long as the traffic of a step takes to be over. On the virtual one each packet is followed by a question.
const atOnce = 8

// vectorFiles are where the lines of the scenario are.
const vectorFiles = "fixtures/malformed/"

// malformed are the scenarios in which a node has a name, is sent every malformed packet of a service, and answers for its
// name after each few as before.
func malformed(device bool) ([]*scenario.Scenario, error) {
	services, few := []fixtures.Service{fixtures.NameService, fixtures.DatagramService}, atOnce
	if !device {
		services, few = append(services, fixtures.SessionService), 1
	}
	list := make([]*scenario.Scenario, len(services))
	for i, service := range services {
		var err error
		if list[i], err = malformedOf(service, few); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func malformedOf(service fixtures.Service, few int) (*scenario.Scenario, error) {
	send := map[fixtures.Service]string{
		fixtures.NameService:     fmt.Sprintf("peer inject bytes \"?\" to pc port %d\n", stack.NamePort),
		fixtures.DatagramService: fmt.Sprintf("peer inject bytes \"?\" to pc port %d\n", stack.DatagramPort),
		fixtures.SessionService:  fmt.Sprintf("peer ncb 0x%02x\n", uint8(sendsBytes)),
	}[service]
	lines, err := linesOf(service)
	if err != nil {
		return nil, err
	}
	vectors := slices.DeleteFunc(fixtures.Malformed(), func(v fixtures.Vector) bool { return v.Service != service })
	var text strings.Builder
	text.WriteString("# Malformed packets leave a name where it was.\n\n" +
		"node pc 10.0.0.10/24\nnode peer 10.0.0.20/24\n\npc add-name CHAT\npeer add-name FRIEND\n\n")
	for group := range slices.Chunk(vectors, few) {
		text.WriteString(strings.Repeat(send, len(group)) + "peer find-name CHAT\n      -> ok, answer CHAT from pc\n")
	}
	s, err := harness.Load(Malformed+".scenario", []byte(text.String()))
	if err != nil {
		return nil, err
	}
	s.Path = vectorFiles + string(service) + ".vec"
	s.Cases[0].Title, s.Cases[0].Slug = string(service), string(service)
	var sent []string // since the last question
	for i := range s.Cases[0].Steps {
		step := &s.Cases[0].Steps[i]
		switch step.Verb {
		case scenario.Inject, scenario.Ncb: // some are longer than what a line of a scenario has room for
			v := vectors[0]
			step.Pos.Line = lines[v.Name]
			step.Inject.Payload, step.Payload = v.Bytes, v.Bytes
			step.Text = fmt.Sprintf("peer sends vector %s to the %s service of pc", v.Name, service)
			sent, vectors = append(sent, v.Name), vectors[1:]
		case scenario.FindName:
			step.Pos.Line = lines[sent[0]]
			step.Text += " after vector " + strings.Join(sent, ", ")
			sent = nil
		default:
			step.Pos.Line = 1 // before the first vector
		}
	}
	return s, nil
}

// linesOf tells where in its file each vector of a service begins.
func linesOf(service fixtures.Service) (map[string]int, error) {
	text, err := fixtures.Files.ReadFile("malformed/" + string(service) + ".vec")
	if err != nil {
		return nil, err
	}
	lines := map[string]int{}
	for i, line := range strings.Split(string(text), "\n") {
		if key, name, _ := strings.Cut(line, " "); key == "vector" {
			lines[strings.TrimSpace(name)] = i + 1
		}
	}
	return lines, nil
}

// hostile reports whether the case sends malformed packets.
func (t Trial) hostile() bool { return strings.HasPrefix(t.Scenario.Path, vectorFiles) }

// intruder is a node that also sends, on a TCP connection to the session service of a victim, bytes that no stack would.
type intruder struct {
	stack.Stack

	victim netip.Addr
	conn   stack.Conn // the last one; the node of this scenario opens none itself
	call   stack.Call
}

// sendsBytes is the command, no one's else, that makes an intruder do so.
const sendsBytes netbios.Command = 0x7f

const (
	intruderTimer    stack.TimerID = 1 << 16 // a node numbers its own from 1
	intruderPatience               = 500 * time.Millisecond
)

func newIntruder(cfg node.Config, victim netip.Addr) stack.Stack {
	return &intruder{Stack: node.New(cfg), victim: victim}
}

// Step opens a connection for the call, sends the call's data, and after a while breaks the connection off, if it is not
// closed by then. What the victim answers is no matter.
func (x *intruder) Step(at time.Duration, in stack.Input, out *stack.Outputs) {
	switch in := in.(type) {
	case stack.Call:
		if in.NCB.Command == sendsBytes {
			x.call, x.conn = in, x.conn+1
			out.Add(stack.Open{Conn: x.conn, To: netip.AddrPortFrom(x.victim, stack.SessionPort)})
			return
		}
	case stack.Opened:
		if in.Conn <= x.conn {
			out.Add(stack.SendData{Conn: in.Conn, Bytes: x.call.NCB.Data})
			out.Add(stack.Arm{ID: intruderTimer, At: at + intruderPatience})
			return
		}
	case stack.Timer:
		if in.ID == intruderTimer {
			out.Add(stack.Close{Conn: x.conn, Abort: true})
			out.Add(stack.Complete{ID: x.call.ID})
			return
		}
	case stack.Data:
		if in.Conn <= x.conn {
			return
		}
	case stack.Closed:
		if in.Conn <= x.conn {
			x.closed(in, out)
			return
		}
	case stack.Datagram, stack.Stop:
	}
	x.Stack.Step(at, in, out)
}

func (x *intruder) closed(in stack.Closed, out *stack.Outputs) {
	done := stack.Complete{ID: x.call.ID}
	if in.Reason == stack.Refused || in.Reason == stack.Timeout {
		done.Code = netbios.NOCALL
	}
	out.Add(stack.Disarm{ID: intruderTimer})
	out.Add(stack.Close{Conn: in.Conn, Abort: true})
	out.Add(done)
}
