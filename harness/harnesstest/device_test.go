// SPDX-License-Identifier: MIT

package harnesstest_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/agent"
	"github.com/nbtlab/nbtlab/harness/harnesstest"
	"github.com/nbtlab/nbtlab/harness/live"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// beAgent is the variable of the environment that makes this program a device and its agent: a node of ours on the loopback
// network, which ends with the agent.
const beAgent = "HARNESSTEST_AGENT"

var (
	deviceAddr  = netip.MustParsePrefix("127.79.0.1/8")
	devicePorts = portsOfThisRun()
)

// firstPort is the variable of the environment that tells this program, run again as a suite or an agent, the ports of the run:
// two runs at a time on one host would hear each other's broadcasts, if there was room for both.
const firstPort = "HARNESSTEST_PORT"

func portsOfThisRun() live.Ports {
	port, err := strconv.ParseUint(os.Getenv(firstPort), 10, 16)
	if err != nil {
		port = uint64(20000 + os.Getpid()%4000*3)
		if err := os.Setenv(firstPort, strconv.FormatUint(port, 10)); err != nil {
			panic(err)
		}
	}
	return live.Ports{Name: uint16(port), Datagram: uint16(port) + 1, Session: uint16(port) + 2}
}

func TestMain(m *testing.M) {
	if os.Getenv(beAgent) == "" {
		os.Exit(m.Run())
	}
	if err := serveAgent(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serveAgent() error {
	lan := live.New(live.Options{Ports: devicePorts})
	defer lan.Close()
	index, err := lan.Attach("box", deviceAddr, func(firstID uint16) stack.Stack {
		return node.New(node.Config{Prefix: deviceAddr, Profile: node.RFC1002, FirstID: firstID})
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = lan.Run(ctx) }() // a stack that crashes answers no more, which the suite notices
	return agent.Serve(ctx, os.Stdin, os.Stdout, "a node of ours", []string{"add-name", "delete-name"}, servant{lan, index})
}

// servant is the device as its agent sees it.
type servant struct {
	*live.LAN
	index int
}

func (s servant) Submit(ncb netbios.NCB, done func(stack.Complete)) (stack.CallID, error) {
	return s.LAN.Submit(s.index, ncb, done)
}
func (s servant) Stop(ctx context.Context) error { return s.LAN.Stop(ctx, s.index) }
func (s servant) Restart() error                 { return s.LAN.Restart(s.index) }

// deviceStack is that device, to be put to scenarios that do not take long.
func deviceStack() harnesstest.Stack {
	const header = "node box 10.0.0.10/24\nnode peer 10.0.0.20/24\n\n"
	var list []*scenario.Scenario
	for _, x := range []struct{ name, text string }{
		{"found", "box add-name HERE\n      -> ok, claim HERE from box x3, HERE in names box\npeer find-name HERE\n      -> ok, answer HERE from box\n"},
		{"lost", "box add-name HERE\n      -> NRC_INUSE\npeer inject query HERE to box\n"},
		{"called", "box add-name HERE\nbox listen HERE\npeer inject query HERE to box\n"},
	} {
		s, err := scenario.Parse(x.name+".scenario", []byte(header+x.text))
		if err != nil {
			panic(err) // before there are specs, nothing else can tell
		}
		list = append(list, s)
	}
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return harnesstest.Stack{
		Name:      "device",
		Scenarios: list,
		Device: &harnesstest.Device{
			Addr: deviceAddr.Addr(), Agent: beAgent + "=1 exec '" + self + "'", Ports: devicePorts,
			Places: map[string]netip.Prefix{"peer": netip.MustParsePrefix("127.79.0.2/8")},
		},
	}
}

var _ = Describe("The suite of a device", Serial, func() {
	It("has its agent do what the scenarios want, in real time", func() {
		o := suiteOf("device")
		Expect(o.cases("passed")).To(ConsistOf("found", "device "+judged), o.output)
		Expect(o.cases("failed")).To(ConsistOf("lost"))
		Expect(o.specs["lost"].message).To(And(
			ContainSubstring("lost on device: fail"), ContainSubstring("    expected  NRC_INUSE\n    saw       0x00 NRC_GOODRET")))
		Expect(o.cases("skipped")).To(ConsistOf("called"))
		Expect(o.specs["called"].message).To(ContainSubstring("cannot judge: line 5: box listen HERE: needs listen, which device does not have"))
	})

	It("fails when it judges nothing, and says what would have to be there", func() {
		o := suiteOf("empty device")
		Expect(o.cases("failed")).To(ConsistOf("device " + judged))
		Expect(o.specs["device "+judged].message).To(ContainSubstring(
			"0 of 3 cases could be judged, so that nothing is known of device: found takes least, add-name. What the device can do its agent"))
	})

	It("fails when there is no agent", func() {
		o := suiteOf("device without an agent")
		Expect(o.passes).To(BeFalse())
		Expect(o.output).To(ContainSubstring("the agent of device: "))
	})
})
