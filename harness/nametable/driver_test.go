// SPDX-License-Identifier: MIT

package nametable_test

import (
	"fmt"
	"net/netip"

	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/nametable"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

var (
	chat   = name("CHAT<20>")
	mail   = name("MAIL<20>")
	team   = name("TEAM<20>")
	friend = name("FRIEND<00>")

	permanent = netbios.PermanentName([6]byte{2, 0, 0, 0, 0, 1})
	peer      = netip.MustParseAddr("10.0.0.20")
)

func name(text string) netbios.Name {
	n, err := netbios.ParseName(text)
	if err != nil {
		panic(err)
	}
	return n
}

// bench is a table whose notes are kept as text.
type bench struct {
	nametable.Table
	out stack.Outputs
}

func newBench(model string) *bench {
	faults, err := fault.Parse(model)
	if err != nil {
		panic(err)
	}
	return &bench{Table: nametable.New(16, faults)}
}

// notes are what the table has noted since they were last asked for.
func (b *bench) notes() []string {
	var lines []string
	for _, o := range b.out.All() {
		switch o := o.(type) {
		case stack.NameChanged:
			of := ""
			if o.Group {
				of = "group "
			}
			lines = append(lines, fmt.Sprintf("%s%v %d from %v to %v", of, o.Name, o.Num, o.From, o.To))
		case stack.RefTaken:
			lines = append(lines, fmt.Sprintf("%v held %d: by %v %v at %v, ref %d", o.Name, o.Count, o.Holder, o.By, o.Addr, o.Ref))
		case stack.RefDropped:
			lines = append(lines, fmt.Sprintf("%v held %d: no longer by %v, ref %d", o.Name, o.Count, o.Holder, o.Ref))
		case stack.Remark:
			lines = append(lines, o.Text)
		default:
			panic(fmt.Sprintf("a table does not put out %T", o))
		}
	}
	b.out.Reset()
	return lines
}

func (b *bench) claim(n netbios.Name) (uint8, netbios.Code)      { return b.Claim(n, false, &b.out) }
func (b *bench) claimGroup(n netbios.Name) (uint8, netbios.Code) { return b.Claim(n, true, &b.out) }
func (b *bench) delete(n netbios.Name) (netbios.Code, bool)      { return b.Delete(n, &b.out) }
func (b *bench) session(n netbios.Name) uint32 {
	return b.Hold(n, stack.BySession, friend, peer, &b.out)
}

func (b *bench) pendingCall(n netbios.Name) uint32 {
	return b.Hold(n, stack.ByCall, friend, peer, &b.out)
}
func (b *bench) drop(n netbios.Name, ref uint32) bool { return b.Drop(n, ref, &b.out) }
func (b *bench) conflict(n netbios.Name) bool         { return b.Conflict(n, &b.out) }

func (b *bench) receive(n netbios.Name) (nametable.Entry, nametable.Reception) {
	return b.Receive(n, friend, peer, &b.out)
}

// registered enters a unique name, unopposed.
func (b *bench) registered(names ...netbios.Name) {
	for _, n := range names {
		b.claim(n)
		b.Granted(n, &b.out)
	}
	b.out.Reset()
}

func (b *bench) registeredGroup(n netbios.Name) {
	b.claimGroup(n)
	b.Granted(n, &b.out)
	b.out.Reset()
}

func (b *bench) state(n netbios.Name) stack.State {
	e, _ := b.Find(n)
	return e.State
}
