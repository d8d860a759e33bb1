// SPDX-License-Identifier: MIT

package agent_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/agent"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// fake is a stack that remembers what it was asked.
type fake struct{ asked []netbios.NCB }

func (f *fake) Submit(ncb netbios.NCB, done func(stack.Complete)) (stack.CallID, error) {
	f.asked = append(f.asked, ncb)
	done(stack.Complete{Code: netbios.DUPNAME, Num: 2, LSN: 3, CallName: netbios.Wildcard, Data: []byte("\x00hi")})
	return stack.CallID(40 + len(f.asked)), nil
}
func (f *fake) Stop(context.Context) error { return nil }
func (f *fake) Restart() error             { return errors.New("no switch") }

// serve has the reference agent read lines, and returns what it printed and how it ended.
func serve(f *fake, lines ...string) (printed []string, err error) {
	var out strings.Builder
	err = agent.Serve(context.Background(), strings.NewReader(strings.Join(lines, "\n")+"\n"), &out, "fake",
		[]string{"add-name", "cancel", "ncb", "stop", "restart"}, f)
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"), err
}

var _ = Describe("The reference agent", func() {
	It("says what it can do, and does what it is asked", func() {
		f := &fake{}
		printed, err := serve(f, `{"id":1,"op":"add-name","name":"CHAT<20>","data":"00ff"}`, `{"id":2,"op":"cancel","target":1}`,
			`{"id":3,"op":"ncb","command":127}`, `{"id":4,"op":"stop"}`, `{"id":5,"op":"restart"}`, `{"id":6,"op":"listen"}`,
			`{"id":7,"op":"add-name","name":"A<1g>"}`)
		Expect(err).NotTo(HaveOccurred())
		Expect(printed).To(Equal([]string{
			`{"nbtlab_agent":1,"name":"fake","can":["add-name","cancel","ncb","stop","restart"]}`,
			`{"id":1,"code":13,"number":2,"session":3,"call_name":"*","data":"006869"}`,
			`{"id":2,"code":13,"number":2,"session":3,"call_name":"*","data":"006869"}`,
			`{"id":3,"code":13,"number":2,"session":3,"call_name":"*","data":"006869"}`,
			`{"id":4,"code":0}`,
			`{"id":5,"error":"no switch"}`,
			`{"id":6,"error":"not capable of listen"}`,
			`{"id":7,"error":"name: suffix is not two hexadecimal digits in angle brackets, such as <1d>"}`,
		}))
		Expect(f.asked).To(Equal([]netbios.NCB{
			{Command: netbios.AddName, Name: name("CHAT"), Data: []byte{0, 0xff}},
			{Command: netbios.Cancel, Target: 41},
			{Command: 127},
		}))
	})

	It("does nothing that it does not understand", func() {
		f := &fake{}
		_, err := serve(f, `{"id":1,"op":"add-name","Name":"CHAT<20>"}`)
		Expect(err).To(MatchError(ContainSubstring(`unknown field "Name"`)))
		Expect(f.asked).To(BeEmpty())
	})
})

// FuzzLine holds the agent's end to its word: whatever it is told, it answers in lines that the other end can read, or says
// what is wrong.
func FuzzLine(f *testing.F) {
	for _, line := range []string{
		`{"id":1,"op":"add-name","name":"CHAT<20>"}`, `{"id":1,"op":"ncb","command":255,"data":"00"}`, `{"id":1`, "{}", "[]", "",
		`{"id":1,"ID":2}`, `{"id":null}`, `{"id":1e999}`, "\xff", `{"op":{"op":1}}`,
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		stack := &fake{}
		printed, err := serve(stack, line)
		if err == nil && len(printed) == 1 && strings.TrimSpace(line) != "" && !strings.Contains(line, "\n") {
			t.Fatalf("%q was neither answered nor refused", line)
		}
		if err != nil && strings.IndexFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
			t.Fatalf("the error shows what it must not: %q", err)
		}
	})
}
