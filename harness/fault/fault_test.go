// SPDX-License-Identifier: MIT

package fault_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/fault"
)

func parse(text string) fault.Set {
	GinkgoHelper()
	s, err := fault.Parse(text)
	Expect(err).NotTo(HaveOccurred(), text)
	return s
}

// settings are all ways to write a fault: without knobs, then every combination of their values, defaults left out.
func settings(f fault.Fault) []string {
	lists := []string{""}
	for _, c := range f.Knobs {
		if c.Name == "" {
			continue
		}
		var longer []string
		for _, l := range lists {
			for i, v := range c.Values {
				switch {
				case i == 0:
					longer = append(longer, l)
				case l == "":
					longer = append(longer, c.Name+"="+v)
				default:
					longer = append(longer, l+","+c.Name+"="+v)
				}
			}
		}
		lists = longer
	}
	texts := make([]string, len(lists))
	for i, l := range lists {
		if texts[i] = f.ID; l != "" {
			texts[i] += ":" + l
		}
	}
	return texts
}

// models are all sets of faults with all settings of their knobs.
func models() []string {
	texts := []string{""}
	for _, f := range fault.All() {
		for _, before := range texts {
			for _, setting := range settings(f) {
				texts = append(texts, strings.TrimPrefix(before+","+setting, ","))
			}
		}
	}
	texts[0] = "fixed"
	return texts
}

var _ = Describe("A model", func() {
	It("is written as it is read, in every combination of faults and knobs", func() {
		all := models()
		Expect(all).To(HaveLen((24 + 1) * 2 * 2))
		seen := map[fault.Set]string{}
		for _, text := range all {
			s := parse(text)
			Expect(s.String()).To(Equal(text))
			Expect(seen).NotTo(HaveKey(s), text)
			seen[s] = text
		}
	})

	DescribeTable("may be written with defaults, and in another order",
		func(text, canonical string) { Expect(parse(text).String()).To(Equal(canonical)) },
		Entry(nil, "Q124565:count=each", "Q124565"),
		Entry(nil, "Q124565:count=each,window=before-first-session,before-registration=on,delete-reports=00", "Q124565"),
		Entry(nil, "Q124565:window=always,count=once", "Q124565:count=once,window=always"),
		Entry(nil, "MS00-047,Q124565:delete-reports=0F,count=once", "Q124565:count=once,delete-reports=0F,MS00-047"),
		Entry(nil, "Q140419,Q124565:count=once,MS00-047", "Q124565:count=once,MS00-047,Q140419"),
		Entry(nil, "Q124565:count=once,count=each", "Q124565"),
	)

	DescribeTable("that is not one is refused with help",
		func(text, message string) {
			s, err := fault.Parse(text)
			Expect(err).To(MatchError(message))
			Expect(s).To(Equal(fault.Set{}))
		},
		Entry(nil, "", `fault: unknown model "" (known: fixed, Q124565, MS00-047, Q140419)`),
		Entry(nil, "Q1", `fault: unknown model "Q1" (known: fixed, Q124565, MS00-047, Q140419)`),
		Entry(nil, "Q1:count=once", `fault: unknown model "Q1" (known: fixed, Q124565, MS00-047, Q140419)`),
		Entry(nil, "q124565", `fault: unknown model "q124565" (known: fixed, Q124565, MS00-047, Q140419)`),
		Entry(nil, "Q124565,", `fault: unknown model "" (known: fixed, Q124565, MS00-047, Q140419)`),
		Entry(nil, "fixed,Q124565", `fault: unknown model "fixed" (known: fixed, Q124565, MS00-047, Q140419)`),
		Entry(nil, "Q124565,Q124565", "fault: Q124565 is named twice"),
		Entry(nil, "MS00-047,Q124565,MS00-047", "fault: MS00-047 is named twice"),
		Entry(nil, "count=once", `fault: "count=once" belongs to no fault: write it behind one, as in Q124565:count=once`),
		Entry(nil, "Q124565:", `fault: Q124565 has no knob "" (it has count, window, before-registration, delete-reports)`),
		Entry(nil, "Q124565:colour=red",
			`fault: Q124565 has no knob "colour" (it has count, window, before-registration, delete-reports)`),
		Entry(nil, "Q124565:count", `fault: Q124565:count="": the values are each, once`),
		Entry(nil, "Q124565:count=twice", `fault: Q124565:count="twice": the values are each, once`),
		Entry(nil, "Q124565:window=",
			`fault: Q124565:window="": the values are before-first-session, no-session, always`),
		Entry(nil, "MS00-047:on", `fault: MS00-047 has no knob "on": it has none`),
		Entry(nil, "MS00-047:=on", `fault: MS00-047 has no knob "": it has none`),
		Entry(nil, "MS00-047,count=once", `fault: MS00-047 has no knob "count": it has none`),
	)

	It("sets the knobs of its faults, and no others", func() {
		get := func(text string) (values []uint8) {
			for k := fault.LeakCount; k <= fault.SilentStop; k++ {
				values = append(values, parse(text).Get(k))
			}
			return values
		}
		Expect(get("fixed")).To(Equal([]uint8{0, 0, 0, 0, 0, 0}))
		Expect(get("Q124565")).To(Equal([]uint8{
			fault.CountEach, fault.WindowBeforeFirstSession, fault.On, fault.ReportGoodReturn, 0, 0,
		}))
		Expect(get("Q124565:count=once,window=no-session,before-registration=off,delete-reports=0F")).To(
			Equal([]uint8{fault.CountOnce, fault.WindowNoSession, 2, fault.ReportActiveSessions, 0, 0}))
		Expect(get("Q124565:window=always")[fault.LeakWindow]).To(Equal(fault.WindowAlways))
		Expect(get("MS00-047")).To(Equal([]uint8{0, 0, 0, 0, fault.On, 0}))
		Expect(get("Q140419")).To(Equal([]uint8{0, 0, 0, 0, 0, fault.On}))
	})
})

var _ = Describe("A set of faults", func() {
	q, _ := fault.Find("Q124565")
	ms, _ := fault.Find("MS00-047")

	It("tells which faults it has, in the ledger's order", func() {
		Expect(fault.Set{}.IDs()).To(BeEmpty())
		s := parse("Q140419,Q124565")
		Expect(s.IDs()).To(Equal([]string{"Q124565", "Q140419"}))
		Expect(s.Has(q)).To(BeTrue())
		Expect(s.Has(ms)).To(BeFalse())
	})
})

var _ = Describe("The ledger", func() {
	It("finds a fault by its identifier", func() {
		for _, f := range fault.All() {
			found, ok := fault.Find(f.ID)
			Expect(ok).To(BeTrue())
			Expect(found).To(Equal(f))
		}
		none, ok := fault.Find("Q1")
		Expect(ok).To(BeFalse())
		Expect(none).To(Equal(fault.Fault{}))
	})

	It("says everything about each", func() {
		Expect(fault.All()).To(HaveLen(3))
		for _, f := range fault.All() {
			for _, text := range []string{f.ID, f.Title, f.Product, f.Source, f.Class, f.Oracle} {
				Expect(text).NotTo(BeEmpty(), f.ID)
			}
			Expect(f.Title).NotTo(HaveSuffix("."), f.ID)
			Expect(f.Breaks).NotTo(BeEmpty(), f.ID)
			Expect(f.Knobs).NotTo(BeEmpty(), f.ID)
			for _, c := range f.Knobs {
				Expect(c.Values).NotTo(BeEmpty(), f.ID)
				if c.Name == "" {
					Expect(c.Doc).To(BeEmpty(), f.ID)
				} else {
					Expect(c.Doc).NotTo(BeEmpty(), f.ID)
				}
			}
		}
	})

	It("gives each knob to one fault, and each fault a knob of its own to be known by", func() {
		owner := map[fault.Knob]string{}
		for _, f := range fault.All() {
			for _, c := range f.Knobs {
				Expect(owner).NotTo(HaveKey(c.Knob), f.ID)
				owner[c.Knob] = f.ID
			}
		}
		Expect(owner).To(HaveLen(6))
	})
})
