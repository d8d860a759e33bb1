// SPDX-License-Identifier: MIT

package replay

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Tolerable tells what is wrong with a word for a difference that is not to count, see [PerformOptions]: no performance ever
// finds a difference of that name. It is nil for the words that reports have.
func Tolerable(word string) error {
	if how, kind, ok := strings.Cut(word, " "); ok && slices.Contains([]string{"missing", "extra", "repeated"}, how) {
		if kinds := tolerableKinds(); !slices.Contains(kinds, kind) && !otherSession.MatchString(kind) {
			return fmt.Errorf("replay: no message is called %q: behind %s stands one of %s", kind, how, strings.Join(kinds, ", "))
		}
		return nil
	}
	if fields := tolerableFields(); !slices.Contains(fields, firstOf(word)) && !tolerableOther(word) {
		return fmt.Errorf("replay: no field is called %q: want one of %s (of a list or a message with several, also as NB_ADDRESS[1] "+
			"or RR[1].TTL), payload at offset N, NODE_NAME X missing, NODE_NAME X more, NAME_FLAGS of X; or missing, extra or repeated "+
			"and a message, such as missing %v", word, strings.Join(fields, ", "), nbt.KindPositiveQuery)
	}
	return nil
}

// otherSession is a type of session message that has no name.
var otherSession = regexp.MustCompile(`^session type 0x[0-9a-f]{2}$`)

// tolerableKinds lists the messages, and what happens to connections, as kindOf names them.
func tolerableKinds() []string {
	var list []string
	for kind := nbt.KindClaim; kind <= nbt.KindStatusResponse; kind++ {
		list = append(list, kind.String())
	}
	list = append(list, nbt.KindOther.String())
	for _, t := range []nbt.DatagramType{nbt.DgmUnique, nbt.DgmGroup, nbt.DgmBroadcast, nbt.DgmError} {
		list = append(list, t.String())
	}
	list = append(list, nbt.SsnMessage.String())
	for t := nbt.SsnRequest; t <= nbt.SsnKeepAlive; t++ {
		list = append(list, t.String())
	}
	for _, k := range []trace.FrameKind{trace.Connect, trace.Refuse, trace.Fin, trace.Reset, trace.UDP} {
		list = append(list, k.String())
	}
	return list
}

// tolerableFields lists the fields that are compared: identifiers are not.
func tolerableFields() []string {
	return slices.DeleteFunc(append([]string{destination}, nbt.FieldNames()...), func(name string) bool {
		return name == "NAME_TRN_ID" || name == "DGM_ID"
	})
}

var (
	ofEntry  = regexp.MustCompile(`^(?:QUESTION|RR)\[[1-9][0-9]*\]\.`)
	numbered = regexp.MustCompile(`^(NODE_NAME|NAME_FLAGS|NB_FLAGS|NB_ADDRESS)\[[1-9][0-9]*\]$`)
	ofRow    = regexp.MustCompile(`^(?:NODE_NAME (.+) (?:more|missing)|NAME_FLAGS of (.+))$`)
	inBytes  = regexp.MustCompile(`^payload at offset [0-9]+$`)
)

// firstOf is the name of the same field in a first entry.
func firstOf(field string) string {
	field = ofEntry.ReplaceAllString(field, "")
	if m := numbered.FindStringSubmatch(field); m != nil {
		if field = m[1]; strings.HasPrefix(field, "N") && !strings.HasPrefix(field, "NB_") {
			field += "[0]"
		}
	}
	return field
}

// tolerableOther reports whether a word is about a name in a node status, or about bytes that have no name.
func tolerableOther(word string) bool {
	if m := ofRow.FindStringSubmatch(word); m != nil {
		_, err := netbios.ParseName(m[1] + m[2])
		return err == nil
	}
	return inBytes.MatchString(word)
}
