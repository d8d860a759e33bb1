// SPDX-License-Identifier: MIT

package scenarios_test

import (
	"io/fs"
	"path"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/harnesstest"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/pcaps"
	"github.com/nbtlab/nbtlab/scenarios"
)

func TestScenarios(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "scenarios")
}

// One spec for each case of each scenario that ships, labelled with its bug.
var _ = Describe("The shipped scenarios", func() {
	shipped, err := harness.Shipped()
	if err != nil {
		panic(err) // before there are specs, nothing else can tell
	}
	for _, s := range shipped {
		for i := range s.Cases {
			path := harness.Path(s, &s.Cases[i])
			shows, sentence, label := harnesstest.Reproduce(), s.Bug.ID()+" reproduces as "+path, Label(s.Bug.ID())
			switch {
			case s.Against:
				shows, sentence = harnesstest.Hold(), s.Bug.ID()+" makes no difference to "+path
			case s.Bug.Model == "":
				shows, sentence, label = harnesstest.Hold(), "what "+path+" says holds", Label()
			}
			It(sentence, label, func() {
				faulty := fault.Set{}
				if s.Bug.Model != "" {
					var err error
					faulty, err = harness.Model(s, harness.Buggy)
					Expect(err).NotTo(HaveOccurred())
				}
				Expect(harness.Verify(s, i, faulty, pcaps.FS(), harness.Options{})).To(shows)
			})
		}
	}

	It("are in canonical form", func() {
		files, err := fs.Glob(scenarios.FS(), "*"+scenarios.Extension)
		Expect(err).NotTo(HaveOccurred())
		Expect(files).NotTo(BeEmpty())
		for _, file := range files {
			src, err := fs.ReadFile(scenarios.FS(), file)
			Expect(err).NotTo(HaveOccurred())
			s, err := scenario.Parse(path.Join("scenarios", file), src)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(scenario.Format(s))).To(Equal(string(src)), file)
		}
	})

	It("show every fault of the ledger at least once", func() {
		reproduced := map[string]bool{}
		for _, s := range shipped {
			if s.Bug.Model != "" && !s.Against {
				reproduced[s.Bug.ID()] = true
			}
		}
		Expect(reproduced).To(And(HaveKey("Q124565"), HaveKey("MS00-047"), HaveKey("Q140419")))
	})
})
