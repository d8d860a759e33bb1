// SPDX-License-Identifier: MIT

package harness

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/replay"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// SupplyCalls fills in the options of a replay what a scenario says of a host: the calls that its applications make and
// when, how many names it has room for. The host is the node with its address, else the node of the scenario's bug.
func SupplyCalls(o *replay.Options, s *scenario.Scenario, c *scenario.Case, host netip.Addr) error {
	at := slices.IndexFunc(s.Nodes, func(n scenario.Node) bool { return n.Prefix.Addr() == host })
	if at < 0 && s.Bug.Model != "" {
		at = s.Bug.Node
	}
	if at < 0 {
		return fmt.Errorf("harness: %s has no node at %s, and no bug line that says which node is meant", s.Name, host)
	}
	o.Supplied, o.Limits = true, s.Nodes[at].Limits.WithDefaults()
	run := Play(s, c, fault.Set{}, Options{})
	for i := range run.Events {
		e := &run.Events[i]
		if int(e.Node) != at {
			continue
		}
		call := replay.Call{At: e.At, Seen: -1}
		if e.Step >= 0 {
			call.Why = fmt.Sprintf("%s:%d", s.Path, c.Steps[e.Step].Pos.Line)
		}
		switch what := e.What.(type) {
		case stack.Call:
			if what.ID&trace.Probe != 0 || !suppliedCall(&call, what.NCB) {
				continue
			}
		case stack.Stop:
			call.Verb = scenario.Stop
		case trace.Started:
			if e.Step < 0 {
				continue
			}
			call.Verb = scenario.Restart
		default:
			continue
		}
		o.Calls = append(o.Calls, call)
	}
	return nil
}

// suppliedCall reads a call off an NCB, if it is one that the wire may not show.
func suppliedCall(c *replay.Call, ncb netbios.NCB) bool {
	c.Name, c.Remote = ncb.Name, ncb.CallName
	switch ncb.Command &^ netbios.NoWait {
	case netbios.AddName:
		c.Verb = scenario.AddName
	case netbios.AddGroupName:
		c.Verb = scenario.AddGroup
	case netbios.DeleteName:
		c.Verb = scenario.DeleteName
	case netbios.Listen:
		c.Verb = scenario.Listen
	default:
		return false
	}
	return true
}
