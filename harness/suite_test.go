// SPDX-License-Identifier: MIT

package harness_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
)

func TestHarness(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "harness")
}

// shipped returns a scenario that ships with the harness.
func shipped(name string) *scenario.Scenario {
	GinkgoHelper()
	s, err := harness.FindShipped(name)
	Expect(err).NotTo(HaveOccurred())
	return s
}

// model returns a model of a scenario.
// model reads the name of a model. A scenario without a bug is the same on "buggy" and "fixed".
func model(s *scenario.Scenario, name string) fault.Set {
	GinkgoHelper()
	if s.Bug.Model == "" && name == harness.Buggy {
		name = fault.Fixed
	}
	set, err := harness.Model(s, name)
	Expect(err).NotTo(HaveOccurred())
	return set
}

// through has what a spec puts between the LAN and each node make the stacks.
func through(wrap func(index int, s stack.Stack) stack.Stack) func(int, node.Config) stack.Stack {
	if wrap == nil {
		return nil
	}
	return func(index int, cfg node.Config) stack.Stack { return wrap(index, node.New(cfg)) }
}

// name reads a NetBIOS name.
func name(text string) netbios.Name {
	GinkgoHelper()
	n, err := netbios.ParseName(text)
	Expect(err).NotTo(HaveOccurred())
	return n
}
