// SPDX-License-Identifier: MIT

package scenario_test

import (
	"net/netip"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/scenario"
)

var _ = Describe("Parsing the first bug's scenario", func() {
	var s *scenario.Scenario

	BeforeEach(func() {
		var err error
		s, err = scenario.Parse("some/where/q124565.scenario", []byte(theFirstBug))
		Expect(err).NotTo(HaveOccurred())
	})

	It("names it after its file and titles it after its first comment", func() {
		Expect(s.Name).To(Equal("q124565"))
		Expect(s.Path).To(Equal("some/where/q124565.scenario"))
		Expect(s.Title).To(Equal("Q124565: TCP/IP-32 leaves names in the NetBIOS name table."))
	})

	It("reads the header", func() {
		Expect(s.Bug).To(Equal(scenario.Bug{Pos: scenario.Pos{Line: 6, Col: 7}, Model: "Q124565", Node: 0}))
		Expect(s.Against).To(BeFalse())
		Expect(s.Cure).To(BeTrue())
		Expect(s.NoControl).To(BeEmpty())
		Expect(s.Nodes).To(Equal([]scenario.Node{
			{
				Pos: scenario.Pos{Line: 8, Col: 1}, Name: "pc", Prefix: netip.MustParsePrefix("10.0.0.10/24"),
				Profile: "rfc1002",
			},
			{
				Pos: scenario.Pos{Line: 9, Col: 1}, Name: "peer", Prefix: netip.MustParsePrefix("10.0.0.20/24"),
				Profile: "rfc1002",
			},
		}))
	})

	It("makes one case without a title of plain steps", func() {
		Expect(s.Cases).To(HaveLen(1))
		c := s.Cases[0]
		Expect(c.Title).To(BeEmpty())
		Expect(c.Pos).To(Equal(scenario.Pos{Line: 12, Col: 1}))
		Expect(c.Knows).To(Equal([]scenario.Knows{
			{Pos: scenario.Pos{Line: 11, Col: 1}, Node: 1, Name: name("CHAT"), At: 0},
		}))
	})

	It("reads the steps", func() {
		steps := s.Cases[0].Steps
		var texts []string
		for _, st := range steps {
			texts = append(texts, st.Text)
		}
		Expect(texts).To(Equal([]string{
			"peer add-name FRIEND",
			`peer send-datagram CHAT from FRIEND "anyone there?"`,
			"pc add-name CHAT",
			"pc listen CHAT",
			"peer call CHAT from FRIEND as chat",
			"peer hang-up chat",
			"pc delete-name CHAT",
			"pc add-name CHAT",
		}))
		Expect(steps[1]).To(Equal(scenario.Step{
			Pos: scenario.Pos{Line: 13, Col: 1}, Text: texts[1], Node: 1, Verb: scenario.SendDatagram,
			Name: name("CHAT"), From: name("FRIEND"), Payload: []byte("anyone there?"), Times: 3, Trigger: true,
		}))
		Expect(steps[3]).To(Equal(scenario.Step{
			Pos: scenario.Pos{Line: 17, Col: 1}, Text: texts[3], Node: 0, Verb: scenario.Listen,
			Name: name("CHAT"), From: netbios.Wildcard, Times: 1, Async: true,
		}))
		Expect(steps[4].Label).To(Equal("chat"))
		Expect(steps[5].Of).To(Equal("chat"))
	})

	It("reads what is expected, and what under the bug", func() {
		steps := s.Cases[0].Steps
		Expect(steps[6].Expect).To(HaveLen(2))
		listed := steps[6].Expect[0]
		Expect(listed.Pos).To(Equal(scenario.Pos{Line: 21, Col: 7}))
		Expect(listed.Text).To(Equal("no CHAT in names pc | Q124565: CHAT in names pc"))
		clause := listed.Clauses[0].(scenario.Listed)
		Expect(clause.Not).To(BeTrue())
		Expect(clause.Name).To(Equal(name("CHAT")))
		Expect(clause.Node).To(Equal(0))
		Expect(listed.Alternatives[0].Bug).To(Equal("Q124565"))
		Expect(listed.Alternatives[0].Headline).To(BeFalse())

		last := steps[7].Expect[0]
		Expect(last.Clauses[0]).To(Equal(scenario.Result{}))
		Expect(last.Clauses[1].(scenario.Wire).Pattern).To(Equal(scenario.Pattern{
			Kind: scenario.Claim, Named: true, Name: name("CHAT"), From: 0, To: scenario.Anyone,
		}))
		Expect(last.Alternatives).To(HaveLen(1))
		headline := last.Alternatives[0]
		Expect(headline.Headline).To(BeTrue())
		Expect(headline.Pos).To(Equal(scenario.Pos{Line: 26, Col: 50}))
		Expect(headline.Clauses[0]).To(Equal(scenario.Result{Code: netbios.DUPNAME}))
		Expect(headline.Clauses[1].(scenario.Wire).Not).To(BeTrue())
	})
})

var _ = Describe("Parsing the header", func() {
	It("gives the profile of the header to the nodes that state none", func() {
		s := parse("node pc 10.0.0.10/24\nnode peer 10.0.0.20/24 profile rfc1002\nprofile netbt" + bothUsed)
		Expect(s.Nodes[0].Profile).To(Equal("netbt"))
		Expect(s.Nodes[1].Profile).To(Equal("rfc1002"))
	})

	It("reads types of nodes and their name server, which may be declared later", func() {
		s := parse("node pc 10.0.0.10/24 wins nbns type p\nnode peer 10.0.0.20/24 type b\nnode nbns 10.0.0.2/24 nameserver type h wins far\n" +
			"node far 10.0.0.3/24 nameserver" + bothUsed)
		Expect(s.Nodes[0]).To(And(HaveField("Type", "p"), HaveField("Wins", 2), HaveField("NameServer", false)))
		Expect(s.Nodes[1]).To(And(HaveField("Type", ""), HaveField("Wins", 0)))
		Expect(s.Nodes[2]).To(And(HaveField("Type", "h"), HaveField("Wins", 3), HaveField("NameServer", true)))
		Expect(string(scenario.Format(s))).To(HavePrefix(`node  pc    10.0.0.10/24 type p wins nbns
node  peer  10.0.0.20/24
node  nbns  10.0.0.2/24 nameserver type h wins far
node  far   10.0.0.3/24 nameserver
`))
	})

	It("takes a name server for used by its clients", func() {
		parse("node pc 10.0.0.10/24 type p wins nbns\nnode nbns 10.0.0.2/24 nameserver\npc stop\n")
	})

	It("reads limits of the name and session tables", func() {
		s := parse("node pc 10.0.0.10/8 sessions 254 names 1\nnode peer 10.9.0.1/8" + bothUsed)
		Expect(s.Nodes[0].Limits).To(Equal(netbios.Limits{Names: 1, Sessions: 254}))
		Expect(s.Nodes[1].Limits).To(Equal(netbios.Limits{}))
	})

	DescribeTable("accepts a bug with knobs and several faults", func(model string) {
		s := parse("against " + model + " in pc\n" + twoHosts + bothUsed)
		Expect(s.Bug.Model).To(Equal(model))
		Expect(s.Against).To(BeTrue())
	},
		Entry(nil, "Q124565"), Entry(nil, "MS00-047"), Entry(nil, "Q124565:count=once"),
		Entry(nil, "Q124565:count=once,window=always"), Entry(nil, "Q124565,MS00-047"),
		Entry(nil, "Q124565:count=once,delete-reports=0F,MS00-047"),
		Entry(nil, "MS00-047,Q124565:count=once,window=always"),
	)

	It("tells the bug's identifier from its knobs", func() {
		Expect(scenario.Bug{Model: "Q124565:count=once"}.ID()).To(Equal("Q124565"))
		Expect(scenario.Bug{Model: "MS00-047"}.ID()).To(Equal("MS00-047"))
	})

	It("keeps why there is no control", func() {
		s := parse(withBug + "control none because \"it is an absence\"\n" +
			"pc stop\n-> release | Q1! no release" + bothUsed)
		Expect(s.NoControl).To(Equal("it is an absence"))
	})

	It("gives every case the LMHOSTS entries of the header and its own", func() {
		s := parse(twoHosts + "peer knows A at pc\n" +
			"case \"First, of two\"\npeer knows B at pc\npc stop\n" +
			"case \"second\"\npc stop\n")
		Expect(s.Cases).To(HaveLen(2))
		Expect(s.Cases[0].Slug).To(Equal("first-of-two"))
		Expect(s.Cases[0].Title).To(Equal("First, of two"))
		Expect(s.Cases[0].Knows).To(HaveLen(2))
		Expect(s.Cases[0].Knows[0].Name).To(Equal(name("A")))
		Expect(s.Cases[0].Knows[1].Name).To(Equal(name("B")))
		Expect(s.Cases[1].Knows).To(HaveLen(1))
	})

	DescribeTable("makes a folder's name of a title", func(title, slug string) {
		s := parse(twoHosts + "case \"" + title + "\"" + bothUsed)
		Expect(s.Cases[0].Slug).To(Equal(slug))
	},
		Entry(nil, "../../etc/passwd", "etc-passwd"), Entry(nil, "  A  B  ", "a-b"), Entry(nil, "Größe 3!", "gr-e-3"),
	)

	It("takes the title from the opening comment only", func() {
		Expect(parse("\n\n##  a title \n# more\n" + twoHosts + bothUsed).Title).To(Equal("a title"))
		Expect(parse(twoHosts + "# no title" + bothUsed).Title).To(BeEmpty())
		Expect(parse("node pc 10.0.0.10/24 # no title\nnode peer 10.0.0.20/24" + bothUsed).Title).To(BeEmpty())
	})

	It("reads a byte order mark and lines that end in CR LF, and counts columns as an editor shows them", func() {
		text := "\ufeff# t\r\n" + strings.ReplaceAll(twoHosts+bothUsed, "\n", "\r\n")
		s := parse(text)
		Expect(s.Title).To(Equal("t"))
		Expect(s.Nodes[0].Pos).To(Equal(scenario.Pos{Line: 2, Col: 1}))
		_, err := scenario.Parse("x", []byte("\ufeffnod\r\n"))
		Expect(err).To(MatchError(ContainSubstring("x:1:1: ")))
	})
})

var _ = Describe("Parsing a step", func() {
	// canonical is the step's text; a step that is written otherwise in a file says so.
	DescribeTable("reads every verb", func(line, canonical string, want scenario.Step) {
		got := step(line)
		if canonical == "" {
			canonical = line
		}
		want.Pos, want.Text = scenario.Pos{Line: 3, Col: 1}, canonical
		want.Times = max(want.Times, 1)
		Expect(got).To(Equal(want))
	},
		Entry("ADD NAME", "pc add-name CHAT<1d>", "", scenario.Step{Verb: scenario.AddName, Name: name("CHAT<1d>")}),
		Entry("ADD NAME of a name that no stack may take", "pc add-name *", "",
			scenario.Step{Verb: scenario.AddName, Name: netbios.Wildcard}),
		Entry("ADD NAME of sixteen zero bytes", `pc add-name \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00<00>`,
			"", scenario.Step{Verb: scenario.AddName}),
		Entry("ADD GROUP NAME", "pc add-group TEAM", "", scenario.Step{Verb: scenario.AddGroup, Name: name("TEAM")}),
		Entry("DELETE NAME", "pc delete-name CHAT", "", scenario.Step{Verb: scenario.DeleteName, Name: name("CHAT")}),
		Entry("CALL", "pc call CHAT as c from ME &", "pc call CHAT from ME as c",
			scenario.Step{Verb: scenario.Call, Name: name("CHAT"), From: name("ME"), Label: "c", Async: true}),
		Entry("LISTEN for anybody", "pc listen CHAT as l", "",
			scenario.Step{Verb: scenario.Listen, Name: name("CHAT"), From: netbios.Wildcard, Label: "l", Async: true}),
		Entry("LISTEN for anybody, said so", "pc listen CHAT from *", "pc listen CHAT",
			scenario.Step{Verb: scenario.Listen, Name: name("CHAT"), From: netbios.Wildcard, Async: true}),
		Entry("LISTEN for one", "pc listen CHAT from YOU x2", "pc listen CHAT from YOU",
			scenario.Step{Verb: scenario.Listen, Name: name("CHAT"), From: name("YOU"), Async: true, Times: 2}),
		Entry("RECEIVE ANY", "pc receive-any * size 10", "",
			scenario.Step{Verb: scenario.ReceiveAny, Name: netbios.Wildcard, Size: 10, Async: true}),
		Entry("RECEIVE ANY into the usual buffer", "pc receive-any CHAT size 4096", "pc receive-any CHAT",
			scenario.Step{Verb: scenario.ReceiveAny, Name: name("CHAT"), Size: 4096, Async: true}),
		Entry("SEND DATAGRAM", `pc send-datagram CHAT from ME "a\tb\"\\\xFF"`, `pc send-datagram CHAT from ME "a\tb\"\\\xff"`,
			scenario.Step{Verb: scenario.SendDatagram, Name: name("CHAT"), From: name("ME"), Payload: []byte("a\tb\"\\\xff")}),
		Entry("RECEIVE DATAGRAM", "pc receive-datagram CHAT as d", "", scenario.Step{
			Verb: scenario.ReceiveDatagram, Name: name("CHAT"), Size: 512, Label: "d", Async: true,
		}),
		Entry("SEND BROADCAST", `pc send-broadcast from ME "größe"`, "",
			scenario.Step{Verb: scenario.SendBroadcast, From: name("ME"), Payload: []byte("größe")}),
		Entry("RECEIVE BROADCAST", "pc receive-broadcast * size 0", "",
			scenario.Step{Verb: scenario.ReceiveBroadcast, Name: netbios.Wildcard, Async: true}),
		Entry("ADAPTER STATUS of this node", "pc adapter-status", "",
			scenario.Step{Verb: scenario.AdapterStatus, Name: netbios.Wildcard, Size: 16384}),
		Entry("ADAPTER STATUS of this node, said so", "pc adapter-status * size 60", "pc adapter-status size 60",
			scenario.Step{Verb: scenario.AdapterStatus, Name: netbios.Wildcard, Size: 60}),
		Entry("ADAPTER STATUS of another", "pc adapter-status PEER", "",
			scenario.Step{Verb: scenario.AdapterStatus, Name: name("PEER"), Size: 16384}),
		Entry("SESSION STATUS", "pc session-status *", "",
			scenario.Step{Verb: scenario.SessionStatus, Name: netbios.Wildcard, Size: 16384}),
		Entry("FIND NAME", "pc find-name CHAT", "", scenario.Step{Verb: scenario.FindName, Name: name("CHAT"), Size: 16384}),
		Entry("RESET", "pc reset", "", scenario.Step{Verb: scenario.Reset}),
		Entry("any command", "pc ncb 0x7A x3", "pc ncb 0x7a", scenario.Step{Verb: scenario.Ncb, Command: 0x7a, Times: 3}),
		Entry("a packet", "pc inject conflict-demand CHAT to peer id 4097", "pc inject conflict-demand CHAT to peer id 0x1001",
			scenario.Step{Verb: scenario.Inject, Inject: scenario.Packet{
				Kind: scenario.ConflictDemand, Name: name("CHAT"), To: 1, ID: 0x1001,
			}}),
		Entry("a node status request", "pc inject status-request to all", "",
			scenario.Step{Verb: scenario.Inject, Inject: scenario.Packet{
				Kind: scenario.StatusRequest, Name: netbios.Wildcard, To: scenario.Everybody,
			}}),
		Entry("a datagram", `pc inject datagram CHAT from ME "x" to peer`, `pc inject datagram CHAT to peer from ME "x"`,
			scenario.Step{Verb: scenario.Inject, Inject: scenario.Packet{
				Kind: scenario.Datagram, Name: name("CHAT"), From: name("ME"), To: 1, Payload: []byte("x"),
			}}),
		Entry("a broadcast datagram", `pc inject broadcast to all from ME`, "",
			scenario.Step{Verb: scenario.Inject, Inject: scenario.Packet{
				Kind: scenario.Broadcast, Name: netbios.Wildcard, From: name("ME"), To: scenario.Everybody,
			}}),
		Entry("bytes, even none", `pc inject bytes "" to peer port 137`, "",
			scenario.Step{Verb: scenario.Inject, Inject: scenario.Packet{Kind: scenario.Bytes, To: 1, Port: 137}}),
		Entry("a restart", "pc restart", "", scenario.Step{Verb: scenario.Restart}),
		Entry("a stop", "pc stop", "", scenario.Step{Verb: scenario.Stop}),
		Entry("a loss", "lan lose claim CHAT from pc x3", "", scenario.Step{
			Node: scenario.LAN, Verb: scenario.Lose, Impair: scenario.Impairment{Match: scenario.Pattern{
				Kind: scenario.Claim, Named: true, Name: name("CHAT"), From: 0, To: scenario.Anyone, Counted: true, Count: 3,
			}},
		}),
		Entry("a duplication", "lan double frame to all", "", scenario.Step{
			Node: scenario.LAN, Verb: scenario.Double, Impair: scenario.Impairment{Match: scenario.Pattern{
				From: scenario.Anyone, To: scenario.Everybody, Counted: true, Count: 1,
			}},
		}),
		Entry("a delay", "lan delay answer by 1500us x1", "lan delay answer by 1.5ms", scenario.Step{
			Node: scenario.LAN, Verb: scenario.Delay, Impair: scenario.Impairment{Match: scenario.Pattern{
				Kind: scenario.Answer, From: scenario.Anyone, To: scenario.Anyone, Counted: true, Count: 1,
			}, By: 1500 * time.Microsecond},
		}),
		Entry("an alteration", "lan alter query byte 2 0x1", "lan alter query byte 2 0x01", scenario.Step{
			Node: scenario.LAN, Verb: scenario.Alter, Impair: scenario.Impairment{Match: scenario.Pattern{
				Kind: scenario.Query, From: scenario.Anyone, To: scenario.Anyone, Counted: true, Count: 1,
			}, Byte: 2, Value: 1},
		}),
		Entry("a wait", "after 90m", "after 1h30m",
			scenario.Step{Node: scenario.LAN, Verb: scenario.After, Wait: 90 * time.Minute}),
		Entry("a wait until a time", "at 1500ns", "at 1.5us",
			scenario.Step{Node: scenario.LAN, Verb: scenario.At, Wait: 1500}),
	)

	It("reads what is about a labelled call", func() {
		s := parse(twoHosts + "pc listen CHAT as door\npc send door \"\" as out &\npc receive door as in-tray\n" +
			"pc cancel in-tray\npc hang-up door" + bothUsed)
		steps := s.Cases[0].Steps
		Expect(steps[1].Of).To(Equal("door"))
		Expect(steps[1].Async).To(BeTrue())
		Expect(steps[1].Payload).To(BeNil())
		Expect(steps[2].Of).To(Equal("door"))
		Expect(steps[2].Size).To(Equal(4096))
		Expect(steps[2].Async).To(BeTrue())
		Expect(steps[3].Of).To(Equal("in-tray"))
		Expect(steps[3].Verb).To(Equal(scenario.Cancel))
		Expect(steps[1].Text).To(Equal(`pc send door "" as out`))
	})

	DescribeTable("reads names as bytes", func(written, canonical string, want netbios.Name) {
		st := step("pc add-name " + written)
		Expect(st.Name).To(Equal(want))
		Expect(st.Text).To(Equal("pc add-name " + canonical))
	},
		Entry("padded with spaces", "CHAT<20>", "CHAT", netbios.Name([]byte("CHAT            "))),
		Entry("of fifteen bytes", "ABCDEFGHIJKLMNO<00>", "ABCDEFGHIJKLMNO<00>", netbios.Name([]byte("ABCDEFGHIJKLMNO\x00"))),
		Entry("with a space", `"MY NAME<03>"`, `"MY NAME<03>"`, netbios.Name([]byte("MY NAME        \x03"))),
		Entry("quoted without need", `"CHAT"`, "CHAT", name("CHAT")),
		Entry("escaped without need", `\x43HAT`, "CHAT", name("CHAT")),
		Entry("that are words of the grammar", `"from"`, `"from"`, name("from")),
		Entry("that look like a repetition", `"x3"`, `"x3"`, name("x3")),
		Entry("that look like a code", `"NRC_DUPNAME"`, `"NRC_DUPNAME"`, name("NRC_DUPNAME")),
		Entry("with what ends a word", `"a#b,c|d\"e"`, `"a#b,c|d\"e"`, name(`a#b,c|d"e`)),
		Entry("with a backslash", `"a\\b"`, `a\x5cb`, name(`a\x5cb`)),
		Entry("with a backslash before what looks like an escape", `"\\x41"`, `\x5cx41`, name(`\x5cx41`)),
		Entry("with a line end", `"\n"`, `\x0a`, name(`\x0a`)),
		Entry("outside ASCII", `"ö"`, `\xc3\xb6`, name(`\xc3\xb6`)),
		Entry("that end like a suffix", `A<41><20>`, `A<41><20>`, name(`A<41><20>`)),
		Entry("that only look like one when unescaped", `"A\x3c41>"`, `A<41><20>`, name(`A<41><20>`)),
		Entry("of nothing but spaces", `<20>`, `<20>`, netbios.Name([]byte("                "))),
		Entry("of an asterisk and spaces", `*<20>`, `*<20>`, netbios.Name([]byte("*               "))),
	)

	It("accepts tabs between words and comments behind them", func() {
		Expect(step("pc\tadd-name\tCHAT#a comment").Name).To(Equal(name("CHAT")))
	})
})

var _ = Describe("Parsing an expectation", func() {
	result := func(r scenario.Result) scenario.Clause { return r }

	DescribeTable("reads return codes", func(text string, want scenario.Clause) {
		e := expectation("pc add-name CHAT as it", "-> "+text)
		Expect(e.Clauses).To(Equal([]scenario.Clause{want}))
		Expect(e.Text).To(Equal(text))
	},
		Entry(nil, "ok", result(scenario.Result{})),
		Entry(nil, "any", result(scenario.Result{Any: true})),
		Entry(nil, "NRC_DUPNAME", result(scenario.Result{Code: netbios.DUPNAME})),
		Entry(nil, "it ok", result(scenario.Result{Label: "it"})),
		Entry(nil, "it any", result(scenario.Result{Label: "it", Any: true})),
		Entry(nil, "it pending", result(scenario.Result{Label: "it", None: true})),
		Entry(nil, "it NRC_NAMERR", result(scenario.Result{Label: "it", Code: netbios.NAMERR})),
	)

	It("takes the code of a completed call for what ok says", func() {
		Expect(expectation("pc add-name CHAT", "->NRC_GOODRET").Text).To(Equal("ok"))
	})

	It("reads what was received", func() {
		e := expectation("pc receive-any * as it", `-> data "a\x00",it data "ö"`)
		Expect(e.Clauses).To(Equal([]scenario.Clause{
			scenario.Received{Data: []byte("a\x00")}, scenario.Received{Label: "it", Data: []byte("ö")},
		}))
		Expect(e.Text).To(Equal(`data "a\x00", it data "ö"`))
	})

	DescribeTable("reads name tables", func(text string, not bool, kind, state string) {
		c := expectation("pc stop", "-> "+text).Clauses[0].(scenario.Listed)
		Expect(c.Not).To(Equal(not))
		Expect(c.Kind).To(Equal(kind))
		Expect(c.State).To(Equal(state))
		Expect(c.Node).To(Equal(1))
		Expect(c.String()).To(Equal(text))
	},
		Entry(nil, "CHAT in names peer", false, "", ""),
		Entry(nil, "no CHAT in names peer", true, "", ""),
		Entry(nil, "CHAT in names peer group", false, "group", ""),
		Entry(nil, "no CHAT in names peer conflict", true, "", "conflict"),
		Entry(nil, "CHAT<00> in names peer unique deregistered", false, "unique", "deregistered"),
		Entry("of a name that is a kind of packet", "claim in names peer", false, "", ""),
		Entry("of such a name that must not be there", "no claim in names peer", true, "", ""),
		Entry("of a name that must be quoted", `no "no" in names peer`, true, "", ""),
	)

	DescribeTable("reads frames", func(text string, not bool, want scenario.Pattern) {
		c := expectation("pc stop", "-> "+text).Clauses[0].(scenario.Wire)
		Expect(c.Not).To(Equal(not))
		Expect(c.Pattern).To(Equal(want))
		Expect(c.String()).To(Equal(text))
	},
		Entry(nil, "frame", false, scenario.Pattern{From: scenario.Anyone, To: scenario.Anyone}),
		Entry(nil, "no claim CHAT", true, scenario.Pattern{
			Kind: scenario.Claim, Named: true, Name: name("CHAT"), From: scenario.Anyone, To: scenario.Anyone,
		}),
		Entry(nil, "claim CHAT from pc to all x3 within 250ms", false, scenario.Pattern{
			Kind: scenario.Claim, Named: true, Name: name("CHAT"), From: 0, To: scenario.Everybody, Counted: true, Count: 3,
			Within: 250 * time.Millisecond,
		}),
		Entry(nil, "no refusal from pc to peer code 0x06 for 2m", true, scenario.Pattern{
			Kind: scenario.Refusal, From: 0, To: 1, Coded: true, Code: 6, For: 2 * time.Minute,
		}),
		Entry("exactly one", "keep-alive x1", false, scenario.Pattern{
			Kind: scenario.KeepAlive, From: scenario.Anyone, To: scenario.Anyone, Counted: true, Count: 1,
		}),
		Entry("of a name that is a word of the grammar", `query "from" from pc`, false, scenario.Pattern{
			Kind: scenario.Query, Named: true, Name: name("from"), From: 0, To: scenario.Anyone,
		}),
	)

	It("reads alternatives, with knobs and without a prediction", func() {
		s := parse("against Q3 in pc\n" + twoHosts +
			"pc stop\n-> release|Q1:count=once,window=always: no release | Q2: any | MS00-047,Q1: frame" + bothUsed)
		e := s.Cases[0].Steps[0].Expect[0]
		Expect(e.Text).To(Equal("release | Q1:count=once,window=always: no release | Q2: any | MS00-047,Q1: frame"))
		Expect(e.Alternatives).To(HaveLen(3))
		Expect(e.Alternatives[0].Bug).To(Equal("Q1:count=once,window=always"))
		Expect(e.Alternatives[0].Any).To(BeFalse())
		Expect(e.Alternatives[1].Any).To(BeTrue())
		Expect(e.Alternatives[1].Clauses).To(BeEmpty())
		Expect(e.Alternatives[2].Bug).To(Equal("MS00-047,Q1"))
	})

	It("takes any among other clauses for the return code", func() {
		s := parse(withBug + "pc add-name A trigger\n-> ok | Q1! any, no claim" + bothUsed)
		a := s.Cases[0].Steps[0].Expect[0].Alternatives[0]
		Expect(a.Any).To(BeFalse())
		Expect(a.Clauses[0]).To(Equal(scenario.Result{Any: true}))
	})
})

var _ = Describe("The words of the language", func() {
	It("are what verbs and kinds print as", func() {
		Expect(scenario.ReceiveBroadcast.String()).To(Equal("receive-broadcast"))
		Expect(scenario.At.String()).To(Equal("at"))
		Expect(scenario.AnyKind.String()).To(Equal("frame"))
		Expect(scenario.Bytes.String()).To(Equal("bytes"))
		Expect(scenario.Verb(200).String()).To(Equal("verb 200"))
		Expect(scenario.Kind(200).String()).To(Equal("kind 200"))
	})
})
