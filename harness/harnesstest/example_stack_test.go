// SPDX-License-Identifier: MIT

package harnesstest_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/nbtlab/nbtlab/harness/harnesstest"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// minimal claims one name, without listening to anybody who objects, and answers queries for it.
type minimal struct {
	addr, broadcast netip.Addr
	name            netbios.Name
	claim           stack.CallID // the ADD NAME that waits for the claim
	sent            int          // how often it was claimed
	owned           bool
}

func (m *minimal) Step(at time.Duration, in stack.Input, out *stack.Outputs) {
	switch in := in.(type) {
	case stack.Call:
		if in.NCB.Command != netbios.AddName {
			out.Add(stack.Complete{ID: in.ID, Code: netbios.ILLCMD})
			return
		}
		m.name, m.claim = in.NCB.Name, in.ID // the call is completed later
		m.again(at, out)
	case stack.Timer:
		m.again(at, out)
	case stack.Datagram:
		if in.To.Port() != stack.NamePort || !m.owned {
			return
		}
		request, err := nbt.ParseNameMessage(in.Payload)
		if err != nil || request.Kind() != nbt.KindQuery {
			return
		}
		if name, _ := request.Subject(); name == m.name {
			m.send(in.From, nbt.PositiveAnswer(request.ID, name, 0, m.addr), out)
		}
	case stack.Stop:
		out.Add(stack.Stopped{})
	}
}

// again claims the name: three times, a quarter of a second apart, then it is ours.
func (m *minimal) again(at time.Duration, out *stack.Outputs) {
	everybody := netip.AddrPortFrom(m.broadcast, stack.NamePort)
	if m.sent++; m.sent <= 3 {
		m.send(everybody, nbt.Claim(1, m.name, 0, m.addr), out)
		out.Add(stack.Arm{ID: 1, At: at + 250*time.Millisecond})
		return
	}
	m.send(everybody, nbt.OverwriteDemand(2, m.name, 0, m.addr), out)
	m.owned = true
	out.Add(stack.Complete{ID: m.claim, Code: netbios.GOODRET, Num: 2})
}

func (m *minimal) send(to netip.AddrPort, message nbt.NameMessage, out *stack.Outputs) {
	payload, err := message.AppendBinary(nil)
	if err != nil {
		panic(err) // it was made here
	}
	out.Add(stack.SendDatagram{
		From: netip.AddrPortFrom(m.addr, stack.NamePort), To: to, Broadcast: to.Addr() == m.broadcast, Payload: payload,
	})
}

// The smallest stack that a case can judge. In a suite of Ginkgo's, what is put to Trials here is put to [harnesstest.Conform].
func ExampleStack() {
	trials, err := harnesstest.Stack{
		Name: "minimal",
		New: func(cfg node.Config) stack.Stack {
			return &minimal{addr: cfg.Prefix.Addr(), broadcast: stack.BroadcastOf(cfg.Prefix)}
		},
		Lacks: []scenario.Verb{
			scenario.AddGroup, scenario.DeleteName, scenario.AdapterStatus, scenario.Call, scenario.Listen,
			scenario.ReceiveDatagram, scenario.ReceiveBroadcast,
		},
	}.Trials()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range trials {
		if t.CannotJudge() == "" {
			fmt.Printf("%s: %s\n", t.Path(), t.Run().Report.Verdict())
		}
	}
	// Output:
	// malformed/name: pass
	// malformed/datagram: pass
	// malformed/session: pass
}
