// SPDX-License-Identifier: MIT

package node_test

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// Packets are written by hand in these specs, never with the constructors that the node uses: four hexadecimal digits a
// word, as in RFC 1002's diagrams, and an encoded name without scope as the name itself:
//
//	1001 0110 0001 0000 0000 0000 CHAT<20> 0020 0001

// The names of these specs.
const (
	chat   = "CHAT<20>"
	mail   = "MAIL<20>"
	team   = "TEAM<20>"
	friend = "FRIEND<00>"
	rival  = "RIVAL<00>"
	star   = "*"
)

// Addresses as they stand in packets.
const (
	ownIP   = "0a00 000a" // 10.0.0.10
	peerIP  = "0a00 0014" // 10.0.0.20
	thirdIP = "0a00 001e" // 10.0.0.30
	noIP    = "0000 0000"

	unique = "0000" // NB_FLAGS of a B node
	group  = "8000"
)

func name(text string) netbios.Name {
	n, err := netbios.ParseName(text)
	if err != nil {
		panic(err)
	}
	return n
}

// encoded is first and second level encoding by RFC 1001 section 14.1, done here once more.
func encoded(n netbios.Name) []byte {
	b := []byte{0x20}
	for _, c := range n {
		b = append(b, 'A'+c>>4, 'A'+c&0x0f)
	}
	return append(b, 0)
}

// packet turns the notation into bytes.
func packet(notation string) []byte {
	var b []byte
	for word := range strings.FieldsSeq(notation) {
		if strings.HasSuffix(word, ">") || word == star {
			b = append(b, encoded(name(word))...)
			continue
		}
		digits, err := hex.DecodeString(word)
		if err != nil {
			panic(err)
		}
		b = append(b, digits...)
	}
	return b
}

// notation turns bytes into the notation.
func notation(b []byte) string {
	var words []string
	for plain := 0; len(b) > 0; {
		if n, ok := decoded(b[plain:]); ok || plain == len(b) {
			for i := 0; i < plain; i += 2 {
				words = append(words, hex.EncodeToString(b[i:min(i+2, plain)]))
			}
			if b = b[plain:]; ok {
				words, b = append(words, n.String()), b[34:]
			}
			plain = 0
			continue
		}
		plain++
	}
	return strings.Join(words, " ")
}

func decoded(b []byte) (n netbios.Name, ok bool) {
	if len(b) < 34 || b[0] != 0x20 || b[33] != 0 {
		return n, false
	}
	for i := range n {
		high, low := b[1+2*i]-'A', b[2+2*i]-'A'
		if high > 15 || low > 15 {
			return n, false
		}
		n[i] = high<<4 | low
	}
	return n, true
}

// request is a registration, overwrite, refresh or release request: the flag word tells which (reference section 4.3).
func request(id uint16, word, of, flags, ip string) string {
	return fmt.Sprintf("%04x %s 0001 0000 0000 0001 %s 0020 0001 c00c 0020 0001 0000 0000 0006 %s %s", id, word, of, flags, ip)
}

// response is a response with one record of type NB.
func response(id uint16, word, of, flags, ip string) string {
	return fmt.Sprintf("%04x %s 0000 0001 0000 0000 %s 0020 0001 0000 0000 0006 %s %s", id, word, of, flags, ip)
}

func query(id uint16, of string) string {
	return fmt.Sprintf("%04x 0110 0001 0000 0000 0000 %s 0020 0001", id, of)
}

func statusRequest(id uint16, of string) string {
	return fmt.Sprintf("%04x 0000 0001 0000 0000 0000 %s 0021 0001", id, of)
}

// statusResponse has rows of name and NAME_FLAGS, and a unit address before forty zero bytes of statistics.
func statusResponse(id uint16, word, of, unit string, rows ...string) string {
	var b []byte
	for _, row := range rows {
		text, flags, _ := strings.Cut(row, " ")
		n := name(text)
		b = append(append(b, n[:]...), packet(flags)...)
	}
	rest := append(packet(fmt.Sprintf("%02x", len(rows))), b...)
	rest = append(append(rest, packet(unit)...), make([]byte, 40)...)
	head := packet(fmt.Sprintf("%04x %s 0000 0001 0000 0000 %s 0021 0001 0000 0000 %04x", id, word, of, len(rest)))
	return notation(append(head, rest...))
}

// datagram is a whole datagram of type 10, 11 or 12 (reference section 4.4).
func datagram(kind string, id uint16, ip, source, dest, data string) string {
	return notation(packet(fmt.Sprintf("%s02 %04x %s 008a %04x 0000 %s %s %x", kind, id, ip, 68+len(data), source, dest, data)))
}

// words are user data in the notation.
func words(data string) string { return notation([]byte(data)) }
