// SPDX-License-Identifier: MIT

package capture

import (
	"strconv"
	"strings"
)

// maxTexts bounds how many texts are kept: a capture whose every packet is wrong in another way must not cost memory.
const maxTexts = 1024

// texts makes the texts that say what is odd. It keeps those that it made: packets of one capture tend to be odd in the same
// way, and telling it costs nothing then.
type texts struct {
	made     map[string]string
	links    map[linkType]string
	unframed map[[2]byte]string // why a session service header with this type and flags is none
	buf      []byte
}

// format puts the numbers in the place of each %d.
func (t *texts) format(format string, numbers ...int) string {
	if len(numbers) == 0 {
		return format
	}
	b := t.buf[:0]
	for _, n := range numbers {
		before, after, _ := strings.Cut(format, "%d")
		b = strconv.AppendInt(append(b, before...), int64(n), 10)
		format = after
	}
	b = append(b, format...)
	t.buf = b
	if s, ok := t.made[string(b)]; ok {
		return s
	}
	if t.made == nil || len(t.made) == maxTexts {
		t.made = make(map[string]string)
	}
	s := string(b)
	t.made[s] = s
	return s
}

// unsupported is [linkType.unsupported], made once for each.
func (t *texts) unsupported(link linkType) string {
	if s, ok := t.links[link]; ok {
		return s
	}
	if t.links == nil || len(t.links) == maxTexts {
		t.links = make(map[linkType]string)
	}
	s := link.unsupported()
	t.links[link] = s
	return s
}
