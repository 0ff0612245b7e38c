package driver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Typed calls: arguments are what encoding/json makes of each for its parameter's type. What does not
// fit is said in words for the caller; there is no Go text to compile.

// typedArguments decodes a JSON array; why is empty on success.
func typedArguments(c *request, f reflect.Type) (arguments []reflect.Value, why string) {
	var given []json.RawMessage
	if err := json.Unmarshal(c.rest, &given); err != nil {
		return nil, "the arguments are not a JSON array: " + reason(err)
	}
	arguments = make([]reflect.Value, 0, f.NumIn())
	if f.NumIn() > 0 && f.In(0) == reflect.TypeFor[context.Context]() {
		arguments = append(arguments, reflect.ValueOf(c.context()))
	}
	own := len(arguments)
	fixed := f.NumIn()
	if f.IsVariadic() {
		fixed--
	}
	if len(given) < fixed-own || len(given) > fixed-own && !f.IsVariadic() {
		return nil, wrongCount(c.name, fixed-own, len(given), f.IsVariadic())
	}
	for i := own; i < fixed; i++ {
		argument := reflect.New(f.In(i))
		if why := decode(given[i-own], argument, i-own+1, c.name); why != "" {
			return nil, why
		}
		arguments = append(arguments, argument.Elem())
	}
	if !f.IsVariadic() {
		return arguments, ""
	}
	return spreadTyped(c.name, f.In(fixed), given[fixed-own:], fixed-own, arguments)
}

func spreadTyped(name string, t reflect.Type, given []json.RawMessage, before int,
	arguments []reflect.Value) ([]reflect.Value, string) {
	slice := reflect.Zero(t)
	if len(given) > 0 {
		slice = reflect.MakeSlice(t, len(given), len(given))
	}
	for i, text := range given {
		if why := decode(text, slice.Index(i).Addr(), before+i+1, name); why != "" {
			return nil, why
		}
	}
	return append(arguments, slice), ""
}

// decode reads one argument into what `pointer` points to.
func decode(text []byte, pointer reflect.Value, at int, name string) string {
	t := pointer.Type().Elem()
	switch {
	case t.Kind() == reflect.Func, t.Kind() == reflect.Chan, t.Kind() == reflect.UnsafePointer,
		t.Kind() == reflect.Interface && t.NumMethod() > 0:
		if string(bytes.TrimSpace(text)) == "null" {
			return ""
		}
		return fmt.Sprintf("argument %d of %s is of type %v, which JSON can only give as null", at, name, t)
	}
	if err := json.Unmarshal(text, pointer.Interface()); err != nil {
		return fmt.Sprintf("argument %d of %s does not fit its type %v: %s", at, name, t, reason(err))
	}
	return ""
}

func wrongCount(name string, want, have int, variadic bool) string {
	least := ""
	if variadic {
		least = "at least "
	}
	plural := "s"
	if want == 1 {
		plural = ""
	}
	return fmt.Sprintf("%s takes %s%d argument%s, %d given", name, least, want, plural, have)
}

func reason(err error) string {
	var misfit *json.UnmarshalTypeError
	if errors.As(err, &misfit) {
		if misfit.Field != "" {
			return fmt.Sprintf("%s at %s is no %v", misfit.Value, misfit.Field, misfit.Type)
		}
		return fmt.Sprintf("%s is no %v", misfit.Value, misfit.Type)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// ErrorPlace says whether the last result is the call's error.
type ErrorPlace int

const (
	// ErrorNever and ErrorLast are what the function's declaration says.
	ErrorNever ErrorPlace = iota
	ErrorLast
	// ErrorGuess: only values are known; the last is the error if it is one, or if it is nil and not
	// the only one.
	ErrorGuess
)

func hasError(f reflect.Type) ErrorPlace {
	if n := f.NumOut(); n > 0 && f.Out(n-1) == reflect.TypeFor[error]() {
		return ErrorLast
	}
	return ErrorNever
}

// encodeResults gives {"results":[…],"error":null|"text"}; why is empty on success.
func encodeResults(values []any, place ErrorPlace) (text, why string) {
	failure, values := splitError(values, place)
	if failure == nil {
		if text, ok := plainResults(values); ok {
			return text, ""
		}
	}
	var out bytes.Buffer
	out.WriteString(`{"results":[`)
	for i, value := range values {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := encode(&out, value); err != nil {
			return "", fmt.Sprintf("result %d is of type %T, which JSON cannot hold: %s", i+1, value, reason(err))
		}
	}
	out.WriteString(`],"error":`)
	if failure == nil {
		out.WriteString("null}")
	} else {
		if err := encode(&out, failure.Error()); err != nil {
			return "", reason(err)
		}
		out.WriteByte('}')
	}
	if out.Len() >= frameMax {
		return "", fmt.Sprintf("the results are %d bytes as JSON; at most %d are taken", out.Len(), frameMax-1)
	}
	return out.String(), ""
}

func splitError(values []any, place ErrorPlace) (error, []any) {
	if len(values) == 0 || place == ErrorNever {
		return nil, values
	}
	last := len(values) - 1
	failure, ok := values[last].(error)
	if place == ErrorGuess && !ok && (values[last] != nil || last == 0) {
		return nil, values
	}
	return failure, values[:last]
}

// encode appends a value's JSON, without the escapes that only HTML needs.
func encode(out *bytes.Buffer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	out.Truncate(out.Len() - 1) // the line's end
	return nil
}
