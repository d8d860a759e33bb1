// SPDX-License-Identifier: MIT

package nametable_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/nametable"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

var _ = Describe("A table with fault Q124565", func() {
	var t *bench

	BeforeEach(func() { t = newBench("Q124565") })

	It("holds a reference for each datagram before the first session", func() {
		t.registered(chat)
		_, got := t.receive(chat)
		Expect(got).To(Equal(nametable.Accepted))
		Expect(t.notes()).To(Equal([]string{"CHAT<20> held 2: by datagram FRIEND<00> at 10.0.0.20, ref 2"}))
		t.session(chat)
		t.notes()
		t.receive(chat)
		Expect(t.notes()).To(BeEmpty())
	})

	It("counts a CALL under way as no session yet", func() {
		t.registered(chat)
		t.pendingCall(chat)
		t.notes()
		t.receive(chat)
		Expect(t.notes()).To(HaveLen(1))
	})

	It("does not hold groups", func() {
		t.registeredGroup(team)
		t.receive(team)
		Expect(t.notes()).To(BeEmpty())
	})

	It("returns from the DELETE NAME that leaks as if it had freed the name, and counts anew", func() {
		t.registered(chat)
		t.receive(chat)
		t.drop(chat, t.session(chat))
		t.notes()
		code, release := t.delete(chat)
		Expect(code).To(Equal(netbios.GOODRET))
		Expect(release).To(BeFalse())
		Expect(t.notes()).To(Equal([]string{"CHAT<20> held 1: no longer by registration, ref 1"}))
		Expect(t.state(chat)).To(Equal(stack.Registered))
		t.receive(chat)
		Expect(t.notes()).To(Equal([]string{"CHAT<20> held 2: by datagram FRIEND<00> at 10.0.0.20, ref 4"}))
		code, release = t.delete(chat)
		Expect(code).To(Equal(netbios.GOODRET))
		Expect(release).To(BeFalse())
		Expect(t.notes()).To(Equal([]string{"CHAT<20> held 1: no longer by datagram, ref 2"}), "the oldest (ruling 4)")
		code, release = t.delete(chat)
		Expect(code).To(Equal(netbios.GOODRET))
		Expect(release).To(BeTrue())
	})

	It("drops the registration's own reference first, though a placeholder's is older", func() {
		t.receive(chat)
		t.registered(chat)
		t.delete(chat)
		Expect(t.notes()).To(Equal([]string{"CHAT<20> held 1: no longer by registration, ref 2"}))
	})

	It("keeps a name deregistered after its last session (ruling 5)", func() {
		t.registered(chat)
		t.receive(chat)
		s := t.session(chat)
		code, _ := t.delete(chat)
		Expect(code).To(Equal(netbios.ACTSES))
		Expect(t.drop(chat, s)).To(BeFalse())
		Expect(t.state(chat)).To(Equal(stack.Deregistered))
	})

	It("reports sessions that are not there, when told to", func() {
		t = newBench("Q124565:delete-reports=0F")
		t.registered(chat, mail)
		t.receive(chat)
		code, release := t.delete(chat)
		Expect(code).To(Equal(netbios.ACTSES))
		Expect(release).To(BeFalse())
		Expect(t.state(chat)).To(Equal(stack.Deregistered))
		code, release = t.delete(mail)
		Expect(code).To(Equal(netbios.GOODRET))
		Expect(release).To(BeTrue())
		t.registered(mail)
		t.receive(mail)
		t.conflict(mail)
		code, _ = t.delete(mail)
		Expect(code).To(Equal(netbios.ACTSES))
		Expect(t.state(mail)).To(Equal(stack.ConflictDeregistered))
	})

	It("is cleared all the same", func() {
		t.registered(chat)
		t.receive(chat)
		t.notes()
		Expect(t.Clear(&t.out)).To(HaveLen(1))
		Expect(t.notes()).To(Equal([]string{
			"CHAT<20> held 1: no longer by registration, ref 1",
			"CHAT<20> held 0: no longer by datagram, ref 2",
			"CHAT<20> 2 from registered to free",
		}))
	})
})

var _ = Describe("A placeholder", func() {
	var t *bench

	BeforeEach(func() { t = newBench("Q124565") })

	numbered := func(i int) netbios.Name { return name(fmt.Sprintf("N%d<20>", i)) }

	// forgotten is the remark about the placeholder that makes room.
	forgotten := func(n string) string {
		return "more than 64 names are referred to without being registered: forgetting " + n
	}

	It("remembers a datagram for a name that is not here, and is no entry", func() {
		e, got := t.receive(chat)
		Expect(got).To(Equal(nametable.Absent))
		Expect(e).To(Equal(nametable.Entry{}))
		Expect(t.notes()).To(Equal([]string{
			"CHAT<20> 0 from free to placeholder", "CHAT<20> held 1: by datagram FRIEND<00> at 10.0.0.20, ref 1",
		}))
		t.receive(chat)
		Expect(t.notes()).To(Equal([]string{"CHAT<20> held 2: by datagram FRIEND<00> at 10.0.0.20, ref 2"}))
		_, found := t.Find(chat)
		Expect(found).To(BeFalse())
		_, found = t.ByNum(0)
		Expect(found).To(BeFalse())
		Expect(t.Listed()).To(BeEmpty())
		code, _ := t.delete(chat)
		Expect(code).To(Equal(netbios.NOWILD))
		Expect(t.conflict(chat)).To(BeFalse())
	})

	It("takes no slot", func() {
		t.SetLimit(1)
		t.receive(mail)
		_, code := t.claim(chat)
		Expect(code).To(Equal(netbios.GOODRET))
	})

	It("is adopted by a registration, with what it holds", func() {
		t.receive(chat)
		t.receive(mail)
		t.receive(chat)
		t.notes()
		t.claim(chat)
		t.Granted(chat, &t.out)
		Expect(t.notes()).To(HaveExactElements(
			"CHAT<20> 2 from placeholder to claiming", "CHAT<20> 2 from claiming to registered",
			HavePrefix("CHAT<20> held 3: by registration "),
		))
		t.claim(mail)
		Expect(t.notes()).To(Equal([]string{"MAIL<20> 3 from placeholder to claiming"}))
	})

	It("is not there any more once it is adopted", func() {
		t.receive(mail)
		t.receive(chat)
		t.receive(friend)
		t.registered(chat)
		t.delete(chat)
		t.delete(chat)
		t.notes()
		t.receive(chat)
		Expect(t.notes()).To(HaveExactElements("CHAT<20> 0 from free to placeholder", HavePrefix("CHAT<20> held 1: by datagram")))
		t.claim(mail)
		t.claim(friend)
		Expect(t.notes()).To(Equal([]string{
			"MAIL<20> 3 from placeholder to claiming", "FRIEND<00> 4 from placeholder to claiming",
		}), "and the others are")
	})

	It("is not counted further while its name is being claimed", func() {
		t.receive(chat)
		t.claim(chat)
		t.notes()
		_, got := t.receive(chat)
		Expect(got).To(Equal(nametable.Unusable))
		Expect(t.notes()).To(BeEmpty())
	})

	It("is there again after a refusal, without a number", func() {
		t.receive(chat)
		t.claim(chat)
		t.notes()
		t.Refused(chat, &t.out)
		Expect(t.notes()).To(Equal([]string{"CHAT<20> 0 from claiming to placeholder"}))
		_, found := t.Find(chat)
		Expect(found).To(BeFalse())
		t.receive(chat)
		Expect(t.notes()).To(Equal([]string{"CHAT<20> held 2: by datagram FRIEND<00> at 10.0.0.20, ref 2"}))
		t.claim(chat)
		Expect(t.notes()).To(Equal([]string{"CHAT<20> 3 from placeholder to claiming"}))
	})

	It("is not adopted by a group, and waits on", func() {
		t.receive(chat)
		t.notes()
		t.claimGroup(chat)
		t.Granted(chat, &t.out)
		Expect(t.notes()).To(HaveExactElements(
			"group CHAT<20> 2 from free to claiming", "group CHAT<20> 2 from claiming to registered",
			HavePrefix("CHAT<20> held 1: by registration "),
		))
		code, release := t.delete(chat)
		Expect(code).To(Equal(netbios.GOODRET))
		Expect(release).To(BeTrue())
		t.notes()
		t.claim(chat)
		Expect(t.notes()).To(Equal([]string{"CHAT<20> 3 from placeholder to claiming"}))
	})

	It("counts once, or not at all, as the knobs say", func() {
		t = newBench("Q124565:count=once")
		t.receive(chat)
		t.receive(chat)
		Expect(t.notes()).To(HaveLen(2))
		t = newBench("Q124565:before-registration=off")
		t.receive(chat)
		Expect(t.notes()).To(BeEmpty())
	})

	It("is one of 64; the oldest of more is forgotten with a remark, and all that it held", func() {
		t.receive(chat)
		t.receive(chat)
		for i := range 63 {
			t.receive(numbered(i))
		}
		t.notes()
		t.receive(mail)
		Expect(t.notes()).To(Equal([]string{
			forgotten("CHAT<20>"),
			"CHAT<20> held 1: no longer by datagram, ref 1",
			"CHAT<20> held 0: no longer by datagram, ref 2",
			"CHAT<20> 0 from placeholder to free",
			"MAIL<20> 0 from free to placeholder",
			"MAIL<20> held 1: by datagram FRIEND<00> at 10.0.0.20, ref 66",
		}))
		t.receive(mail)
		Expect(t.notes()).To(HaveLen(1), "one that is there needs no room")
		t.receive(friend)
		Expect(t.notes()).To(ContainElement(forgotten("N0<20>")))
	})

	It("is one of 64 also when it comes back from a refused claim", func() {
		t.receive(chat)
		t.claim(chat)
		for i := range 64 {
			t.receive(numbered(i))
		}
		t.notes()
		t.Refused(chat, &t.out)
		Expect(t.notes()).To(Equal([]string{
			forgotten("N0<20>"),
			"N0<20> held 0: no longer by datagram, ref 2",
			"N0<20> 0 from placeholder to free",
			"CHAT<20> 0 from claiming to placeholder",
		}))
		t.receive(mail)
		Expect(t.notes()[0]).To(Equal(forgotten("N1<20>")))
	})
})
