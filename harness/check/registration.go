// SPDX-License-Identifier: MIT

package check

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// ownerTypes are the bits of NB_FLAGS that a node's type has (RFC 1002 section 4.2.1.3).
var ownerTypes = map[string]nbt.NBFlags{"": nbt.ONTB, "p": nbt.ONTP, "m": nbt.ONTM, "h": nbt.ONTH}

// kindOf is the type of a node: "p", "m", "h", or empty for a B node.
func (w *watch) kindOf(node int) string { return w.run.Scenario.Nodes[node].Type }

// nameServer is that of a P, M or H node.
func (w *watch) nameServer(node int) netip.AddrPort {
	n := w.run.Scenario.Nodes[w.run.Scenario.Nodes[node].Wins]
	return netip.AddrPortFrom(n.Prefix.Addr(), stack.NamePort)
}

func (w *watch) claimSent(d stack.SendDatagram, m nbt.NameMessage) claimSent {
	flags, _ := m.Owner()
	return claimSent{m.ID, m.Kind() == nbt.KindOverwrite, w.now.At, w.now.Cause, d.To, d.Broadcast, flags}
}

// heard is what a node's name server has said to a claim or a release.
type heard struct {
	kind nbt.NameKind
	id   uint16
	at   time.Duration
}

// heardOf notes an answer of the node's name server.
func (w *watch) heardOf(n *watched, d stack.Datagram, m nbt.NameMessage) {
	if w.kindOf(int(w.now.Node)) == "" || d.From != w.nameServer(int(w.now.Node)) {
		return
	}
	name, _ := m.Subject()
	said := heard{m.Kind(), m.ID, w.now.At}
	for _, r := range n.releases {
		if r.name == name && r.sent(m.ID) {
			r.heard = append(r.heard, said)
			return
		}
	}
	h := n.holding(name)
	refresh := slices.Contains(h.refreshes, m.ID)
	if !refresh && !slices.ContainsFunc(h.claims, func(c claimSent) bool { return c.id == m.ID }) {
		return
	}
	h.heard = append(h.heard, said)
	switch m.Kind() {
	case nbt.KindPositiveRegistration:
		h.term = 0
		if ttl := m.Record().TTL; ttl > 0 {
			h.term = w.now.At + time.Duration(ttl)*time.Second
		}
	case nbt.KindNegativeRegistration, nbt.KindConflictDemand:
		if refresh && !h.group {
			h.conflict = true // the name server says that it is another's
		}
	default: // a WACK or a challenge: the claim goes on
	}
}

// refreshed is told of a refresh: it must come before the term is over.
func (w *watch) refreshed(h *holding, id uint16) {
	if h.term > 0 && w.now.At > h.term {
		w.violate(Refreshed, "%s is refreshed %s after the term that the name server granted was over", h.name, w.now.At-h.term)
	}
	h.term = 0
	h.refreshes = append(h.refreshes, id)
}

// round is one request with its repetitions.
type round []claimSent

func roundsOf(c []claimSent) []round {
	var rounds []round
	for i := range c {
		if last := len(rounds) - 1; last >= 0 && rounds[last][0].id == c[i].id && rounds[last][0].to == c[i].to {
			rounds[last] = append(rounds[last], c[i])
		} else {
			rounds = append(rounds, round{c[i]})
		}
	}
	return rounds
}

// claimFault tells what is wrong with what was sent for a name that was granted, since the ADD NAME that asked for it.
func (w *watch) claimFault(node int, h *holding) string {
	kind := w.kindOf(node)
	for _, c := range h.claims {
		if c.flags&nbt.NBONT != ownerTypes[kind] {
			return fmt.Sprintf("claimed with NB_FLAGS %v, which are not those of this type of node", c.flags)
		}
	}
	segment := func(c []claimSent) string { return segmentFault(c, w.interval(node), kind != "m") }
	var toServer, toAll []claimSent
	for _, c := range h.claims {
		if c.broadcast {
			toAll = append(toAll, c)
		} else {
			toServer = append(toServer, c)
		}
	}
	switch kind {
	case "":
		return segment(h.claims)
	case "p":
		if len(toAll) > 0 {
			return "a P node claimed it by broadcast"
		}
		return w.consentFault(node, h, toServer)
	case "m":
		if text := segment(toAll); text != "" {
			return text
		}
		if n := len(toServer); n > 0 && (toServer[0].at < toAll[claimCount-1].at || toServer[n-1].at > toAll[claimCount].at) {
			return "the name server was not asked between the claims and the overwrite demand"
		}
		return w.consentFault(node, h, toServer)
	}
	if len(toAll) == 0 {
		return w.consentFault(node, h, toServer)
	}
	decided := func(a heard) bool { return a.kind != nbt.KindWACK && a.at < toAll[0].at }
	if slices.ContainsFunc(h.heard, decided) {
		return "claimed by broadcast, although the name server answers"
	}
	if text := w.serverFault(node, h, toServer, serverCount); text != "" {
		return text
	}
	return segment(toAll)
}

// consentFault tells what is wrong with the requests to a name server that has agreed.
func (w *watch) consentFault(node int, h *holding, c []claimSent) string {
	if text := w.serverFault(node, h, c, 1); text != "" {
		return text
	}
	last := c[len(c)-1]
	agreed := slices.ContainsFunc(h.heard, func(a heard) bool {
		return a.kind == nbt.KindPositiveRegistration && a.id == last.id
	})
	if !agreed {
		return "registered without the consent of the name server"
	}
	return ""
}

// serverFault tells what is wrong with requests to a name server: under one identifier evenly spaced, unless a WACK has put
// the next off, and no overwrite but after a challenge.
func (w *watch) serverFault(node int, h *holding, c []claimSent, least int) string {
	if len(c) < least {
		return fmt.Sprintf("registered after %d requests to the name server, want %d", len(c), least)
	}
	put := func(kind nbt.NameKind, id uint16) bool {
		return slices.ContainsFunc(h.heard, func(a heard) bool { return a.kind == kind && a.id == id })
	}
	rounds := roundsOf(c)
	for i, r := range rounds {
		switch {
		case r[0].to != w.nameServer(node):
			return fmt.Sprintf("claimed at %s, which is not the name server", r[0].to)
		case len(r) > serverCount:
			return fmt.Sprintf("%d requests to the name server under one identifier, want at most %d", len(r), serverCount)
		case r[0].overwrite && (i == 0 || !put(nbt.KindChallenge, rounds[i-1][0].id)):
			return "an overwrite request without a challenge of the name server"
		}
		for j := 1; j < len(r); j++ {
			if gap := r[j].at - r[j-1].at; gap != w.serverInterval(node) && !put(nbt.KindWACK, r[0].id) {
				return fmt.Sprintf("requests to the name server are %s apart, want %s", gap, w.serverInterval(node))
			}
		}
	}
	return ""
}

// goesOn reports whether a release by broadcast is the continuation of one at the name server.
func (w *watch) goesOn(r *releasing, c claimSent) bool {
	kind := w.kindOf(int(w.now.Node))
	return (kind == "m" || kind == "h") && c.broadcast && r.until == 0 &&
		!slices.ContainsFunc(r.sends, func(s claimSent) bool { return s.broadcast })
}

// judgeReleases judges the releases of one freed name once all of them must have been sent.
func (w *watch) judgeReleases(node int, r *releasing, end time.Duration) {
	w.now = &trace.Event{Node: int16(node), Step: int32(r.step), Seq: r.event}
	invariant := ReleaseOnFree
	if r.onStop {
		invariant = ReleaseOnStop
	}
	if r.until > 0 {
		end = r.until
	}
	segment := 0
	for _, s := range r.sends {
		if s.broadcast {
			segment++
		}
	}
	if len(r.sends) == 0 {
		w.violate(invariant, "%s became free, and no release was sent", r.name)
		return
	}
	from, told := r.since, true // since when the segment has to be told, and whether it has
	if w.kindOf(node) != "" {
		var text string
		if from, told, text = w.serverTold(node, r, len(r.sends)-segment, end); text != "" {
			w.violate(invariant, "%s became free, and %s", r.name, text)
			return
		}
	}
	due, most := 0, 0
	if told {
		due, most = repeats(from, end, w.interval(node), releaseCount)
	}
	if segment < due || segment > most {
		w.violate(invariant, "%s became free, and %d releases were sent, want %d", r.name, segment, due)
	}
}

// repeats is how many transmissions of a request that began at a time are due at another, and how many there may be. One
// that is due at the very end may have been sent or not: which of two things at one time comes first is nobody's promise.
func repeats(from, end, interval time.Duration, count int) (due, most int) {
	if end < from {
		return 0, 0
	}
	return min(count, 1+int(max(0, end-from-1)/interval)), min(count, 1+int((end-from)/interval))
}

// serverTold judges the releases sent to a name server, and tells since when, if at all, the segment has to be told.
func (w *watch) serverTold(node int, r *releasing, sent int, end time.Duration) (from time.Duration, segment bool, fault string) {
	over, answer := end, nbt.KindOther
	for _, a := range r.heard {
		switch a.kind {
		case nbt.KindWACK:
			if sent == 0 || sent > serverCount {
				return 0, false, fmt.Sprintf("%d releases were sent to the name server, want at most %d", sent, serverCount)
			}
			return 0, false, "" // it said how long it would take; the rest is not timed
		case nbt.KindPositiveRelease, nbt.KindNegativeRelease:
			if answer == nbt.KindOther {
				over, answer = a.at, a.kind
			}
		}
	}
	interval := w.serverInterval(node)
	due, most := repeats(r.since, min(over, end), interval, serverCount)
	if sent < due || sent > most {
		return 0, false, fmt.Sprintf("%d releases were sent to the name server, want %d", sent, due)
	}
	switch silent := r.since + serverCount*interval; w.kindOf(node) {
	case "m":
		return over, answer == nbt.KindPositiveRelease && over <= end, ""
	case "h":
		if answer == nbt.KindOther {
			return silent, silent <= end, ""
		}
		return over, answer == nbt.KindNegativeRelease && over <= end, ""
	}
	return 0, false, ""
}

// mustDeny looks for the negative answer to a query for a name that is not in service here.
func (w *watch) mustDeny(n *watched, m nbt.NameMessage) {
	name, scope := m.Subject()
	if scope != "" || n.holding(name).inService() {
		return
	}
	for _, d := range w.effects(stack.NamePort) {
		r, err := nbt.ParseNameMessage(d.Payload)
		if err == nil && r.ID == m.ID && (r.Kind() == nbt.KindNegativeQuery || r.Kind() == nbt.KindPositiveQuery) {
			return // a positive one is judged where it is sent
		}
	}
	w.violate(Answers, "no %s to the %s for %s, which is not in service here", nbt.KindNegativeQuery, m.Kind(), name)
}
