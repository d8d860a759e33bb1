// SPDX-License-Identifier: MIT

//go:build oracle

package pcaps_test

import (
	"bytes"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// checked is what a vector claims that tshark says of it: the version, the summary, and what else there is to say where
// tshark does not read the message as we do.
var checked = regexp.MustCompile(`^tshark (\S+): "([^"]*)"(.*)$`)

// misread are vectors of which tshark gets one field wrong.
var misread = map[string]string{
	"status-full": "nbns.netbios_name", // a name with many bytes that cannot be printed is garbled
}

// carried puts vectors into frames, each into one, those of the session service into connections of their own. It returns
// the index in the frames of each vector's message.
func carried(vectors []fixtures.Vector) (frames []trace.Frame, at []int) {
	sender, receiver := netip.MustParseAddr("192.168.7.10"), netip.MustParseAddr("192.168.7.11")
	udp := map[fixtures.Service]uint16{fixtures.NameService: namePort, fixtures.DatagramService: datagramPort}
	for i, v := range vectors {
		if port, ok := udp[v.Service]; ok {
			at = append(at, len(frames))
			frames = append(frames, trace.Frame{
				Kind: trace.UDP, From: netip.AddrPortFrom(sender, port), To: netip.AddrPortFrom(receiver, port), Payload: v.Bytes,
			})
			continue
		}
		f := trace.Frame{From: netip.AddrPortFrom(sender, uint16(2000+i)), To: netip.AddrPortFrom(receiver, 139), Conn: i + 1}
		back := f
		back.From, back.To = f.To, f.From
		f.Kind, back.Kind = trace.Connect, trace.Fin
		frames = append(frames, f)
		at = append(at, len(frames))
		f.Kind, f.Payload = trace.Message, v.Bytes
		frames = append(frames, f)
		f.Kind, f.Payload = trace.Fin, nil
		frames = append(frames, f, back)
	}
	capture.Number(frames)
	return frames, at
}

// TestOracleReadsTheVectors asks tshark about every good vector. What the vector quotes must be what tshark says, it is
// malformed only where the vector admits it, and where the vector admits nothing the two dissections agree.
func TestOracleReadsTheVectors(t *testing.T) {
	ts := newTshark(t)
	vectors := fixtures.Vectors()
	frames, at := carried(vectors)
	var b bytes.Buffer
	if err := capture.Write(&b, frames); err != nil {
		t.Fatal(err)
	}
	packets := ts.read(filed(t, b.Bytes()))

	for i, v := range vectors {
		f := frames[at[i]]
		p := packets[f.Number-1]
		claim := checked.FindStringSubmatch(v.Checked)
		if claim == nil {
			t.Errorf("vector %s: %q does not say what tshark says", v.Name, v.Checked)
			continue
		}
		version, quote, but := claim[1], claim[2], claim[3]
		if info := strings.TrimSuffix(p.info, "[Malformed Packet]"); !quotes(quote, info) {
			t.Errorf("vector %s: %s says %q, the vector (checked with %s) %q", v.Name, ts.version, info, version, quote)
		}
		if admitted := strings.Contains(but, "Malformed Packet"); p.malformed != admitted {
			t.Errorf("vector %s: malformed is %v, want %v", v.Name, p.malformed, admitted)
		}
		if but != "" {
			continue
		}
		d := dissection{}
		if err := d.frame(f); err != nil {
			t.Errorf("vector %s: %v", v.Name, err)
		}
		if field := misread[v.Name]; field != "" {
			if strings.Join(p.dissection[field], " | ") == strings.Join(d[field], " | ") {
				t.Errorf("vector %s: tshark does not misread %s: compare it", v.Name, field)
			}
			delete(p.dissection, field)
			delete(d, field)
		}
		for _, difference := range differences(p.dissection, d) {
			t.Errorf("vector %s: %s", v.Name, difference)
		}
	}
}

// quotes reports whether a quotation is of a text. Three dots stand for what is left out.
func quotes(quote, text string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(quote), `\.\.\.`, `.*`)
	return regexp.MustCompile(`^` + pattern + `$`).MatchString(text)
}
