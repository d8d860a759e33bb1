// SPDX-License-Identifier: MIT

// Package report makes what users read: text for a terminal, JSON for programs. It prints what the judges found and decides
// nothing.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/nbtlab/nbtlab/harness/nbt"
)

// Printer writes text whose parts may come from a capture or a peer. Whatever it is handed, only newlines and printable
// ASCII leave it, everything else as \xHH; colours are its own.
type Printer struct {
	w      io.Writer
	colour bool
	err    error
}

// NewPrinter makes a printer. Colour is for terminals.
func NewPrinter(w io.Writer, colour bool) *Printer { return &Printer{w: w, colour: colour} }

// Err returns the first error of the writer.
func (p *Printer) Err() error { return p.err }

// Printf writes text.
func (p *Printer) Printf(format string, args ...any) { p.write(clean(fmt.Sprintf(format, args...))) }

// Colour is a colour that means something.
type Colour string

// The colours.
const (
	Good   Colour = "\x1b[32m"
	Bad    Colour = "\x1b[31m"
	Doubt  Colour = "\x1b[33m"
	Faint  Colour = "\x1b[2m"
	Strong Colour = "\x1b[1m"
)

const plain = "\x1b[0m"

// Paint writes text in a colour.
func (p *Printer) Paint(c Colour, format string, args ...any) {
	text := clean(fmt.Sprintf(format, args...))
	if p.colour {
		text = string(c) + text + plain
	}
	p.write(text)
}

func (p *Printer) write(text string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, text)
	}
}

// clean escapes what does not belong on a terminal. A backslash stays as it is here: names and payloads have been escaped
// by whoever printed them.
func clean(s string) string {
	harmless := func(c byte) bool { return c == '\n' || 0x20 <= c && c <= 0x7e }
	if strings.IndexFunc(s, func(r rune) bool { return r > 0x7e || !harmless(byte(r)) }) < 0 {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if harmless(s[i]) {
			b.WriteByte(s[i])
		} else {
			b.WriteString(nbt.Printable([]byte{s[i]}))
		}
	}
	return b.String()
}

// JSON writes a value as one line of ASCII.
func JSON(w io.Writer, v any) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	var out strings.Builder
	for b := line.Bytes(); len(b) > 0; {
		r, size := utf8.DecodeRune(b)
		switch {
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		case r >= 0x7f:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteByte(b[0])
		}
		b = b[size:]
	}
	_, err := io.WriteString(w, out.String())
	return err
}
