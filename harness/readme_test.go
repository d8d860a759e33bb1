// SPDX-License-Identifier: MIT

package harness_test

import (
	"bytes"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/report"
	"github.com/nbtlab/nbtlab/pcaps"
)

var _ = Describe("The README", func() {
	It("has the table of bugs as nbtlab bugs --markdown prints it", func() {
		text, err := os.ReadFile("../README.md")
		Expect(err).NotTo(HaveOccurred())
		all, err := harness.Shipped()
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).To(ContainSubstring("\n" + report.BugsMarkdown(all) + "\n"))
	})

	It("shows what its two commands print", func() {
		text, err := os.ReadFile("../README.md")
		Expect(err).NotTo(HaveOccurred())

		var table bytes.Buffer
		report.VerificationTable(report.NewPrinter(&table, false), verifyShipped(), nil)
		Expect(string(text)).To(ContainSubstring("```\n" + table.String() + "```\n"))

		var run bytes.Buffer
		s := shipped("q124565")
		r := harness.Run(s, &s.Cases[0], model(s, harness.Buggy), harness.Options{})
		report.RunText(report.NewPrinter(&run, false), r, "nbtlab run q124565 --model buggy")
		Expect(string(text)).To(ContainSubstring("--model buggy\n" + run.String() + "```\n"))
	})
})

// verifyShipped verifies everything that ships.
func verifyShipped() []harness.Verification {
	GinkgoHelper()
	all, err := harness.Shipped()
	Expect(err).NotTo(HaveOccurred())
	var list []harness.Verification
	for _, s := range all {
		for i := range s.Cases {
			v, err := harness.Verify(s, i, model(s, harness.Buggy), pcaps.FS(), harness.Options{})
			Expect(err).NotTo(HaveOccurred())
			list = append(list, v)
		}
	}
	return list
}
