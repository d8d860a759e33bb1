// SPDX-License-Identifier: MIT

package scenario_test

import (
	"errors"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/scenario"
)

var _ = Describe("A mistake in a scenario", func() {
	mistake := func(text string) *scenario.Error {
		GinkgoHelper()
		_, err := scenario.Parse("q.scenario", []byte(text))
		var e *scenario.Error
		Expect(errors.As(err, &e)).To(BeTrue(), "%v", err)
		return e
	}

	It("is told in one line, with the nearest word that would be right", func() {
		Expect(mistake(twoHosts + "\n\npc  ad-name CHAT").Error()).To(
			Equal(`q.scenario:5:5: unknown verb "ad-name": did you mean add-name?`))
	})

	It("is shown in its line", func() {
		Expect(mistake(twoHosts + "pc\tad-name CHAT # \"ö\" is here").Detail()).To(Equal(
			`q.scenario:3:4: unknown verb "ad-name": did you mean add-name?` + "\n" +
				`    pc ad-name CHAT # "\xc3\xb6" is here` + "\n" +
				`       ^^^^^^^`))
	})

	It("is marked where it stands although bytes before it are escaped", func() {
		Expect(mistake(twoHosts + "pc send-datagram \"ö\" \x1b[2J").Detail()).To(Equal(
			`q.scenario:3:23: control character \x1b; in a string write it as an escape` + "\n" +
				`    pc send-datagram "\xc3\xb6" \x1b[2J` + "\n" +
				`                                ^^^^`))
	})

	It("is shown with the part of a long line around it", func() {
		detail := mistake(twoHosts + "pc send-datagram " + strings.Repeat("A", 1000) + " from B \"c\"").Detail()
		for line := range strings.SplitSeq(detail, "\n") {
			Expect(len(line)).To(BeNumerically("<", 200))
		}
		Expect(detail).To(ContainSubstring("    pc send-datagram AAAA"))
		detail = mistake(twoHosts + "pc send-datagram A from B \"" + strings.Repeat("x", 1000) + "\" oops").Detail()
		Expect(detail).To(HaveSuffix("x\" oops\n" + strings.Repeat(" ", 67) + "^^^^"))
	})

	It("never prints what could move a cursor", func() {
		e := mistake(twoHosts + "pc add-name \"\x1b]0;x\x07\u202e")
		e.Path = "a\nb\x1b[2J"
		for _, c := range []byte(e.Error()) {
			Expect(c).To(And(BeNumerically(">=", ' '), BeNumerically("<=", '~')))
		}
	})

	It("can be reported by those who know the faults", func() {
		s := parse(theFirstBug)
		e := scenario.NewError(s, s.Bug.Pos, "unknown bug")
		Expect(e.Detail()).To(Equal("spec.scenario:6:7: unknown bug\n    bug   Q124565 in pc\n          ^^^^^^^"))
		e = scenario.NewError(s, s.Cases[0].Steps[6].Expect[0].Alternatives[0].Pos, "unknown bug")
		Expect(e.Detail()).To(HaveSuffix("^^^^^^^^"))
	})

	It("marks a string as a whole", func() {
		s := parse(twoHosts + "# one\npc add-name \"A B\" # two" + bothUsed)
		Expect(scenario.NewError(s, scenario.Pos{Line: 4, Col: 13}, "").Width).To(Equal(len(`"A B"`)))
		Expect(scenario.NewError(s, scenario.Pos{Line: 4, Col: 99}, "").Width).To(Equal(1))
		Expect(scenario.NewError(s, scenario.Pos{Line: 99, Col: 1}, "").Line).To(BeEmpty())
	})

	It("can be reported for a scenario that has no file", func() {
		e := scenario.NewError(&scenario.Scenario{Path: "made"}, scenario.Pos{}, "empty")
		Expect(e.Error()).To(Equal("made:0:0: empty"))
		Expect(e.Detail()).To(HaveSuffix("^"))
	})

	// Lines count from 1 after the header that the table stands for.
	within := func(header string) func(string, string) {
		lines := strings.Count(header, "\n")
		return func(text, want string) {
			e := mistake(header + text + bothUsed)
			Expect(fmt.Sprintf("%d:%d: %s", e.Pos.Line-lines, e.Pos.Col, e.Msg)).To(HavePrefix(want))
			Expect(e.Line).To(Equal(strings.Split(header+text+bothUsed, "\n")[e.Pos.Line-1]))
		}
	}

	DescribeTable("in words", within(twoHosts),
		Entry("an unknown verb", "pc frobnicate CHAT", `1:4: unknown verb "frobnicate": want one of add-name, add-group,`),
		Entry("a verb of the LAN", "pc lose claim", `1:4: unknown verb "lose": want one of`),
		Entry("no verb", "pc", `1:3: want a verb, got the end of the line: one of`),
		Entry("an unknown node", "pcc stop", `1:1: unknown node or statement "pcc": did you mean pc?`),
		Entry("an unknown statement", "nod x 10.0.0.3/24", `1:1: unknown node or statement "nod": did you mean node?`),
		Entry("an unknown verb of the LAN", "lan loose claim", `1:5: unknown lan verb "loose": did you mean lose?`),
		Entry("an unknown kind to inject", "pc inject clam A to peer", `1:11: unknown kind of packet "clam": did you mean claim?`),
		Entry("an unknown kind to lose", "lan lose quary", `1:10: unknown kind of packet "quary": did you mean query?`),
		Entry("an unknown destination", "pc inject claim A to pear", `1:22: unknown node "pear": did you mean peer?`),
		Entry("an unknown clause", "pc stop\n-> clam A", `2:4: unknown clause "clam": did you mean claim?`),
		Entry("an unknown code", "pc reset\n-> NRC_DUPNAM", `2:4: unknown return code "NRC_DUPNAM": did you mean NRC_DUPNAME?`),
		Entry("an unknown label", "pc listen A as door\npc hang-up dor",
			`2:12: no step before this one has the label "dor": did you mean door?`),
		Entry("an unknown label in a clause", "pc listen A as door\n-> dor ok",
			`2:4: no step so far has the label "dor": did you mean door?`),
		Entry("a string in place of a node", `"pc" stop`, `1:1: unexpected "pc": a line begins with a node`),
		Entry("a comma where none belongs", "pc add-name A, B", `1:14: unexpected ",": want add-name NAME [as LABEL]`),
	)

	DescribeTable("in arguments", within(twoHosts),
		Entry("a missing name", "pc add-name", `1:12: want NAME, got the end of the line`),
		Entry("a word of the grammar as a name", "pc add-name from",
			`1:13: want NAME, got "from" (quote it if it is meant as a name)`),
		Entry("a name too many", "pc add-name A B", `1:15: unexpected "B": want add-name NAME [as LABEL]`),
		Entry("a missing local name", "pc call A  # by whom", `1:10: want "from", got the end of the line: call NAME from NAME`),
		Entry("two local names", "pc call A from B from C", `1:18: "from" is stated twice`),
		Entry("two labels", "pc call A from B as c as d", `1:23: "as" is stated twice`),
		Entry("a missing payload", "pc send-datagram A from B", `1:26: want a payload in quotes, got the end of the line`),
		Entry("a bare payload", "pc send-datagram A from B hello", `1:27: unexpected "hello": want send-datagram NAME`),
		Entry("two payloads", `pc send-broadcast from B "x" "y"`, `1:30: unexpected "y": want send-broadcast`),
		Entry("a missing label", "pc hang-up", `1:11: want a LABEL, got the end of the line: hang-up LABEL`),
		Entry("an argument that the verb has not", "pc restart now", `1:12: unexpected "now": want restart`),
		Entry("a size where there is no buffer", "pc add-name A size 3", `1:15: unexpected "size": want add-name NAME`),
		Entry("an argument behind the marks", "pc add-name A x3 as b", `1:18: unexpected "as": want add-name NAME`),
		Entry("a verb in quotes", `pc "stop"`, `1:4: want a verb, got "stop": one of`),
		Entry("an arrow behind a step", "pc stop -> release", `1:9: unexpected "->": want stop`),
		Entry("no kind to lose", `lan lose "x"`, `1:10: want a kind of packet, got "x"`),
		Entry("a node status request that says too much", "pc inject status-request A B to pc",
			`1:28: unexpected "B": want inject status-request [NAME] to NODE|all [id N]`),
		Entry("a missing kind", "pc inject", `1:10: want a kind of packet, got the end of the line`),
		Entry("a kind that no UDP packet is", "pc inject session-request A to peer",
			`1:11: session-request cannot be injected: want one of claim,`),
		Entry("a packet to nobody", "pc inject claim A", `1:18: want "to", got the end of the line: inject claim NAME to`),
		Entry("a source name that the packet has not", "pc inject claim A to peer from B",
			`1:27: unexpected "from": want inject claim NAME to NODE|all [id N]`),
		Entry("a datagram from nobody", "pc inject datagram A to peer", `1:29: want "from", got the end of the line`),
		Entry("a name that the packet has not", "pc inject datagram-error A to peer", `1:26: unexpected "A": want inject`),
		Entry("bytes to no port", `pc inject bytes "x" to peer`, `1:28: want "port", got the end of the line`),
		Entry("bytes with an id", `pc inject bytes "x" to peer id 3`, `1:29: unexpected "id": want inject bytes`),
		Entry("a delay by nothing", "lan delay claim", `1:16: want "by", got the end of the line: lan delay KIND`),
		Entry("a loss by something", "lan lose claim by 3s", `1:16: unexpected "by": want lan lose KIND`),
		Entry("an alteration of nothing", "lan alter claim", `1:16: want "byte", got the end of the line`),
		Entry("an alteration to nothing", "lan alter claim byte 3", `1:23: value: want 0xNN, got the end of the line`),
		Entry("bytes on the wire", "lan lose bytes", `1:10: bytes can be injected only: want one of frame,`),
		Entry("an LMHOSTS entry for nowhere", "peer knows A", `1:13: want "at", got the end of the line`),
	)

	DescribeTable("in names", within(twoHosts),
		Entry("sixteen bytes", "pc add-name ABCDEFGHIJKLMNOP", `1:13: "ABCDEFGHIJKLMNOP": name is longer than 15 bytes`),
		Entry("sixteen bytes and a suffix", "pc add-name ABCDEFGHIJKLMNOP<00>",
			`1:13: "ABCDEFGHIJKLMNOP<00>": name is longer than 15 bytes`),
		Entry("no bytes", `pc add-name ""`, `1:13: "": empty name`),
		Entry("a bad escape", `pc add-name A\xg1`, `1:13: "A\xg1": escape is not \xHH`),
		Entry("a cut escape", `pc add-name A\x1`, `1:13: "A\x1": escape is not \xHH`),
		Entry("a bad escape in quotes", `pc add-name "A\q"`, `1:15: bad escape: want \\, \", \n, \t, \r or \xHH`),
		Entry("a cut escape in quotes", `pc add-name "A\x1"`, `1:15: bad escape`),
		Entry("a bad suffix", "pc add-name CHAT<1g>", `1:13: "CHAT<1g>": suffix is not two hexadecimal digits`),
		Entry("an empty suffix", "pc add-name CHAT<>", `1:13: "CHAT<>": suffix is not`),
	)

	DescribeTable("in numbers and times", within(twoHosts),
		Entry("no repetition", "pc reset x0", `1:10: x0: want x1 to x100000`),
		Entry("a billion repetitions", "pc reset x1000000000", `1:10: x1000000000: want x1 to x100000`),
		Entry("more digits than a number has", "pc reset x"+strings.Repeat("9", 40), `1:10: x999`),
		Entry("many repetitions together", "pc reset x60000\npc reset x60000", `2:1: the steps of this case, with their`),
		Entry("two repetitions", "pc reset x2 x3", `1:13: x3: the number is stated twice`),
		Entry("a repeated restart", "pc restart x3", `1:12: unexpected "x3": want restart`),
		Entry("a repeated packet", "pc inject query A to all x3", `1:26: unexpected "x3"`),
		Entry("a restart in the background", "pc restart &", `1:12: unexpected "&": want restart`),
		Entry("a repeated call with a label", "pc listen A as b x2", `1:18: a labelled call cannot be repeated`),
		Entry("a size too large", "pc receive-any A size 65536", `1:23: size: want a number from 0 to 65535, got "65536"`),
		Entry("a negative size", "pc receive-any A size -1", `1:23: size: want a number from 0 to 65535, got "-1"`),
		Entry("a signed size", "pc receive-any A size +1", `1:23: size: want a number`),
		Entry("a size in quotes", `pc receive-any A size "1"`, `1:23: size: want a number`),
		Entry("a command in decimal", "pc ncb 30", `1:8: command: want 0xNN, got "30"`),
		Entry("a command of two bytes", "pc ncb 0x130", `1:8: command: want 0xNN, got "0x130"`),
		Entry("port 0", `pc inject bytes "x" to peer port 0`, `1:34: port: want a number from 1 to 65535, got "0"`),
		Entry("an id of 17 bits", "pc inject query A to peer id 65536", `1:30: id: want a number from 0 to 65535`),
		Entry("an id of 17 bits in hexadecimal", "pc inject query A to peer id 0x10000", `1:30: id: want 0xNNNN`),
		Entry("a code in decimal", "pc stop\n-> refusal A code 6", `2:19: code: want 0xNN, got "6"`),
		Entry("no time", "after", `1:6: after: want a duration such as 250ms, 1s or 2m, got the end of the line`),
		Entry("a negative time", "after -1s", `1:7: after: want a duration such as`),
		Entry("minus nothing", "after -0s", `1:7: after: want a duration such as`),
		Entry("an infinite time", "after 1e400", `1:7: after: want a duration such as`),
		Entry("a time that is no number", "at NaN", `1:4: at: want a duration such as`),
		Entry("a time without a unit", "at 2", `1:4: at: want a duration such as`),
		Entry("a time beyond what Go can hold", "at 99999999h", `1:4: at: want a duration such as`),
		Entry("more than a day", "at 25h", `1:4: at: want a duration from 0s to 24h, got "25h"`),
		Entry("more than a day in parts", "after 13h\nafter 13h", `2:1: the waits of this case are more than 24h`),
		Entry("a time in the past", "after 5s\nat 3s", `2:1: at 3s, but it is 5s already`),
		Entry("a window of no length", "pc stop\n-> query within 0s", `2:17: within: want a duration from 1ns`),
	)

	DescribeTable("in labels", within(twoHosts),
		Entry("of another node", "pc listen A as door\npeer hang-up door", `2:14: label "door" is of a call on pc, not on peer`),
		Entry("of no session", "pc receive-any A as got\npc send got \"x\"",
			`2:9: label "got" is of receive-any: want that of a session`),
		Entry("given twice", "pc listen A as door\npc listen A as door", `2:16: label "door" is given twice in this case`),
		Entry("in upper case", "pc listen A as Door", `1:16: label "Door": want a lower-case letter`),
		Entry("reserved", "pc listen A as from", `1:16: label "from": the word is reserved`),
		Entry("like a repetition", "pc listen A as x3", `1:16: label "x3": the word is reserved`),
		Entry("without end", "pc listen A as "+strings.Repeat("a", 33), `1:16: label of 33 bytes, at most 32`),
		Entry("of a later step", "pc cancel door\npc listen A as door", `1:11: no step before this one has the label "door"`),
		Entry("of an earlier case", "case \"a\"\npc listen A as door\ncase \"b\"\npc hang-up door",
			`4:12: no step before this one has the label "door"`),
	)

	DescribeTable("in expectations", within(twoHosts),
		Entry("of no step", "-> ok", `1:1: "->" has no step above it`),
		Entry("of a case's first step that is missing", "case \"a\"\n-> ok", `2:1: "->" has no step above it`),
		Entry("of nothing", "pc reset\n->", `2:3: want a clause, got the end of the line`),
		Entry("of nothing more", "pc reset\n-> ok,", `2:7: want a clause, got the end of the line`),
		Entry("of nothing from a correct stack", "pc reset\n-> | Q1: ok", `2:4: want a clause, got "|"`),
		Entry("of two codes", "pc reset\n-> ok, NRC_DUPNAME", `2:8: the return code is stated twice`),
		Entry("of two codes in two lines", "pc reset\n-> ok\n-> any", `3:4: the return code of this step is stated twice`),
		Entry("of a name that must be quoted", "pc reset\n-> no in names pc", `2:4: want NAME, got "no" (quote it`),
		Entry("of no name", "pc reset\n-> no \"x\" on pc", `2:11: want "in", got "on"`),
		Entry("of a code without a call", "pc restart\n-> ok", `2:4: restart makes no call: there is no return code`),
		Entry("of a code of the LAN", "after 1s\n-> NRC_DUPNAME", `2:4: after makes no call`),
		Entry("of a code that means none", "pc reset\n-> NRC_PENDING", `2:4: no call completes with NRC_PENDING`),
		Entry("of a wait of the step's own call", "pc reset\n-> pending", `2:4: want a LABEL before "pending"`),
		Entry("of data that nothing receives", "pc reset\n-> data \"x\"", `2:4: reset receives no data`),
		Entry("of data that the labelled call does not receive", "pc listen A as b\n-> b data \"x\"",
			`2:6: listen receives no data`),
		Entry("of a table nowhere", "pc reset\n-> A in names", `2:14: want a node, got the end of the line`),
		Entry("of another table", "pc reset\n-> A in table pc", `2:9: want "names", got "table"`),
		Entry("of a state unknown", "pc reset\n-> A in names pc uniqe", `2:18: unexpected "uniqe": want NAME in names NODE`),
		Entry("of two states", "pc reset\n-> A in names pc conflict registered", `2:27: unexpected "registered"`),
		Entry("of a code that no packet has", "pc reset\n-> claim A code 0x06", `2:12: claim carries no code`),
		Entry("of two names", "pc reset\n-> claim A B", `2:12: unexpected "B": want KIND [NAME]`),
		Entry("of two windows", "pc reset\n-> claim within 1s for 2s", `2:20: "within" and "for" exclude each other`),
		Entry("of two windows, the other way", "pc reset\n-> claim for 1s within 2s", `2:17: "within" and "for" exclude`),
		Entry("of a number of none", "pc reset\n-> no claim x3", `2:13: "no" and a number of frames exclude each other`),
		Entry("of none of none", "pc reset\n-> claim x0", `2:10: x0: want x1 to x100000`),
		Entry("of bytes", "pc reset\n-> bytes", `2:4: bytes can be injected only`),
		Entry("under a fault, in a scenario without one", "pc reset\n-> ok | Q1: any", `2:9: an alternative needs a bug`),
		Entry("not separated", "pc reset\n-> ok NRC_DUPNAME",
			`2:7: unexpected "NRC_DUPNAME": want ",", "|" or the end of the line`),
		Entry("followed by a string", "pc reset\n-> ok \"x\"", `2:7: unexpected "x": want ",", "|" or the end of the line`),
	)

	DescribeTable("in the structure", within(twoHosts),
		Entry("a node behind a step", "pc stop\nnode x 10.0.0.3/24", `2:1: "node" must stand before the first case or step`),
		Entry("an LMHOSTS entry behind a step", "pc stop\npeer knows A at pc", `2:1: "knows" must stand before the first step`),
		Entry("steps before the first case", "pc stop\n\ncase \"a\"", `1:1: step before the first case`),
		Entry("a case without steps", "case \"a\"\ncase \"b\"", `1:1: case "a" has no steps`),
		Entry("two cases in one folder", "case \"x y\"\npc stop\ncase \"X--y\"", `3:6: another case is called "x-y" already`),
		Entry("a case for no folder", "case \"...\"", `1:6: a title needs a letter or a digit`),
		Entry("a case without a title", "case", `1:5: want a title in quotes, got the end of the line`),
		Entry("a long title", `case "`+strings.Repeat("a", 101)+`"`, `1:6: title of 101 bytes, at most 100`),
		Entry("a cure without a bug", "cure restart", `1:1: "cure" needs a bug to reproduce`),
		Entry("no control without a bug", `control none because "x"`, `1:1: "control" needs a bug to reproduce`),
		Entry("two profiles", "profile netbt\nprofile netbt", `2:1: "profile" is stated twice`),
		Entry("a profile unknown", "profile netbd", `1:9: unknown profile "netbd": did you mean netbt?`),
		Entry("another cure", "cure reboot", `1:6: want "restart", got "reboot"`),
		Entry("a bug in nobody", "bug Q1 in pd", `1:11: unknown node "pd": did you mean pc?`),
		Entry("a bug nowhere", "bug Q1", `1:7: want "in", got the end of the line`),
		Entry("a bug with half a knob", "bug Q1:x in pc", `1:5: want a bug such as Q124565 or Q124565:count=once, got "Q1:x"`),
		Entry("a bug with a knob of none", "bug Q1,x=y in pc", `1:5: want a bug such as`),
		Entry("a bug with a knob behind another that has none", "bug Q1:x=y,Q2,z=0 in pc", `1:5: want a bug such as`),
		Entry("a bug in quotes", `bug "Q1" in pc`, `1:5: want a bug such as Q124565 or Q124565:count=once, got "Q1"`),
		Entry("a bug in quotes' node", `bug Q1 in "pc"`, `1:11: want the node that has the bug, got "pc"`),
		Entry("a bug with nothing behind the comma", "bug Q1, in pc", `1:5: want a bug such as`),
		Entry("two bugs", "bug Q1 in pc\nbug Q2 in pc", `2:1: "bug" is stated twice`),
		Entry("a bug and its contrary", "against Q1 in pc\nbug Q2 in pc", `2:1: "bug" and "against" exclude each other`),
		Entry("a trigger of no bug", "pc stop trigger", `1:9: a trigger needs a bug`),
	)

	DescribeTable("in name servers", within(twoHosts),
		Entry("a P node without one", "node x 10.0.0.3/24 type p", `1:6: a node of type p needs a name server: write wins NODE`),
		Entry("a B node with one", "node x 10.0.0.3/24 wins pc", `1:6: a B node has no name server: write type p, m or h`),
		Entry("a B node that says so with one", "node x 10.0.0.3/24 wins pc type b", `1:6: a B node has no name server`),
		Entry("a type unknown", "node x 10.0.0.3/24 type q wins pc", `1:25: unknown type "q"`),
		Entry("a type twice", "node x 10.0.0.3/24 type p type p", `1:27: "type" is stated twice`),
		Entry("one that is nowhere", "node x 10.0.0.3/24 type p wins pd\npc stop", `1:32: unknown node "pd": did you mean pc?`),
		Entry("itself", "node x 10.0.0.3/24 type p wins x\npc stop", `1:32: node "x" cannot be its own name server's client`),
		Entry("none named", "node x 10.0.0.3/24 type p wins", `1:31: want the node that is the name server, got the end of the line`),
		Entry("one named in quotes", `node x 10.0.0.3/24 type p wins "pc"`, `1:32: want the node that is the name server, got "pc"`),
		Entry("nothing of the kind", "node x 10.0.0.3/24 nbns", `1:20: unexpected "nbns": want node NAME ADDRESS/LENGTH [nameserver] [type b|p|m|h]`),
	)

	DescribeTable("in nodes", within(twoHosts),
		Entry("without a name", "node", `1:5: want a node, got the end of the line`),
		Entry("without an address", "node x", `1:7: want an address such as 10.0.0.10/24, got the end of the line`),
		Entry("a name given twice", "node peer 10.0.0.3/24", `1:6: node "peer" is declared twice`),
		Entry("the name of the network", "node lan 10.0.0.3/24", `1:6: node "lan": the word is reserved`),
		Entry("the name of a statement", "node case 10.0.0.3/24", `1:6: node "case": the word is reserved`),
		Entry("the name of everybody", "node all 10.0.0.3/24", `1:6: node "all": the word is reserved`),
		Entry("a name in upper case", "node PC 10.0.0.3/24", `1:6: node "PC": want a lower-case letter`),
		Entry("a name that begins with a digit", "node 3com 10.0.0.3/24", `1:6: node "3com": want a lower-case letter`),
		Entry("a taken address", "node x 10.0.0.20/24", `1:8: 10.0.0.20 is the address of node peer already`),
		Entry("another network", "node x 10.0.1.3/24", `1:8: 10.0.1.3/24 is not on the network of node pc, 10.0.0.0/24`),
		Entry("another mask", "node x 10.0.0.3/25", `1:8: 10.0.0.3/25 is not on the network of node pc`),
		Entry("the network's address", "node x 10.0.0.0/24", `1:8: 10.0.0.0 is the address of the network itself`),
		Entry("the broadcast address", "node x 10.0.0.255/24", `1:8: 10.0.0.255 is the broadcast address`),
		Entry("no mask", "node x 10.0.0.3", `1:8: "10.0.0.3" is no IPv4 address with the length of its prefix`),
		Entry("no IPv4", "node x fe80::1/64", `1:8: "fe80::1/64" is no IPv4 address`),
		Entry("no address", "node x 10.0.0.300/24", `1:8: "10.0.0.300/24" is no IPv4 address`),
		Entry("a network of two", "node x 10.0.0.3/31", `1:8: prefix length 31: want 8 to 30`),
		Entry("a network of everybody", "node x 10.0.0.3/7", `1:8: prefix length 7: want 8 to 30`),
		Entry("too many names", "node x 10.0.0.3/24 names 254", `1:26: names: want a number from 1 to 253, got "254"`),
		Entry("names twice", "node x 10.0.0.3/24 names 5 names 5", `1:28: "names" is stated twice`),
		Entry("more", "node x 10.0.0.3/24 mtu 576", `1:20: unexpected "mtu": want node NAME ADDRESS/LENGTH`),
		Entry("a node with nothing to do", "node x 10.0.0.3/24", `1:1: node x is never used`),
	)

	DescribeTable("in the story of a bug", within(withBug),
		Entry("no headline", "pc add-name A trigger", `-2:5: the scenario has no headline: write Q1!`),
		Entry("no headline in a case", "case \"a\"\npc stop trigger\n-> release | Q1: frame",
			`1:1: case "a" has no headline`),
		Entry("two headlines", "pc add-name A trigger\n-> ok | Q1! any, frame\n-> claim | Q1! no claim",
			`3:12: another headline: the first is in line 5`),
		Entry("two headlines in a line", "pc add-name A trigger\n-> ok | Q1! any, frame | Q1:x=y! NRC_DUPNAME",
			`2:26: another headline: the first is in line 5`),
		Entry("a headline of another bug", "pc add-name A trigger\n-> ok | Q2! NRC_DUPNAME", `2:9: the headline is of Q2: want`),
		Entry("a headline that predicts nothing", "pc add-name A trigger\n-> ok | Q1! any",
			`2:9: a headline must predict something`),
		Entry("no trigger", "pc add-name A\n-> ok | Q1! NRC_DUPNAME", `-2:5: the scenario has no step marked "trigger"`),
		Entry("no trigger in the second case",
			"case \"a\"\npc stop trigger\n-> frame | Q1! no frame\ncase \"b\"\npc stop\n-> frame | Q1! no frame",
			`4:1: case "b" has no step marked "trigger"`),
		Entry("a trigger although there can be no control",
			"control none because \"x\"\npc stop trigger\n-> frame | Q1! no frame",
			`2:9: a scenario with "control none" has no trigger`),
		Entry("no reason why there can be no control", `control none because " "`, `1:22: want a reason in quotes, got none`),
		Entry("a step that needs the trigger", "pc listen A as b trigger\npc hang-up b",
			`2:12: label "b" is of a trigger step, which the control leaves out`),
		Entry("an expectation that needs the trigger", "pc listen A as b trigger\npc stop\n-> b any",
			`3:4: label "b" is of a trigger step, which the control leaves out`),
		Entry("an alternative without its mark", "pc stop trigger\n-> frame | Q1 no frame", `2:12: want an alternative such as`),
		Entry("an alternative of nothing", "pc stop trigger\n-> frame |", `2:11: want an alternative such as`),
		Entry("an alternative that is no bug", "pc stop trigger\n-> frame | Q_1: any", `2:12: want an alternative such as`),
		Entry("an alternative without a clause", "pc stop trigger\n-> frame | Q1:",
			`2:15: want a clause, got the end of the line`),
		Entry("an alternative twice", "pc stop trigger\n-> frame | Q1: any | Q1: frame",
			`2:22: the alternative for Q1 is stated twice`),
		Entry("too many alternatives", "pc stop trigger\n-> frame"+manyAlternatives(33), `2:356: more than 32 alternatives`),
	)

	DescribeTable("in the story of no bug", within("against Q1 in pc\n"+twoHosts),
		Entry("a difference", "pc stop\n-> frame | Q1: no frame", `2:12: the scenario is against Q1, which must change nothing`),
		Entry("a headline", "pc stop\n-> frame | Q2! no frame", `2:12: a scenario "against" a bug has no headline`),
		Entry("a cure", "cure restart", `1:1: "cure" needs a bug to reproduce`),
	)

	DescribeTable("in characters", within(twoHosts),
		Entry("a zero byte in a comment", "# a\x00b", `1:4: control character \x00`),
		Entry("an escape sequence in a string", "pc send-broadcast from A \"\x1b[2J\"", `1:27: control character \x1b`),
		Entry("a bell between words", "pc \x07stop", `1:4: control character \x07`),
		Entry("a delete character", "pc st\x7fop", `1:6: control character \x7f`),
		Entry("a carriage return within a line", "# a\rb", `1:4: control character \x0d`),
		Entry("a letter that looks like another", "pc add-name \u0421HAT", `1:13: character U+0421 outside strings and comments`),
		Entry("a no-break space", "pc\u00a0stop", `1:3: invisible character U+00A0`),
		Entry("bytes that are no UTF-8", "pc add-name \xff", `1:13: byte \xff is not UTF-8`),
		Entry("bytes that are no UTF-8 in a comment", "# \xc3(", `1:3: byte \xc3 is not UTF-8`),
		Entry("a surrogate", "# \xed\xa0\x80", `1:3: byte \xed is not UTF-8`),
		Entry("an override of direction in a comment", "# \u202e", `1:3: control character U+202E changes the direction`),
		Entry("an isolate in a string", "case \"a\u2066\"", `1:8: control character U+2066 changes the direction`),
		Entry("a zero-width space in a comment", "# a\u200bb", `1:4: invisible character U+200B`),
		Entry("a second byte order mark", "# \ufeff", `1:3: invisible character U+FEFF`),
		Entry("a line separator", "# \u2028", `1:3: invisible character U+2028`),
		Entry("a string without end", `pc add-name "A`, `1:13: string without its closing quote`),
		Entry("a string that only seems to end", `pc add-name "A\"`, `1:13: string without its closing quote`),
		Entry("a string within a string", `case "a "b" c"`, `1:10: unexpected "b": want case "title"`),
		Entry("an unknown escape", `case "a\0"`, `1:8: bad escape: want \\, \", \n, \t, \r or \xHH`),
	)

	DescribeTable("in an empty file", func(text, want string) {
		Expect(mistake(text).Error()).To(Equal("q.scenario:" + want))
	},
		Entry("of no bytes", "", `1:1: the scenario has no steps`),
		Entry("of a comment", "# nothing\n\n", `2:1: the scenario has no steps`),
		Entry("of a header", twoHosts, `2:1: the scenario has no steps`),
	)

	It("is a file, a line or a number of nodes beyond the limits, found without reading on", func() {
		many := func(n int, format string) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, format, i, i>>8, i&0xff+1)
			}
			return b.String()
		}
		for text, want := range map[string]string{
			strings.Repeat("#", 4097):                                           "1:4097: line of 4097 bytes, at most 4096",
			strings.Repeat("#", 1<<20+1):                                        "1:1: file of 1048577 bytes, at most 1048576",
			strings.Repeat("x", 10<<20):                                         "1:1: file of 10485760 bytes",
			strings.Repeat("\n", 1<<20):                                         "100001:1: more than 100000 lines",
			strings.Repeat("#\n", 1<<19):                                        "100001:1: more than 100000 lines",
			many(1000, "node n%d 10.0.%d.%d/8\n"):                               "65:1: more than 64 nodes",
			twoHosts + "pc reset\n-> " + strings.Repeat("claim,", 682):          "4:4096: want a clause",
			twoHosts + "pc reset\n-> " + strings.Repeat("claim,", 681):          "4:4090: want a clause",
			twoHosts + "pc reset\n->" + strings.Repeat("claim,", 681):           "4:4089: want a clause",
			twoHosts + "pc reset\n->" + strings.Repeat("claim,", 660) + "claim": "4:1: line of 4628 bytes in canonical form",
			// Canonical form puts a space behind each comma.
			twoHosts + strings.Repeat("pc reset\n->"+strings.Repeat("frame,", 500)+"frame\n", 340): "600:1: file of more than",
		} {
			e := mistake(text)
			Expect(e.Error()).To(HavePrefix("q.scenario:" + want))
			Expect(len(e.Detail())).To(BeNumerically("<", 1000))
		}
	})

	It("is not what another case has used up", func() {
		parse(twoHosts + "case \"a\"\npc reset x60000\nat 20h\ncase \"b\"\npc reset x60000\nat 10h" + bothUsed)
	})

	It("is not a file at the limits", func() {
		parse("#" + strings.Repeat("a", 4095) + "\n" + twoHosts + bothUsed)
		parse(twoHosts + strings.Repeat("pc stop\n", 99_990) + bothUsed)
		parse(twoHosts + "pc reset x99998" + bothUsed)
	})
})

func manyAlternatives(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " | Q%d: any", i+2)
	}
	return b.String()
}
