// SPDX-License-Identifier: MIT

package netbios_test

import (
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

var _ = Describe("A name", func() {
	DescribeTable("is sixteen bytes and a text, one to one",
		func(text, bytes string) {
			n, err := netbios.ParseName(text)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(n[:])).To(Equal(bytes))
			Expect(n.String()).To(Equal(text))
			Expect(n.Suffix()).To(Equal(bytes[15]))
		},
		Entry(nil, "CHAT<20>", "CHAT            "),
		Entry(nil, "CHAT<00>", "CHAT           \x00"),
		Entry(nil, "CHAT<ff>", "CHAT           \xff"),
		Entry(nil, "chat<1d>", "chat           \x1d"),
		Entry(nil, "ABCDEFGHIJKLMNO<a0>", "ABCDEFGHIJKLMNO\xa0"),
		Entry(nil, "<20>", "                "),
		Entry(nil, " A B<20>", " A B            "),
		Entry(nil, "*<20>", "*               "),
		Entry(nil, "*SMBSERVER<20>", "*SMBSERVER      "),
		Entry(nil, "A<B><20>", "A<B>            "),
		Entry(nil, "<1g><20>", "<1g>            "),
		Entry(nil, "~<20>", "~               "),
		Entry(nil, `\x01\x02__MSBROWSE__\x02<01>`, "\x01\x02__MSBROWSE__\x02\x01"),
		Entry(nil, `\x5c<20>`, `\               `),
		Entry(nil, `\x7f\x1f\xff\x00<20>`, "\x7f\x1f\xff\x00            "),
		Entry(nil, `\x1b[2J<20>`, "\x1b[2J            "),
		Entry(nil, `*\x00<20>`, "*\x00              "),
		Entry(nil, "*", "*\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
	)

	DescribeTable("may be written in other ways too",
		func(text, canonical string) {
			n, err := netbios.ParseName(text)
			Expect(err).NotTo(HaveOccurred())
			Expect(n.String()).To(Equal(canonical))
		},
		Entry("without a suffix", "CHAT", "CHAT<20>"),
		Entry("with capital digits", "CHAT<1D>", "CHAT<1d>"),
		Entry("with capital digits in escapes", `\x5C\xFF<20>`, `\x5c\xff<20>`),
		Entry("with escapes that are not needed", `\x43HAT<20>`, "CHAT<20>"),
		Entry("with its padding", "CHAT  <20>", "CHAT<20>"),
		Entry("an angle bracket in the middle", "A<B", "A<B<20>"),
		Entry("an angle bracket at the end", "A>", "A><20>"),
	)

	DescribeTable("that is none is an error",
		func(text string, want error) {
			n, err := netbios.ParseName(text)
			Expect(err).To(MatchError(want))
			Expect(n).To(Equal(netbios.Name{}))
		},
		Entry("nothing", "", netbios.ErrNameEmpty),
		Entry("sixteen bytes and no suffix", "ABCDEFGHIJKLMNOP", netbios.ErrNameLong),
		Entry("sixteen bytes", "ABCDEFGHIJKLMNOP<20>", netbios.ErrNameLong),
		Entry("sixteen bytes, by escapes", strings.Repeat(`\x41`, 16), netbios.ErrNameLong),
		Entry("seventeen bytes", "ABCDEFGHIJKLMNOPQ", netbios.ErrNameLong),
		Entry("no digits", "A<>", netbios.ErrNameSuffix),
		Entry("one digit", "A<1>", netbios.ErrNameSuffix),
		Entry("three digits", "A<1d0>", netbios.ErrNameSuffix),
		Entry("a letter that is no digit", "A<1g>", netbios.ErrNameSuffix),
		Entry("one before the digits", "A</0>", netbios.ErrNameSuffix),
		Entry("one behind them", "A<:0>", netbios.ErrNameSuffix),
		Entry("one before the capitals", "A<0@>", netbios.ErrNameSuffix),
		Entry("one behind the capitals", "A<0G>", netbios.ErrNameSuffix),
		Entry("one before the small letters", "A<0`>", netbios.ErrNameSuffix),
		Entry("a lone backslash", `A\`, netbios.ErrNameEscape),
		Entry("a backslash and no x", `A\n41`, netbios.ErrNameEscape),
		Entry("an escape cut short", `A\x4`, netbios.ErrNameEscape),
		Entry("an escape cut short by the suffix", `A\x4<20>`, netbios.ErrNameEscape),
		Entry("an escape with other letters", `A\x4g`, netbios.ErrNameEscape),
		Entry("an escape with other letters first", `A\xg4`, netbios.ErrNameEscape),
	)

	It("has limits that the errors name", func() {
		Expect(netbios.ErrNameLong).To(MatchError("name is longer than 15 bytes"))
		_, err := netbios.MakeName("ABCDEFGHIJKLMNOP", 0)
		Expect(err).To(MatchError("netbios: name of 16 bytes: at most 15 fit before the suffix"))
	})

	It("is made from text and suffix", func() {
		n, err := netbios.MakeName("ABCDEFGHIJKLMNO", 0x1d)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(n[:])).To(Equal("ABCDEFGHIJKLMNO\x1d"))
		n, err = netbios.MakeName("", 0x20)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(n[:])).To(Equal(strings.Repeat(" ", 16)))
	})

	It("is wild when it begins with an asterisk", func() {
		Expect(netbios.Wildcard.IsWild()).To(BeTrue())
		Expect(netbios.Name{0: '*', 1: 'X'}.IsWild()).To(BeTrue())
		Expect(netbios.Name{1: '*'}.IsWild()).To(BeFalse())
		Expect(string(netbios.Wildcard[:])).To(Equal("*" + strings.Repeat("\x00", 15)))
	})

	It("that is permanent is ten zero bytes and the unit address", func() {
		n := netbios.PermanentName([6]byte{1, 2, 3, 4, 5, 6})
		Expect(n[:]).To(Equal([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6}))
	})
})

// FuzzParseName checks that what parses is written as a text that parses to the same name and is written the same, in
// printable bytes; and that every name of sixteen bytes comes back.
func FuzzParseName(f *testing.F) {
	for _, text := range []string{
		"CHAT", "CHAT<20>", "*", "*<20>", `\x00\xff<1d>`, "A<B><00>", "", "<>", `\x4`, "ABCDEFGHIJKLMNOP", " A <1D>",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := netbios.ParseName(text); err == nil {
			roundTrip(t, n)
		}
		var n netbios.Name
		copy(n[:], text)
		roundTrip(t, n)
	})
}

func roundTrip(t *testing.T, n netbios.Name) {
	t.Helper()
	text := n.String()
	for _, c := range []byte(text) {
		if c < 0x20 || c > 0x7e {
			t.Fatalf("%x is written %q, with an unprintable byte", n, text)
		}
	}
	again, err := netbios.ParseName(text)
	if err != nil || again != n {
		t.Fatalf("%x is written %q, which is read as %x (%v)", n, text, again, err)
	}
}
