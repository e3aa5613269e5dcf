// Package wit_types has what the generated bindings make options and results of.
package wit_types

const (
	OptionNone = 0
	OptionSome = 1
	ResultOk   = 0
	ResultErr  = 1
)

// Unit is nothing.
type Unit struct{}

// Option is a value or none.
type Option[T any] struct {
	some  bool
	value T
}

func None[T any]() Option[T] {
	return Option[T]{}
}

func Some[T any](value T) Option[T] {
	return Option[T]{true, value}
}

func (option Option[T]) Tag() uint8 {
	if option.some {
		return OptionSome
	}
	return OptionNone
}

func (option Option[T]) IsNone() bool {
	return !option.some
}

// Some is the value; it panics where there is none.
func (option Option[T]) Some() T {
	if !option.some {
		panic("there is no value")
	}
	return option.value
}

// Result is a value or an error.
type Result[T, E any] struct {
	failed bool
	ok     T
	err    E
}

func Ok[T, E any](value T) Result[T, E] {
	return Result[T, E]{ok: value}
}

func Err[T, E any](err E) Result[T, E] {
	return Result[T, E]{failed: true, err: err}
}

func (result Result[T, E]) Tag() uint8 {
	if result.failed {
		return ResultErr
	}
	return ResultOk
}

func (result Result[T, E]) IsErr() bool {
	return result.failed
}

// Ok is the value; it panics where there is an error.
func (result Result[T, E]) Ok() T {
	if result.failed {
		panic("there is an error")
	}
	return result.ok
}

// Err is the error; it panics where there is a value.
func (result Result[T, E]) Err() E {
	if !result.failed {
		panic("there is no error")
	}
	return result.err
}
