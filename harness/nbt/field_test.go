// SPDX-License-Identifier: MIT

package nbt_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbt"
)

var _ = Describe("The fields of a message", func() {
	DescribeTable("have the RFC's names and readable values",
		func(vector string, want ...string) {
			for _, v := range fixtures.Vectors() {
				if v.Name != vector {
					continue
				}
				m, err := parse(v.Service, v.Bytes)
				Expect(err).NotTo(HaveOccurred())
				var lines []string
				for _, f := range m.(interface{ Fields() []nbt.Field }).Fields() {
					lines = append(lines, fmt.Sprintf("%d+%d %s: %s", f.Offset, f.Len, f.Name, f.Value))
				}
				Expect(lines).To(Equal(want))
				return
			}
			Fail("no vector " + vector)
		},
		Entry("claim", "claim",
			"0+2 NAME_TRN_ID: 0x1001", "2+2 flags: 0x2910 registration request RD B",
			"4+2 QDCOUNT: 1", "6+2 ANCOUNT: 0", "8+2 NSCOUNT: 0", "10+2 ARCOUNT: 1",
			"12+34 QUESTION_NAME: DEMOAPP<41>", "46+2 QUESTION_TYPE: NB", "48+2 QUESTION_CLASS: IN",
			"50+2 RR_NAME: DEMOAPP<41> (pointer to 12)", "52+2 RR_TYPE: NB", "54+2 RR_CLASS: IN", "56+4 TTL: 0",
			"60+2 RDLENGTH: 6", "62+2 NB_FLAGS: 0x0000 unique B", "64+4 NB_ADDRESS: 192.168.7.10",
		),
		Entry("group answer", "answer-group",
			"0+2 NAME_TRN_ID: 0x100e", "2+2 flags: 0x8780 query response AA TC RD RA OK",
			"4+2 QDCOUNT: 0", "6+2 ANCOUNT: 1", "8+2 NSCOUNT: 0", "10+2 ARCOUNT: 0",
			"12+34 RR_NAME: DEMOAPP<41>", "46+2 RR_TYPE: NB", "48+2 RR_CLASS: IN", "50+4 TTL: 300000",
			"54+2 RDLENGTH: 18", "56+2 NB_FLAGS: 0x8000 group B", "58+4 NB_ADDRESS: 192.168.7.10",
			"62+2 NB_FLAGS[1]: 0x8000 group B", "64+4 NB_ADDRESS[1]: 192.168.7.11",
			"68+2 NB_FLAGS[2]: 0xe000 group H", "70+4 NB_ADDRESS[2]: 192.168.7.12",
		),
		Entry("uncounted negative answer", "no-name-uncounted",
			"0+2 NAME_TRN_ID: 0x1005", "2+2 flags: 0x8583 query response AA RD RA NAM_ERR",
			"4+2 QDCOUNT: 0", "6+2 ANCOUNT: 0", "8+2 NSCOUNT: 0", "10+2 ARCOUNT: 0",
			"12+34 RR_NAME: DEMOAPP<41>", "46+2 RR_TYPE: NULL", "48+2 RR_CLASS: IN", "50+4 TTL: 0", "54+2 RDLENGTH: 0",
		),
		Entry("redirect", "redirect-pointer",
			"0+2 NAME_TRN_ID: 0x100e", "2+2 flags: 0x8100 query response RD OK",
			"4+2 QDCOUNT: 0", "6+2 ANCOUNT: 0", "8+2 NSCOUNT: 1", "10+2 ARCOUNT: 1",
			"12+13 RR_NAME: LAB.EXAMPLE", "25+2 RR_TYPE: NS", "27+2 RR_CLASS: IN", "29+4 TTL: 3600",
			"33+2 RDLENGTH: 16", "35+16 NSD_NAME: NS.LAB.EXAMPLE",
			"51+2 RR[1].RR_NAME: NS.LAB.EXAMPLE (pointer to 35)", "53+2 RR[1].RR_TYPE: A", "55+2 RR[1].RR_CLASS: IN",
			"57+4 RR[1].TTL: 3600", "61+2 RR[1].RDLENGTH: 4", "63+4 RR[1].NSD_IP_ADDR: 192.168.7.2",
		),
		Entry("WACK", "wack-null-name",
			"0+2 NAME_TRN_ID: 0x100f", "2+2 flags: 0xbc00 WACK response AA OK",
			"4+2 QDCOUNT: 0", "6+2 ANCOUNT: 1", "8+2 NSCOUNT: 0", "10+2 ARCOUNT: 0",
			"12+1 RR_NAME: (null name)", "13+2 RR_TYPE: NULL", "15+2 RR_CLASS: IN", "17+4 TTL: 0", "21+2 RDLENGTH: 2",
			"23+2 RDATA: 0x0000 query request",
		),
		Entry("node status", "status-full",
			"0+2 NAME_TRN_ID: 0x1006", "2+2 flags: 0x8400 query response AA OK",
			"4+2 QDCOUNT: 0", "6+2 ANCOUNT: 1", "8+2 NSCOUNT: 0", "10+2 ARCOUNT: 0",
			"12+34 RR_NAME: *", "46+2 RR_TYPE: NBSTAT", "48+2 RR_CLASS: IN", "50+4 TTL: 0", "54+2 RDLENGTH: 119",
			"56+1 NUM_NAMES: 4",
			`57+16 NODE_NAME[0]: \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00RT\x00\x11"<33>`,
			"73+2 NAME_FLAGS[0]: 0x0600 unique B ACT PRM",
			"75+16 NODE_NAME[1]: DEMOAPP<41>", "91+2 NAME_FLAGS[1]: 0x1400 unique B DRG ACT",
			"93+16 NODE_NAME[2]: CHAT<20>", "109+2 NAME_FLAGS[2]: 0x2c00 unique P CNF ACT",
			"111+16 NODE_NAME[3]: OFFICE<1c>", "127+2 NAME_FLAGS[3]: 0xe400 group H ACT",
			"129+6 UNIT_ID: 52 54 00 11 22 33", "135+1 JUMPERS: 1", "136+1 TEST_RESULT: 2", "137+2 VERSION_NUMBER: 3",
			"139+2 PERIOD_OF_STATISTICS: 4", "141+2 NUMBER_OF_CRCs: 5", "143+2 NUMBER_ALIGNMENT_ERRORS: 6",
			"145+2 NUMBER_OF_COLLISIONS: 7", "147+2 NUMBER_SEND_ABORTS: 8", "149+4 NUMBER_GOOD_SENDS: 9",
			"153+4 NUMBER_GOOD_RECEIVES: 10", "157+2 NUMBER_RETRANSMITS: 11", "159+2 NUMBER_NO_RESOURCE_CONDITIONS: 12",
			"161+2 NUMBER_FREE_COMMAND_BLOCKS: 13", "163+2 TOTAL_NUMBER_COMMAND_BLOCKS: 14",
			"165+2 MAX_TOTAL_NUMBER_COMMAND_BLOCKS: 15", "167+2 NUMBER_PENDING_SESSIONS: 16",
			"169+2 MAX_NUMBER_PENDING_SESSIONS: 17", "171+2 MAX_TOTAL_SESSIONS_POSSIBLE: 18",
			"173+2 SESSION_DATA_PACKET_SIZE: 19",
		),
		Entry("unknown record", "record-unknown",
			"0+2 NAME_TRN_ID: 0x1010", "2+2 flags: 0x8500 query response AA RD OK",
			"4+2 QDCOUNT: 0", "6+2 ANCOUNT: 1", "8+2 NSCOUNT: 0", "10+2 ARCOUNT: 0",
			"12+34 RR_NAME: DEMOAPP<41>", "46+2 RR_TYPE: 0x00ff", "48+2 RR_CLASS: 0x0003", "50+4 TTL: 1",
			"54+2 RDLENGTH: 3", `56+3 RDATA: \x01\x02\x03`,
		),
		Entry("datagram", "datagram-reserved",
			"0+1 MSG_TYPE: 0x10 direct unique datagram", "1+1 FLAGS: 0x1e first NBDD reserved 0x10", "2+2 DGM_ID: 0x2007",
			"4+4 SOURCE_IP: 192.168.7.10", "8+2 SOURCE_PORT: 138", "10+2 DGM_LENGTH: 69", "12+2 PACKET_OFFSET: 0",
			"14+34 SOURCE_NAME: PEER<00>", "48+34 DESTINATION_NAME: DEMOAPP<41>", "82+1 USER_DATA: !",
		),
		Entry("datagram error", "datagram-error",
			"0+1 MSG_TYPE: 0x13 datagram error", "1+1 FLAGS: 0x00 B", "2+2 DGM_ID: 0x2001",
			"4+4 SOURCE_IP: 192.168.7.10", "8+2 SOURCE_PORT: 138", "10+1 ERROR_CODE: 0x82 destination name not present",
		),
		Entry("session request", "session-request",
			"0+1 TYPE: 0x81 session request", "1+1 FLAGS: 0x00", "2+2 LENGTH: 68", "4+34 CALLED_NAME: DEMOAPP<41>",
			"38+34 CALLING_NAME: PEER<00>",
		),
		Entry("session refusal", "session-refused-80",
			"0+1 TYPE: 0x83 negative session response", "1+1 FLAGS: 0x00", "2+2 LENGTH: 1",
			"4+1 ERROR_CODE: 0x80 not listening on called name",
		),
		Entry("retarget", "session-retarget",
			"0+1 TYPE: 0x84 retarget session response", "1+1 FLAGS: 0x00", "2+2 LENGTH: 6",
			"4+4 RETARGET_IP_ADDRESS: 192.168.7.10", "8+2 PORT: 139",
		),
	)

	// The offsets are counted by hand, over the layout of RFC 1002 section 4.2.1, and are those of tshark 4's PDML, but for RR_NAME,
	// which it puts one byte behind its place.
	It("stand where they are, behind names that go on in pointers too", func() {
		const letters = "EEEFENEPEBFAFACACACACACACACACAEB" // DEMOAPP<41>
		message := strings.Join([]string{
			"\x10\x05\x85\x00\x00\x03\x00\x01\x00\x00\x00\x02",
			"\x20" + letters + "\x03LAB\x00" + "\x00\x20\x00\x01",                                                   // 12: written out, in a scope whose labels begin at 45
			"\x20" + letters + "\xc0\x2d" + "\x00\x20\x00\x01",                                                      // 54: the same, its scope there
			"\xc0\x36" + "\x00\x20\x00\x01",                                                                         // 93: a pointer to that
			"\x20" + letters + "\x01X\xc0\x2d" + "\x00\x20\x00\x01\x00\x00\x00\x07\x00\x06\x00\x00\x0a\x00\x00\x01", // 99
			"\xc0\x0c" + "\x00\x20\x00\x01\x00\x00\x00\x00\x00\x06\x80\x00\x0a\x00\x00\x02",                         // 152
			"\x02NS\xc0\x2d" + "\x00\x0a\x00\x01\x00\x00\x00\x00\x00\x01!",                                          // 170: no NetBIOS name
		}, "")
		want := []string{
			"0 NAME_TRN_ID", "2 flags", "4 QDCOUNT", "6 ANCOUNT", "8 NSCOUNT", "10 ARCOUNT",
			"12 QUESTION_NAME", "50 QUESTION_TYPE", "52 QUESTION_CLASS",
			"54 QUESTION[1].QUESTION_NAME", "89 QUESTION[1].QUESTION_TYPE", "91 QUESTION[1].QUESTION_CLASS",
			"93 QUESTION[2].QUESTION_NAME", "95 QUESTION[2].QUESTION_TYPE", "97 QUESTION[2].QUESTION_CLASS",
			"99 RR_NAME", "136 RR_TYPE", "138 RR_CLASS", "140 TTL", "144 RDLENGTH", "146 NB_FLAGS", "148 NB_ADDRESS",
			"152 RR[1].RR_NAME", "154 RR[1].RR_TYPE", "156 RR[1].RR_CLASS", "158 RR[1].TTL", "162 RR[1].RDLENGTH", "164 RR[1].NB_FLAGS",
			"166 RR[1].NB_ADDRESS",
			"170 RR[2].RR_NAME", "175 RR[2].RR_TYPE", "177 RR[2].RR_CLASS", "179 RR[2].TTL", "183 RR[2].RDLENGTH", "185 RR[2].RDATA",
		}
		places := func(m nbt.NameMessage) []string {
			var lines []string
			end := 0
			for _, f := range m.Fields() {
				Expect(f.Offset).To(Equal(end), f.Name)
				end = f.Offset + f.Len
				lines = append(lines, fmt.Sprintf("%d %s", f.Offset, f.Name))
			}
			Expect(end).To(Equal(len(message)))
			return lines
		}
		m, err := nbt.ParseNameMessageLenient([]byte(message))
		Expect(err).NotTo(HaveOccurred())
		Expect(places(m)).To(Equal(want))
		Expect(m.Questions[2].Scope).To(Equal("LAB"))
		Expect(m.Answers[0].Scope).To(Equal("X.LAB"))

		// A message that is decoded into again forgets how the ones before were written. A first question's name can go on in itself.
		own := []byte("\x10\x05\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + "\x02\x00a\xc0\x0d" + "\x00\x20\x00\x01")
		for _, vector := range []string{"query", "claim", "answer", "no-name"} {
			Expect(m.Decode([]byte(message), nbt.Lenient)).To(Succeed())
			Expect(places(m)).To(Equal(want))
			Expect(m.Decode(own, nbt.Lenient)).To(Succeed())
			Expect(m.Fields()).To(ContainElement(And(HaveField("Name", "QUESTION_TYPE"), HaveField("Offset", 17))))
			Expect(m.Decode(fixtures.Named(vector), nbt.Lenient)).To(Succeed())
			Expect(m.Fields()).To(Equal(read(nbt.ParseNameMessageLenient, vector).Fields()), vector)
		}
	})

	It("have no names but those that are listed, and each of those", func() {
		entry, number := regexp.MustCompile(`^(QUESTION|RR)\[[1-9]\d*\]\.`), regexp.MustCompile(`\[[1-9]\d*\]$`)
		found := map[string]bool{}
		for _, v := range slices.Concat(fixtures.Vectors(), fixtures.Malformed()) {
			m, err := parseLenient(v.Service, v.Bytes)
			if err != nil {
				continue
			}
			for _, f := range m.(interface{ Fields() []nbt.Field }).Fields() {
				name := entry.ReplaceAllString(f.Name, "")
				if number.MatchString(name) {
					stem := number.ReplaceAllString(name, "")
					Expect(nbt.FieldNames()).To(ContainElement(BeElementOf(stem, stem+"[0]")))
					continue
				}
				found[name] = true
			}
		}
		Expect(slices.Collect(maps.Keys(found))).To(ConsistOf(nbt.FieldNames()))
	})
})
