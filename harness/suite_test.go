// SPDX-License-Identifier: MIT

package harness_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/scenario"
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
func model(s *scenario.Scenario, name string) fault.Set {
	GinkgoHelper()
	set, err := harness.Model(s, name)
	Expect(err).NotTo(HaveOccurred())
	return set
}

// name reads a NetBIOS name.
func name(text string) netbios.Name {
	GinkgoHelper()
	n, err := netbios.ParseName(text)
	Expect(err).NotTo(HaveOccurred())
	return n
}
