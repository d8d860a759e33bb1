// SPDX-License-Identifier: MIT

package replay

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Limits of a draft: nobody reads a longer one, and the language has bounds too.
const (
	maxSteps   = 2000
	maxNodes   = 32
	maxPayload = 900 // bytes of user data that fit into a line of a scenario
)

// Draft is a history written out as a scenario: one line for each call, at its time.
type Draft struct {
	Host   string // the node that is the host
	Header []string
	Lines  []Line
	Left   []string // what could not be written, in sentences
}

// Line is a line of a draft.
type Line struct {
	At   time.Duration
	Text string
	Note string // names the frame; a comment
}

// drafting writes a draft.
type drafting struct {
	v      *View // of everybody
	prefix netip.Prefix
	nodes  []netip.Addr // by index into the names
	draft  Draft
	steps  []step
	shift  time.Duration
	knows  []string
	left   map[string]int
	used   map[netip.Addr]bool
	kinds  map[netip.Addr]string // how nodes that are no B nodes are declared
}

// step is a line of the draft with its place among the others.
type step struct {
	at     time.Duration
	number int // of the frame
	order  int
	Line
}

// WriteDraft writes what everybody in a view did as a scenario: the host's history as it is given, the others' as their frames
// tell. What no call of theirs sends is injected.
func WriteDraft(v *View, host netip.Addr, h *History) (*Draft, error) {
	own := v.Of(host)
	d := &drafting{v: v, prefix: own.prefix, left: map[string]int{}, used: map[netip.Addr]bool{}, kinds: map[netip.Addr]string{}}
	if d.prefix.Bits() < 8 {
		d.prefix = netip.PrefixFrom(host, 24) // only the limited broadcast address was seen
	}
	d.nodes = append(d.nodes, host)
	for _, a := range v.Others {
		if a == host {
			continue
		}
		if d.prefix.Contains(a) && a != stack.BroadcastOf(d.prefix) && len(d.nodes) < maxNodes {
			d.nodes = append(d.nodes, a)
		}
	}
	views := make([]*View, len(d.nodes))
	histories := make([]History, len(d.nodes))
	for i, a := range d.nodes {
		views[i] = v.Of(a)
		if histories[i] = *h; i > 0 {
			histories[i] = Infer(views[i])
		}
		if len(histories[i].Held) > 0 {
			d.shift = heldShift
		}
	}
	for i := range d.nodes {
		d.declare(views[i])
	}
	for i := range d.nodes {
		d.host(i, views[i], &histories[i])
	}
	return d.finish(host)
}

// nameserver declares a node to be a name server.
const nameserver = " nameserver"

// declare notes of what type a node is, and that its name server is one.
func (d *drafting) declare(v *View) {
	server, ok := d.name(v.server)
	if !v.served() || !ok {
		return
	}
	d.kinds[v.Host] = fmt.Sprintf(" type %s wins %s", v.kind, server)
	if d.kinds[v.server] == "" {
		d.kinds[v.server] = nameserver
	}
	d.used[v.server] = true
}

// heldShift is how long before the capture's first frame the names are added that were held by then.
const heldShift = 5 * time.Second

func (d *drafting) name(a netip.Addr) (string, bool) {
	i := slices.Index(d.nodes, a)
	switch {
	case i < 0:
		return "", false
	case i == 0:
		return "host", true
	case i == 1:
		return "peer", true
	}
	return fmt.Sprintf("peer%d", i), true
}

// host writes what one host did.
func (d *drafting) host(i int, v *View, h *History) {
	name, _ := d.name(d.nodes[i])
	for _, held := range h.Held {
		verb := scenario.AddName
		if held.Group {
			verb = scenario.AddGroup
		}
		f := &v.Frames[held.Frame]
		d.add(-d.shift, 0, d.nodes[i], fmt.Sprintf("%s %s %s &", name, verb, Quoted(held.Name)),
			fmt.Sprintf("held before the capture: frame %d", f.Number))
	}
	labels := labelsOf(h)
	for k := range h.Calls {
		d.call(name, v, h, &h.Calls[k], labels)
	}
	e := play(v, config(v, fault.Set{}, node.RFC1002, &Options{}), h)
	m := match(v, e, h, &Options{})
	extra := map[int]bool{}
	for _, x := range m.diff {
		if x.Seen != nil && x.Expected == nil {
			extra[x.pos] = true
		}
	}
	for k := range v.Frames {
		f, r := &v.Frames[k], &v.read[k]
		_, apart := h.Apart[k]
		tool := apart && r.service == nameService && (r.kind == nbt.KindStatusRequest || r.kind == nbt.KindQuery)
		switch {
		case !r.out || f.Kind != trace.UDP || !extra[k] && !tool:
		case d.kinds[v.Host] == nameserver && (r.reply || v.challenges(k)): // that of the draft does so itself
		case i == 0 && !tool:
			d.left["frames that the host sends of itself, and no correct stack"]++
		default:
			d.inject(name, v, f, r)
		}
	}
}

// labelsOf names the connections that something refers to: s1 at the end that called, l1 at the one that listened.
func labelsOf(h *History) map[int]string {
	labels := map[int]string{}
	for _, c := range h.Calls {
		switch {
		case c.Verb == scenario.Call:
			labels[c.Conn] = fmt.Sprintf("s%d", c.Conn)
		case c.Verb == scenario.Listen && c.Conn != 0:
			labels[c.Conn] = fmt.Sprintf("l%d", c.Conn)
		}
	}
	return labels
}

// call writes a call.
func (d *drafting) call(node string, v *View, h *History, c *Call, labels map[int]string) {
	at, number := c.At, 0
	note := "assumed"
	if c.Seen >= 0 {
		number = v.Frames[c.Seen].Number
		note = fmt.Sprintf("frame %d", number)
	} else if c.Pos < len(v.Frames) {
		number = v.Frames[c.Pos].Number - 1
	} else {
		number = 1 << 30
	}
	if c.Pos < len(v.Frames) && c.Seen >= 0 {
		number = v.Frames[c.Pos].Number
	}
	text := ""
	switch c.Verb {
	case scenario.AddName, scenario.AddGroup, scenario.DeleteName:
		text = fmt.Sprintf("%s &", Quoted(c.Name))
	case scenario.FindName:
		text = fmt.Sprintf("%s &", Quoted(c.Remote))
	case scenario.Listen:
		if text = Quoted(c.Name); labels[c.Conn] != "" {
			text += " as " + labels[c.Conn]
		}
	case scenario.Call:
		d.knowing(node, v, c)
		text = fmt.Sprintf("%s from %s as %s &", Quoted(c.Remote), Quoted(c.Name), labels[c.Conn])
	case scenario.HangUp, scenario.Send:
		if labels[c.Conn] == "" {
			return
		}
		text = labels[c.Conn] + " &"
		if c.Verb == scenario.Send {
			if len(c.Data) > maxPayload {
				d.left["session messages longer than a line of a scenario"]++
				return
			}
			text = fmt.Sprintf("%s %s &", labels[c.Conn], payload(c.Data))
		}
	case scenario.SendDatagram:
		if c.Group && !h.hasGroup(c.Remote, c.Pos) && !found(v, c) {
			d.inject(node, v, &v.Frames[c.Seen], &v.read[c.Seen])
			return
		}
		if !c.Group {
			d.knowing(node, v, c)
		}
		text = fmt.Sprintf("%s from %s %s &", Quoted(c.Remote), Quoted(c.Name), payload(c.Data))
	case scenario.SendBroadcast:
		text = fmt.Sprintf("from %s %s &", Quoted(c.Name), payload(c.Data))
	case scenario.Stop, scenario.Restart:
	default:
		return
	}
	d.add(at, number, v.Host, strings.TrimSpace(node+" "+c.Verb.String()+" "+text), note)
}

// hasGroup reports whether a host is a member of a group at a frame: then it sends to the group without asking.
func (h *History) hasGroup(name netbios.Name, pos int) bool {
	member := slices.ContainsFunc(h.Held, func(x Held) bool { return x.Name == name && x.Group })
	for _, c := range h.Calls {
		if c.Pos > pos {
			break
		}
		if c.Name == name {
			switch c.Verb {
			case scenario.AddGroup:
				member = true
			case scenario.DeleteName:
				member = false
			default:
			}
		}
	}
	return member
}

// knowing notes an LMHOSTS entry where a host reaches a name that it has not asked for lately.
func (d *drafting) knowing(node string, v *View, c *Call) {
	if found(v, c) {
		return
	}
	at, ok := d.name(c.To.Addr())
	if !ok {
		return
	}
	d.used[c.To.Addr()] = true
	if line := fmt.Sprintf("%s knows %s at %s", node, Quoted(c.Remote), at); !slices.Contains(d.knows, line) {
		d.knows = append(d.knows, line)
	}
}

// found reports whether a host has found a name just before: then it knows where it is, and whether it is a group.
func found(v *View, c *Call) bool {
	for k := min(c.Pos, len(v.Frames)-1); k >= 0 && c.At-v.Frames[k].At <= node.RFC1002.CacheLife; k-- {
		r := &v.read[k]
		if !r.out && r.service == nameService && r.kind == nbt.KindPositiveQuery && r.name == c.Remote && r.group == c.Group {
			return true
		}
	}
	return false
}

// inject writes a frame that no call sends.
func (d *drafting) inject(node string, v *View, f *trace.Frame, r *meaning) {
	to := "all"
	if !f.Broadcast {
		var ok bool
		if to, ok = d.name(f.To.Addr()); !ok {
			d.left["frames to hosts that are no nodes of the draft"]++
			return
		}
		d.used[f.To.Addr()] = true
	}
	text := ""
	if b, err := nbt.StatusRequest(r.id, r.name).AppendBinary(nil); err == nil && bytes.Equal(b, f.Payload) {
		text = "status-request "
		if r.name != netbios.Wildcard {
			text += Quoted(r.name) + " "
		}
		text += fmt.Sprintf("to %s id 0x%04x", to, r.id)
	} else if b, err := nbt.ConflictDemand(r.id, r.name, 0).AppendBinary(nil); err == nil && bytes.Equal(b, f.Payload) {
		text = fmt.Sprintf("conflict-demand %s to %s id 0x%04x", Quoted(r.name), to, r.id)
	} else {
		if len(f.Payload) > maxPayload || len(f.Payload) == 0 {
			d.left["packets longer than a line of a scenario, or empty"]++
			return
		}
		port := f.To.Port()
		if !f.Broadcast && r.reply {
			port = stack.NamePort
		}
		text = fmt.Sprintf("bytes %s to %s port %d", payload(f.Payload), to, port)
	}
	d.add(f.At, f.Number, v.Host, node+" inject "+text, fmt.Sprintf("frame %d", f.Number))
}

func (d *drafting) add(at time.Duration, number int, host netip.Addr, text, note string) {
	d.used[host] = true
	d.steps = append(d.steps, step{at + d.shift, number, len(d.steps), Line{at + d.shift, text, note}})
}

// finish puts the lines in order.
func (d *drafting) finish(host netip.Addr) (*Draft, error) {
	if len(d.steps) == 0 {
		return nil, fmt.Errorf("replay: nothing that %s or its peers did can be written as a step", host)
	}
	slices.SortStableFunc(d.steps, func(a, b step) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.number, b.number), cmp.Compare(a.order, b.order))
	})
	cut := len(d.steps) > maxSteps
	d.steps = d.steps[:min(len(d.steps), maxSteps)]
	for _, s := range d.steps {
		d.draft.Lines = append(d.draft.Lines, s.Line)
	}
	end := d.v.End() + d.shift
	if cut {
		end = d.steps[len(d.steps)-1].at
		d.draft.Left = append(d.draft.Left, fmt.Sprintf("what comes behind %s: a draft has at most %d steps", end, maxSteps))
	}
	d.draft.Lines = append(d.draft.Lines, Line{At: end})
	d.draft.Host, _ = d.name(host)
	d.used[host] = true
	for _, a := range d.nodes {
		if name, _ := d.name(a); d.used[a] {
			d.draft.Header = append(d.draft.Header, fmt.Sprintf("node %s %s%s", name, netip.PrefixFrom(a, d.prefix.Bits()), d.kinds[a]))
		}
	}
	d.draft.Header = append(d.draft.Header, d.knows...)
	for what, n := range d.left {
		d.draft.Left = append(d.draft.Left, fmt.Sprintf("%d %s", n, what))
	}
	slices.Sort(d.draft.Left)
	return &d.draft, nil
}

// Quoted writes a name as a scenario reads it.
func Quoted(n netbios.Name) string { return `"` + strings.ReplaceAll(n.String(), `"`, `\"`) + `"` }

// payload writes bytes as a scenario reads them.
func payload(b []byte) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, c := range b {
		switch {
		case c == '"' || c == '\\':
			out.WriteByte('\\')
			out.WriteByte(c)
		case 0x20 <= c && c <= 0x7e:
			out.WriteByte(c)
		default:
			fmt.Fprintf(&out, `\x%02x`, c)
		}
	}
	out.WriteByte('"')
	return out.String()
}
