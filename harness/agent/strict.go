// SPDX-License-Identifier: MIT

package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/nbtlab/nbtlab/harness/nbt"
)

// maxLine is how long a line may be, in bytes.
const maxLine = 1 << 20

// maxNames is how many rows a name table may have: an adapter's numbers end at 254.
const maxNames = 255

var errLineTooLong = fmt.Errorf("a line is longer than %d bytes", maxLine)

// lineReader reads lines with a limit. A bufio.Scanner would take one that is too long for the end of the input.
type lineReader struct{ r *bufio.Reader }

func newLineReader(r io.Reader) *lineReader { return &lineReader{bufio.NewReaderSize(r, 4096)} }

// next returns the next line without its end; io.EOF after the last.
func (l *lineReader) next() ([]byte, error) {
	var b []byte
	for {
		if len(b) == maxLine { // one more byte tells, and no more may come for a while
			if next, err := l.r.Peek(1); err == nil && next[0] != '\n' {
				return nil, errLineTooLong
			}
		}
		part, err := l.r.ReadSlice('\n')
		if len(b)+len(bytes.TrimSuffix(part, []byte("\n"))) > maxLine {
			return nil, errLineTooLong
		}
		b = append(b, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(b, []byte("\n")), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(b) > 0:
			return nil, fmt.Errorf("the last line, %s, does not end", shown(b))
		default:
			return nil, err
		}
	}
}

// shown is as much of a line as fits into a message.
func shown(b []byte) string {
	const enough = 100
	if len(b) > enough {
		return `"` + nbt.Printable(b[:enough]) + `..."`
	}
	return `"` + nbt.Printable(b) + `"`
}

// object reads the JSON objects of the protocol, which are flat but for one list. It refuses what Go's decoder takes without
// a word: a field twice, in other letters or of another type.
type object struct {
	dec  *json.Decoder
	seen map[string]bool
}

// parse reads a line that is one object, and calls field with the name of each field that it has.
func parse(b []byte, field func(o *object, name string) error) error {
	if !utf8.Valid(b) {
		return fmt.Errorf("%s is not UTF-8", shown(b))
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("%s is no JSON object", shown(b))
	}
	if err := fields(dec, field); err != nil {
		return fmt.Errorf("%w in %s", err, shown(b))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("something behind the JSON object in %s", shown(b))
	}
	return nil
}

// fields reads the fields of an object whose brace has been read.
func fields(dec *json.Decoder, field func(o *object, name string) error) error {
	o := &object{dec: dec, seen: map[string]bool{}}
	for {
		t, err := dec.Token()
		if err != nil {
			return errors.New("JSON that is cut or malformed")
		}
		name, ok := t.(string)
		if !ok {
			return nil // the brace at the end
		}
		if o.seen[name] {
			return fmt.Errorf("field %s twice", shown([]byte(name)))
		}
		o.seen[name] = true
		if err := field(o, name); err != nil {
			return err
		}
	}
}

func unknownField(name string) error { return fmt.Errorf("unknown field %s", shown([]byte(name))) }

func (o *object) token(name, want string) (json.Token, error) {
	t, err := o.dec.Token()
	if err != nil {
		return nil, fmt.Errorf("field %s: JSON that is cut or malformed", name)
	}
	if t == nil {
		return nil, fmt.Errorf("field %s is null, want %s", name, want)
	}
	return t, nil
}

func (o *object) text(name string, into *string) error {
	t, err := o.token(name, "a text")
	if err != nil {
		return err
	}
	s, ok := t.(string)
	if !ok {
		return fmt.Errorf("field %s is no text", name)
	}
	*into = s
	return nil
}

func (o *object) yes(name string, into *bool) error {
	t, err := o.token(name, "true or false")
	if err != nil {
		return err
	}
	b, ok := t.(bool)
	if !ok {
		return fmt.Errorf("field %s is neither true nor false", name)
	}
	*into = b
	return nil
}

// number reads a whole number from 0 to the most that its type holds.
func number[T uint8 | uint16 | uint32](o *object, name string, into *T) error {
	var most T
	most--
	t, err := o.token(name, "a number")
	if err != nil {
		return err
	}
	n, ok := t.(json.Number)
	if !ok {
		return fmt.Errorf("field %s is no number", name)
	}
	v, err := strconv.ParseUint(n.String(), 10, 64)
	if err != nil || v > uint64(most) {
		return fmt.Errorf("field %s is %s, want a whole number from 0 to %d", name, shown([]byte(n)), uint64(most))
	}
	*into = T(v)
	return nil
}

// list reads a list, calling each for every element that begins with a token.
func (o *object) list(name string, most int, each func(t json.Token) error) error {
	t, err := o.token(name, "a list")
	if err != nil {
		return err
	}
	if t != json.Delim('[') {
		return fmt.Errorf("field %s is no list", name)
	}
	for n := 0; ; n++ {
		t, err := o.token(name, "an element")
		switch {
		case err != nil:
			return err
		case t == json.Delim(']'):
			return nil
		case n == most:
			return fmt.Errorf("field %s has more than %d elements", name, most)
		}
		if err := each(t); err != nil {
			return err
		}
	}
}

func parseHello(b []byte) (hello, error) {
	var h hello
	var version uint32
	err := parse(b, func(o *object, name string) error {
		switch name {
		case "nbtlab_agent":
			return number(o, name, &version)
		case "name":
			return o.text(name, &h.Name)
		case "can":
			return o.list(name, math.MaxUint8, func(t json.Token) error {
				s, ok := t.(string)
				if !ok {
					return errors.New("field can is a list of texts")
				}
				h.Can = append(h.Can, s)
				return nil
			})
		}
		return unknownField(name)
	})
	h.Version = int(version)
	switch {
	case err != nil:
		return h, err
	case version == 0:
		return h, fmt.Errorf("no field nbtlab_agent in %s", shown(b))
	case version != Version:
		return h, fmt.Errorf("the agent speaks version %d of the protocol, we speak %d", version, Version)
	}
	return h, nil
}

func parseRequest(b []byte) (request, error) {
	var r request
	err := parse(b, func(o *object, name string) error {
		switch name {
		case "id":
			return number(o, name, &r.ID)
		case "op":
			return o.text(name, &r.Op)
		case "name":
			return o.text(name, &r.Name)
		case "call_name":
			return o.text(name, &r.CallName)
		case "number":
			return number(o, name, &r.Number)
		case "session":
			return number(o, name, &r.Session)
		case "length":
			return number(o, name, &r.Length)
		case "data":
			return o.text(name, &r.Data)
		case "target":
			return number(o, name, &r.Target)
		case "command":
			return number(o, name, &r.Command)
		}
		return unknownField(name)
	})
	if err == nil && r.ID == 0 {
		err = fmt.Errorf("no field id in %s", shown(b))
	}
	return r, err
}

func parseAnswer(b []byte) (answer, error) {
	var a answer
	var failed bool
	err := parse(b, func(o *object, name string) error {
		switch name {
		case "id":
			return number(o, name, &a.ID)
		case "code":
			a.Code = new(uint8)
			return number(o, name, a.Code)
		case "number":
			return number(o, name, &a.Number)
		case "session":
			return number(o, name, &a.Session)
		case "call_name":
			return o.text(name, &a.CallName)
		case "data":
			return o.text(name, &a.Data)
		case "error":
			failed = true
			return o.text(name, &a.Error)
		case "names":
			a.Names = []row{}
			return o.list(name, maxNames, func(t json.Token) error {
				if t != json.Delim('{') {
					return errors.New("field names is a list of objects")
				}
				r, err := parseRow(o.dec)
				a.Names = append(a.Names, r)
				return err
			})
		}
		return unknownField(name)
	})
	switch {
	case err != nil:
		return a, err
	case a.ID == 0:
		return a, fmt.Errorf("no field id in %s", shown(b))
	case failed == (a.Code != nil):
		return a, fmt.Errorf("want either code or error in %s", shown(b))
	case failed && a.Error == "":
		a.Error = "it does not say why"
	}
	return a, nil
}

func parseRow(dec *json.Decoder) (row, error) {
	var r row
	err := fields(dec, func(o *object, name string) error {
		switch name {
		case "name":
			return o.text(name, &r.Name)
		case "number":
			return number(o, name, &r.Number)
		case "group":
			return o.yes(name, &r.Group)
		case "state":
			return o.text(name, &r.State)
		}
		return unknownField(name)
	})
	return r, err
}
