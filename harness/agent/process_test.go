// SPDX-License-Identifier: MIT

//go:build unix

package agent_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/agent"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// hello is the first line of a good agent.
const hello = `{"nbtlab_agent":1,"name":"a shell","can":["add-name","delete-name","adapter-status","listen"]}`

// script writes a shell script that is an agent, and returns the command that starts it.
func script(lines ...string) string {
	GinkgoHelper()
	path := filepath.Join(GinkgoT().TempDir(), "agent.sh")
	Expect(os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600)).To(Succeed())
	return "sh " + path
}

// say has a script print a line as it stands.
func say(line string) string { return "cat <<'END'\n" + line + "\nEND" }

// outcome is what became of a request.
type outcome struct {
	complete stack.Complete
	err      error
}

func start(command string, stderr ...func(string)) *agent.Process {
	GinkgoHelper()
	opts := agent.Options{Timeout: 2 * time.Second}
	if len(stderr) > 0 {
		opts.Stderr = stderr[0]
	}
	p, err := agent.Start(context.Background(), command, opts)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(p.Close)
	return p
}

// ask asks for something.
func ask(p *agent.Process, op string, ncb netbios.NCB) <-chan outcome {
	done := make(chan outcome, 1)
	p.Do(op, stack.Call{NCB: ncb}, func(c stack.Complete, err error) { done <- outcome{c, err} })
	return done
}

// get waits for what becomes of it.
func get(done <-chan outcome) outcome {
	GinkgoHelper()
	var o outcome
	Eventually(done).WithTimeout(5 * time.Second).Should(Receive(&o))
	return o
}

func name(text string) netbios.Name {
	GinkgoHelper()
	n, err := netbios.ParseName(text)
	Expect(err).NotTo(HaveOccurred())
	return n
}

var _ = Describe("An agent", func() {
	It("is asked in the words of the protocol, and answers in them", func() {
		seen := filepath.Join(GinkgoT().TempDir(), "seen")
		p := start(script(say(hello), `read -r request; printf '%s\n' "$request" >`+seen, say(`{"id":1,"code":13}`),
			`read -r request; printf '%s\n' "$request" >>`+seen,
			say(`{"id":2,"code":0,"names":[{"name":"CHAT<20>","number":2,"group":false,"state":"registered"},`+
				`{"name":"TEAM<1e>","group":true,"state":"conflict"}]}`), "cat >/dev/null"))
		Expect(p.Name()).To(Equal("a shell"))
		Expect(p.Capabilities()).To(Equal([]string{"add-name", "delete-name", "listen", "adapter-status"}))
		Expect(p.Can("send")).To(BeFalse())
		o := get(ask(p, "add-name", netbios.NCB{Command: netbios.AddName, Name: name(`CHAT\x00<1d>`)}))
		Expect(o.err).NotTo(HaveOccurred())
		Expect(o.complete.Code).To(Equal(netbios.DUPNAME))
		o = get(ask(p, "adapter-status", netbios.NCB{Command: netbios.AdapterStatus, CallName: netbios.Wildcard, Length: 1000}))
		Expect(o.err).NotTo(HaveOccurred())
		Expect(netbios.ParseStatus(o.complete.Data)).To(Equal([]netbios.NameRow{
			{Name: name("CHAT"), Num: 2, Flags: netbios.FlagRegistered},
			{Name: name("TEAM<1e>"), Flags: netbios.FlagGroup | netbios.FlagDuplicate},
		}))
		Expect(os.ReadFile(seen)).To(Equal([]byte(`{"id":1,"op":"add-name","name":"CHAT\\x00<1d>"}` + "\n" +
			`{"id":2,"op":"adapter-status","call_name":"*","length":1000}` + "\n")))
	})

	It("may say why it could not do something, which is no answer of the device", func() {
		p := start(script(say(hello), "read -r x", say(`{"id":1,"error":"the cable \u001b[31m is out"}`), "cat >/dev/null"))
		Expect(get(ask(p, "add-name", netbios.NCB{})).err).To(MatchError(`it could not do add-name: the cable \x1b[31m is out`))
	})

	DescribeTable("whose first line is not what it has to be is refused, and ended (bad-input 52-55)",
		func(first, because string) {
			_, err := agent.Start(context.Background(), script(say(first), "sleep 600"), agent.Options{Timeout: 5 * time.Second})
			Expect(err).To(MatchError(And(ContainSubstring("does not speak the agent protocol"), ContainSubstring(because))))
		},
		Entry("a log line", "starting up...", `"starting up..." is no JSON object`),
		Entry("ANSI", "\x1b[31m{}", `\x1b[31m`),
		Entry("invalid UTF-8", "{\"name\":\"\xff\"}", "is not UTF-8"),
		Entry("nothing", "", `"" is no JSON object`),
		Entry("an empty object", "{}", "no field nbtlab_agent"),
		Entry("another version", `{"nbtlab_agent":2,"name":"x","can":[]}`, "speaks version 2 of the protocol, we speak 1"),
		Entry("a field twice", `{"nbtlab_agent":1,"nbtlab_agent":1}`, `field "nbtlab_agent" twice`),
		Entry("other letters", `{"NBTLAB_agent":1}`, `unknown field "NBTLAB_agent"`),
		Entry("null", `{"nbtlab_agent":null}`, "field nbtlab_agent is null, want a number"),
		Entry("a text for a number", `{"nbtlab_agent":"1"}`, "field nbtlab_agent is no number"),
		Entry("a fraction", `{"nbtlab_agent":1.5}`, "want a whole number"),
		Entry("beyond all numbers", `{"nbtlab_agent":1e999}`, "want a whole number"),
		Entry("2^64", `{"nbtlab_agent":18446744073709551616}`, "want a whole number"),
		Entry("depth", strings.Repeat(`{"can":[`, 20000), "field can is a list of texts"),
		Entry("brackets", `{"can":`+strings.Repeat("[", 20000), "field can is a list of texts"),
		Entry("a text for a list", `{"can":"everything"}`, "field can is no list"),
		Entry("cut", `{"nbtlab_agent":1,`, "cut or malformed"),
		Entry("something behind it", hello+"{}", "something behind the JSON object"),
	)

	It("that ends, or says nothing, is no agent (bad-input 57)", func() {
		_, err := agent.Start(context.Background(), "exit 3", agent.Options{})
		Expect(err).To(MatchError(ContainSubstring("it ended without a word")))
		_, err = agent.Start(context.Background(), "sleep 600", agent.Options{Timeout: 100 * time.Millisecond})
		Expect(err).To(MatchError(ContainSubstring("it said nothing within 100ms")))
		_, err = agent.Start(context.Background(), "/no/such/agent", agent.Options{})
		Expect(err).To(MatchError(ContainSubstring("it ended without a word")))
	})

	It("that has not said a word yet is ended with everything that it started when nobody wants it any more", func() {
		pids := filepath.Join(GinkgoT().TempDir(), "pids")
		ctx, cancel := context.WithCancel(context.Background())
		started := make(chan error, 1)
		go func() {
			_, err := agent.Start(ctx, script("trap '' TERM HUP INT", "sleep 600 & echo $! >"+pids, "sleep 600"), agent.Options{})
			started <- err
		}()
		var pid int
		Eventually(func() (err error) {
			b, _ := os.ReadFile(pids)
			pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
			return err
		}).WithTimeout(5 * time.Second).Should(Succeed())
		cancel()
		Eventually(started).WithTimeout(5 * time.Second).Should(Receive(MatchError(context.Canceled)))
		Eventually(func() bool { return alive(pid) }).WithTimeout(5 * time.Second).Should(BeFalse())
	})

	It("may not print a line that is too long, ended or not (bad-input 52)", func() {
		for _, n := range []int{1<<20 + 1, 10 << 20} {
			_, err := agent.Start(context.Background(), fmt.Sprintf("head -c %d /dev/zero | tr '\\0' x; sleep 600", n), agent.Options{Timeout: 5 * time.Second})
			Expect(err).To(MatchError(ContainSubstring("a line is longer than 1048576 bytes")))
		}
		long := strings.Repeat(" ", 1<<20-len(hello))
		start(script("cat <<'END'\n"+hello+long+"\nEND", "cat >/dev/null"))
	})

	It("is read beyond 64 KiB", func() {
		data := strings.Repeat("ab", 1<<16)
		p := start(script(say(hello), "read -r x", say(`{"id":1,"code":0,"data":"`+data+`"}`), "cat >/dev/null"))
		Expect(get(ask(p, "add-name", netbios.NCB{})).complete.Data).To(HaveLen(1 << 16))
	})

	DescribeTable("that answers what it must not has no word any more (bad-input 53, 54, 56)",
		func(answer, because string) {
			p := start(script(say(hello), "read -r x", say(answer), "sleep 600"))
			o := get(ask(p, "add-name", netbios.NCB{}))
			Expect(o.err).To(MatchError(ContainSubstring(because)))
			Expect(o.err).To(MatchError(ContainSubstring("it does not keep to the protocol")))
			Eventually(p.Gone()).WithTimeout(5 * time.Second).Should(BeClosed())
			Expect(get(ask(p, "add-name", netbios.NCB{})).err).To(HaveOccurred())
		},
		Entry("to another question", `{"id":2,"code":0}`, "it answered 2, which nobody asked"),
		Entry("without an id", `{"code":0}`, "no field id"),
		Entry("ids in two cases", `{"id":1,"ID":2,"code":0,"code":13}`, `unknown field "ID"`),
		Entry("a code twice", `{"id":1,"code":0,"code":13}`, `field "code" twice`),
		Entry("neither code nor error", `{"id":1}`, "want either code or error"),
		Entry("both", `{"id":1,"code":0,"error":"x"}`, "want either code or error"),
		Entry("a code beyond a byte", `{"id":1,"code":256}`, "want a whole number from 0 to 255"),
		Entry("a negative code", `{"id":1,"code":-1}`, "want a whole number from 0 to 255"),
		Entry("null", `{"id":1,"code":null}`, "field code is null"),
		Entry("no hexadecimal", `{"id":1,"code":0,"data":"xy"}`, "data is not hexadecimal"),
		Entry("no name", `{"id":1,"code":0,"call_name":"A<1g>"}`, "call_name: suffix is not two hexadecimal digits"),
		Entry("an unknown state", `{"id":1,"code":0,"names":[{"name":"A","state":"gone"}]}`, `state "gone"`),
		Entry("a row that is none", `{"id":1,"code":0,"names":[1]}`, "field names is a list of objects"),
		Entry("names and data", `{"id":1,"code":0,"data":"00","names":[]}`, "names and data at once"),
		Entry("text", "done!", `"done!" is no JSON object`),
	)

	It("may not answer twice", func() {
		p := start(script(say(hello), "read -r x", say(`{"id":1,"code":0}`), say(`{"id":1,"code":0}`), "sleep 600"))
		Expect(get(ask(p, "add-name", netbios.NCB{})).err).NotTo(HaveOccurred())
		Eventually(p.Gone()).WithTimeout(5 * time.Second).Should(BeClosed())
		Expect(p.Err()).To(MatchError(ContainSubstring("it answered 1, which nobody asked or it has answered before")))
	})

	It("has a time for each answer, but for what waits for others (bad-input 57)", func() {
		p, err := agent.Start(context.Background(), script(say(hello), "cat >/dev/null"), agent.Options{Timeout: 300 * time.Millisecond})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(p.Close)
		listening := ask(p, "listen", netbios.NCB{})
		Consistently(p.Gone()).WithTimeout(600 * time.Millisecond).ShouldNot(BeClosed())
		Expect(get(ask(p, "add-name", netbios.NCB{})).err).To(MatchError("it did not answer add-name within 300ms"))
		Expect(get(listening).err).To(HaveOccurred(), "and what waited has no answer either")
	})

	It("that is killed has no answer, at once (bad-input 57)", func() {
		p := start("exec " + script(say(hello), "kill -9 $$"))
		Expect(get(ask(p, "listen", netbios.NCB{})).err).To(MatchError("it has ended: signal: killed"))
	})

	It("that ignores what it is asked does not hold the harness up", func() {
		p := start(script(say(hello), "exec sleep 600"))
		var last <-chan outcome
		for range 1000 {
			last = ask(p, "listen", netbios.NCB{Data: make([]byte, 10000)})
		}
		Expect(get(last).err).To(MatchError("it does not read what it is asked"))
	})

	It("that floods is ended", func() {
		p := start(script(say(hello), `yes '{"id":7,"code":0}'`))
		Eventually(p.Gone()).WithTimeout(5 * time.Second).Should(BeClosed())
	})

	It("is ended with everything that it started", func() {
		pids := filepath.Join(GinkgoT().TempDir(), "pids")
		p := start(script("trap '' TERM HUP INT", "sleep 600 & echo $! >"+pids, say(hello), "cat >/dev/null", "sleep 600"))
		p.Close()
		b, err := os.ReadFile(pids)
		Expect(err).NotTo(HaveOccurred())
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() bool { return alive(pid) }).WithTimeout(5 * time.Second).Should(BeFalse())
	})

	It("is heard on standard error, line by line, harmless and not without end (bad-input 55)", func() {
		lines := make(chan string, 5000)
		p := start(script("printf 'one\\r\\ntwo \\033[31m\\377\\n' >&2", "yes x | head -2000 >&2", say(hello), "cat >/dev/null"),
			func(line string) { lines <- line })
		p.Close()
		Expect(lines).To(Receive(Equal("one")))
		Expect(lines).To(Receive(Equal(`two \x1b[31m\xff`)))
		Expect(lines).To(HaveLen(1000 - 2 + 1))
	})
})

// alive tells whether a process exists and is more than a record of how it ended.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(b), ") Z ")
}
