// SPDX-License-Identifier: MIT

// Package nametable models the NetBIOS name table of one node: the model under study. It decides; it never sends, waits or
// reads a clock.
//
// The rule that KB Q124565 states is the whole of it: a name holds one reference for its registration and one for each
// session, and is freed exactly when none is left. The table alone says that a name is freed. Every change is noted to
// the caller's output buffer, so that a run's record tells who took each reference and who gave it back.
package nametable

import (
	"net/netip"
	"slices"

	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// Table is the name table of one node.
type Table struct {
	faults       fault.Set
	limit        int
	entries      []entry
	placeholders []entry // fault Q124565: references to names that are not registered, oldest first
	lastNum      uint8
	lastRef      uint32
}

// maxPlaceholders bounds what strangers can make a faulty node remember.
const maxPlaceholders = 64

// First and last name number that applications get; 1 is the permanent name, 0 and 255 are never given (IBM manual).
const (
	firstNum = 2
	lastNum  = 254
)

type entry struct {
	name       netbios.Name
	num        uint8
	group      bool
	state      stack.State
	hadSession bool // since it was registered, or last deleted
	refs       []ref
}

type ref struct {
	id     uint32
	holder stack.Holder
}

// Entry is what a node may know of a name.
type Entry struct {
	Name  netbios.Name
	Num   uint8
	Group bool
	State stack.State
}

// New makes an empty table for limit names besides the permanent one.
func New(limit int, faults fault.Set) Table {
	return Table{faults: faults, limit: limit, lastNum: firstNum - 1}
}

// SetLimit changes how many names fit; names already there stay (RESET).
func (t *Table) SetLimit(limit int) { t.limit = limit }

// Claim enters a name that is about to be claimed on the network, and gives it a number. Codes: NOWILD for a name no
// application may add (RFC 1001 section 5.2: a leading asterisk; the IBM manual: a leading zero byte), DUPNAME for one in the table in whatever state, NAMTFUL without a free slot.
func (t *Table) Claim(name netbios.Name, group bool, out *stack.Outputs) (num uint8, code netbios.Code) {
	switch {
	case name.IsWild() || name[0] == 0:
		return 0, netbios.NOWILD // the permanent name among them
	case t.find(name) != nil:
		return 0, netbios.DUPNAME
	case len(t.entries) >= t.limit:
		return 0, netbios.NAMTFUL
	}
	e := entry{name: name, num: t.nextNum(), group: group, state: stack.Claiming}
	from := stack.Free
	if !group {
		if i := t.placeholder(name); i >= 0 {
			from, e.refs = stack.Placeholder, t.placeholders[i].refs
			t.placeholders = slices.Delete(t.placeholders, i, i+1)
		}
	}
	t.entries = append(t.entries, e)
	noteChange(&e, from, out)
	return e.num, netbios.GOODRET
}

// Granted ends a claim that nobody objected to: the name is registered, and its registration holds a reference.
func (t *Table) Granted(name netbios.Name, out *stack.Outputs) {
	e := t.find(name)
	t.change(e, stack.Registered, out)
	t.take(e, stack.ByRegistration, netbios.Name{}, netip.Addr{}, out)
}

// Refused ends a claim that another node objected to. What a faulty table held for the name before, it holds again.
func (t *Table) Refused(name netbios.Name, out *stack.Outputs) {
	e := t.find(name)
	if len(e.refs) == 0 {
		t.free(e, out)
		return
	}
	back := *e
	t.remove(e)
	t.makeRoomForPlaceholder(out)
	back.num = 0
	t.change(&back, stack.Placeholder, out)
	t.placeholders = append(t.placeholders, back)
}

// Delete ends the application's registration. Codes: NOWILD for a name that is not registered here, GOODRET when the name
// is free now, ACTSES when sessions keep it until the last of them ends; deleting it once more meanwhile is ACTSES again
// and drops nothing. Release tells that a name that was ours is free now, so that the network has to be told.
func (t *Table) Delete(name netbios.Name, out *stack.Outputs) (code netbios.Code, release bool) {
	e := t.find(name)
	if e == nil || e.state == stack.Claiming {
		return netbios.NOWILD, false
	}
	if e.state == stack.Deregistered || e.state == stack.ConflictDeregistered {
		return netbios.ACTSES, false
	}
	if release, freed := t.give(e, e.registration(), out); freed {
		return netbios.GOODRET, release
	}
	if e.sessions() > 0 {
		t.deregister(e, out)
		return netbios.ACTSES, false
	}
	// Only a faulty table comes here: nothing that DELETE NAME knows of holds the name, and yet it is held.
	e.hadSession = false
	if t.reportsLeakAsSessions() {
		t.deregister(e, out)
		return netbios.ACTSES, false
	}
	return netbios.GOODRET, false
}

// registration returns the index of the reference that DELETE NAME gives back: the registration's own, else, for a name
// that outlived its registration, the oldest.
func (e *entry) registration() int {
	return max(0, slices.IndexFunc(e.refs, func(r ref) bool { return r.holder == stack.ByRegistration }))
}

func (t *Table) deregister(e *entry, out *stack.Outputs) {
	if e.state == stack.Conflict {
		t.change(e, stack.ConflictDeregistered, out)
		return
	}
	t.change(e, stack.Deregistered, out)
}

// Hold takes a reference to a name for a session or a pending CALL with the name by at addr.
func (t *Table) Hold(name netbios.Name, holder stack.Holder, by netbios.Name, addr netip.Addr, out *stack.Outputs) uint32 {
	e := t.find(name)
	if holder == stack.BySession {
		e.hadSession = true
	}
	return t.take(e, holder, by, addr, out)
}

// Drop gives a reference back. Release is as in [Table.Delete].
func (t *Table) Drop(name netbios.Name, id uint32, out *stack.Outputs) (release bool) {
	e := t.find(name)
	i := slices.IndexFunc(e.refs, func(r ref) bool { return r.id == id })
	release, _ = t.give(e, i, out)
	return release
}

// Conflict marks a unique name as owned by another node and reports whether it did. Group names have many owners and
// cannot conflict (RFC 1002 section 5.1.1.5; marking one is KB Q314696).
func (t *Table) Conflict(name netbios.Name, out *stack.Outputs) bool {
	e := t.find(name)
	if e == nil || e.group {
		return false
	}
	switch e.state {
	case stack.Registered:
		t.change(e, stack.Conflict, out)
	case stack.Deregistered:
		t.change(e, stack.ConflictDeregistered, out)
	default:
		return false
	}
	return true
}

// Reception is what becomes of a datagram for a name.
type Reception uint8

// The receptions.
const (
	Absent   Reception = iota // the name is not here: a unicast sender is told so (RFC 1002 section 5.3.3)
	Unusable                  // the name is here but not in service: silence
	Accepted                  // for the application
)

// Receive looks up the name that a direct datagram is for. A correct table keeps nothing of it.
func (t *Table) Receive(name, by netbios.Name, addr netip.Addr, out *stack.Outputs) (Entry, Reception) {
	e := t.find(name)
	if e == nil {
		if t.remembersUnregistered() {
			t.leakUnregistered(name, by, addr, out)
		}
		return Entry{}, Absent
	}
	if e.state != stack.Registered {
		return e.view(), Unusable
	}
	if !e.group && t.countsDatagram(e) {
		t.take(e, stack.ByDatagram, by, addr, out)
	}
	return e.view(), Accepted
}

// leakUnregistered is the fault Q124565 at a name that is not registered: a placeholder holds the reference.
func (t *Table) leakUnregistered(name, by netbios.Name, addr netip.Addr, out *stack.Outputs) {
	i := t.placeholder(name)
	if i < 0 {
		t.makeRoomForPlaceholder(out)
		t.placeholders = append(t.placeholders, entry{name: name})
		i = len(t.placeholders) - 1
		t.change(&t.placeholders[i], stack.Placeholder, out)
	}
	if e := &t.placeholders[i]; t.countsDatagram(e) {
		t.take(e, stack.ByDatagram, by, addr, out)
	}
}

// makeRoomForPlaceholder forgets the oldest placeholder when there is no room for another.
func (t *Table) makeRoomForPlaceholder(out *stack.Outputs) {
	if len(t.placeholders) < maxPlaceholders {
		return
	}
	e := t.placeholders[0]
	out.Add(stack.Remark{Text: "more than 64 names are referred to without being registered: forgetting " + e.name.String()})
	for len(e.refs) > 0 {
		drop(&e, 0, out)
	}
	t.change(&e, stack.Free, out)
	t.placeholders = slices.Delete(t.placeholders, 0, 1)
}

// countsDatagram reports whether a direct datagram for this name leaks a reference.
func (t *Table) countsDatagram(e *entry) bool {
	switch t.faults.Get(fault.LeakCount) {
	case fault.CountEach:
		return t.inLeakWindow(e)
	case fault.CountOnce:
		return !e.heldBy(stack.ByDatagram) && t.inLeakWindow(e)
	}
	return false
}

// inLeakWindow reports whether this is the time of a name's life at which its datagrams leak.
func (t *Table) inLeakWindow(e *entry) bool {
	switch t.faults.Get(fault.LeakWindow) {
	case fault.WindowBeforeFirstSession:
		return !e.hadSession
	case fault.WindowNoSession:
		return !e.heldBy(stack.BySession)
	}
	return true
}

// remembersUnregistered reports whether a datagram leaves something behind at a name that is not in the table.
func (t *Table) remembersUnregistered() bool {
	return t.faults.Get(fault.LeakBeforeRegistration) == fault.On
}

// reportsLeakAsSessions reports whether DELETE NAME of a name it cannot free blames sessions for it.
func (t *Table) reportsLeakAsSessions() bool {
	return t.faults.Get(fault.LeakReport) == fault.ReportActiveSessions
}

// Find returns the entry of a name. Placeholders are not entries.
func (t *Table) Find(name netbios.Name) (Entry, bool) {
	if e := t.find(name); e != nil {
		return e.view(), true
	}
	return Entry{}, false
}

// ByNum returns the entry of a name number.
func (t *Table) ByNum(num uint8) (Entry, bool) {
	for i := range t.entries {
		if t.entries[i].num == num {
			return t.entries[i].view(), true
		}
	}
	return Entry{}, false
}

// Listed returns the entries that ADAPTER STATUS and node status list, in the order in which they were added. A name
// still being claimed is not ours to list.
func (t *Table) Listed() []Entry {
	list := make([]Entry, 0, len(t.entries))
	for i := range t.entries {
		if e := &t.entries[i]; e.state != stack.Claiming {
			list = append(list, e.view())
		}
	}
	return list
}

// Clear empties the table when the node stops, whoever holds its names, and returns those that the network has to be
// told of.
func (t *Table) Clear(out *stack.Outputs) []Entry {
	var owned []Entry
	for len(t.entries) > 0 {
		e := &t.entries[0]
		if e.owned() {
			owned = append(owned, e.view())
		}
		for len(e.refs) > 0 {
			drop(e, 0, out)
		}
		t.free(e, out)
	}
	t.placeholders = nil
	return owned
}

func (t *Table) find(name netbios.Name) *entry {
	for i := range t.entries {
		if t.entries[i].name == name {
			return &t.entries[i]
		}
	}
	return nil
}

func (t *Table) placeholder(name netbios.Name) int {
	return slices.IndexFunc(t.placeholders, func(e entry) bool { return e.name == name })
}

// nextNum hands numbers out in turn, so that one just freed is not reused at once.
func (t *Table) nextNum() uint8 {
	for {
		if t.lastNum++; t.lastNum > lastNum {
			t.lastNum = firstNum
		}
		if _, taken := t.ByNum(t.lastNum); !taken {
			return t.lastNum
		}
	}
}

func (t *Table) take(e *entry, holder stack.Holder, by netbios.Name, addr netip.Addr, out *stack.Outputs) uint32 {
	t.lastRef++
	e.refs = append(e.refs, ref{t.lastRef, holder})
	out.Add(stack.RefTaken{Name: e.name, Ref: t.lastRef, Count: len(e.refs), Holder: holder, By: by, Addr: addr})
	return t.lastRef
}

// give drops one reference and frees the name when it was the last.
func (t *Table) give(e *entry, i int, out *stack.Outputs) (release, freed bool) {
	drop(e, i, out)
	if len(e.refs) > 0 {
		return false, false
	}
	release = e.owned()
	t.free(e, out)
	return release, true
}

func drop(e *entry, i int, out *stack.Outputs) {
	r := e.refs[i]
	e.refs = slices.Delete(e.refs, i, i+1)
	out.Add(stack.RefDropped{Name: e.name, Ref: r.id, Count: len(e.refs), Holder: r.holder})
}

// owned reports whether the network believes the name to be ours, so that freeing it has to be announced. A name in
// conflict belongs to somebody else.
func (e *entry) owned() bool { return e.state == stack.Registered || e.state == stack.Deregistered }

func (t *Table) free(e *entry, out *stack.Outputs) {
	t.change(e, stack.Free, out)
	t.remove(e)
}

func (t *Table) remove(e *entry) {
	name := e.name // e points into the slice that is about to shift
	t.entries = slices.DeleteFunc(t.entries, func(x entry) bool { return x.name == name })
}

func (t *Table) change(e *entry, to stack.State, out *stack.Outputs) {
	from := e.state
	e.state = to
	noteChange(e, from, out)
}

func noteChange(e *entry, from stack.State, out *stack.Outputs) {
	out.Add(stack.NameChanged{Name: e.name, Num: e.num, Group: e.group, From: from, To: e.state})
}

func (e *entry) view() Entry { return Entry{Name: e.name, Num: e.num, Group: e.group, State: e.state} }

func (e *entry) heldBy(h stack.Holder) bool {
	return slices.ContainsFunc(e.refs, func(r ref) bool { return r.holder == h })
}

// sessions counts what DELETE NAME has to wait for: sessions and CALLs being set up (NCB reference).
func (e *entry) sessions() int {
	n := 0
	for _, r := range e.refs {
		if r.holder == stack.BySession || r.holder == stack.ByCall {
			n++
		}
	}
	return n
}
