// SPDX-License-Identifier: MIT

// Package probe is the black-box conformance check: what a stranger can ask of a NetBIOS-over-TCP/IP stack with nothing but
// its address, what a correct stack answers, and what to make of the answer there is.
//
// It decides and does nothing itself. A [Machine] says what to send next ([Exchange]) and is told what came back ([Seen]);
// whoever drives it has the sockets and the clock. Nothing is ever to be sent but to the address of the target, by unicast.
//
// Checks are harmless unless they say that they are intrusive. An intrusive one may take a name from its owner, leave
// something behind, or hang an old stack: a spoofed release, an empty datagram (CVE-2014-0244), even a plain datagram to a
// name, which TCP/IP-32 can then not delete any more (KB Q124565).
//
// After each check the machine asks whether the stack still answers; when it does not, whether the host is there, and whether
// the stack comes back.
package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
)

// Verdict is what a check comes to.
type Verdict string

// The verdicts.
const (
	OK       Verdict = "ok"
	Differs  Verdict = "differs"   // it did something, and not what the source of the check says
	NoAnswer Verdict = "no answer" // silence where an answer is due
	NotAsked Verdict = "not asked"
)

// Finding is a verdict with what it rests on.
type Finding struct {
	Verdict Verdict
	Seen    string // what came back, in words; of a check that was not asked, why
}

// Check is one question to a stack.
type Check struct {
	ID        string // as --only and --skip take it
	Title     string // what it does
	Source    string // where it is written what a correct stack does, or which bug is looked for
	Expected  string // what a correct stack does
	Intrusive bool

	plan func(f *facts) plan
}

// plan is a check with the particulars of a target: what to do, and what to make of what is seen, one for each exchange. A
// check that cannot be made has the reason instead.
type plan struct {
	exchanges []Exchange
	judge     func(seen []Seen) Finding
	cannot    string
}

func cannot(format string, args ...any) plan { return plan{cannot: fmt.Sprintf(format, args...)} }

// Held is a name that a target has.
type Held struct {
	Name  netbios.Name
	Group bool
}

// Checks returns all checks in the order in which they are made: harmless ones first, then what may leave something behind,
// then what may cost the target its names, and last what may cost it its life.
func Checks() []Check {
	return slices.Concat(
		nameChecks(), datagramChecks(), sessionChecks(),
		strangerChecks(), intrusiveDatagramChecks(), intrusiveSessionChecks(), enduranceChecks(),
		takingChecks(), hostileChecks(), closingChecks(),
	)
}

// Options are how a target is probed.
type Options struct {
	Target netip.Addr
	Self   netip.Addr // the address that the target sees the probe come from
	// Source is the port that packets to the name and the datagram service come from.
	Source Ports

	Names     []Held // what it holds; taken from its node status when empty
	Only      []string
	Skip      []string
	Intrusive bool

	Count    int           // of each endurance check; 0 for DefaultCount
	Wait     time.Duration // for an answer, each time that something is sent; 0 for DefaultWait
	Recovery time.Duration // for a stack that has fallen silent; 0 for DefaultRecovery
	FirstID  uint16        // of the transaction and datagram identifiers
}

// Ports are where the probe is heard.
type Ports struct{ Name, Datagram uint16 }

// The defaults, and how far they can be taken.
const (
	DefaultCount    = 3000
	MaxCount        = 20000 // transaction identifiers must not come round
	DefaultWait     = time.Second
	DefaultRecovery = 30 * time.Second
)

// tries is how often a request is sent that gets no answer, as BCAST_REQ_RETRY_COUNT of RFC 1002 section 6 has it.
const tries = 3

// facts are what checks need to know of the target, and what one of them finds out for another.
type facts struct {
	Options
	lastID uint16

	held  []Held // names that it has: as told, or as node status had it at the beginning
	table []Held // names that node status had at the beginning

	// What the introduction finds: whether node status is answered, and whether queries with RD set are.
	status, recursive bool

	denies     bool         // it answers a query for a name that it has not with a denial
	accepts    netbios.Name // a name that it accepts sessions on; the zero name for none
	connected  bool         // it has accepted a connection
	noSessions string       // why it cannot be asked for a session

	replies int      // packets that came by UDP
	odd     []string // what was wrong with the form of some
}

// id returns the next transaction or datagram identifier. No two checks use the same.
func (f *facts) id() uint16 {
	f.lastID++
	return f.lastID
}

// ids reserves identifiers for a run of packets and returns the first.
func (f *facts) ids(n int) uint16 {
	first := f.lastID + 1
	f.lastID += uint16(n)
	return first
}

// unique returns the name that checks are about: a unique one, a file server's before others.
func (f *facts) unique() (netbios.Name, bool) {
	found, ok := netbios.Name{}, false
	for _, h := range f.held {
		if !h.Group && (!ok || h.Name.Suffix() == netbios.DefaultSuffix && found.Suffix() != netbios.DefaultSuffix) {
			found, ok = h.Name, true
		}
	}
	return found, ok
}

// group returns a group name, a plain one before the browsers'.
func (f *facts) group() (netbios.Name, bool) {
	found, ok := netbios.Name{}, false
	for _, h := range f.held {
		if h.Group && (!ok || found[0] < ' ') {
			found, ok = h.Name, true
		}
	}
	return found, ok
}

func (f *facts) holds(name netbios.Name) bool {
	return slices.ContainsFunc(f.held, func(h Held) bool { return h.Name == name })
}

// stranger returns the i-th name that nobody has.
func (f *facts) stranger(i int) netbios.Name {
	for {
		name, err := netbios.MakeName(fmt.Sprintf("NBTLABPROBE%04X", i), netbios.DefaultSuffix)
		if err != nil {
			panic("probe: " + err.Error())
		}
		if !f.holds(name) {
			return name
		}
		i += MaxCount
	}
}

// withUnique makes the plan of a check that is about a unique name of the target's.
func withUnique(planFor func(f *facts, name netbios.Name) plan) func(f *facts) plan {
	return func(f *facts) plan {
		name, ok := f.unique()
		if !ok {
			return cannot("it has no unique name that is known: say one with --names")
		}
		return planFor(f, name)
	}
}

func withGroup(planFor func(f *facts, name netbios.Name) plan) func(f *facts) plan {
	return func(f *facts) plan {
		name, ok := f.group()
		if !ok {
			return cannot("it has no group name that is known: say one with --names NAME=group")
		}
		return planFor(f, name)
	}
}

// packet writes a message of the probe's own making.
func packet(m interface {
	AppendBinary(b []byte) ([]byte, error)
},
) []byte {
	b, err := m.AppendBinary(nil)
	if err != nil {
		panic("probe: own message does not encode: " + err.Error())
	}
	return b
}

// query is a name query request in the form that the target answers.
func (f *facts) query(id uint16, name netbios.Name) nbt.NameMessage {
	m := nbt.UnicastQuery(id, name)
	if !f.recursive {
		m.Flags &^= nbt.FlagRD
	}
	return m
}

// described tells a packet of the name service in few words. What it answers is known, and its identifier and its time to
// live are no matter.
func described(b []byte) string {
	m, err := nbt.ParseNameMessageLenient(b)
	if err != nil {
		return "an unreadable packet (" + err.Error() + ")"
	}
	text, _, _ := strings.Cut(m.String(), ", id ")
	text, _, _ = strings.Cut(text, ", ttl ")
	return answerWords.Replace(text)
}

var answerWords = strings.NewReplacer(" name query response", "", " name registration response", "", " name release response", "")

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
