// SPDX-License-Identifier: MIT

package harnesstest_test

import (
	"fmt"

	"github.com/nbtlab/nbtlab/harness/harnesstest"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// In a suite of Ginkgo's this is all it takes; the variable makes Go call it before the suite runs.
func ExampleConform() {
	_ = harnesstest.Conform(harnesstest.Stack{
		Name:  "tiny",
		New:   func(cfg node.Config) stack.Stack { return newTiny(cfg) },
		Lacks: []scenario.Verb{scenario.Listen, scenario.Call, scenario.AddGroup},
		Fails: map[string]string{"q124565-table": "expected status from pc, saw none on the wire"},
	})
}

// Without Ginkgo, a stack can be put to the same cases.
func ExampleStack_Trials() {
	trials, err := harnesstest.Stack{
		Name: "tiny", New: newTiny, Lacks: []scenario.Verb{scenario.Listen, scenario.AddGroup, scenario.ReceiveBroadcast},
	}.Trials()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range trials {
		if t.Index > 0 {
			continue // one case of each will do here
		}
		if why := t.CannotJudge(); why != "" {
			fmt.Printf("%s: cannot judge: %s\n", t.Path(), why)
			continue
		}
		fmt.Printf("%s: %s\n", t.Path(), t.Run().Report.Verdict())
	}
	// Output:
	// ms00-047-release: cannot judge: node pc is of type p, which tiny cannot be
	// ms00-047: pass
	// nbns-challenge/silent-owner: cannot judge: node nbns is of type nameserver, which tiny cannot be
	// nbns-life-cycle: cannot judge: node pc is of type p, which tiny cannot be
	// nbns-types/m-claims: cannot judge: node nbns is of type nameserver, which tiny cannot be
	// q124565-controls/another-name: pass
	// q124565-exhaustion: pass
	// q124565-h: cannot judge: node pc is of type h, which tiny cannot be
	// q124565-p: cannot judge: node pc is of type p, which tiny cannot be
	// q124565-refusal: cannot judge: line 18: peer call CHAT from FRIEND: needs listen, which tiny does not have
	// q124565-running: cannot judge: line 16: pc listen CHAT as door: needs listen, which tiny does not have
	// q124565-table: fail
	// q124565: cannot judge: line 17: pc listen CHAT: needs listen, which tiny does not have
	// q140419: cannot judge: line 12: pc add-group TEAM: needs add-group, which tiny does not have
	// malformed/name: pass
	// malformed/datagram: pass
	// malformed/session: pass
}
