// SPDX-License-Identifier: MIT

package stack

import (
	"net/netip"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// State is the state of an entry of the name table. [Registered] to [ConflictDeregistered] are listed by ADAPTER STATUS.
type State uint8

// The states.
const (
	Free                 State = iota // no entry
	Claiming                          // registration under way: not owned yet, not listed, silent
	Registered                        // owned: answered for and defended
	Deregistered                      // deleted, but something still refers to it
	Conflict                          // another node owns it: only DELETE NAME is valid (RFC 1002 section 5.1.1.5)
	ConflictDeregistered              // in conflict and deleted
	Placeholder                       // fault Q124565 alone: no slot, no number, silent; only holds leaked references
)

func (s State) String() string {
	return [...]string{"free", "claiming", "registered", "deregistered", "conflict", "conflict, deregistered", "placeholder"}[s]
}

// Holder is the kind of thing that refers to a name.
type Holder uint8

// The kinds of holder. A correct stack knows the first three.
const (
	ByRegistration Holder = iota // the application that added the name, until it deletes it
	ByCall                       // a CALL that is still being set up, which DELETE NAME counts as a session
	BySession                    // an established session
	ByDatagram                   // fault Q124565 alone: a datagram that was received and never let go
)

func (h Holder) String() string {
	return [...]string{"registration", "call", "session", "datagram"}[h]
}

// NameChanged notes that an entry of the name table changed its state.
type NameChanged struct {
	Name     netbios.Name
	Num      uint8
	Group    bool
	From, To State
}

// RefTaken notes that something now refers to a name. Ref is unique within one life of the stack.
type RefTaken struct {
	Name   netbios.Name
	Ref    uint32
	Count  int // references held from now on
	Holder Holder
	By     netbios.Name // the other side's name: session, call, datagram
	Addr   netip.Addr   // the other side's address
}

// RefDropped notes that a reference was given back.
type RefDropped struct {
	Name   netbios.Name
	Ref    uint32
	Count  int // references still held
	Holder Holder
}

// Remark notes something that explains a decision. It never decides one.
type Remark struct{ Text string }
