// SPDX-License-Identifier: MIT

// Package replay tells which model explains what a host in a capture did.
//
// From the frames it infers what the host's applications asked of its stack (a claim is an ADD NAME, a release a DELETE
// NAME, ...), drives each model through those calls and the frames that the host was sent, at their recorded times, and
// compares what the model sends with what the host sent. Where the wire leaves open when something happened, or whether, a
// few plausible histories are tried: a model explains a capture if some such history makes it send exactly what the host
// sent.
//
// It also plays the peers of a capture before a device, in the host's place, and compares what the device sends with what the
// host sent: see [Performance].
//
// The package decides; it reads no file and no clock. Frames come in through [View], data about real products is embedded.
package replay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Options are what a replay is made with. The zero value is a B node with the RFC's timers, and all models of the ledger.
type Options struct {
	Models  []fault.Set
	Profile *node.Profile // nil for rfc1002, or the product's
	Product *Product      // nil for none: nothing is tolerated
	Limits  netbios.Limits

	// Calls are a history that somebody supplies, see [History.Supply]; Supplied tells that there is one.
	Calls    []Call
	Supplied bool

	Cut string // why the capture ended early; empty for a whole one
}

// Finding is what became of one model.
type Finding string

// The findings.
const (
	Explains Finding = "explains it" // some history makes the model send exactly what the host sent
	Differs  Finding = "does not"    // none does
	Untried  Finding = "not tried"   // as fixed: nothing in the capture brings the fault out
	Strained Finding = "could"       // only if something is assumed that another model needs no assumption for
)

// Outcome is what one model makes of the capture.
type Outcome struct {
	Model   fault.Set
	Finding Finding
	Why     string
	Counts
	First   *Difference // of a model that does not explain it
	History History
	Assumed []Call // what had to be assumed
	Used    []UsedTolerance
	Tried   int // histories

	engine *engine
}

// UsedTolerance is a tolerance that was needed.
type UsedTolerance struct {
	ID     string
	Times  int
	Reason string
}

// Verdict is the verdict on a capture.
type Verdict string

// The verdicts.
const (
	One         Verdict = "explained" // by one model
	Several     Verdict = "several"   // by more than one: a fact is missing
	None        Verdict = "none"      // by no model
	CannotJudge Verdict = "cannot-judge"
)

// Result is what a replay has to say.
type Result struct {
	Verdict  Verdict
	By       []fault.Set // that explain it
	Why      string      // of cannot judge; of several, the missing facts
	Missing  []string    // facts that would decide
	Outcomes []Outcome   // in the order of the models
	Held     []Held
	Notes    []string // what else is good to know
}

// Best is the outcome that the report is about: that of the explaining model, else of the one that comes furthest.
func (r *Result) Best() *Outcome {
	best := -1
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		switch {
		case best < 0:
			best = i
		case len(r.By) > 0 && slices.Contains(r.By, o.Model) && !slices.Contains(r.By, r.Outcomes[best].Model):
			best = i
		case len(r.By) == 0 && o.further(&r.Outcomes[best]):
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	return &r.Outcomes[best]
}

// Explain replays what a view shows into each model.
func Explain(v *View, o Options) Result {
	if why := oneSided(v); why != "" {
		return Result{Verdict: CannotJudge, Why: why}
	}
	if len(o.Models) == 0 {
		o.Models = Ledger()
	}
	h := Infer(v)
	if o.Supplied {
		h.Supply(v, o.Calls)
	}
	r := Result{Held: h.Held}
	if note := v.nodeType(); note != "" {
		r.Notes = append(r.Notes, note)
	}
	for _, model := range o.Models {
		r.Outcomes = append(r.Outcomes, search(v, model, h, &o))
	}
	r.weigh(v, &o)
	switch {
	case o.Cut != "":
		r.Verdict, r.Why = CannotJudge, "the capture is "+o.Cut
	case v.Full:
		r.Verdict = CannotJudge
		r.Why = fmt.Sprintf("more than %d frames concern the host: only the first are looked at", len(v.Frames))
	}
	return r
}

// nodeType tells of what type the models are, and by what a host claims to be of another.
func (v *View) nodeType() string {
	if v.served() {
		return fmt.Sprintf("the host is a %s node with the name server %s, and so are the models", strings.ToUpper(v.kind.String()), v.server)
	}
	for i := range v.Frames {
		r := &v.read[i]
		if r.out && !r.bad && r.service == nameService && r.ont != 0 {
			return fmt.Sprintf("the models are B nodes, and the host says in frame %d that it is of another type (%s)",
				v.Frames[i].Number, r.ont)
		}
	}
	return ""
}

// Ledger are the models of the ledger: fixed, and each fault.
func Ledger() []fault.Set {
	models := []fault.Set{{}}
	for _, f := range fault.All() {
		if set, err := fault.Parse(f.ID); err == nil {
			models = append(models, set)
		}
	}
	return models
}

// oneSided tells why a view cannot be judged whatever the models do; empty if it can.
func oneSided(v *View) string {
	sent, received := 0, 0
	for i := range v.Frames {
		if v.read[i].out {
			sent++
		} else if v.Frames[i].To.Addr() == v.Host {
			received++
		}
	}
	switch {
	case sent == 0 && received == 0:
		return fmt.Sprintf("%s is not in the capture%s", v.Host, hosts(v))
	case sent == 0:
		return fmt.Sprintf("the capture has only what was sent to %s, and nothing that it sent", v.Host)
	}
	replies, orphans, first := 0, 0, 0
	for i := range v.Frames {
		if !v.read[i].out || v.read[i].service != nameService || !v.read[i].reply {
			continue
		}
		replies++
		if v.requestOf(i) < 0 {
			if orphans == 0 {
				first = v.Frames[i].Number
			}
			orphans++
		}
	}
	if replies > 0 && orphans == replies {
		return fmt.Sprintf("the capture is one-sided: what %s answers in frame %d is not in it", v.Host, first)
	}
	return ""
}

func hosts(v *View) string {
	if len(v.Others) == 0 {
		return ": there is no NBT in it"
	}
	var names []string
	for _, a := range v.Others[:min(len(v.Others), 8)] {
		names = append(names, a.String())
	}
	if len(v.Others) > 8 {
		names = append(names, "...")
	}
	return "; in it are " + strings.Join(names, ", ")
}

// weigh compares the models and decides.
func (r *Result) weigh(v *View, o *Options) {
	least := -1
	for i := range r.Outcomes {
		x := &r.Outcomes[i]
		if x.First != nil {
			x.Finding, x.Why = Differs, x.why()
			continue
		}
		x.Finding = Explains
		if x.Model != (fault.Set{}) && idle(v, x, o) {
			x.Finding, x.Why = Untried, idleWhy(x.Model)
			continue
		}
		if least < 0 || len(x.Assumed) < least {
			least = len(x.Assumed)
		}
	}
	for i := range r.Outcomes {
		x := &r.Outcomes[i]
		if x.Finding != Explains {
			continue
		}
		if len(x.Assumed) > least {
			x.Finding = Strained
		} else {
			r.By = append(r.By, x.Model)
		}
		x.Why = x.assumed(v)
	}
	switch len(r.By) {
	case 0:
		r.Verdict = None
	case 1:
		r.Verdict = One
		if !r.evident() {
			r.Verdict, r.By = CannotJudge, nil
			r.Why = "nothing that the host sent is evidence: calls of its applications explain it, whatever its stack is"
		}
	default:
		r.Verdict = Several
		for i := range r.Outcomes {
			if x := &r.Outcomes[i]; x.Finding == Explains {
				r.Missing = append(r.Missing, x.missing(v)...)
			}
		}
		r.Why = strings.Join(r.Missing, "; ")
	}
}

// evident reports whether there is any evidence: a frame that is more than what calls were inferred from, or one that is not
// there and parts the models.
func (r *Result) evident() bool {
	for i := range r.Outcomes {
		if x := &r.Outcomes[i]; x.First != nil || x.Explained+x.Tolerated > 0 {
			return true
		}
	}
	return false
}

// idle reports whether a fault had nothing to do: with the same history, a correct stack changes its name table in the same
// way and sends the same.
func idle(v *View, x *Outcome, o *Options) bool {
	h := x.History
	fixed := play(v, config(v, fault.Set{}, o.profile(), o), &h)
	if fixed.changes != x.engine.changes || len(fixed.sent) != len(x.engine.sent) {
		return false
	}
	for i := range fixed.sent {
		if !sameBytes(&fixed.sent[i].Frame, &x.engine.sent[i].Frame) {
			return false
		}
	}
	return true
}

func (o *Options) profile() node.Profile {
	if o.Product != nil {
		if p, err := o.Product.profile(); err == nil {
			return p
		}
	}
	if o.Profile != nil {
		return *o.Profile
	}
	return node.RFC1002
}

// The triggers of the ledger's faults, as they would be seen in a capture.
var triggers = map[string]string{
	"Q124565":  "no direct datagram reached a name that would count it",
	"MS00-047": "no name conflict demand reached the host but for its own claims",
	"Q140419":  "no orderly stop is seen",
}

func idleWhy(model fault.Set) string {
	var why []string
	for _, id := range model.IDs() {
		if text, ok := triggers[id]; ok {
			why = append(why, text)
		} else {
			why = append(why, "nothing brings "+id+" out")
		}
	}
	return "neither shown nor excluded, it does as fixed here: " + strings.Join(why, "; ")
}

// why tells where a model differs first.
func (x *Outcome) why() string {
	if x.First.Frame == 0 {
		return x.First.What
	}
	if x.First.Seen == nil {
		return fmt.Sprintf("after frame %d %s", x.First.Frame, x.First.What)
	}
	return fmt.Sprintf("frame %d: %s", x.First.Frame, x.First.What)
}

// Assumption tells of a call that nothing shows what it was, and where.
func (x *Outcome) Assumption(v *View, c Call) string { return assumption(&c) + where(v, c.Pos) }

// Apart counts frames of the host that nothing is concluded from.
type Apart struct {
	Why          string
	Count, First int // First is the number of the first such frame
}

// Left counts what was left apart, by reason, in the order of first appearance.
func (x *Outcome) Left(v *View) []Apart {
	var list []Apart
	for i := range v.Frames {
		why, apart := x.History.Apart[i]
		if !apart && v.read[i].out {
			why, apart = x.History.apartConn(v.Frames[i].Conn)
		}
		if !apart {
			continue
		}
		k := slices.IndexFunc(list, func(a Apart) bool { return a.Why == why })
		if k < 0 {
			k, list = len(list), append(list, Apart{Why: why, First: v.Frames[i].Number})
		}
		list[k].Count++
	}
	return list
}

// assumed tells what a model has to assume.
func (x *Outcome) assumed(v *View) string {
	var parts []string
	for _, c := range x.Assumed {
		parts = append(parts, x.Assumption(v, c))
	}
	if len(parts) == 0 {
		return ""
	}
	return "if " + strings.Join(parts, " and ")
}

func assumption(c *Call) string {
	switch c.Verb {
	case scenario.Stop:
		return "it was stopped in order"
	case scenario.Restart:
		return "it was started anew"
	default:
		return c.Name.String() + " was deleted"
	}
}

// where tells between which frames something happened.
func where(v *View, pos int) string {
	switch {
	case pos <= 0 || len(v.Frames) == 0:
		return " at the beginning"
	case pos >= len(v.Frames):
		return fmt.Sprintf(" after frame %d", v.Frames[len(v.Frames)-1].Number)
	}
	return fmt.Sprintf(" between frames %d and %d", v.Frames[pos-1].Number, v.Frames[pos].Number)
}

// missing tells which facts would part a faulty model that explains the capture from the others.
func (x *Outcome) missing(v *View) []string {
	var facts []string
	add := func(format string, args ...any) {
		if fact := fmt.Sprintf(format, args...); !slices.Contains(facts, fact) && len(facts) < 8 {
			facts = append(facts, fact)
		}
	}
	if x.Model == (fault.Set{}) {
		return nil
	}
	for _, l := range x.engine.leaks {
		add("no evidence of when %s was deleted: a query for it after the application's exit would tell", l.Name)
	}
	for _, l := range x.engine.marks {
		frame := 0
		if l.Frame < len(v.Frames) {
			frame = v.Frames[l.Frame].Number
		}
		add("nobody asked for %s after the name conflict demand in frame %d: a query for it would tell", l.Name, frame)
	}
	for _, c := range x.Assumed {
		add("no evidence that %s", assumption(&c))
	}
	if len(facts) == 0 {
		add("%s and the others do the same here", x.Model)
	}
	return facts
}

// further reports whether a model comes further than another before it differs.
func (x *Outcome) further(y *Outcome) bool {
	switch {
	case x.First == nil || y.First == nil:
		return x.First == nil && y.First != nil
	case x.First.pos != y.First.pos:
		return x.First.pos > y.First.pos
	}
	return len(x.First.Fields) > 0 && len(x.First.Fields) < len(y.First.Fields)
}

// evaluate plays one history and compares.
func evaluate(v *View, model fault.Set, h *History, o *Options) *Outcome {
	e := play(v, config(v, model, o.profile(), o), h)
	m := match(v, e, h, o)
	x := &Outcome{Model: model, Counts: m.Counts, History: *h, engine: e}
	if len(m.diff) > 0 {
		x.First = &m.diff[0]
	}
	for t, times := range m.used {
		x.Used = append(x.Used, UsedTolerance{t.ID, times, t.Reason})
	}
	slices.SortFunc(x.Used, func(a, b UsedTolerance) int { return strings.Compare(a.ID, b.ID) })
	x.Assumed = h.assumed()
	return x
}

// assumed are the calls that nothing shows to have been made.
func (h *History) assumed() []Call {
	var list []Call
	for _, c := range h.Calls {
		if c.Assumed {
			list = append(list, c)
		}
	}
	return list
}

// Limits of the search: so many histories, and so many frames played in all of them.
const (
	maxHistories = 400
	maxPlayed    = 8 << 20
	maxPlaces    = 12 // of one call
)

// search looks for a history with which a model explains the capture. It starts with what the frames tell, and changes one
// thing at a time, where the model differs first.
func search(v *View, model fault.Set, h History, o *Options) Outcome {
	best := evaluate(v, model, &h, o)
	tried := 1
	most := max(4, min(maxHistories, maxPlayed/max(1, len(v.Frames))))
	for best.First != nil && tried < most {
		var next *Outcome
		for _, c := range candidates(v, best) {
			if tried >= most {
				break
			}
			if o.Supplied && len(c.assumed()) > 0 {
				continue // the history is known
			}
			tried++
			if x := evaluate(v, model, &c, o); x.further(best) && (next == nil || x.further(next)) {
				next = x
			}
		}
		if next == nil {
			break
		}
		best = next
	}
	best.Tried = tried
	return *best
}

// candidates are the histories that might explain what a model does otherwise: the name was deleted earlier than its
// release shows, or deleted without one, or the host was stopped or started anew.
func candidates(v *View, x *Outcome) []History {
	var list []History
	d := x.First
	h := &x.History
	before := min(d.pos, d.cause)
	if d.Name != (netbios.Name{}) && d.Name != netbios.Wildcard {
		list = append(list, h.deletions(v, d.Name, before)...)
	} else if d.Seen != nil && d.pos < len(v.Frames) {
		for _, row := range v.read[d.pos].rows { // a list of names: each may be the one
			list = append(list, h.deletions(v, row.Name, before)...)
			if len(list) > maxPlaces {
				break
			}
		}
	}
	if quiet(v, d.cause) {
		list = append(list, h.with(v, Call{Verb: scenario.Stop, Pos: lastSent(v) + 1, Assumed: true}))
	}
	if d.Seen != nil && d.pos < len(v.Frames) {
		if h.roles[d.pos].inferred {
			list = append(list, h.with(v, Call{Verb: scenario.Restart, Pos: d.pos, Assumed: true}))
		}
	}
	return list
}

// quiet reports whether the host sends nothing from a frame on.
func quiet(v *View, pos int) bool { return lastSent(v) < pos }

func lastSent(v *View) int {
	for i := len(v.Frames) - 1; i >= 0; i-- {
		if v.read[i].out {
			return i
		}
	}
	return -1
}

// deletions are the histories in which a name was deleted at another time before a frame: as nearly before it as can be, and
// before each datagram for the name since its life began.
func (h *History) deletions(v *View, name netbios.Name, pos int) []History {
	began, remove := 0, -1
	for i := range h.Calls {
		c := &h.Calls[i]
		if c.Name != name || c.Conn != 0 {
			continue
		}
		switch c.Verb {
		case scenario.AddName, scenario.AddGroup:
			if c.Pos <= pos {
				began, remove = c.Pos+1, -1
			}
		case scenario.DeleteName:
			if remove < 0 {
				remove = i
			}
		default:
		}
	}
	if remove >= 0 && h.Calls[remove].Pos < began {
		remove = -1
	}
	if remove >= 0 && h.Calls[remove].Pos <= pos && h.Calls[remove].Seen < 0 {
		return nil // moved already
	}
	var places []int
	for i := min(pos, len(v.Frames)-1); i >= began && len(places) < maxPlaces; i-- {
		r := &v.read[i]
		if i == pos || !r.out && (r.name == name && r.service != noService || v.Frames[i].Kind != trace.UDP) {
			places = append(places, i)
		}
	}
	var list []History
	for _, p := range places {
		c := Call{Verb: scenario.DeleteName, Name: name, Pos: p, Seen: -1, Assumed: remove < 0}
		without := *h
		if remove >= 0 {
			if h.Calls[remove].Pos <= p {
				continue
			}
			c.ID = h.Calls[remove].ID
			without.Calls = slices.Delete(slices.Clone(h.Calls), remove, remove+1)
			list = append(list, without.withID(v, c))
			continue
		}
		list = append(list, without.with(v, c))
	}
	return list
}

// with is the history with a call more.
func (h *History) with(v *View, c Call) History {
	c.ID = 0
	for i := range h.Calls {
		c.ID = max(c.ID, h.Calls[i].ID+1)
	}
	return h.withID(v, c)
}

func (h *History) withID(v *View, c Call) History {
	c.Seen = -1
	c.At = between(v, c.Pos)
	own := *h
	own.Calls = append(slices.Clone(h.Calls), c)
	slices.SortStableFunc(own.Calls, func(a, b Call) int { return cmp.Or(cmp.Compare(a.Pos, b.Pos), cmp.Compare(a.At, b.At)) })
	return own
}

// between is a time before the frame of an index and behind the one before.
func between(v *View, pos int) time.Duration {
	switch {
	case len(v.Frames) == 0 || pos <= 0:
		return 0
	case pos >= len(v.Frames):
		return v.End() + time.Millisecond
	}
	before, at := v.Frames[pos-1].At, v.Frames[pos].At
	return before + min((at-before)/2, 100*time.Millisecond)
}
