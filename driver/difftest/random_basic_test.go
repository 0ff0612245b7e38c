package difftest

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Random literals of the basic types, in all their spellings.

func (g *generator) basic(s *shape) string {
	text := g.basicText(s.basic)
	if g.chance(12) {
		return s.outside + "(" + text + ")"
	}
	return text
}

func (g *generator) basicText(name string) string {
	switch name {
	case "bool":
		return one(g, []string{"true", "false"})
	case "string":
		return g.text_()
	case "float32", "float64":
		return g.float(name == "float32")
	case "complex64", "complex128":
		if g.chance(50) {
			return g.float(true) + one(g, []string{"", "i"})
		}
		return strconv.Itoa(g.r.IntN(1000)) + "i"
	}
	return g.integer(name)
}

var bits = map[string]uint{"int": 64, "int8": 8, "int16": 16, "int32": 32, "int64": 64, "uint": 64, "uint8": 8, "uint16": 16, "uint32": 32, "uint64": 64, "uintptr": 64}

func (g *generator) integer(name string) string {
	size := bits[name]
	signed := name[0] == 'i'
	if signed {
		size--
	}
	value := g.r.Uint64() >> (64 - size) >> g.r.IntN(int(size))
	switch {
	case g.chance(3):
		value = 1<<size - 1
	case g.chance(3): // one too many, but for the most negative
		value = 1 << size
	}
	sign := ""
	if signed && g.chance(40) || g.chance(1) {
		sign = "-"
	}
	switch g.r.IntN(9) {
	case 0:
		return fmt.Sprintf("%s0x%x", sign, value)
	case 1:
		return fmt.Sprintf("%s0b%b", sign, value)
	case 2:
		return fmt.Sprintf("%s0%o", sign, value)
	case 3:
		return fmt.Sprintf("%s0O%o", sign, value)
	case 4:
		return fmt.Sprintf("%s%d.0", sign, value)
	case 5:
		if value < 0xD800 {
			return sign + strconv.QuoteRuneToASCII(rune(value))
		}
	case 6:
		if value >= 10 {
			text := strconv.FormatUint(value, 10)
			return sign + text[:1] + "_" + text[1:]
		}
	case 7:
		if value < 1000 {
			return fmt.Sprintf("%s%de0", sign, value)
		}
	}
	return sign + strconv.FormatUint(value, 10)
}

func (g *generator) float(single bool) string {
	if g.chance(20) {
		return strconv.Itoa(g.r.IntN(100000) - 50000)
	}
	f := math.Float64frombits(g.r.Uint64())
	if single || g.chance(50) {
		f = float64(math.Float32frombits(g.r.Uint32()))
	}
	if g.chance(40) {
		f = g.r.NormFloat64() * 1000
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "0.0"
	}
	switch g.r.IntN(5) {
	case 0:
		return strconv.FormatFloat(f, 'x', -1, 64)
	case 1:
		return strconv.FormatFloat(f, 'e', g.r.IntN(25), 64)
	case 2:
		return strconv.FormatFloat(math.Mod(f, 1e15), 'f', 1+g.r.IntN(20), 64)
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}

func (g *generator) text_() string {
	var out []byte
	for range g.r.IntN(8) {
		if g.chance(60) {
			out = append(out, byte(' '+g.r.IntN(95)))
		} else if g.chance(50) {
			out = append(out, byte(g.r.IntN(256)))
		} else {
			out = append(out, string(rune(g.r.IntN(0x11000)))...)
		}
	}
	s := string(out)
	if g.chance(20) && !strings.ContainsAny(s, "`\r\n") && strconv.CanBackquote(s) {
		return "`" + s + "`"
	}
	if g.chance(50) {
		return strconv.QuoteToASCII(s)
	}
	return strconv.Quote(s)
}
