// SPDX-License-Identifier: MIT

package nametable_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// naive is what the reference says of a name in section 3.2, and no more: it is there while its registration or a
// session is.
type naive struct {
	group, claiming, registered, conflict bool
	sessions                              map[uint32]stack.Holder
}

func (n *naive) refs() int {
	if n.registered {
		return 1 + len(n.sessions)
	}
	return len(n.sessions)
}

func (n *naive) state() stack.State {
	switch {
	case n.claiming:
		return stack.Claiming
	case n.conflict && n.registered:
		return stack.Conflict
	case n.conflict:
		return stack.ConflictDeregistered
	case n.registered:
		return stack.Registered
	}
	return stack.Deregistered
}

// walk takes random steps with a table and the naive model of it side by side.
type walk struct {
	*bench
	model map[netbios.Name]*naive
	limit int
	log   []string
}

func (w *walk) step(r *rand.Rand, n netbios.Name) {
	GinkgoHelper()
	m := w.model[n]
	switch op := r.IntN(9); {
	case op == 0:
		w.claims(n, r.IntN(4) == 0)
	case op == 1 && m != nil && m.claiming:
		w.log = append(w.log, "granted "+n.String())
		w.Granted(n, &w.out)
		m.claiming, m.registered = false, true
	case op == 2 && m != nil && m.claiming:
		w.log = append(w.log, "refused "+n.String())
		w.Refused(n, &w.out)
		delete(w.model, n)
	case op == 3:
		w.deletes(n)
	case op == 4 && m != nil && m.state() == stack.Registered:
		w.log = append(w.log, "holds "+n.String())
		holder := []stack.Holder{stack.ByCall, stack.BySession}[r.IntN(2)]
		m.sessions[w.Hold(n, holder, friend, peer, &w.out)] = holder
	case (op == 5 || op == 6) && m != nil && len(m.sessions) > 0:
		w.drops(r, n)
	case op == 7:
		w.log = append(w.log, "conflict "+n.String())
		want := m != nil && !m.group && !m.claiming && !m.conflict
		Expect(w.Conflict(n, &w.out)).To(Equal(want), "%v", w.log)
		if want {
			m.conflict = true
		}
	case op == 8:
		w.log = append(w.log, "datagram "+n.String())
		before := len(w.out.All())
		w.Receive(n, friend, peer, &w.out)
		Expect(w.out.All()).To(HaveLen(before), "I4: %v", w.log)
	}
}

func (w *walk) claims(n netbios.Name, group bool) {
	GinkgoHelper()
	w.log = append(w.log, fmt.Sprint("claim ", n, " group ", group))
	_, code := w.Claim(n, group, &w.out)
	switch {
	case w.model[n] != nil:
		Expect(code).To(Equal(netbios.DUPNAME), "%v", w.log)
	case len(w.model) >= w.limit:
		Expect(code).To(Equal(netbios.NAMTFUL), "%v", w.log)
	default:
		Expect(code).To(Equal(netbios.GOODRET), "%v", w.log)
		w.model[n] = &naive{group: group, claiming: true, sessions: map[uint32]stack.Holder{}}
	}
}

func (w *walk) deletes(n netbios.Name) {
	GinkgoHelper()
	w.log = append(w.log, "delete "+n.String())
	code, release := w.Delete(n, &w.out)
	m := w.model[n]
	if m == nil || m.claiming {
		Expect(code).To(Equal(netbios.NOWILD), "%v", w.log)
		return
	}
	m.registered = false
	if m.refs() > 0 {
		Expect(code).To(Equal(netbios.ACTSES), "%v", w.log)
		Expect(release).To(BeFalse(), "%v", w.log)
		return
	}
	Expect(code).To(Equal(netbios.GOODRET), "I3: %v", w.log)
	Expect(release).To(Equal(!m.conflict), "I6: %v", w.log)
	delete(w.model, n)
}

func (w *walk) drops(r *rand.Rand, n netbios.Name) {
	GinkgoHelper()
	m := w.model[n]
	held := slices.Sorted(maps.Keys(m.sessions))
	ref := held[r.IntN(len(held))]
	w.log = append(w.log, fmt.Sprint("drop ", n, " ", ref))
	release := w.Drop(n, ref, &w.out)
	delete(m.sessions, ref)
	Expect(release).To(Equal(m.refs() == 0 && !m.conflict), "I6: %v", w.log)
	if m.refs() == 0 {
		delete(w.model, n)
	}
}

// check compares the table with the model, and its notes with both: the last count of each name, and that it was freed
// exactly when that became 0.
func (w *walk) check(counts map[netbios.Name]int) {
	GinkgoHelper()
	freed := map[netbios.Name]int{}
	for _, o := range w.out.All() {
		switch o := o.(type) {
		case stack.RefTaken:
			Expect(o.Count).To(Equal(counts[o.Name]+1), "%v", w.log)
			counts[o.Name] = o.Count
		case stack.RefDropped:
			Expect(o.Count).To(Equal(counts[o.Name]-1), "%v", w.log)
			counts[o.Name] = o.Count
		case stack.NameChanged:
			if o.To == stack.Free {
				freed[o.Name]++
				Expect(counts[o.Name]).To(BeZero(), "I2: %v", w.log)
			}
		}
	}
	w.out.Reset()
	for n, times := range freed {
		Expect(times).To(Equal(1), "I2: %v", w.log)
		Expect(w.model).NotTo(HaveKey(n), "%v", w.log)
	}
	listed := 0
	for n, m := range w.model {
		e, found := w.Find(n)
		Expect(found).To(BeTrue(), "%v: %v", n, w.log)
		Expect(e.State).To(Equal(m.state()), "%v: %v", n, w.log)
		Expect(e.Group).To(Equal(m.group), "%v: %v", n, w.log)
		Expect(counts[n]).To(Equal(m.refs()), "I1, %v: %v", n, w.log)
		byNum, _ := w.ByNum(e.Num)
		Expect(byNum).To(Equal(e), "%v: %v", n, w.log)
		if !m.claiming {
			listed++
		}
	}
	Expect(w.Listed()).To(HaveLen(listed), "%v", w.log)
}

var _ = Describe("A correct table, on a random walk beside the rule of the reference", func() {
	for seed := range uint64(20) {
		It(fmt.Sprint("holds a name once for its registration and once for each session, seed ", seed), func() {
			r := rand.New(rand.NewPCG(seed, 0))
			names := []netbios.Name{chat, mail, team, friend, name("A<20>"), name("B<20>")}
			w := &walk{bench: newBench("fixed"), model: map[netbios.Name]*naive{}, limit: 4}
			w.SetLimit(w.limit)
			counts := map[netbios.Name]int{}
			for range 300 {
				w.step(r, names[r.IntN(len(names))])
				w.check(counts)
			}
		})
	}
})

var _ = Describe("The invariants of a correct table (reference section 3.2)", func() {
	It("I5: registering and deleting leaves the table as found", func() {
		t := newBench("fixed")
		t.registered(mail)
		before := t.Listed()
		for range 300 {
			t.registered(chat)
			t.delete(chat)
		}
		Expect(t.Listed()).To(Equal(before))
	})

	It("I4: datagrams change nothing that is seen later", func() {
		story := func(poked bool) []string {
			t := newBench("fixed")
			poke := func() {
				if poked {
					t.receive(chat)
				}
			}
			var codes []string
			for range 3 {
				poke()
				num, code := t.claim(chat)
				poke()
				t.Granted(chat, &t.out)
				poke()
				s := t.session(chat)
				poke()
				release := t.drop(chat, s)
				poke()
				gone, freed := t.delete(chat)
				codes = append(codes, fmt.Sprint(num, code, release, gone, freed))
			}
			return append(codes, t.notes()...)
		}
		Expect(story(true)).To(Equal(story(false)))
	})
})
