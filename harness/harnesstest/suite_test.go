// SPDX-License-Identifier: MIT

package harnesstest_test

import (
	"os"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/harnesstest"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
)

func TestHarnesstest(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "harnesstest")
}

// otherStack is the variable of the environment that names the stack whose specs this program declares. The specs of this
// suite run the program again with it, as somebody else's suite, to see what becomes of its specs.
const otherStack = "HARNESSTEST_STACK"

// others are the stacks of those suites.
var others = map[string]harnesstest.Stack{
	"tiny": tinyStack(),
	"tiny, pinned": with(tinyStack(), func(s *harnesstest.Stack) {
		s.Fails = map[string]string{
			"q124565-controls/another-suffix": "line 22: peer send-datagram CHAT<00> from FRIEND",
			"q124565-table":                   "expected status from pc, saw none on the wire",
		}
	}),
	"tiny, pinned wrongly": with(tinyStack(), func(s *harnesstest.Stack) {
		s.Fails = map[string]string{"ms00-047": "line 12", "q124565-table": "line 12"}
	}),
	"tiny, of unknown failings": with(tinyStack(), func(s *harnesstest.Stack) {
		s.Fails = map[string]string{"q1": ""}
	}),
	"device": deviceStack(),
	"device without an agent": with(deviceStack(), func(s *harnesstest.Stack) {
		device := *s.Device
		device.Agent = "exit 3"
		s.Device = &device
	}),
	"empty":           emptyStack(scenario.AddName, scenario.AddGroup),
	"empty, boastful": emptyStack(),
	"empty device":    with(deviceStack(), func(s *harnesstest.Stack) { s.Lacks = []scenario.Verb{scenario.AddName} }),
	"fragile": with(fixed(), func(s *harnesstest.Stack) {
		s.Name, s.New = "fragile", func(cfg node.Config) stack.Stack { return fragile{node.New(cfg)} }
	}),
	"deafened by pointer-chain":        deafenedStack("pointer-chain"),
	"deafened by datagram-2-bytes":     deafenedStack("datagram-2-bytes"),
	"deafened by session-length-1ffff": deafenedStack("session-length-1ffff"),
	"boastful":                         with(tinyStack(), func(s *harnesstest.Stack) { s.Lacks = nil }),
	"moody": with(tinyStack(), func(s *harnesstest.Stack) {
		made := 0
		s.New = func(cfg node.Config) stack.Stack {
			made++
			cfg.FirstID += uint16(made)
			return newTiny(cfg)
		}
	}),
}

// emptyStack has a Step that does nothing.
func emptyStack(lacks ...scenario.Verb) harnesstest.Stack {
	return harnesstest.Stack{Name: "empty", Lacks: lacks, New: func(node.Config) stack.Stack { return empty{} }}
}

type empty struct{}

func (empty) Step(time.Duration, stack.Input, *stack.Outputs) {}

// deafenedStack hears nothing any more after a vector.
func deafenedStack(vector string) harnesstest.Stack {
	return with(fixed(), func(s *harnesstest.Stack) {
		s.New = func(cfg node.Config) stack.Stack { return &deafened{Stack: node.New(cfg), by: fixtures.Named(vector)} }
	})
}

func tinyStack() harnesstest.Stack {
	return harnesstest.Stack{
		Name: "tiny",
		New:  newTiny,
		Lacks: []scenario.Verb{
			scenario.Listen, scenario.Call, scenario.AddGroup, scenario.ReceiveDatagram, scenario.ReceiveBroadcast,
		},
	}
}

func with(s harnesstest.Stack, change func(s *harnesstest.Stack)) harnesstest.Stack {
	change(&s)
	return s
}

// fixed is the harness's own correct node, which everything that ships is pinned to.
func fixed() harnesstest.Stack {
	return harnesstest.Stack{
		Name:  "the fixed model",
		New:   func(cfg node.Config) stack.Stack { return node.New(cfg) },
		Roles: []string{"p", "m", "h", "nameserver"},
	}
}

var _ = func() bool {
	if s, known := others[os.Getenv(otherStack)]; known {
		return harnesstest.Conform(s)
	}
	netbt := fixed()
	netbt.Name, netbt.Profile, netbt.Scenarios = "the fixed model with NetBT's timers", "netbt", ofBNodes()
	return harnesstest.Conform(fixed()) && harnesstest.Conform(netbt)
}()

// ofBNodes are the scenarios that ship and have no name server: what is said of those counts the seconds of RFC 1002.
func ofBNodes() []*scenario.Scenario {
	shipped, err := harness.Shipped()
	if err != nil {
		panic(err) // before there are specs, nothing else can tell
	}
	return slices.DeleteFunc(shipped, func(s *scenario.Scenario) bool {
		return slices.ContainsFunc(s.Nodes, func(n scenario.Node) bool { return n.NameServer })
	})
}
