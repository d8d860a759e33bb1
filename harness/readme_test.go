// SPDX-License-Identifier: MIT

package harness_test

import (
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/report"
)

var _ = Describe("The README", func() {
	It("has the table of bugs as nbtlab bugs --markdown prints it", func() {
		text, err := os.ReadFile("../README.md")
		Expect(err).NotTo(HaveOccurred())
		all, err := harness.Shipped()
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).To(ContainSubstring("\n" + report.BugsMarkdown(all) + "\n"))
	})
})
