// SPDX-License-Identifier: MIT

package check

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Ignored lists what [Compare] does not look at, for reports.
const Ignored = "times, MAC addresses but for the group bit, IP identification, ttl and options, TCP sequence numbers, " +
	"acknowledgements, windows and segmentation, whether broadcasts go to the network's address or to 255.255.255.255, client ports and transaction identifiers as long as they correspond"

// Change is the kind of a [Difference].
type Change string

// The kinds of difference.
const (
	Missing Change = "missing" // in the recording, not in the run
	Extra   Change = "extra"   // in the run, not in the recording
	Altered Change = "altered"
	Moved   Change = "moved"
)

// Difference is one place where a run and a recording differ.
type Difference struct {
	Change   Change
	Run      *trace.Frame // nil for a missing frame
	Recorded *trace.Frame // nil for an extra one
	Fields   []string     // what differs in an altered frame, in the RFC's words
}

// Compare compares a run of ours with a recording of such a run, by meaning: the same frames in the same order, their NBT
// bytes equal but for identifiers that correspond one to one. An edit script aligns the two, so that the frame at fault is
// the one blamed.
func Compare(run, recorded []trace.Frame) []Difference {
	c := comparison{run: run, recorded: recorded}
	c.align()
	c.bindIdentifiers()
	return c.differences()
}

// BeforeCut returns the differences that a cut at the end of the recording does not explain: not the frames of the run that
// would have come after it, nor the recording's last one when it was cut itself.
func BeforeCut(list []Difference, recorded []trace.Frame) []Difference {
	for len(list) > 0 {
		last := list[len(list)-1]
		cutItself := last.Recorded != nil && len(recorded) > 0 && last.Recorded == &recorded[len(recorded)-1] && len(last.Recorded.Odd) > 0
		if last.Change != Extra && !cutItself {
			break
		}
		list = list[:len(list)-1]
	}
	return list
}

type comparison struct {
	run, recorded []trace.Frame
	pairs         []pair // in the order of the frames; one side is -1 in what has no partner
}

// pair is a frame of the run and its partner in the recording, by index, and what differs in them.
type pair struct {
	run, recorded int
	change        Change // empty for frames that are the same
	fields        []string
}

// align matches frames that are the same but for identifiers; what is left over between two matches is paired in order
// as altered where it is of one kind, then as moved where it turns up elsewhere.
func (c *comparison) align() {
	head := 0
	for head < len(c.run) && head < len(c.recorded) && sameFrame(&c.run[head], &c.recorded[head]) {
		c.pairs = append(c.pairs, pair{run: head, recorded: head})
		head++
	}
	tail := 0
	for tail < min(len(c.run), len(c.recorded))-head &&
		sameFrame(&c.run[len(c.run)-1-tail], &c.recorded[len(c.recorded)-1-tail]) {
		tail++
	}
	if middle := (len(c.run) - head - tail) * (len(c.recorded) - head - tail); middle > 0 ||
		len(c.run) != len(c.recorded) {
		c.alignMiddle(head, len(c.run)-tail, len(c.recorded)-tail)
	}
	for i := tail; i > 0; i-- {
		c.pairs = append(c.pairs, pair{run: len(c.run) - i, recorded: len(c.recorded) - i})
	}
}

// maxAlign bounds the table of the alignment, in cells, and maxSettle the pairings that are tried between two matches.
// Beyond them frames are compared place by place, which blames more frames than it should, and never fewer.
const (
	maxAlign  = 16 << 20
	maxSettle = 1 << 14
)

func (c *comparison) alignMiddle(head, runEnd, recordedEnd int) {
	n, m := runEnd-head, recordedEnd-head
	if (n+1)*(m+1) > maxAlign {
		c.settle(sequence(head, runEnd), sequence(head, recordedEnd))
		return
	}
	// common[i*(m+1)+j] is the length of the longest common subsequence of run[head+i:runEnd] and recorded[head+j:recordedEnd].
	common := make([]int32, (n+1)*(m+1))
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			best := max(common[(i+1)*(m+1)+j], common[i*(m+1)+j+1])
			if sameFrame(&c.run[head+i], &c.recorded[head+j]) {
				best = max(best, common[(i+1)*(m+1)+j+1]+1)
			}
			common[i*(m+1)+j] = best
		}
	}
	var run, recorded []int // without a partner since the last match
	i, j := 0, 0
	for i < n || j < m {
		switch {
		case i < n && j < m && sameFrame(&c.run[head+i], &c.recorded[head+j]) &&
			common[i*(m+1)+j] == common[(i+1)*(m+1)+j+1]+1:
			c.settle(run, recorded)
			run, recorded = nil, nil
			c.pairs = append(c.pairs, pair{run: head + i, recorded: head + j})
			i, j = i+1, j+1
		case j >= m || i < n && common[(i+1)*(m+1)+j] >= common[i*(m+1)+j+1]:
			run = append(run, head+i)
			i++
		default:
			recorded = append(recorded, head+j)
			j++
		}
	}
	c.settle(run, recorded)
	c.findMoved()
}

func sequence(from, to int) []int {
	s := make([]int, 0, to-from)
	for i := from; i < to; i++ {
		s = append(s, i)
	}
	return s
}

// settle pairs what stands between two matches: frames of one kind between the same hosts are one frame, altered. Of the
// possible pairings it takes, in order, those with the fewest fields that differ.
func (c *comparison) settle(run, recorded []int) {
	used := make([]bool, len(recorded))
	inPlace := len(run)*len(recorded) > maxSettle
	for place, r := range run {
		candidates := recorded
		if inPlace {
			candidates = recorded[min(place, len(recorded)):min(place+1, len(recorded))]
		}
		best, fewest := -1, 0
		var fields []string
		for k := range candidates {
			if inPlace {
				k = place
			}
			if used[k] {
				continue
			}
			if f, kin := alteration(&c.run[r], &c.recorded[recorded[k]]); kin && (best < 0 || len(f) < fewest) {
				best, fewest, fields = k, len(f), f
			}
		}
		if best < 0 {
			c.pairs = append(c.pairs, pair{run: r, recorded: -1, change: Extra})
			continue
		}
		used[best] = true
		c.pairs = append(c.pairs, pair{run: r, recorded: recorded[best], change: Altered, fields: fields})
	}
	for k, d := range recorded {
		if !used[k] {
			c.pairs = append(c.pairs, pair{run: -1, recorded: d, change: Missing})
		}
	}
}

// findMoved joins an extra frame with a missing one that is the same: it has moved.
func (c *comparison) findMoved() {
	var missing []int
	for i, p := range c.pairs {
		if p.change == Missing {
			missing = append(missing, i)
		}
	}
	joined := map[int]bool{}
	tried := 0
	for i := range c.pairs {
		x := &c.pairs[i]
		if x.change != Extra {
			continue
		}
		for _, m := range missing {
			if tried++; tried > maxAlign {
				break
			}
			if !joined[m] && sameFrame(&c.run[x.run], &c.recorded[c.pairs[m].recorded]) {
				x.recorded, x.change, joined[m] = c.pairs[m].recorded, Moved, true
				break
			}
		}
	}
	kept := c.pairs[:0]
	for i, p := range c.pairs {
		if !joined[i] {
			kept = append(kept, p)
		}
	}
	c.pairs = kept
}

// sameFrame reports whether two frames are the same but for identifiers and client ports.
func sameFrame(a, b *trace.Frame) bool {
	return a.Kind == b.Kind && a.Broadcast == b.Broadcast && sameEnd(a.Kind, a.From, b.From) && sameDestination(a, b) &&
		len(a.Odd) == 0 && len(b.Odd) == 0 && samePayload(a, b)
}

// sameEnd compares an end of a frame: at a client's end of a stream only the address.
func sameEnd(kind trace.FrameKind, a, b netip.AddrPort) bool {
	return a == b || kind != trace.UDP && a.Addr() == b.Addr() && a.Port() != stack.SessionPort && b.Port() != stack.SessionPort
}

// sameDestination takes the two addresses that a network's broadcasts can have for one: who hears them is the same.
func sameDestination(a, b *trace.Frame) bool {
	if a.Broadcast && b.Broadcast && (a.To.Addr() == stack.LimitedBroadcast || b.To.Addr() == stack.LimitedBroadcast) {
		return a.To.Port() == b.To.Port()
	}
	return sameEnd(a.Kind, a.To, b.To)
}

func samePayload(a, b *trace.Frame) bool {
	off := identifierOffset(a)
	if off < 0 || len(a.Payload) != len(b.Payload) || len(a.Payload) < off+2 {
		return bytes.Equal(a.Payload, b.Payload)
	}
	return bytes.Equal(a.Payload[:off], b.Payload[:off]) && bytes.Equal(a.Payload[off+2:], b.Payload[off+2:])
}

// identifierOffset returns where a message carries its identifier, NAME_TRN_ID or DGM_ID; -1 where there is none.
func identifierOffset(f *trace.Frame) int {
	if f.Kind != trace.UDP {
		return -1
	}
	switch {
	case f.To.Port() == stack.DatagramPort || f.From.Port() == stack.DatagramPort:
		return 2
	case f.To.Port() == stack.NamePort || f.From.Port() == stack.NamePort:
		return 0
	}
	return -1
}

// alteration names the fields in which two frames differ, and reports whether they can be one frame at all: of one kind,
// and alike in more than they differ in.
func alteration(a, b *trace.Frame) (fields []string, kin bool) {
	if a.Kind != b.Kind {
		return nil, false
	}
	ends := 0
	add := func(differs bool, name string) {
		if differs {
			fields = append(fields, name)
			ends++
		}
	}
	add(!sameEnd(a.Kind, a.From, b.From), "source")
	add(!sameDestination(a, b), "destination")
	add(a.Broadcast != b.Broadcast, "broadcast MAC")
	content := differingFields(a, b)
	fields = append(fields, content...)
	fields = slices.Concat(fields, a.Odd, b.Odd)
	if ends == 0 {
		return fields, !otherMessage(content)
	}
	return fields, len(content) == 0
}

// otherMessage reports whether so much differs that two payloads are better told apart than compared: what they do and
// whom it is about.
func otherMessage(content []string) bool {
	about := func(name string) bool {
		return name == "QUESTION_NAME" || name == "RR_NAME" || name == "DESTINATION_NAME" || name == "CALLED_NAME"
	}
	does := func(name string) bool { return name == "flags" || name == "MSG_TYPE" || name == "TYPE" }
	return slices.ContainsFunc(content, about) && slices.ContainsFunc(content, does)
}

// Differing names the fields in which the payloads of two frames differ, in the RFC's words; identifiers are left out.
func Differing(a, b *trace.Frame) []string { return differingFields(a, b) }

// differingFields decodes both payloads only to name what differs.
func differingFields(a, b *trace.Frame) []string {
	if samePayload(a, b) {
		return nil
	}
	fa, fb := fieldsOf(a), fieldsOf(b)
	if fa == nil || fb == nil {
		return []string{fmt.Sprintf("payload at offset %d", firstDifference(a.Payload, b.Payload))}
	}
	var names []string
	note := func(name string) {
		if name != "NAME_TRN_ID" && name != "DGM_ID" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for i := range max(len(fa), len(fb)) {
		switch {
		case i >= len(fa):
			note(fb[i].Name)
		case i >= len(fb):
			note(fa[i].Name)
		case fa[i].Name != fb[i].Name:
			note(fa[i].Name)
		case fa[i].Value != fb[i].Value:
			note(fa[i].Name)
		}
	}
	if len(names) == 0 {
		names = []string{fmt.Sprintf("payload at offset %d", firstDifference(a.Payload, b.Payload))}
	}
	return names
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// fieldsOf decodes a frame's payload; nil when it does not parse.
func fieldsOf(f *trace.Frame) []nbt.Field {
	switch {
	case f.Kind == trace.Message:
		if m, err := nbt.ParseSessionMessage(f.Payload); err == nil {
			return m.Fields()
		}
	case f.Kind != trace.UDP:
	case identifierOffset(f) == 2:
		if m, err := nbt.ParseDatagram(f.Payload); err == nil {
			return m.Fields()
		}
	default:
		if m, err := nbt.ParseNameMessage(f.Payload); err == nil {
			return m.Fields()
		}
	}
	return nil
}

// bindIdentifiers checks that identifiers correspond one to one, both ways, per requester and service. Where one side's
// identifier has several partners, most frames decide which is right; between equals, that the numbers are the same
// decides, then the earlier frame.
func (c *comparison) bindIdentifiers() {
	for _, space := range c.identifierSpaces() {
		space.drop(func(b binding) uint32 { return b.run }, c)
		space.drop(func(b binding) uint32 { return b.recorded }, c)
	}
}

// identifierSpace is the identifiers of one requester and service.
type identifierSpace struct {
	requester netip.Addr
	service   uint16
	bindings  []binding
}

// binding is the identifiers of two partners.
type binding struct {
	pair          int
	run, recorded uint32
	field         string
	wrong         bool
}

func (c *comparison) identifierSpaces() []*identifierSpace {
	var spaces []*identifierSpace
	at := func(requester netip.Addr, service uint16) *identifierSpace {
		for _, s := range spaces {
			if s.requester == requester && s.service == service {
				return s
			}
		}
		spaces = append(spaces, &identifierSpace{requester: requester, service: service})
		return spaces[len(spaces)-1]
	}
	for i, p := range c.pairs {
		if p.run < 0 || p.recorded < 0 {
			continue
		}
		a, b := &c.run[p.run], &c.recorded[p.recorded]
		if a.Kind != trace.UDP {
			s := at(client(a), stack.SessionPort)
			s.bindings = append(s.bindings, binding{i, clientPort(a), clientPort(b), "client port", false})
			continue
		}
		off := identifierOffset(a)
		if off < 0 || len(a.Payload) < off+2 || len(b.Payload) < off+2 {
			continue
		}
		field := "NAME_TRN_ID"
		if off > 0 {
			field = "DGM_ID"
		}
		s := at(requester(a, off), a.To.Port())
		s.bindings = append(s.bindings, binding{
			i, uint32(binary.BigEndian.Uint16(a.Payload[off:])), uint32(binary.BigEndian.Uint16(b.Payload[off:])), field, false,
		})
	}
	return spaces
}

// requester returns whose identifier a message carries: a response carries that of whom it is sent to.
func requester(f *trace.Frame, off int) netip.Addr {
	const responseBit = 0x80
	if off == 0 && len(f.Payload) > 2 && f.Payload[2]&responseBit != 0 || off == 2 && f.Payload[0] == uint8(nbt.DgmError) {
		return f.To.Addr()
	}
	return f.From.Addr()
}

func client(f *trace.Frame) netip.Addr {
	if f.To.Port() == stack.SessionPort {
		return f.From.Addr()
	}
	return f.To.Addr()
}

func clientPort(f *trace.Frame) uint32 {
	if f.To.Port() == stack.SessionPort {
		return uint32(f.From.Port())
	}
	return uint32(f.To.Port())
}

// drop marks the bindings that lose where one key has several partners.
func (s *identifierSpace) drop(key func(binding) uint32, c *comparison) {
	type partner struct {
		run, recorded uint32
		votes         int
	}
	byKey := map[uint32][]partner{}
	for _, b := range s.bindings {
		if b.wrong {
			continue
		}
		list := byKey[key(b)]
		i := slices.IndexFunc(list, func(p partner) bool { return p.run == b.run && p.recorded == b.recorded })
		if i < 0 {
			i, list = len(list), append(list, partner{b.run, b.recorded, 0})
		}
		list[i].votes++
		byKey[key(b)] = list
	}
	for i := range s.bindings {
		b := &s.bindings[i]
		list := byKey[key(*b)]
		if b.wrong || len(list) < 2 {
			continue
		}
		best := list[0]
		for _, p := range list[1:] {
			if p.votes > best.votes || p.votes == best.votes && p.run == p.recorded && best.run != best.recorded {
				best = p
			}
		}
		if b.run != best.run || b.recorded != best.recorded {
			b.wrong = true
			p := &c.pairs[b.pair]
			if p.change == "" {
				p.change = Altered
			}
			p.fields = append(p.fields, b.field)
		}
	}
}

func (c *comparison) differences() []Difference {
	var list []Difference
	for _, p := range c.pairs {
		if p.change == "" {
			continue
		}
		d := Difference{Change: p.change, Fields: p.fields}
		if p.run >= 0 {
			d.Run = &c.run[p.run]
		}
		if p.recorded >= 0 {
			d.Recorded = &c.recorded[p.recorded]
		}
		list = append(list, d)
	}
	return list
}

// String tells the difference in a line, naming the frame and what differs.
func (d Difference) String() string {
	switch d.Change {
	case Missing:
		return fmt.Sprintf("frame %d of the recording is missing from the run: %s", d.Recorded.Number, Describe(d.Recorded))
	case Extra:
		return fmt.Sprintf("frame %d of the run is not in the recording: %s", d.Run.Number, Describe(d.Run))
	case Moved:
		return fmt.Sprintf("frame %d of the recording stands elsewhere in the run, as frame %d: %s",
			d.Recorded.Number, d.Run.Number, Describe(d.Recorded))
	default:
		return fmt.Sprintf("frame %d of the recording is altered in the run, there frame %d: %s: %s",
			d.Recorded.Number, d.Run.Number, strings.Join(d.Fields, ", "), Describe(d.Recorded))
	}
}

// Describe tells what a frame is, in a line.
func Describe(f *trace.Frame) string {
	return fmt.Sprintf("%s > %s %s", f.From, f.To, Summary(f))
}

// Summary tells what a frame carries.
func Summary(f *trace.Frame) string {
	var m fmt.Stringer
	var err error
	switch {
	case f.Kind == trace.Message:
		m, err = parsed(nbt.ParseSessionMessage(f.Payload))
	case f.Kind != trace.UDP:
		return f.Kind.String()
	case identifierOffset(f) == 2:
		m, err = parsed(nbt.ParseDatagram(f.Payload))
	default:
		m, err = parsed(nbt.ParseNameMessage(f.Payload))
	}
	if err != nil {
		return fmt.Sprintf("%d bytes that are no NBT message: %v", len(f.Payload), err)
	}
	return m.String()
}

func parsed[M fmt.Stringer](m M, err error) (fmt.Stringer, error) { return m, err }

// FieldRow is one field of the two frames of a difference, for a view side by side.
type FieldRow struct {
	Name          string
	Recorded, Run string
	Differs       bool
}

// FieldRows lists the fields of both frames of a difference. The identifier and the destination are marked only where they do
// not correspond.
func FieldRows(d Difference) []FieldRow {
	left, right := rowsOf(d.Recorded), rowsOf(d.Run)
	var rows []FieldRow
	for i := range max(len(left), len(right)) {
		var row FieldRow
		if i < len(left) {
			row.Name, row.Recorded = left[i].Name, left[i].Value
		}
		if i < len(right) {
			if row.Name == "" {
				row.Name = right[i].Name
			}
			row.Run = right[i].Value
		}
		row.Differs = row.Recorded != row.Run
		switch row.Name {
		case "NAME_TRN_ID", "DGM_ID":
			row.Differs = row.Differs && slices.Contains(d.Fields, row.Name)
		case "destination":
			row.Differs = row.Differs && (d.Recorded == nil || d.Run == nil || !sameDestination(d.Recorded, d.Run))
		}
		rows = append(rows, row)
	}
	return rows
}

func rowsOf(f *trace.Frame) []nbt.Field {
	if f == nil {
		return nil
	}
	rows := []nbt.Field{{Name: "source", Value: f.From.String()}, {Name: "destination", Value: f.To.String()}}
	return append(rows, fieldsOf(f)...)
}
