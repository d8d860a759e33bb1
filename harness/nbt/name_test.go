// SPDX-License-Identifier: MIT

package nbt_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
)

var _ = Describe("Encoding a name", func() {
	DescribeTable("writes two letters for each byte, then the scope's labels",
		func(n netbios.Name, scope, want string) {
			b, err := nbt.AppendName([]byte("before "), n, scope)
			Expect(err).NotTo(HaveOccurred())
			Expect(nbt.Printable(b)).To(Equal("before " + want))
			Expect(nbt.EncodedNameLen(scope)).To(Equal(len(b) - len("before ")))
		},
		Entry("the example of RFC 1001 section 14.1, in its scope",
			name("FRED"), "NETBIOS.COM", ` EGFCEFEECACACACACACACACACACACACA\x07NETBIOS\x03COM\x00`),
		Entry("the wildcard, whose other bytes are zero and not spaces",
			netbios.Wildcard, "", ` CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\x00`),
		Entry("bytes above 0x7F",
			name(`\xff\x80<00>`), "", ` PPIACACACACACACACACACACACACACAAA\x00`),
		Entry("a scope with escapes, of which a backslash may look like one",
			name("FRED"), `a\x2eb\x5cx41.c`, ` EGFCEFEECACACACACACACACACACACACA\x07a.b\x5cx41\x01c\x00`),
	)

	DescribeTable("refuses a scope that has no encoding and leaves the bytes as they were",
		func(scope string, cause error) {
			b, err := nbt.AppendName([]byte("before"), demo, scope)
			Expect(err).To(MatchError(cause))
			Expect(string(b)).To(Equal("before"))
		},
		Entry("a dot at the end", "LAB.", nbt.ErrScope),
		Entry("a dot at the beginning", ".LAB", nbt.ErrScope),
		Entry("two dots", "LAB..EXAMPLE", nbt.ErrScope),
		Entry("a label of 64 bytes", strings.Repeat("a", 64), nbt.ErrScope),
		Entry("a backslash alone", `LAB\`, nbt.ErrScope),
		Entry("an escape cut short", `LAB\x4`, nbt.ErrScope),
		Entry("an escape that is none", `LAB\n41`, nbt.ErrScope),
		Entry("an escape without digits", `LAB\xgg`, nbt.ErrScope),
		Entry("221 characters, which make 256 bytes (bad-input 5)", scope(29), nbt.ErrNameLong),
	)

	It("takes escapes in either case", func() {
		lower, err := nbt.AppendName(nil, demo, `\xab`)
		Expect(err).NotTo(HaveOccurred())
		Expect(nbt.AppendName(nil, demo, `\xAB`)).To(Equal(lower))
	})
})

var _ = Describe("Printing bytes", func() {
	It("escapes a backslash and everything outside 0x20-0x7E", func() {
		Expect(nbt.Printable([]byte("a ~\\\x00\x1f\x7f\x80\xff\n"))).To(Equal(`a ~\x5c\x00\x1f\x7f\x80\xff\x0a`))
	})
})
