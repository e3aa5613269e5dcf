//! C++: types with `std::string`, `std::vector` and `std::optional`, and functions that answer a
//! `Result`, over wit-bindgen's C bindings.
//!
//! How values cross is in the SDK's `adjutant.hpp` (`take`, `give`, `invoke`), once for every kind of
//! type; what is generated names the fields and cases only.

use std::fmt::Write as _;

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};
use wit_bindgen_c::to_c_ident;

use super::{Contract, Function, Interface, Named, Part, Shape, Ty, comment};

/// The interface whose types are in the namespace `adjutant` itself.
pub(in super::super) const COMMON: &str = "types";

/// The header `adjutant-contract.hpp`.
pub(in super::super) fn header(contract: &Contract) -> String {
    let mut out = String::from(
        "// Generated from the contract. Included by adjutant.hpp, which has what it needs.\n#pragma once\n",
    );
    for interface in &contract.interfaces {
        out.push('\n');
        comment(&mut out, "", "///", interface.docs.as_ref());
        let _ = writeln!(out, "namespace {} {{", namespace(&interface.name));
        for (name, from) in interface.uses.iter().filter(|(_, from)| from != COMMON) {
            let _ = writeln!(
                out,
                "using {}::{};",
                namespace(from),
                name.to_upper_camel_case()
            );
        }
        for named in &interface.types {
            self::named(&mut out, named);
        }
        out.push_str("}\nnamespace adjutant {\n");
        for named in &interface.types {
            crossing(&mut out, interface, named);
        }
        let _ = writeln!(out, "}}\nnamespace {} {{", namespace(&interface.name));
        for function in &interface.functions {
            self::function(&mut out, interface, function);
        }
        out.push_str("}\n");
    }
    out
}

fn namespace(interface: &str) -> String {
    if interface == COMMON {
        "adjutant".to_owned()
    } else {
        format!("adjutant::{}", to_c_ident(interface))
    }
}

/// What the names of an interface's types and functions begin with in wit-bindgen's C bindings.
pub(in super::super) fn c_prefix(interface: &str) -> String {
    if interface == COMMON {
        "adj_types".to_owned()
    } else {
        interface.to_snake_case()
    }
}

/// The type in wit-bindgen's C bindings.
fn c_type(interface: &str, name: &str) -> String {
    format!("::{}_{}_t", c_prefix(interface), name.to_snake_case())
}

fn named(out: &mut String, named: &Named) {
    out.push('\n');
    comment(out, "", "///", named.docs.as_ref());
    let name = named.name.to_upper_camel_case();
    match &named.shape {
        Shape::Record(fields) => record(out, &name, fields),
        Shape::Variant(cases) => variant(out, &name, cases),
    }
}

/// How a type crosses to the bindings and back, for the namespace `adjutant`.
fn crossing(out: &mut String, interface: &Interface, named: &Named) {
    let c = c_type(&interface.name, &named.name);
    let name = format!(
        "{}::{}",
        namespace(&interface.name),
        named.name.to_upper_camel_case()
    );
    let name = name.as_str();
    let _ = writeln!(
        out,
        "template <> struct Crossing<{name}> {{\n  static void take({c}& from, {name}& to) {{"
    );
    match &named.shape {
        Shape::Record(fields) => {
            for field in fields {
                let field = to_c_ident(&field.name);
                let _ = writeln!(out, "    adjutant::take(from.{field}, to.{field});");
            }
        }
        Shape::Variant(cases) => {
            let _ = writeln!(
                out,
                "    to.is = static_cast<{name}::Case>(from.tag);\n    switch (to.is) {{"
            );
            for_payloads(out, name, cases, |case| {
                format!("adjutant::take(from.val.{case}, to.as_{case});")
            });
            out.push_str("    }\n");
        }
    }
    let _ = writeln!(
        out,
        "  }}\n  static void give(Giving& giving, const {name}& from, {c}& to) {{"
    );
    match &named.shape {
        Shape::Record(fields) => {
            for field in fields {
                let field = to_c_ident(&field.name);
                let _ = writeln!(out, "    adjutant::give(giving, from.{field}, to.{field});");
            }
        }
        Shape::Variant(cases) => {
            out.push_str("    to.tag = static_cast<uint8_t>(from.is);\n    switch (from.is) {\n");
            for_payloads(out, name, cases, |case| {
                format!("adjutant::give(giving, from.as_{case}, to.val.{case});")
            });
            out.push_str("    }\n");
        }
    }
    out.push_str("  }\n};\n");
}

fn record(out: &mut String, name: &str, fields: &[Part<Ty>]) {
    let _ = writeln!(out, "struct {name} {{");
    for field in fields {
        comment(out, "  ", "///", field.docs.as_ref());
        let _ = writeln!(
            out,
            "  {} {}{{}};",
            owned(&field.ty),
            to_c_ident(&field.name)
        );
    }
    out.push_str(
        "  /// Calls `f(name, field)` for each field, with its name in the contract.\n  \
         template <class Self, class F> static void fields(Self& self, F&& f) {\n",
    );
    for field in fields {
        let _ = writeln!(
            out,
            "    f(\"{}\", self.{});",
            field.name,
            to_c_ident(&field.name)
        );
    }
    out.push_str("  }\n};\n");
}

fn variant(out: &mut String, name: &str, cases: &[Part<Option<Ty>>]) {
    let idents: Vec<String> = cases.iter().map(|case| to_c_ident(&case.name)).collect();
    let _ = writeln!(out, "struct {name} {{\n  enum class Case : uint8_t {{");
    for (case, ident) in cases.iter().zip(&idents) {
        comment(out, "    ", "///", case.docs.as_ref());
        let _ = writeln!(out, "    {ident},");
    }
    out.push_str("  };\n  /// Which one it is.\n");
    let _ = writeln!(out, "  Case is = Case::{};", idents[0]);
    for (case, ident) in cases.iter().zip(&idents) {
        if let Some(ty) = &case.ty {
            let _ = writeln!(
                out,
                "  /// What it holds as `{}`.\n  {} as_{ident}{{}};",
                case.name,
                owned(ty)
            );
        }
    }
    for (case, ident) in cases.iter().zip(&idents) {
        let _ = match &case.ty {
            None => writeln!(
                out,
                "  static {name} {ident}() {{ {name} made; made.is = Case::{ident}; return made; }}"
            ),
            Some(ty) => writeln!(
                out,
                "  static {name} {ident}({} value) {{ {name} made; made.is = Case::{ident}; \
                 made.as_{ident} = std::move(value); return made; }}",
                owned(ty)
            ),
        };
    }
    let quoted: Vec<String> = cases
        .iter()
        .map(|case| format!("\"{}\"", case.name))
        .collect();
    let _ = writeln!(
        out,
        "  /// The cases' names in the contract.\n  static constexpr const char* names[] = {{{}}};",
        quoted.join(", ")
    );
    out.push_str("  /// Its name in the contract.\n  const char* name() const { return names[static_cast<size_t>(is)]; }\n");
    out.push_str(
        "  /// Calls `f` with what it holds, where it holds something.\n  \
         template <class Self, class F> static void held(Self& self, F&& f) {\n    switch (self.is) {\n",
    );
    for_payloads(out, name, cases, |case| format!("f(self.as_{case});"));
    out.push_str("    }\n  }\n");
    let _ = writeln!(
        out,
        "  bool operator==(Case other) const {{ return is == other; }}\n}};"
    );
}

/// The lines of a `switch` for the cases that hold something.
fn for_payloads(
    out: &mut String,
    name: &str,
    cases: &[Part<Option<Ty>>],
    line: impl Fn(&str) -> String,
) {
    for case in cases.iter().filter(|case| case.ty.is_some()) {
        let ident = to_c_ident(&case.name);
        let _ = writeln!(
            out,
            "    case {name}::Case::{ident}: {} break;",
            line(&ident)
        );
    }
    out.push_str("    default: break;\n");
}

fn function(out: &mut String, interface: &Interface, function: &Function) {
    out.push('\n');
    comment(out, "", "///", function.docs.as_ref());
    let last_needed = function
        .params
        .iter()
        .rposition(|(_, ty)| !matches!(ty, Ty::Option(_)))
        .map_or(0, |at| at + 1);
    let params: Vec<String> = function
        .params
        .iter()
        .enumerate()
        .map(|(i, (name, ty))| {
            let default = if i >= last_needed { " = {}" } else { "" };
            format!("{} {}{default}", borrowed(ty), to_c_ident(name))
        })
        .collect();
    let ok = function.ok.as_ref().map_or("void".to_owned(), owned);
    let mut arguments = vec![format!(
        "::{}_{}",
        interface.name.to_snake_case(),
        function.name.to_snake_case()
    )];
    arguments.extend(function.params.iter().map(|(name, _)| to_c_ident(name)));
    let _ = writeln!(
        out,
        "inline Result<{ok}> {}({}) {{\n  return invoke<{ok}>({});\n}}",
        to_c_ident(&function.name),
        params.join(", "),
        arguments.join(", ")
    );
}

/// A type that holds its value.
fn owned(ty: &Ty) -> String {
    match ty {
        Ty::Bool => "bool".to_owned(),
        Ty::U8 => "uint8_t".to_owned(),
        Ty::U32 => "uint32_t".to_owned(),
        Ty::S32 => "int32_t".to_owned(),
        Ty::U64 => "uint64_t".to_owned(),
        Ty::String => "std::string".to_owned(),
        Ty::List(of) => format!("std::vector<{}>", owned(of)),
        Ty::Option(of) => format!("std::optional<{}>", owned(of)),
        Ty::Named { interface, name } => {
            format!("{}::{}", namespace(interface), name.to_upper_camel_case())
        }
    }
}

/// A type as a parameter has it.
fn borrowed(ty: &Ty) -> String {
    match ty {
        Ty::String => "std::string_view".to_owned(),
        Ty::Option(of) if matches!(**of, Ty::String) => {
            "std::optional<std::string_view>".to_owned()
        }
        Ty::List(_) | Ty::Named { .. } => format!("const {}&", owned(ty)),
        other => owned(other),
    }
}
