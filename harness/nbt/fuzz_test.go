// SPDX-License-Identifier: MIT

package nbt_test

import (
	"bytes"
	"encoding"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
)

// fuzzMessage checks that what parses encodes to the same bytes and parses from them to the same message, and that what
// is shown of it is printable and covers every byte; that what parses strictly parses leniently to the same message with
// nothing odd but flags; that a message used before is no different; and that none of this costs more than the bytes are worth.
func fuzzMessage(f *testing.F, service fixtures.Service) {
	f.Helper()
	for _, list := range [][]fixtures.Vector{fixtures.Vectors(), fixtures.Malformed()} {
		for _, v := range list {
			if v.Service == service && len(v.Bytes) < 5000 {
				f.Add(v.Bytes)
			}
		}
	}
	used := map[nbt.Mode]decoder{nbt.Strict: blank(service), nbt.Lenient: blank(service)}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkCost(t, service, b)
		strict, strictErr := parse(service, b)
		lenient, lenientErr := parseLenient(service, b)
		for mode, m := range used {
			want, wantErr := strict, strictErr
			if mode == nbt.Lenient {
				want, wantErr = lenient, lenientErr
			}
			err := m.Decode(b, mode)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) || fmt.Sprintf("%+v", shown(m)) != fmt.Sprintf("%+v", shown(want)) {
				t.Fatalf("into a used message:\n%+v (%v), else\n%+v (%v)", shown(m), err, shown(want), wantErr)
			}
		}
		if strictErr == nil {
			if lenientErr != nil || !reflect.DeepEqual(withoutFlags(lenient), strict) {
				t.Fatalf("leniently %+v (%v), strictly %+v", lenient, lenientErr, strict)
			}
		}
		if lenientErr == nil {
			checkLenient(t, service, lenient, b)
		}
	})
}

// checkLenient checks a message that was parsed leniently from b.
func checkLenient(t testing.TB, service fixtures.Service, m encoding.BinaryAppender, b []byte) {
	t.Helper()
	checkText(t, m, len(b))
	for _, odd := range oddities(m) {
		if odd.Lossy {
			return
		}
		if odd.Offset > len(b) || odd.Field == "" || odd.Text() == "" {
			t.Fatalf("odd: %+v", odd)
		}
	}
	encoded, err := m.AppendBinary(nil)
	if err != nil {
		t.Fatalf("parsed with %v, but: %v", oddities(m), err)
	}
	if !bytes.Equal(encoded, b) {
		t.Fatalf("encoded to\n%x, parsed from\n%x, odd: %v", encoded, b, oddities(m))
	}
	again, err := parseLenient(service, encoded)
	if err != nil || !reflect.DeepEqual(again, m) {
		t.Fatalf("parsed again to %v (%v), first to %v", again, err, m)
	}
}

// checkCost checks that parsing allocates at most eight times the input and a mebibyte.
func checkCost(t *testing.T, service fixtures.Service, b []byte) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _ = parse(service, b)
	_, _ = parseLenient(service, b)
	runtime.ReadMemStats(&after)
	// The two of them together: other goroutines of the fuzzing engine may allocate a little meanwhile.
	if cost, most := after.TotalAlloc-before.TotalAlloc, 2*(8*uint64(len(b))+1<<20); cost > most {
		t.Fatalf("%d bytes cost %d, at most %d", len(b), cost, most)
	}
}

func checkText(t testing.TB, m encoding.BinaryAppender, length int) {
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
