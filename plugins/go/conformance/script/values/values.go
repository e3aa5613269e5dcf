// Package values writes and reads values by the rules of the conformance suite.
package values

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
)

// Numbers above this are written as strings of digits.
const mostExact = 1<<53 - 1

// Text is a value as JSON text.
func Text(value any) string {
	text, err := json.Marshal(Plain(value))
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Plain turns a value into what encoding/json writes by the suite's rules.
func Plain(value any) any {
	return plain(reflect.ValueOf(value))
}

func plain(value reflect.Value) any {
	if !value.IsValid() {
		return nil
	}
	if marshaler, ok := value.Interface().(json.Marshaler); ok && value.Kind() != reflect.Pointer {
		var plain any
		text, err := marshaler.MarshalJSON()
		if err == nil {
			err = json.Unmarshal(text, &plain)
		}
		if err != nil {
			panic(err)
		}
		return plain
	}
	switch value.Kind() {
	case reflect.Uint64:
		if value.Uint() > mostExact {
			return strconv.FormatUint(value.Uint(), 10)
		}
	case reflect.Pointer, reflect.Interface:
		if value.IsNil() {
			return nil
		}
		return plain(value.Elem())
	case reflect.Slice:
		if bytes, ok := value.Interface().([]byte); ok {
			if bytes == nil {
				return nil
			}
			return hex.EncodeToString(bytes)
		}
		list := make([]any, value.Len())
		for i := range list {
			list[i] = plain(value.Index(i))
		}
		return list
	case reflect.Map:
		object := map[string]any{}
		for _, key := range value.MapKeys() {
			object[key.String()] = plain(value.MapIndex(key))
		}
		return object
	case reflect.Struct:
		object := map[string]any{}
		for i := range value.NumField() {
			object[value.Type().Field(i).Tag.Get("json")] = plain(value.Field(i))
		}
		return object
	}
	return value.Interface()
}

// Set sets a value to what was read by the suite's rules.
func Set(from any, to reflect.Value) error {
	if from == nil {
		return nil
	}
	if unmarshaler, ok := to.Addr().Interface().(json.Unmarshaler); ok {
		return variant(from, unmarshaler)
	}
	switch to.Kind() {
	case reflect.Uint32, reflect.Uint64:
		number, err := strconv.ParseUint(fmt.Sprint(from), 10, 64)
		to.SetUint(number)
		return err
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		return Set(from, to.Elem())
	case reflect.Slice:
		if text, ok := from.(string); ok {
			bytes, err := hex.DecodeString(text)
			to.SetBytes(bytes)
			return err
		}
		list, _ := from.([]any)
		to.Set(reflect.MakeSlice(to.Type(), len(list), len(list)))
		for i, one := range list {
			if err := Set(one, to.Index(i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.Struct:
		object, _ := from.(map[string]any)
		for i := range to.NumField() {
			field := to.Type().Field(i).Tag.Get("json")
			if err := Set(object[field], to.Field(i)); err != nil {
				return fmt.Errorf("%s: %w", field, err)
			}
		}
		return nil
	}
	value := reflect.ValueOf(from)
	if !value.CanConvert(to.Type()) {
		return fmt.Errorf("%T is no %s", from, to.Type())
	}
	to.Set(value.Convert(to.Type()))
	return nil
}

// variant reads one, also where the number that it holds is written as a string.
func variant(from any, to json.Unmarshaler) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	err = to.UnmarshalJSON(text)
	object, _ := from.(map[string]any)
	for name, held := range object {
		if digits, ok := held.(string); ok && err != nil {
			text, _ := json.Marshal(map[string]any{name: json.Number(digits)})
			return to.UnmarshalJSON(text)
		}
	}
	return err
}
