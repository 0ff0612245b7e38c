package driver

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"
)

// Typed calls go the direct way too where their JSON is a list of numbers, strings without escapes, booleans
// and nulls; and results of predeclared types become JSON here. encoding/json has the word in all else: here
// is only what both read and write alike.

// literalsMax bounds a text that is copied into a frame, which takes up to three times as much.
const literalsMax = 64 << 10

// literals gives the rest of a CALL frame that passes the same values; ok is false where it cannot tell.
func literals(text []byte) (rest []byte, ok bool) {
	if len(text) > literalsMax {
		return nil, false
	}
	in := scanner{text}
	rest = make([]byte, 2, 2+3*len(text))
	if !in.skip('[') {
		return nil, false
	}
	for count := 0; ; count++ {
		if in.skip(']') {
			binary.LittleEndian.PutUint16(rest, uint16(count))
			return rest, len(in.space()) == 0 && count <= math.MaxUint16
		}
		if count > 0 && !in.skip(',') {
			return nil, false
		}
		if rest, ok = in.value(rest); !ok {
			return nil, false
		}
	}
}

// scanner takes JSON off the front of a text.
type scanner struct {
	rest []byte
}

// space drops what is between tokens, and gives what is left.
func (s *scanner) space() []byte {
	for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\n' || s.rest[0] == '\t' || s.rest[0] == '\r') {
		s.rest = s.rest[1:]
	}
	return s.rest
}

func (s *scanner) skip(token byte) bool {
	if rest := s.space(); len(rest) == 0 || rest[0] != token {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// value appends the next value's node.
func (s *scanner) value(to []byte) (node []byte, ok bool) {
	if s.skip('"') {
		return s.string(to)
	}
	end := 0
	for end < len(s.rest) && s.rest[end] != ',' && s.rest[end] != ']' && s.rest[end] > ' ' {
		end++
	}
	word := s.rest[:end]
	s.rest = s.rest[end:]
	switch string(word) {
	case "true":
		return append(to, 'b', 1), true
	case "false":
		return append(to, 'b', 0), true
	case "null":
		return append(to, 'n'), true
	}
	tag := numberTag(word)
	return appendText(to, tag, word), tag != 0
}

func (s *scanner) string(to []byte) (node []byte, ok bool) {
	for i, c := range s.rest {
		switch {
		case c == '"':
			text := s.rest[:i]
			s.rest = s.rest[i+1:]
			return appendText(to, 's', text), utf8.Valid(text)
		case c < ' ', c == '\\':
			return nil, false
		}
	}
	return nil, false
}

func appendText(to []byte, tag byte, text []byte) []byte {
	to = binary.LittleEndian.AppendUint32(append(to, tag), uint32(len(text)))
	return append(to, text...)
}

// numberTag is the tag of a number of JSON, which has no sign but a minus and a digit on both sides of the
// point; 0: it is none, or one with an exponent.
func numberTag(word []byte) byte {
	tag, digits := byte('i'), 0
	if len(word) > 0 && word[0] == '-' {
		word = word[1:]
	}
	if len(word) > 1 && word[0] == '0' && word[1] != '.' {
		return 0
	}
	for _, c := range word {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '.' && tag == 'i' && digits > 0:
			tag, digits = 'f', 0
		default:
			return 0
		}
	}
	if digits == 0 {
		return 0
	}
	return tag
}

// plainResults is what encodeResults gives where there is no error and each value is plain.
func plainResults(values []any) (text string, ok bool) {
	to := append(line[:0], `{"results":[`...)
	for i, value := range values {
		if i > 0 {
			to = append(to, ',')
		}
		if to, ok = appendJSON(to, value); !ok {
			return "", false
		}
	}
	to = append(to, `],"error":null}`...)
	return string(to), len(to) < frameMax
}

func appendJSON(to []byte, value any) (text []byte, ok bool) {
	switch v := value.(type) {
	case nil:
		return append(to, "null"...), true
	case string:
		return appendJSONString(to, v)
	case float64:
		if v != 0 && (v < 1e-6 && v > -1e-6 || v >= 1e21 || v <= -1e21) || v != v {
			return nil, false
		}
		return strconv.AppendFloat(to, v, 'f', -1, 64), true
	case bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, uintptr:
		return appendValue(to, v)
	case []string:
		if v == nil {
			return append(to, "null"...), true
		}
		to = append(to, '[')
		for i, element := range v {
			if i > 0 {
				to = append(to, ',')
			}
			if to, ok = appendJSONString(to, element); !ok {
				return nil, false
			}
		}
		return append(to, ']'), true
	}
	return nil, false
}

func appendJSONString(to []byte, v string) (text []byte, ok bool) {
	for i := range len(v) {
		if c := v[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return nil, false
		}
	}
	return append(append(append(to, '"'), v...), '"'), true
}
