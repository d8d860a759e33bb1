// SPDX-License-Identifier: MIT

package nbt

const (
	hexDigits = "0123456789abcdef"
	escapeLen = len(`\xHH`)
)

// Printable writes bytes so that they can be shown anywhere and read back: a backslash and every byte outside 0x20-0x7E
// as \xHH, the others as they are.
func Printable(b []byte) string {
	text := make([]byte, 0, len(b))
	for _, c := range b {
		if isPlain(c) {
			text = append(text, c)
		} else {
			text = appendEscape(text, c)
		}
	}
	return string(text)
}

func isPlain(c byte) bool { return 0x20 <= c && c <= 0x7e && c != '\\' }

func appendEscape(text []byte, c byte) []byte {
	return append(text, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
}

// unescape reads the \xHH that s begins with.
func unescape(s string) (c byte, ok bool) {
	if len(s) < escapeLen || s[1] != 'x' {
		return 0, false
	}
	high, ok1 := unhex(s[2])
	low, ok2 := unhex(s[3])
	return high<<4 | low, ok1 && ok2
}

func unhex(c byte) (half byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
