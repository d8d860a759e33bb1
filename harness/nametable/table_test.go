// SPDX-License-Identifier: MIT

package nametable_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/nametable"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

var _ = Describe("Claiming a name", func() {
	var t *bench

	BeforeEach(func() { t = newBench("fixed") })

	It("enters it with a number and holds nothing yet", func() {
		num, code := t.claim(chat)
		Expect(num).To(Equal(uint8(2)))
		Expect(code).To(Equal(netbios.GOODRET))
		Expect(t.notes()).To(Equal([]string{"CHAT<20> 2 from free to claiming"}))
		e, found := t.Find(chat)
		Expect(found).To(BeTrue())
		Expect(e).To(Equal(nametable.Entry{Name: chat, Num: 2, State: stack.Claiming}))
	})

	It("of a group says so", func() {
		t.claimGroup(team)
		Expect(t.notes()).To(Equal([]string{"group TEAM<20> 2 from free to claiming"}))
		e, _ := t.Find(team)
		Expect(e.Group).To(BeTrue())
	})

	DescribeTable("is refused without a note",
		func(n netbios.Name, want netbios.Code) {
			t.registered(chat)
			for _, group := range []bool{false, true} {
				num, code := t.Claim(n, group, &t.out)
				Expect(num).To(BeZero())
				Expect(code).To(Equal(want))
			}
			Expect(t.notes()).To(BeEmpty())
		},
		Entry("asterisk first", name("*X<20>"), netbios.NOWILD),
		Entry("zero byte first", netbios.Name{5: 1}, netbios.NOWILD),
		Entry("the permanent name", permanent, netbios.NOWILD),
		Entry("one that is there", chat, netbios.DUPNAME),
	)

	It("is refused when the table is full, also after the limit was lowered", func() {
		small := nametable.New(2, fault.Set{})
		t.Table = small
		t.claim(chat)
		t.claim(mail)
		num, code := t.claim(team)
		Expect(code).To(Equal(netbios.NAMTFUL))
		Expect(num).To(BeZero())
		t.SetLimit(3)
		_, code = t.claim(team)
		Expect(code).To(Equal(netbios.GOODRET))
		t.SetLimit(1)
		_, code = t.claim(friend)
		Expect(code).To(Equal(netbios.NAMTFUL))
		Expect(t.state(chat)).To(Equal(stack.Claiming), "names that are there stay")
	})

	It("gives numbers in turn from 2 to 254 and then again, but for those taken", func() {
		t.registered(mail)
		for want := 3; want <= 254; want++ {
			num, _ := t.claim(chat)
			Expect(num).To(Equal(uint8(want)))
			t.Refused(chat, &t.out)
		}
		num, _ := t.claim(chat)
		Expect(num).To(Equal(uint8(3)))
	})

	It("that is granted registers the name and holds it once", func() {
		t.claim(chat)
		t.notes()
		t.Granted(chat, &t.out)
		Expect(t.notes()).To(Equal([]string{
			"CHAT<20> 2 from claiming to registered",
			fmt.Sprintf("CHAT<20> held 1: by registration %v at invalid IP, ref 1", netbios.Name{}),
		}))
	})

	It("that is refused frees the name", func() {
		t.claim(chat)
		t.notes()
		t.Refused(chat, &t.out)
		Expect(t.notes()).To(Equal([]string{"CHAT<20> 2 from claiming to free"}))
		_, found := t.Find(chat)
		Expect(found).To(BeFalse())
	})
})

var _ = Describe("Finding a name", func() {
	It("lists names in the order in which they were added, but those being claimed", func() {
		t := newBench("fixed")
		Expect(t.Listed()).To(BeEmpty())
		t.registered(chat, mail)
		t.claim(friend)
		t.registeredGroup(team)
		Expect(t.Listed()).To(Equal([]nametable.Entry{
			{Name: chat, Num: 2, State: stack.Registered},
			{Name: mail, Num: 3, State: stack.Registered},
			{Name: team, Num: 5, Group: true, State: stack.Registered},
		}))
	})
})

var _ = Describe("Deleting a name", func() {
	var t *bench

	BeforeEach(func() {
		t = newBench("fixed")
		t.registered(chat)
	})

	It("frees it, with a release, when nothing else holds it (invariants I3 and I6)", func() {
		code, release := t.delete(chat)
		Expect(code).To(Equal(netbios.GOODRET))
		Expect(release).To(BeTrue())
		Expect(t.notes()).To(Equal([]string{
			"CHAT<20> held 0: no longer by registration, ref 1", "CHAT<20> 2 from registered to free",
		}))
	})

	It("leaves it deregistered until the last session or call lets go", func() {
		s, c := t.session(chat), t.pendingCall(chat)
		Expect(t.notes()).To(Equal([]string{
			"CHAT<20> held 2: by session FRIEND<00> at 10.0.0.20, ref 2",
			"CHAT<20> held 3: by call FRIEND<00> at 10.0.0.20, ref 3",
		}))
		code, release := t.delete(chat)
		Expect(code).To(Equal(netbios.ACTSES))
		Expect(release).To(BeFalse())
		Expect(t.notes()).To(Equal([]string{
			"CHAT<20> held 2: no longer by registration, ref 1", "CHAT<20> 2 from registered to deregistered",
		}))
		code, release = t.delete(chat)
		Expect(code).To(Equal(netbios.ACTSES))
		Expect(release).To(BeFalse())
		Expect(t.notes()).To(BeEmpty(), "the second time drops nothing")
		Expect(t.drop(chat, s)).To(BeFalse())
		Expect(t.drop(chat, c)).To(BeTrue())
		Expect(t.notes()).To(Equal([]string{
			"CHAT<20> held 1: no longer by session, ref 2",
			"CHAT<20> held 0: no longer by call, ref 3",
			"CHAT<20> 2 from deregistered to free",
		}))
	})

	It("is refused for one that is absent or still being claimed", func() {
		code, release := t.delete(mail)
		Expect(code).To(Equal(netbios.NOWILD))
		Expect(release).To(BeFalse())
		t.claim(mail)
		t.notes()
		code, _ = t.delete(mail)
		Expect(code).To(Equal(netbios.NOWILD))
		code, _ = t.delete(permanent)
		Expect(code).To(Equal(netbios.NOWILD))
		Expect(t.notes()).To(BeEmpty())
	})

	It("of one in conflict needs no release", func() {
		Expect(t.conflict(chat)).To(BeTrue())
		s := t.session(chat)
		t.notes()
		code, _ := t.delete(chat)
		Expect(code).To(Equal(netbios.ACTSES))
		Expect(t.notes()).To(Equal([]string{
			"CHAT<20> held 1: no longer by registration, ref 1", "CHAT<20> 2 from conflict to conflict, deregistered",
		}))
		code, _ = t.delete(chat)
		Expect(code).To(Equal(netbios.ACTSES))
		Expect(t.drop(chat, s)).To(BeFalse())
		Expect(t.state(chat)).To(Equal(stack.Free))
	})

	It("leaves others alone", func() {
		t.registered(mail, friend)
		t.delete(mail)
		Expect(t.state(chat)).To(Equal(stack.Registered))
		Expect(t.state(friend)).To(Equal(stack.Registered))
	})
})

var _ = Describe("A conflict", func() {
	var t *bench

	BeforeEach(func() { t = newBench("fixed") })

	It("marks a registered or deregistered unique name, once", func() {
		t.registered(chat, mail)
		t.session(mail)
		t.delete(mail)
		t.notes()
		Expect(t.conflict(chat)).To(BeTrue())
		Expect(t.conflict(mail)).To(BeTrue())
		Expect(t.conflict(chat)).To(BeFalse())
		Expect(t.conflict(mail)).To(BeFalse())
		Expect(t.notes()).To(Equal([]string{
			"CHAT<20> 2 from registered to conflict", "MAIL<20> 3 from deregistered to conflict, deregistered",
		}))
	})

	It("does not concern groups (KB Q314696), names being claimed, and names that are not here", func() {
		t.registeredGroup(team)
		t.claim(chat)
		t.notes()
		for _, n := range []netbios.Name{team, chat, mail, permanent} {
			Expect(t.conflict(n)).To(BeFalse())
		}
		Expect(t.notes()).To(BeEmpty())
	})
})

var _ = Describe("Receiving a datagram", func() {
	It("tells where the name is, and a correct table keeps nothing of it (invariant I4)", func() {
		t := newBench("fixed")
		t.registered(chat, mail, friend)
		t.registeredGroup(team)
		t.session(mail)
		t.delete(mail)
		t.conflict(friend)
		claimed := name("CLAIMED<20>")
		t.claim(claimed)
		t.notes()
		for n, want := range map[netbios.Name]nametable.Reception{
			chat: nametable.Accepted, team: nametable.Accepted, mail: nametable.Unusable, friend: nametable.Unusable,
			claimed: nametable.Unusable, name("ABSENT<20>"): nametable.Absent, permanent: nametable.Absent,
		} {
			e, got := t.receive(n)
			Expect(got).To(Equal(want), n.String())
			wanted, _ := t.Find(n)
			Expect(e).To(Equal(wanted), n.String())
		}
		Expect(t.notes()).To(BeEmpty())
	})
})

var _ = Describe("Clearing the table", func() {
	It("drops every reference, frees every name, and returns those that are the node's to release", func() {
		t := newBench("fixed")
		t.registered(chat, mail, friend)
		t.registeredGroup(team)
		t.session(mail)
		t.delete(mail)
		t.conflict(friend)
		t.claim(name("CLAIMED<20>"))
		t.notes()
		Expect(t.Clear(&t.out)).To(Equal([]nametable.Entry{
			{Name: chat, Num: 2, State: stack.Registered},
			{Name: mail, Num: 3, State: stack.Deregistered},
			{Name: team, Num: 5, Group: true, State: stack.Registered},
		}))
		Expect(t.notes()).To(Equal([]string{
			"CHAT<20> held 0: no longer by registration, ref 1",
			"CHAT<20> 2 from registered to free",
			"MAIL<20> held 0: no longer by session, ref 5",
			"MAIL<20> 3 from deregistered to free",
			"FRIEND<00> held 0: no longer by registration, ref 3",
			"FRIEND<00> 4 from conflict to free",
			"TEAM<20> held 0: no longer by registration, ref 4",
			"group TEAM<20> 5 from registered to free",
			"CLAIMED<20> 6 from claiming to free",
		}))
		Expect(t.Listed()).To(BeEmpty())
	})

	It("forgets placeholders", func() {
		t := newBench("Q124565")
		t.receive(chat)
		t.Clear(&t.out)
		t.notes()
		t.claim(chat)
		Expect(t.notes()).To(Equal([]string{"CHAT<20> 2 from free to claiming"}))
	})
})
