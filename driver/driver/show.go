package driver

import (
	"fmt"
	"os"
	"strconv"
)

// show prints as fmt.Print does, which is asked only about what is not of a predeclared type.
func show(values []any) {
	if len(values) == 1 {
		if text, ok := values[0].(string); ok {
			_, _ = os.Stdout.WriteString(text)
			return
		}
	}
	text, ok := appendValues(line[:0], values)
	if !ok {
		fmt.Print(values...)
		return
	}
	_, _ = os.Stdout.Write(text)
}

// shown is the text that show prints.
func shown(values []any) string {
	if len(values) == 1 {
		if text, ok := values[0].(string); ok {
			return text
		}
	}
	text, ok := appendValues(line[:0], values)
	if !ok {
		return fmt.Sprint(values...)
	}
	return string(text)
}

// line holds what most results take.
var line [512]byte

// appendValues puts a space where neither neighbour is a string; ok is false where fmt has to be asked.
func appendValues(to []byte, values []any) (text []byte, ok bool) {
	joins := true
	for _, value := range values {
		_, isString := value.(string)
		if !joins && !isString {
			to = append(to, ' ')
		}
		joins = isString
		if to, ok = appendValue(to, value); !ok {
			return nil, false
		}
	}
	return to, true
}

func appendValue(to []byte, value any) (text []byte, ok bool) {
	switch v := value.(type) {
	case nil:
		return append(to, "<nil>"...), true
	case string:
		return append(to, v...), true
	case bool:
		return strconv.AppendBool(to, v), true
	case int:
		return appendInt(to, v), true
	case int8:
		return appendInt(to, v), true
	case int16:
		return appendInt(to, v), true
	case int32:
		return appendInt(to, v), true
	case int64:
		return appendInt(to, v), true
	case uint:
		return appendUint(to, v), true
	case uint8:
		return appendUint(to, v), true
	case uint16:
		return appendUint(to, v), true
	case uint32:
		return appendUint(to, v), true
	case uint64:
		return appendUint(to, v), true
	case uintptr:
		return appendUint(to, v), true
	case float32:
		return strconv.AppendFloat(to, float64(v), 'g', -1, 32), true
	case float64:
		return appendFloat(to, v), true
	case []byte:
		return appendList(to, v, appendUint), true
	case []string:
		return appendList(to, v, func(to []byte, v string) []byte { return append(to, v...) }), true
	case []int:
		return appendList(to, v, appendInt), true
	case []float64:
		return appendList(to, v, appendFloat), true
	}
	return nil, false
}

func appendInt[T int | int8 | int16 | int32 | int64](to []byte, v T) []byte {
	return strconv.AppendInt(to, int64(v), 10)
}

func appendUint[T uint | uint8 | uint16 | uint32 | uint64 | uintptr](to []byte, v T) []byte {
	return strconv.AppendUint(to, uint64(v), 10)
}

func appendFloat(to []byte, v float64) []byte {
	return strconv.AppendFloat(to, v, 'g', -1, 64)
}

func appendList[T any](to []byte, list []T, element func([]byte, T) []byte) []byte {
	to = append(to, '[')
	for i, v := range list {
		if i > 0 {
			to = append(to, ' ')
		}
		to = element(to, v)
	}
	return append(to, ']')
}
