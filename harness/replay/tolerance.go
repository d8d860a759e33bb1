// SPDX-License-Identifier: MIT

package replay

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Product is what is known of a real stack: its timers, and where it does otherwise than the models without having any of
// the ledger's bugs. It is data, one file for each product; none is applied unless asked for.
type Product struct {
	Name       string      `json:"product"`
	About      string      `json:"about"`
	Timers     Timers      `json:"timers"`
	Tolerances []Tolerance `json:"tolerances"`
}

// Timers replace those of the rfc1002 profile.
type Timers struct {
	BroadcastTimeout string `json:"broadcast_timeout"` // BCAST_REQ_RETRY_TIMEOUT
	BroadcastCount   int    `json:"broadcast_count"`   // BCAST_REQ_RETRY_COUNT
	Reason           string `json:"reason"`
}

// Tolerance allows one difference. What it allows is bounded: in kind, in value, in number, in time, and by what the model
// itself believes at that moment, so that it cannot hide that a name is held or is not.
type Tolerance struct {
	ID      string   `json:"id"`
	Kinds   []string `json:"kinds"`             // of messages, in the RFC's words
	Allow   string   `json:"allow"`             // "missing", "extra", "repeated" or "field"
	Field   string   `json:"field,omitempty"`   // the field that may differ
	Values  []string `json:"values,omitempty"`  // what it may be; "of the request" is what the request says
	Count   int      `json:"count,omitempty"`   // how many frames, of one request
	Request string   `json:"request,omitempty"` // how the request was sent: "broadcast" or "unicast"
	While   string   `json:"while,omitempty"`   // how the name stands in the model: "absent" or "claimed"
	Within  string   `json:"within,omitempty"`  // of the request
	Reason  string   `json:"reason"`
}

//go:embed products/*.json
var products embed.FS

// ProductNames lists the products that are known.
func ProductNames() []string {
	entries, err := products.ReadDir("products")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".json"))
	}
	return names
}

// FindProduct returns a known product.
func FindProduct(name string) (*Product, error) {
	if !slices.Contains(ProductNames(), name) {
		return nil, fmt.Errorf("replay: no product %q (there is %s)", name, strings.Join(ProductNames(), ", "))
	}
	b, err := products.ReadFile("products/" + name + ".json")
	if err != nil {
		return nil, err
	}
	return ParseProduct(b)
}

// ParseProduct reads a product's file.
func ParseProduct(b []byte) (*Product, error) {
	var p Product
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return nil, fmt.Errorf("replay: product: %w", err)
	}
	for i := range p.Tolerances {
		if err := p.Tolerances[i].check(); err != nil {
			return nil, fmt.Errorf("replay: product %s: %w", p.Name, err)
		}
	}
	if _, err := p.profile(); err != nil {
		return nil, err
	}
	return &p, nil
}

// check refuses what would tolerate more than it says, or nothing.
func (t *Tolerance) check() error {
	bad := func(why string) error { return fmt.Errorf("tolerance %q: %s", t.ID, why) }
	switch {
	case t.ID == "" || t.Reason == "" || len(t.Kinds) == 0:
		return bad("wants an id, a reason and kinds")
	case !slices.Contains([]string{"", "absent", "claimed"}, t.While):
		return bad("while is absent or claimed")
	case !slices.Contains([]string{"", "broadcast", "unicast"}, t.Request):
		return bad("request is broadcast or unicast")
	}
	if _, err := t.within(); err != nil {
		return bad(err.Error())
	}
	switch t.Allow {
	case "missing", "repeated":
		if t.Count < 1 {
			return bad("wants a count")
		}
	case "extra":
		if t.Count < 1 || t.While == "" {
			return bad("what a model does not send is tolerated by count, and only while its name stands in some way")
		}
	case "field":
		if t.Field == "" || len(t.Values) == 0 && t.While == "" {
			return bad("wants a field, and its values or how the name stands")
		}
	default:
		return bad("allows missing, extra, repeated or field")
	}
	return nil
}

func (t *Tolerance) within() (time.Duration, error) {
	if t.Within == "" {
		return replyWindow, nil
	}
	return time.ParseDuration(t.Within)
}

// profile is the node profile of a product.
func (p *Product) profile() (node.Profile, error) {
	profile := node.RFC1002
	if p.Timers.BroadcastTimeout != "" {
		d, err := time.ParseDuration(p.Timers.BroadcastTimeout)
		if err != nil || d <= 0 || p.Timers.BroadcastCount < 1 {
			return profile, fmt.Errorf("replay: product %s: timers want a time-out and a count", p.Name)
		}
		profile.BroadcastTimeout, profile.BroadcastCount = d, p.Timers.BroadcastCount
	}
	profile.Name = p.Name
	return profile, nil
}

// kindText names a message as tolerances do.
func kindText(m *meaning) string {
	switch m.service {
	case nameService:
		return m.kind.String()
	case datagramService:
		switch m.dgm {
		case nbt.DgmUnique:
			return "direct unique datagram"
		case nbt.DgmGroup:
			return "direct group datagram"
		case nbt.DgmBroadcast:
			return "broadcast datagram"
		case nbt.DgmError:
			return "datagram error"
		}
	case sessionService:
		return m.ssn.String()
	case noService:
	}
	return ""
}

// tolerances yields those of a kind of permission that a message may ask for.
func (m *matching) tolerances(allow string, r *meaning) []*Tolerance {
	if m.o.Product == nil {
		return nil
	}
	var list []*Tolerance
	for i := range m.o.Product.Tolerances {
		if t := &m.o.Product.Tolerances[i]; t.Allow == allow && slices.Contains(t.Kinds, kindText(r)) {
			list = append(list, t)
		}
	}
	return list
}

// toleratesMissing reports whether a frame of the model's may be missing.
func (m *matching) toleratesMissing(s *sent, missing, of int) bool {
	for _, t := range m.tolerances("missing", &s.read) {
		// Some of the frames of one request may be missing; where that is the whole of it, there must be a kind that is
		// never sent, such as a demand. A release of which there is no frame at all never is.
		if missing <= t.Count && (missing < of || of == 1) {
			m.used[t]++
			return true
		}
	}
	return false
}

// toleratesExtra reports whether a frame of the host's may be there. Before are those of the same key that came before.
func (m *matching) toleratesExtra(i int, before []int) bool {
	f, r := &m.v.Frames[i], &m.v.read[i]
	request := m.v.requestOf(i)
	for _, t := range m.tolerances("repeated", r) {
		if len(before) == 0 || !m.repeats(i, before, t.Count) || !m.wasSent(request, t, f.At) {
			continue
		}
		m.used[t]++
		return true
	}
	for _, t := range m.tolerances("extra", r) {
		name := r.name
		if r.service == datagramService {
			name = r.from
		}
		if len(before) >= t.Count && r.reply || !m.stands(name, i, t) {
			continue
		}
		if r.reply && !m.wasSent(request, t, f.At) {
			continue
		}
		m.used[t]++
		return true
	}
	return false
}

// repeats reports whether a frame is the same as one just before, and not the too-manieth time.
func (m *matching) repeats(i int, before []int, count int) bool {
	same := 0
	for _, b := range slices.Backward(before) {
		if sameBytes(&m.v.Frames[i], &m.v.Frames[b]) && m.v.Frames[i].At-m.v.Frames[b].At <= replyWindow {
			if same++; same > count { // a flood has thousands
				return false
			}
		}
	}
	return same >= 1
}

// wasSent reports whether a request was sent as a tolerance wants it.
func (m *matching) wasSent(request int, t *Tolerance, at time.Duration) bool {
	if request < 0 {
		return false
	}
	f := &m.v.Frames[request]
	within, err := t.within()
	if err != nil || at-f.At > within {
		return false
	}
	return t.Request == "" || f.Broadcast == (t.Request == "broadcast")
}

// stands reports whether a name stands in the model as a tolerance wants it.
func (m *matching) stands(name netbios.Name, pos int, t *Tolerance) bool {
	state := m.e.stateAt(name, pos)
	switch t.While {
	case "absent":
		return state == stack.Free || state == stack.Placeholder
	case "claimed":
		return state == stack.Claiming
	}
	return true
}

// toleratesFields reports whether all the fields in which a frame of the host differs may differ so.
func (m *matching) toleratesFields(i int, s *sent, fields []string) bool {
	var used []*Tolerance
	for _, field := range fields {
		t := m.toleratesField(i, s, field)
		if t == nil {
			return false
		}
		used = append(used, t)
	}
	for _, t := range used {
		m.used[t]++
	}
	return true
}

func (m *matching) toleratesField(i int, s *sent, field string) *Tolerance {
	f, r := &m.v.Frames[i], &m.v.read[i]
	for _, t := range m.tolerances("field", r) {
		if t.Field == "NODE_NAME more" {
			for _, row := range r.rows {
				if field == "NODE_NAME "+row.Name.String()+" more" && m.stands(row.Name, s.cause, t) {
					return t
				}
			}
			continue
		}
		if t.Field != field || r.kind != s.read.kind {
			continue
		}
		got := fieldOf(f, field)
		for _, v := range t.Values {
			if v == "of the request" {
				if q := m.v.requestOf(i); q >= 0 && got != "" && got == fieldOf(&m.v.Frames[q], field) {
					return t
				}
				continue
			}
			if got == v || strings.HasPrefix(got, v+" ") {
				return t
			}
		}
	}
	return nil
}

// fieldOf is the value of a field of a name service message.
func fieldOf(f *trace.Frame, field string) string {
	m, err := nbt.ParseNameMessageLenient(f.Payload)
	if err != nil {
		return ""
	}
	for _, x := range m.Fields() {
		if x.Name == field {
			return x.Value
		}
	}
	return ""
}
