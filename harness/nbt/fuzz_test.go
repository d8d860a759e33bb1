// SPDX-License-Identifier: MIT

package nbt_test

import (
	"bytes"
	"encoding"
	"reflect"
	"strings"
	"testing"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
)

// fuzzMessage checks that what parses encodes to the same bytes and parses from them to the same message, and that what
// is shown of it is printable and covers every byte.
func fuzzMessage(f *testing.F, service fixtures.Service) {
	f.Helper()
	for _, list := range [][]fixtures.Vector{fixtures.Vectors(), fixtures.Malformed()} {
		for _, v := range list {
			if v.Service == service && len(v.Bytes) < 1000 {
				f.Add(v.Bytes)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parse(service, b)
		if err != nil {
			return
		}
		encoded, err := m.AppendBinary(nil)
		if err != nil {
			t.Fatalf("parsed, but: %v", err)
		}
		if !bytes.Equal(encoded, b) {
			t.Fatalf("encoded to\n%x, parsed from\n%x", encoded, b)
		}
		again, err := parse(service, encoded)
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("parsed again to %v (%v), first to %v", again, err, m)
		}
		checkText(t, m, len(b))
	})
}

func checkText(t *testing.T, m encoding.BinaryAppender, length int) {
	t.Helper()
	shown := m.(interface {
		Fields() []nbt.Field
		String() string
	})
	text := []string{shown.String()}
	off := 0
	for _, field := range shown.Fields() {
		if field.Offset != off {
			t.Fatalf("field %s at %d, the one before ends at %d", field.Name, field.Offset, off)
		}
		off += field.Len
		text = append(text, field.Name, field.Value)
	}
	if off != length {
		t.Fatalf("fields end at %d of %d", off, length)
	}
	for _, s := range text {
		if strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			t.Fatalf("%q is not printable", s)
		}
	}
}

func FuzzNameMessage(f *testing.F) { fuzzMessage(f, fixtures.NameService) }

func FuzzDatagram(f *testing.F) { fuzzMessage(f, fixtures.DatagramService) }

func FuzzSessionMessage(f *testing.F) { fuzzMessage(f, fixtures.SessionService) }

// FuzzName checks that a name with any scope that can be encoded has the length it should, parses to itself, and that
// the scope's printed form is canonical: encoding it again gives the same bytes.
func FuzzName(f *testing.F) {
	f.Add([]byte("DEMOAPP        A"), "")
	f.Add([]byte("FRED            "), "NETBIOS.COM")
	f.Add([]byte{'*', 15: 0}, `A\x2e\x5c\x00\xffB`)
	f.Add([]byte("FRED            "), strings.Repeat("a.", 100)+"bb")
	f.Fuzz(func(t *testing.T, raw []byte, scope string) {
		var n netbios.Name
		copy(n[:], raw)
		encoded, err := nbt.AppendName(nil, n, scope)
		if err != nil {
			return
		}
		if len(encoded) > 255 || nbt.EncodedNameLen(scope) != len(encoded) {
			t.Fatalf("encoded to %d bytes, EncodedNameLen says %d", len(encoded), nbt.EncodedNameLen(scope))
		}
		message := append([]byte{byte(nbt.DgmQuery), 0, 0, 0, 10, 0, 0, 1, 0, 138}, encoded...)
		m, err := nbt.ParseDatagram(message)
		if err != nil || m.DestName != n {
			t.Fatalf("%v parses to %v: %v", n, m, err)
		}
		if again, err := nbt.AppendName(nil, n, m.DestScope); err != nil || !bytes.Equal(again, encoded) {
			t.Fatalf("scope %q comes back as %q and encodes to %x, not %x: %v", scope, m.DestScope, again, encoded, err)
		}
	})
}
