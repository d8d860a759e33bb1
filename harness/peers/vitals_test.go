// SPDX-License-Identifier: MIT

package peers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/peers"
)

var _ = Describe("What a fire did to a process", func() {
	calm := peers.Vitals{Resident: 20 << 20, Descriptors: 9, Goroutines: 12, Idle: 0.01, Names: []string{"CHAT<20>", "OFFICE<1e>"}}

	It("is nothing when it is as it was, or has less", func() {
		Expect(calm.Harm(calm)).To(Succeed())
		after := calm
		after.Resident, after.Descriptors, after.Goroutines, after.Idle = peers.MostResident, 8, 11, 0.1
		after.Names = []string{"OFFICE<1e>", "CHAT<20>"}
		Expect(after.Harm(calm)).To(Succeed())
	})

	DescribeTable("is told",
		func(spoil func(*peers.Vitals), complaint string) {
			after := calm
			spoil(&after)
			Expect(after.Harm(calm)).To(MatchError(complaint))
		},
		Entry("of too much memory", func(v *peers.Vitals) { v.Resident = 65 << 20 }, "65.0 MiB were resident, more than 64"),
		Entry("of one byte too much", func(v *peers.Vitals) { v.Resident = peers.MostResident + 1 }, "64.0 MiB were resident, more than 64"),
		Entry("of a descriptor that was left open", func(v *peers.Vitals) { v.Descriptors++ }, "10 descriptors are open, and 9 were before"),
		Entry("of a goroutine that never ends", func(v *peers.Vitals) { v.Goroutines++ }, "there are 13 goroutines, and 12 were before"),
		Entry("of goroutines that were not counted", func(v *peers.Vitals) { v.Goroutines = 0 }, "nobody has counted the goroutines"),
		Entry("of a processor that is kept busy", func(v *peers.Vitals) { v.Idle = 0.98 }, "it takes 0.98 of a processor for nothing"),
		Entry("of a name that was lost", func(v *peers.Vitals) { v.Names = v.Names[1:] }, "it has lost CHAT<20>"),
		Entry("of all names lost", func(v *peers.Vitals) { v.Names = nil }, "it has lost CHAT<20>, OFFICE<1e>"),
		Entry("of a name that was taken in", func(v *peers.Vitals) { v.Names = append([]string{"FLOOD00001<20>"}, v.Names...) },
			"it holds FLOOD00001<20>, which nobody gave it"),
		Entry("of all that is the matter", func(v *peers.Vitals) {
			*v = peers.Vitals{Resident: 1 << 30, Descriptors: 500, Goroutines: 700, Idle: 1}
		},
			"1024.0 MiB were resident, more than 64\n500 descriptors are open, and 9 were before\n"+
				"there are 700 goroutines, and 12 were before\nit takes 1.00 of a processor for nothing\nit has lost CHAT<20>, OFFICE<1e>"),
	)
})
