package adjutant

import (
	"encoding/json"
	"errors"
	"fmt"

	witTypes "adjutant/internal/wit/types"
)

// What contract.go makes its conversions of. Nothing here is for strategies.

func same[T any](value T) T {
	return value
}

func fromBytes(raw []byte) []byte {
	return append([]byte{}, raw...)
}

func toBytes(bytes []byte) []byte {
	return bytes
}

func fromList[R, T any](from func(R) T) func([]R) []T {
	return func(raw []R) []T {
		values := make([]T, len(raw))
		for i := range raw {
			values[i] = from(raw[i])
		}
		return values
	}
}

func toList[T, R any](to func(T) R) func([]T) []R {
	return fromList(to)
}

func fromOption[R, T any](from func(R) T) func(witTypes.Option[R]) *T {
	return func(raw witTypes.Option[R]) *T {
		if raw.IsNone() {
			return nil
		}
		value := from(raw.Some())
		return &value
	}
}

func toOption[T, R any](to func(T) R) func(*T) witTypes.Option[R] {
	return func(value *T) witTypes.Option[R] {
		if value == nil {
			return witTypes.None[R]()
		}
		return witTypes.Some(to(*value))
	}
}

// A list that may be missing is nil then, and never nil otherwise.
func fromOptional[R, T any](from func([]R) []T) func(witTypes.Option[[]R]) []T {
	return func(raw witTypes.Option[[]R]) []T {
		if raw.IsNone() {
			return nil
		}
		return from(raw.Some())
	}
}

func toOptional[T, R any](to func([]T) []R) func([]T) witTypes.Option[[]R] {
	return func(values []T) witTypes.Option[[]R] {
		if values == nil {
			return witTypes.None[[]R]()
		}
		return witTypes.Some(to(values))
	}
}

// Variants as JSON: a case is a string, one that holds something an object with one field.

func marshalCase(name string, held any) ([]byte, error) {
	if held == nil {
		return json.Marshal(name)
	}
	return json.Marshal(map[string]any{name: held})
}

func unmarshalCase(text []byte) (name string, held json.RawMessage, err error) {
	if json.Unmarshal(text, &name) == nil {
		return name, nil, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return "", nil, err
	}
	if len(object) != 1 {
		return "", nil, errors.New("an object with one field was expected")
	}
	for name, held = range object {
	}
	return name, held, nil
}

func unmarshalHeld(held json.RawMessage, to any) error {
	if held == nil {
		return errors.New("this case holds something, and it is missing")
	}
	return json.Unmarshal(held, to)
}

func unknownCase(kind, name string) error {
	return fmt.Errorf("there is no %s %q", kind, name)
}

func marshalWord[W ~string](word W, known ...W) ([]byte, error) {
	for _, one := range known {
		if word == one {
			return json.Marshal(string(word))
		}
	}
	return marshalCase("other", string(word))
}

func unmarshalWord[W ~string](word *W, text []byte) error {
	name, held, err := unmarshalCase(text)
	if err != nil {
		return err
	}
	*word = W(name)
	if name == "other" && held != nil {
		err = json.Unmarshal(held, &name)
		*word = W(name)
	}
	return err
}
