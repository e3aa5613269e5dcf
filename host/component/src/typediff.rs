//! Where two types of the component model differ, in words.
//!
//! Types are equal by structure: a component and this host each have their own copy of the contract
//! and nothing but the shapes has to agree. Names of parameters don't matter, names of fields and
//! cases do.

use wit_parser::{Case, Field, Function, Resolve, Type, TypeDefKind};

/// A type and the place where its parts are looked up.
#[derive(Clone, Copy)]
struct At<'a> {
    resolve: &'a Resolve,
    ty: Type,
}

/// Levels of a type, and parts of a tuple, that are written out in a message.
const DESCRIBED_LEVELS: usize = 5;
const DESCRIBED_PARTS: usize = 4;

/// The first difference between the function that a component has and the one that this host has,
/// as a sentence without subject; none where they fit.
pub(crate) fn functions(
    theirs: (&Resolve, &Function),
    ours: (&Resolve, &Function),
) -> Option<String> {
    let ((their_resolve, their), (our_resolve, our)) = (theirs, ours);
    if their.kind.is_async() != our.kind.is_async() {
        let name = |is_async| {
            if is_async {
                "an `async func`"
            } else {
                "a plain `func`"
            }
        };
        return Some(format!(
            "is {} there and {} here",
            name(their.kind.is_async()),
            name(our.kind.is_async())
        ));
    }
    if their.params.len() != our.params.len() {
        return Some(format!(
            "has {} parameters there and {} here",
            their.params.len(),
            our.params.len()
        ));
    }
    for (their, our) in their.params.iter().zip(&our.params) {
        let place = format!("parameter `{}`", our.name);
        let their = At {
            resolve: their_resolve,
            ty: their.ty,
        };
        let our = At {
            resolve: our_resolve,
            ty: our.ty,
        };
        if let Some(difference) = types(their, our, &place) {
            return Some(difference);
        }
    }
    optional(
        their.result.map(|ty| At {
            resolve: their_resolve,
            ty,
        }),
        our.result.map(|ty| At {
            resolve: our_resolve,
            ty,
        }),
        "the result",
    )
}

fn optional(their: Option<At<'_>>, our: Option<At<'_>>, place: &str) -> Option<String> {
    match (their, our) {
        (None, None) => None,
        (Some(their), Some(our)) => types(their, our, place),
        (Some(their), None) => Some(format!(
            "{place} is {} there and nothing here",
            their.describe()
        )),
        (None, Some(our)) => Some(format!(
            "{place} is nothing there and {} here",
            our.describe()
        )),
    }
}

fn types(their: At<'_>, our: At<'_>, place: &str) -> Option<String> {
    let (their, our) = (their.unaliased(), our.unaliased());
    let different = || {
        Some(format!(
            "{place} is {} there and {} here",
            their.describe(),
            our.describe()
        ))
    };
    let (Type::Id(their_id), Type::Id(our_id)) = (their.ty, our.ty) else {
        return if their.ty == our.ty {
            None
        } else {
            different()
        };
    };
    let inner = |their_ty, our_ty, what: &str| {
        types(
            their.with(their_ty),
            our.with(our_ty),
            &format!("{what} {place}"),
        )
    };
    let inner_optional = |their_ty: Option<Type>, our_ty: Option<Type>, what: &str| {
        optional(
            their_ty.map(|ty| their.with(ty)),
            our_ty.map(|ty| our.with(ty)),
            &format!("{what} {place}"),
        )
    };
    let (their_kind, our_kind) = (
        &their.resolve.types[their_id].kind,
        &our.resolve.types[our_id].kind,
    );
    match (their_kind, our_kind) {
        (TypeDefKind::Record(a), TypeDefKind::Record(b)) => names(
            a.fields.iter().map(field),
            b.fields.iter().map(field),
            "fields",
            place,
        )
        .or_else(|| {
            a.fields
                .iter()
                .zip(&b.fields)
                .find_map(|(a, b)| inner(a.ty, b.ty, &format!("field `{}` of", b.name)))
        }),
        (TypeDefKind::Variant(a), TypeDefKind::Variant(b)) => names(
            a.cases.iter().map(case),
            b.cases.iter().map(case),
            "cases",
            place,
        )
        .or_else(|| {
            a.cases
                .iter()
                .zip(&b.cases)
                .find_map(|(a, b)| inner_optional(a.ty, b.ty, &format!("case `{}` of", b.name)))
        }),
        (TypeDefKind::Enum(a), TypeDefKind::Enum(b)) => names(
            a.cases.iter().map(|case| case.name.as_str()),
            b.cases.iter().map(|case| case.name.as_str()),
            "cases",
            place,
        ),
        (TypeDefKind::Flags(a), TypeDefKind::Flags(b)) => names(
            a.flags.iter().map(|flag| flag.name.as_str()),
            b.flags.iter().map(|flag| flag.name.as_str()),
            "flags",
            place,
        ),
        (TypeDefKind::Tuple(a), TypeDefKind::Tuple(b)) if a.types.len() == b.types.len() => a
            .types
            .iter()
            .zip(&b.types)
            .enumerate()
            .find_map(|(index, (a, b))| inner(*a, *b, &format!("part {index} of"))),
        (TypeDefKind::Option(a), TypeDefKind::Option(b)) => inner(*a, *b, "the content of"),
        (TypeDefKind::List(a), TypeDefKind::List(b)) => inner(*a, *b, "an element of"),
        (TypeDefKind::Result(a), TypeDefKind::Result(b)) => {
            inner_optional(a.ok, b.ok, "the ok case of")
                .or_else(|| inner_optional(a.err, b.err, "the error case of"))
        }
        // Nothing else is in the contract.
        _ => different(),
    }
}

fn field(field: &Field) -> &str {
    &field.name
}

fn case(case: &Case) -> &str {
    &case.name
}

fn names<'a>(
    their: impl Iterator<Item = &'a str>,
    our: impl Iterator<Item = &'a str>,
    what: &str,
    place: &str,
) -> Option<String> {
    let (their, our): (Vec<_>, Vec<_>) = (their.collect(), our.collect());
    (their != our).then(|| {
        format!(
            "{place} has the {what} {} there and {} here",
            their.join(", "),
            our.join(", ")
        )
    })
}

impl<'a> At<'a> {
    fn with(self, ty: Type) -> At<'a> {
        At {
            resolve: self.resolve,
            ty,
        }
    }

    fn unaliased(mut self) -> At<'a> {
        while let Type::Id(id) = self.ty
            && let TypeDefKind::Type(target) = self.resolve.types[id].kind
        {
            self.ty = target;
        }
        self
    }

    /// A short name such as `u32`, `list<string>` or `record page`.
    fn describe(self) -> String {
        self.describe_to(DESCRIBED_LEVELS)
    }

    /// A type written out can be exponentially longer than the type.
    fn describe_to(self, levels: usize) -> String {
        let id = match self.unaliased().ty {
            Type::Bool => return "bool".to_owned(),
            Type::U8 => return "u8".to_owned(),
            Type::U16 => return "u16".to_owned(),
            Type::U32 => return "u32".to_owned(),
            Type::U64 => return "u64".to_owned(),
            Type::S8 => return "s8".to_owned(),
            Type::S16 => return "s16".to_owned(),
            Type::S32 => return "s32".to_owned(),
            Type::S64 => return "s64".to_owned(),
            Type::F32 => return "f32".to_owned(),
            Type::F64 => return "f64".to_owned(),
            Type::Char => return "char".to_owned(),
            Type::String => return "string".to_owned(),
            Type::ErrorContext => return "error-context".to_owned(),
            Type::Id(id) => id,
        };
        if levels == 0 {
            return "…".to_owned();
        }
        let part = |ty: &Type| self.with(*ty).describe_to(levels - 1);
        let part_or_none = |ty: &Option<Type>| ty.as_ref().map_or("_".to_owned(), part);
        let def = &self.resolve.types[id];
        match &def.kind {
            TypeDefKind::Option(ty) => format!("option<{}>", part(ty)),
            TypeDefKind::List(ty) => format!("list<{}>", part(ty)),
            TypeDefKind::Result(result) => {
                format!(
                    "result<{}, {}>",
                    part_or_none(&result.ok),
                    part_or_none(&result.err)
                )
            }
            TypeDefKind::Tuple(tuple) => {
                let mut parts: Vec<_> =
                    tuple.types.iter().take(DESCRIBED_PARTS).map(part).collect();
                if tuple.types.len() > parts.len() {
                    parts.push("…".to_owned());
                }
                format!("tuple<{}>", parts.join(", "))
            }
            kind => match &def.name {
                Some(name) => format!("{} {name}", kind.as_str()),
                None => kind.as_str().to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(their: &str, our: &str) -> Option<String> {
        let parse = |text: &str| {
            let mut resolve = Resolve::default();
            let text = format!("package t:t; interface i {{ {text} }}");
            resolve
                .push_source("t.wit", &text)
                .expect("the test's WIT is right");
            resolve
        };
        let (their, our) = (parse(their), parse(our));
        let function = |resolve: &Resolve| {
            resolve
                .interfaces
                .iter()
                .next()
                .expect("one interface")
                .1
                .functions["f"]
                .clone()
        };
        functions((&their, &function(&their)), (&our, &function(&our)))
    }

    #[test]
    fn equal_shapes_fit_whatever_they_are_called() {
        assert_eq!(
            difference(
                "record a { x: u8, y: list<string> } type c = a; f: func(p: c) -> result<_, a>;",
                "record b { x: u8, y: list<string> } f: func(q: b) -> result<_, b>;",
            ),
            None
        );
    }

    #[test]
    fn says_where_and_what() {
        let cases = [
            (
                "f: func(a: u32);",
                "f: func(a: u32, b: u8);",
                "has 1 parameters there and 2 here",
            ),
            (
                "f: func(a: u32);",
                "f: func(b: u64);",
                "parameter `b` is u32 there and u64 here",
            ),
            (
                "f: func() -> option<string>;",
                "f: func();",
                "the result is option<string> there and nothing here",
            ),
            (
                "record r { x: list<u8> } f: func(a: list<r>);",
                "record r { x: list<u16> } f: func(a: list<r>);",
                "an element of field `x` of an element of parameter `a` is u8 there and u16 here",
            ),
            (
                "variant v { one, two } f: func() -> v;",
                "variant v { one, three(u8) } f: func() -> v;",
                "the result has the cases one, two there and one, three here",
            ),
            (
                "f: func() -> result<u8>;",
                "f: func() -> result<u8, string>;",
                "the error case of the result is nothing there and string here",
            ),
            (
                "f: async func();",
                "f: func();",
                "is an `async func` there and a plain `func` here",
            ),
        ];
        for (their, our, expected) in cases {
            assert_eq!(difference(their, our).as_deref(), Some(expected));
        }
    }
}
