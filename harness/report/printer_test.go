// SPDX-License-Identifier: MIT

package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/report"
	"github.com/nbtlab/nbtlab/pcaps"
)

// printed is what a printer makes of what it is made to print.
func printed(colour bool, show func(p *report.Printer)) string {
	var b bytes.Buffer
	p := report.NewPrinter(&b, colour)
	show(p)
	Expect(p.Err()).NotTo(HaveOccurred())
	return b.String()
}

var escapeSequence = regexp.MustCompile("\x1b\\[[0-9;]*m")

var _ = Describe("A printer", func() {
	It("paints only where colour is on", func() {
		paint := func(p *report.Printer) { p.Paint(report.Bad, "%s on %s", "fail", "pc") }
		Expect(printed(true, paint)).To(Equal("\x1b[31mfail on pc\x1b[0m"))
		Expect(printed(false, paint)).To(Equal("fail on pc"))
	})

	It("lets nothing out but newlines and printable ASCII (bad-input 59, 60)", func() {
		var every []byte
		for c := range 256 {
			every = append(every, byte(c))
		}
		for _, colour := range []bool{false, true} {
			out := printed(colour, func(p *report.Printer) {
				p.Printf("%s\u202e\u2028\u200b", every)
				p.Paint(report.Good, "%s\u202e", every)
			})
			Expect(escapeSequence.ReplaceAllString(out, "")).To(MatchRegexp(`^[\n -~]*$`))
			Expect(out).To(ContainSubstring(`\x1b`))
			Expect(out).To(ContainSubstring(`\x9b`))
			Expect(out).To(ContainSubstring(`\xe2\x80\xae`))
		}
	})

	It("leaves alone what is harmless", func() {
		text := "one\\x1b\n~ }|{"
		Expect(printed(false, func(p *report.Printer) { p.Printf("%s", text) })).To(Equal(text))
	})

	It("remembers the first error of its writer, and writes no more", func() {
		w := &failing{after: 2}
		p := report.NewPrinter(w, false)
		for range 5 {
			p.Printf("x")
			p.Paint(report.Good, "y")
		}
		Expect(p.Err()).To(MatchError(errBroken))
		Expect(w.calls).To(Equal(3))
	})
})

var errBroken = errors.New("broken pipe")

// failing is a writer that works a few times.
type failing struct{ after, calls int }

func (f *failing) Write(b []byte) (int, error) {
	if f.calls++; f.calls > f.after {
		return 0, errBroken
	}
	return len(b), nil
}

var _ = Describe("JSON", func() {
	line := func(v any) string {
		var b bytes.Buffer
		Expect(report.JSON(&b, v)).To(Succeed())
		return b.String()
	}

	DescribeTable("is a line of ASCII that means the same", func(text, want string) {
		got := line(text)
		Expect(got).To(Equal(`"` + want + "\"\n"))
		var back string
		Expect(json.Unmarshal([]byte(got), &back)).To(Succeed())
		Expect(back).To(Equal(text))
	},
		Entry("for plain text", "CHAT<20>", "CHAT<20>"),
		Entry("for what HTML would have escaped", "a & b > c", "a & b > c"),
		Entry("for quotes and backslashes", `"\x1b"`, `\"\\x1b\"`),
		Entry("for control characters", "\x1b[2J\r\n\t", `\u001b[2J\r\n\t`),
		Entry("for DEL", "\x7f", `\u007f`),
		Entry("for C1 controls", "\u009b\u009d", `\u009b\u009d`),
		Entry("for letters", "Grüße", `Gr\u00fc\u00dfe`),
		Entry("for direction overrides and separators", "\u202e\u2028\u200b", `\u202e\u2028\u200b`),
		Entry("for the last of the basic plane", "\uffff", `\uffff`),
		Entry("for the first that takes surrogates", "\U00010000", `\ud800\udc00`),
		Entry("for one in the middle", "\U0001f600", `\ud83d\ude00`),
		Entry("for the last of all", "\U0010ffff", `\udbff\udfff`),
	)

	It("replaces what is not UTF-8, lone surrogates among it", func() {
		Expect(line("\xff")).To(Equal(`"\ufffd"` + "\n"))
		Expect(line("\xed\xa0\x80")).To(Equal(`"\ufffd\ufffd\ufffd"` + "\n"))
	})

	It("escapes keys as it does values", func() {
		Expect(line(map[string]int{"\u202e\x1b": 1})).To(Equal(`{"\u202e\u001b":1}` + "\n"))
	})

	It("tells what it cannot write, and that it could not", func() {
		Expect(report.JSON(&failing{}, "x")).To(MatchError(errBroken))
		var b bytes.Buffer
		Expect(report.JSON(&b, func() {})).To(MatchError(ContainSubstring("func")))
		Expect(b.Len()).To(BeZero())
	})
})

var _ = Describe("Colour", func() {
	perform := func(model string) harness.Result {
		s, err := harness.FindShipped("q124565")
		Expect(err).NotTo(HaveOccurred())
		set, err := harness.Model(s, model)
		Expect(err).NotTo(HaveOccurred())
		return harness.Run(s, &s.Cases[0], set, harness.Options{})
	}

	// the same text, painted
	DescribeTable("is all that differs between a terminal and a file", func(show func(p *report.Printer)) {
		plain, painted := printed(false, show), printed(true, show)
		Expect(plain).NotTo(ContainSubstring("\x1b"))
		Expect(painted).To(ContainSubstring("\x1b["))
		Expect(escapeSequence.ReplaceAllString(painted, "")).To(Equal(plain))
	},
		Entry("in the report of a run", func(p *report.Printer) { report.RunText(p, perform("buggy"), "again") }),
		Entry("in a comparison", func(p *report.Printer) { report.ComparisonText(p, perform("fixed"), perform("buggy")) }),
		Entry("in a check", func(p *report.Printer) {
			run, recorded := perform("buggy"), capture.Capture{Frames: perform("fixed").Frames}
			report.CheckText(p, run, recorded, check.Compare(run.Frames, recorded.Frames), check.CaptureDiffers, "fixed.pcap")
		}),
		Entry("in the table of verdicts", func(p *report.Printer) {
			shipped, err := harness.Shipped()
			Expect(err).NotTo(HaveOccurred())
			var list []harness.Verification
			for _, s := range shipped {
				set, err := harness.Model(s, "fixed")
				Expect(err).NotTo(HaveOccurred())
				v, err := harness.Verify(s, 0, set, pcaps.FS(), harness.Options{})
				Expect(err).NotTo(HaveOccurred())
				list = append(list, v)
			}
			report.VerificationTable(p, list, func(harness.Verification) string { return "nbtlab" })
		}),
		Entry("in the list of bugs", func(p *report.Printer) {
			shipped, err := harness.Shipped()
			Expect(err).NotTo(HaveOccurred())
			report.BugsText(p, shipped)
		}),
	)

	DescribeTable("tells a verdict", func(model string, want report.Colour) {
		text := printed(true, func(p *report.Printer) { report.RunText(p, perform(model), "again") })
		Expect(text).To(ContainSubstring(string(want) + string(perform(model).Report.Verdict()) + "\x1b[0m"))
	},
		Entry("pass in green", "fixed", report.Good),
		Entry("fail in red", "buggy", report.Bad),
	)
})
