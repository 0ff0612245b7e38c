package difftest

import "testing"

// Real modules, at pinned versions. must: served by the package's artifact without compiling.
var modules = []struct {
	path, version string
	must, may     []string
	imports       map[string]string
}{
	{path: "github.com/mmcloughlin/geohash", version: "v0.10.0", must: []string{
		`Encode(100.1, 80.9)`, `Encode(48.858, 2.294)`, `Encode(-90, -180)`, `Encode(0, 0)`, `Encode(-0.0, 1e-300)`, `Encode('a', 0x10)`, `EncodeWithPrecision(48.858, 2.294, 5)`,
		`EncodeInt(48.858, 2.294)`, `EncodeIntWithPrecision(48.858, 2.294, 26)`, `Decode("u09tunq")`, `Decode("")`, `DecodeCenter("u09tunq")`, `DecodeInt(12345)`, `BoundingBox("u09tunq")`,
		`Neighbors("u09tunq")`, `Neighbor("u09tunq", 3)`, `Neighbor("u09tunq", geohash.Direction(3))`, `Validate("u09tunq")`, `Validate("a!")`, `ConvertStringToInt("u09tunq")`, `Encode("a", 1)`, `Encode(1)`,
		`Encode(1, 2, 3)`, `EncodeWithPrecision(1, 2, -1)`, `EncodeWithPrecision(1, 2, 3.0)`, `EncodeWithPrecision(1, 2, 3.5)`, `Encode(1e400, 0)`, `Encode(nil, 0)`},
		may: []string{`Box{1, 2, 3, 4}.Center()`, `Neighbor("u09tunq", geohash.North)`, `Nosuch(1)`, `encode(1)`, `Encode(1, 2)[:3]`}},
	{path: "github.com/google/uuid", version: "v1.6.0", must: []string{
		`Parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")`, `Parse("nonsense")`, `ParseBytes([]byte("6ba7b810-9dad-11d1-80b4-00c04fd430c8"))`, `MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")`, `MustParse("x")`,
		`Validate("x")`, `FromBytes([]byte{1, 2, 3})`, `FromBytes([]byte("0123456789abcdef"))`, `NewSHA1(uuid.UUID{1, 2, 3}, []byte("name"))`, `NewMD5(uuid.UUID{15: 1}, []byte{})`, `IsInvalidLengthError(nil)`,
		`NewHash(nil, uuid.UUID{}, nil, 4)`, `Must(uuid.UUID{}, nil)`, `SetNodeID([]byte("123456"))`},
		may: []string{`MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8").Version()`, `NewSHA1(uuid.NameSpaceDNS, []byte("example.org"))`, `Nil`, `UUID{}.String()`}},
	{path: "github.com/Masterminds/semver/v3", version: "v3.3.1", must: []string{
		`NewVersion("1.2.3-beta.1+b345")`, `NewVersion("1.2")`, `NewVersion("")`, `StrictNewVersion("v1.2.3")`, `StrictNewVersion("1.2.3")`, `MustParse("x")`, `New(1, 2, 3, "pre", "meta")`, `New(-1, 0, 0, "", "")`, `NewConstraint(">= 1.2, < 3")`,
		`NewConstraint("what")`},
		may: []string{`MustParse("1.2.3").IncMinor().String()`, `MustParse("1.2.3").Compare(semver.MustParse("1.3.0"))`, `MustParse("1.2.3").Major()`}},
	{path: "github.com/dustin/go-humanize", version: "v1.0.1", must: []string{
		`Bytes(82854982)`, `IBytes(82854982)`, `Bytes(18446744073709551615)`, `Bytes(-1)`, `Bytes(1e6)`, `Comma(6582491)`, `Commaf(1234567.891)`, `CommafWithDigits(1234567.891, 1)`, `Ordinal(193)`, `Ftoa(2.24)`, `ParseBytes("42 MB")`,
		`ParseBytes("nonsense")`, `SI(0.0000001, "B")`, `SIWithDigits(1e-7, 2, "B")`, `FormatFloat("#,###.##", 12345.6789)`, `FormatInteger("#,###.", 12345)`, `ComputeSI(2.2345e-12)`, `ParseSI("2.2345 pF")`, `CommafWithDigits(1, 'a')`},
		may:     []string{`BigComma(nil)`, `RelTime(time.Unix(0, 0), time.Unix(3600, 0), "ago", "from now")`, `Comma(int64(time.Hour))`},
		imports: map[string]string{"time": "time"}},
	{path: "github.com/gosimple/slug", version: "v1.15.0", must: []string{
		`Make("Hellö Wörld хелло ворлд")`, `MakeLang("Diese & Dass", "de")`, `IsSlug("a-b")`, `IsSlug("A b")`, `Make("影師")`, "Make(`a\\b`)", `Substitute("a b", map[string]string{"a": "x"})`, `SubstituteRune("ab", map[rune]string{'a': "x"})`, `SubstituteRune("ab", map[rune]string{97: "x", 'b': "y"})`},
		may: []string{`MaxLength`, `Make(strings.ToUpper("a b"))`}, imports: map[string]string{"strings": "strings"}},
	{path: "gopkg.in/yaml.v3", version: "v3.0.1", must: []string{
		`Marshal(map[string]any{"a": 1, "b": []any{1.5, "x", nil, true}})`, `Marshal(nil)`, `Marshal([]int{1, 2})`, `Marshal(map[string][]map[string]int{"a": {{"b": 1}}})`, `Marshal(yaml.Node{Kind: 8, Value: "v"})`, `Marshal(&yaml.Node{Kind: 8, Value: "v"})`,
		`Unmarshal([]byte("a: 1"), nil)`, `Unmarshal([]byte("a: ["), &[]int{})`, `Unmarshal([]byte("- 1"), &[]int{})`, `Unmarshal([]byte("x"), &[]int{})`},
		may: []string{`ScalarNode`, `Kind(8)`, `Node{Kind: 8}.Value`}},
	{path: "golang.org/x/text/unicode/norm", version: "v0.21.0", must: []string{`Nosuch()`},
		may: []string{`NFC.String("e\u0301")`, `NFD.Bytes([]byte("é"))`, `Form(2).String("ﬁ")`, `NFC`, `MaxSegmentSize`}},
	{path: "golang.org/x/text/language", version: "v0.21.0", must: []string{
		`Parse("de-AT")`, `Parse("!!")`, `MustParse("zh-Hant")`, `Make("en")`, `ParseBase("de")`, `ParseAcceptLanguage("nn;q=0.3, en-us;q=0.8, en,")`, `CompactIndex(language.Tag{})`, `Comprehends(language.Tag{}, language.Tag{})`},
		may: []string{`German.String()`, `Make("de").Parent()`}},
	{path: "github.com/shopspring/decimal", version: "v1.4.0", must: []string{
		`NewFromString("136.02")`, `NewFromString("x")`, `NewFromFloat(0.1)`, `NewFromFloat32(0.1)`, `New(12345, -3)`, `New(1, 3)`, `NewFromInt(-7)`, `RequireFromString("1.5")`, `RequireFromString("x")`, `Sum(decimal.Decimal{})`, `Max(decimal.Decimal{}, decimal.Decimal{})`,
		`Avg(decimal.Decimal{}, decimal.Decimal{}, decimal.Decimal{})`, `NewFromFloat(1e400)`, `New(1, 2147483648)`, `NewNullDecimal(decimal.Decimal{})`, `RescalePair(decimal.Decimal{}, decimal.Decimal{})`, `NewFromBigInt(nil, 1)`},
		may: []string{`NewFromFloat(0.1).Add(decimal.NewFromFloat(0.2))`, `RequireFromString("10").Div(decimal.NewFromInt(3))`, `Zero`, `DivisionPrecision`}},
	{path: "github.com/samber/lo", version: "v1.47.0", must: []string{
		`RuneLength("héllo")`, `Range(4)`, `Range(-4)`, `PascalCase("hello world")`, `SnakeCase("HelloWorld")`, `Words("helloWorld")`, `Capitalize("hELLO")`},
		may: []string{`Substring("hello", 1, 3)`, `Substring("hello", -2, 5)`, `RangeFrom(1, 5)`, `Map([]int{1, 2}, func(n, _ int) int { return n * 2 })`, `Uniq([]int{1, 1, 2})`, `Sum([]float64{1, 2.5})`, `Reverse([]string{"a", "b"})`, `Max([]int{1, 3, 2})`, `Chunk([]int{1, 2, 3}, 2)`, `RangeFrom(1.5, 3)`, `Ternary(true, "a", "b")`, `Must(1, nil)`, `T2(1, "a")`,
			`Tuple2[int, string]{1, "a"}`}},
	{path: "github.com/spf13/cast", version: "v1.7.0", must: []string{
		`ToInt("42")`, `ToInt(4.9)`, `ToInt(nil)`, `ToInt('a')`, `ToInt(true)`, `ToIntE("x")`, `ToInt64E("0x10")`, `ToString(3.14)`, `ToString([]byte("b"))`, `ToStringE(struct_)`, `ToStringE([]int{1})`, `ToBool("yes")`, `ToBoolE("true")`, `ToFloat64("1e3")`, `ToFloat32E(1)`, `ToUint8(300)`,
		`ToUint8E(-1)`, `ToSlice([]any{1, "a"})`, `ToStringSlice("a b c")`, `ToStringMap(map[string]any{"a": 1})`, `ToStringMapE("{\"a\": 1}")`, `ToIntSlice([]string{"1", "2"})`, `ToDuration("1h")`, `ToDurationE(90)`, `ToTimeE("2020-01-02")`, `ToStringMapStringSlice(map[string]any{"a": []string{"b"}})`,
		`ToInt(99999999999999999999)`, `ToFloat64(int8(5))`, `ToInt(cast.Nosuch{})`, `ToComplex(1i)`},
		may: []string{`ToDuration("90s").Minutes()`, `ToTime("2020-01-02").Year()`}},
}

func TestModules(t *testing.T) {
	for _, m := range modules {
		t.Run(m.path, func(t *testing.T) {
			p := fetched(t, m.path, m.version)
			must := trial{pkg: p, calls: m.must, must: true, refused: 1}
			count := must.verify(t)
			may := trial{pkg: p, calls: m.may, imports: m.imports, sample: 3, refused: 1}
			t.Logf("%+v %+v", count, may.verify(t))
		})
	}
}

// Standard packages are built without a fetched tree.
func TestStandard(t *testing.T) {
	for _, m := range []struct {
		path, name string
		must, may  []string
	}{
		{"strings", "strings", []string{`ToUpper("abc")`, `Repeat("ab", 3)`, `Repeat("x", -1)`, `Fields(" a b ")`, `Replace("aaa", "a", "b", -1)`, `IndexByte("abc", 'c')`, `Cut("a=b", "=")`, `NewReplacer("a")`, `Title("ab c")`, `IndexRune("chicken", 107)`, `Join([]string{"a", "b"}, ", ")`, `EqualFold("Go", "GO")`},
			[]string{`Map(func(r rune) rune { return r + 1 }, "HAL")`, `NewReplacer("a", "b").Replace("banana")`, `Builder{}`}},
		{"math", "math", []string{`Sqrt(2)`, `Inf(-1)`, `Copysign(1, -0.0)`, `Float64bits(-0.0)`, `Float32bits(0.1)`, `Pow(2, 0.5)`, `Mod(7, -3)`, `NaN()`, `Frexp(8)`, `MaxInt8()`, `Abs(-5)`}, []string{`Pi`, `MaxInt64`, `MaxUint64`, `Floor(-1.5) + 1`}},
		{"math/big", "big", []string{`NewInt(42)`, `NewRat(1, 3)`, `NewFloat(0.1)`, `Jacobi(nil, nil)`}, []string{`NewInt(7).Exp(big.NewInt(7), big.NewInt(30), nil)`}},
		{"math/rand/v2", "rand", []string{`NewPCG(1, 2)`, `IntN(1)`, `IntN(0)`}, []string{`N(1)`, `New(rand.NewPCG(1, 2)).IntN(100)`, `N(int64(1))`}},
		{"unicode/utf8", "utf8", []string{`RuneLen('世')`, `ValidString("a\xff")`, `DecodeRuneInString("世界")`, `AppendRune([]byte("a"), 0x1F600)`}, nil},
		{"unsafe", "unsafe", nil, []string{`Sizeof(int64(0))`, `String(nil, 0)`}},
		{"errors", "errors", []string{`New("x")`, `Join(nil, nil)`, `Is(nil, nil)`, `Unwrap(nil)`}, []string{`Join(errors.New("a"), errors.New("b"))`}},
		{"time", "time", []string{`Unix(0, 0)`, `ParseDuration("1h30m")`, `Date(2020, 2, 30, 1, 2, 3, 4, nil)`, `FixedZone("X", 3600)`, `LoadLocation("UTC")`}, []string{`Duration(1500) * time.Millisecond`, `Unix(0, 0).Year()`}},
	} {
		t.Run(m.path, func(t *testing.T) {
			p := &pkg{path: m.path, name: m.name, standard: true, tree: scratch}
			must := trial{pkg: p, calls: m.must, must: true, refused: 1}
			may := trial{pkg: p, calls: m.may, sample: -1, refused: -1}
			t.Logf("%+v %+v", must.verify(t), may.verify(t))
		})
	}
}
