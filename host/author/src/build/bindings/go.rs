//! Go: one package `adjutant` with the contract's types as Go has them (strings, slices, pointers for
//! what may be missing, JSON tags), and an interface's functions as methods of a variable of its name.
//!
//! wit-bindgen's Go bindings are below; what is generated here turns values into theirs and back. The
//! functions that it uses for lists and options are in the SDK, `convert.go`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use heck::{ToLowerCamelCase as _, ToSnakeCase as _, ToUpperCamelCase as _};

use super::{Contract, Function, Interface, Named, Part, Shape, Ty, comment};

/// Where wit-bindgen's bindings are, from the root of the module `adjutant`.
pub(in super::super) const BINDINGS: &str = "internal/bindings";
const WIT_TYPES: &str = "witTypes \"adjutant/internal/wit/types\"";

/// The file `contract.go`, or what two types of the contract would have in common.
pub(in super::super) fn contract(contract: &Contract) -> Result<String, String> {
    let mut names = BTreeSet::new();
    let mut body = String::new();
    for interface in &contract.interfaces {
        for named in &interface.types {
            if !names.insert(go_name(&named.name)) {
                return Err(named.name.clone());
            }
            self::named(&mut body, interface, named);
        }
        if !interface.functions.is_empty() {
            functions(&mut body, interface);
        }
    }
    let mut out = String::from("// Generated from the contract.\n\npackage adjutant\n\nimport (\n");
    for interface in &contract.interfaces {
        if body.contains(&format!("{}.", alias(&interface.name))) {
            let _ = writeln!(
                out,
                "\t{} \"adjutant/{BINDINGS}/{}\"",
                alias(&interface.name),
                package(&interface.name)
            );
        }
    }
    let _ = write!(out, ")\n{body}");
    Ok(out)
}

/// The package that wit-bindgen's export calls: it hands on to whoever has registered.
pub(in super::super) fn exports(contract: &Contract) -> String {
    let mut imports = BTreeSet::from([WIT_TYPES.to_owned()]);
    let mut body = String::new();
    for function in &contract.exports {
        let name = go_name(&function.name);
        let params: Vec<String> = function
            .params
            .iter()
            .map(|(name, ty)| format!("{} {}", name.to_lower_camel_case(), raw(ty, &mut imports)))
            .collect();
        let arguments: Vec<String> = function
            .params
            .iter()
            .map(|(name, _)| name.to_lower_camel_case())
            .collect();
        let ok = function
            .ok
            .as_ref()
            .map_or("witTypes.Unit".to_owned(), |ty| raw(ty, &mut imports));
        let result = format!(
            "witTypes.Result[{ok}, {}]",
            raw(&function.err, &mut imports)
        );
        let _ = write!(
            body,
            "\n// {name}With does the work; set by the package adjutant.\n\
             var {name}With func({params}) {result}\n\n\
             func {name}({params}) {result} {{\n\treturn {name}With({arguments})\n}}\n",
            params = params.join(", "),
            arguments = arguments.join(", ")
        );
    }
    let imports: Vec<String> = imports
        .into_iter()
        .map(|line| format!("\t{line}\n"))
        .collect();
    format!(
        "// Generated from the contract.\n\npackage export_wit_world\n\nimport (\n{})\n{body}",
        imports.concat()
    )
}

fn package(interface: &str) -> String {
    format!("adjutant_agent_{}", interface.to_snake_case())
}

fn alias(interface: &str) -> String {
    format!("raw{}", interface.to_upper_camel_case())
}

/// A name as Go writes it: `output-json` is `OutputJSON`.
fn go_name(name: &str) -> String {
    name.split('-')
        .map(|word| match word {
            "json" | "id" | "ms" | "url" | "http" => word.to_uppercase(),
            word => word.to_upper_camel_case(),
        })
        .collect()
}

/// A type of wit-bindgen's.
fn raw(ty: &Ty, imports: &mut BTreeSet<String>) -> String {
    match ty {
        Ty::List(of) => format!("[]{}", raw(of, imports)),
        Ty::Option(of) => format!("witTypes.Option[{}]", raw(of, imports)),
        Ty::Named { interface, name } => {
            let package = package(interface);
            imports.insert(format!("\"adjutant/{BINDINGS}/{package}\""));
            format!("{package}.{}", name.to_upper_camel_case())
        }
        plain => plain_type(plain).to_owned(),
    }
}

fn plain_type(ty: &Ty) -> &'static str {
    match ty {
        Ty::Bool => "bool",
        Ty::U8 => "byte",
        Ty::U32 => "uint32",
        Ty::S32 => "int32",
        Ty::U64 => "uint64",
        Ty::String | Ty::List(_) | Ty::Option(_) | Ty::Named { .. } => "string",
    }
}

/// A type of this package.
fn go_type(ty: &Ty) -> String {
    match ty {
        Ty::List(of) => format!("[]{}", go_type(of)),
        // A slice may be nil as it is.
        Ty::Option(of) if matches!(**of, Ty::List(_)) => go_type(of),
        Ty::Option(of) => format!("*{}", go_type(of)),
        Ty::Named { name, .. } => go_name(name),
        plain => plain_type(plain).to_owned(),
    }
}

/// The function that turns a type of wit-bindgen's into one of this package (`from`), or back (`to`).
fn converter(way: &str, ty: &Ty) -> String {
    match ty {
        Ty::Named { name, .. } => format!("{way}{}", go_name(name)),
        Ty::List(of) if matches!(**of, Ty::U8) => format!("{way}Bytes"),
        Ty::List(of) => format!("{way}List({})", converter(way, of)),
        Ty::Option(of) if matches!(**of, Ty::List(_)) => {
            format!("{way}Optional({})", converter(way, of))
        }
        Ty::Option(of) => format!("{way}Option({})", converter(way, of)),
        plain => format!("same[{}]", plain_type(plain)),
    }
}

fn documented(out: &mut String, indent: &str, name: &str, docs: Option<&String>) {
    if let Some(docs) = docs {
        let _ = writeln!(out, "{indent}// {name}:");
        comment(out, indent, "//", Some(docs));
    }
}

fn named(out: &mut String, interface: &Interface, named: &Named) {
    let name = go_name(&named.name);
    let raw = format!(
        "{}.{}",
        alias(&interface.name),
        named.name.to_upper_camel_case()
    );
    out.push('\n');
    documented(out, "", &name, named.docs.as_ref());
    match &named.shape {
        Shape::Record(fields) => record(out, &name, &raw, fields),
        Shape::Variant(cases) if is_word(cases) => word(out, named, &name, &raw, cases),
        Shape::Variant(cases) => variant(out, &name, &raw, cases),
    }
}

fn record(out: &mut String, name: &str, raw: &str, fields: &[Part<Ty>]) {
    let _ = writeln!(out, "type {name} struct {{");
    for field in fields {
        comment(out, "\t", "//", field.docs.as_ref());
        let _ = writeln!(
            out,
            "\t{} {} `json:\"{}\"`",
            go_name(&field.name),
            go_type(&field.ty),
            field.name
        );
    }
    let _ = writeln!(
        out,
        "}}\n\nfunc from{name}(raw {raw}) {name} {{\n\treturn {name}{{"
    );
    for field in fields {
        let _ = writeln!(
            out,
            "\t\t{}: {}(raw.{}),",
            go_name(&field.name),
            converter("from", &field.ty),
            field.name.to_upper_camel_case()
        );
    }
    let _ = writeln!(
        out,
        "\t}}\n}}\n\nfunc to{name}(value {name}) {raw} {{\n\treturn {raw}{{"
    );
    for field in fields {
        let _ = writeln!(
            out,
            "\t\t{}: {}(value.{}),",
            field.name.to_upper_camel_case(),
            converter("to", &field.ty),
            go_name(&field.name)
        );
    }
    out.push_str("\t}\n}\n");
}

/// Whether a variant is one word of a list, or another word: then it is a string in Go.
fn is_word(cases: &[Part<Option<Ty>>]) -> bool {
    cases.iter().all(|case| {
        case.ty.is_none() || case.name == "other" && matches!(case.ty, Some(Ty::String))
    })
}

fn word(out: &mut String, named: &Named, name: &str, raw: &str, cases: &[Part<Option<Ty>>]) {
    let words: Vec<_> = cases.iter().filter(|case| case.ty.is_none()).collect();
    let _ = writeln!(out, "type {name} string\n\nconst (");
    for case in &words {
        comment(out, "\t", "//", case.docs.as_ref());
        let _ = writeln!(
            out,
            "\t{name}{} {name} = \"{}\"",
            go_name(&case.name),
            case.name
        );
    }
    let _ = writeln!(
        out,
        ")\n\nfunc from{name}(raw {raw}) {name} {{\n\tswitch raw.Tag() {{"
    );
    for case in &words {
        let camel = case.name.to_upper_camel_case();
        let _ = writeln!(
            out,
            "\tcase {raw}{camel}:\n\t\treturn {name}{}",
            go_name(&case.name)
        );
    }
    let _ = writeln!(
        out,
        "\t}}\n\treturn {name}(raw.Other())\n}}\n\nfunc to{name}(value {name}) {raw} {{\n\tswitch value {{"
    );
    // What is not set is what does no harm.
    let zero = if named.name == "priority" {
        "medium"
    } else {
        &words[0].name
    };
    for case in &words {
        let or_zero = if case.name == zero { ", \"\"" } else { "" };
        let _ = writeln!(
            out,
            "\tcase {name}{}{or_zero}:\n\t\treturn {}()",
            go_name(&case.name),
            maker(raw, &case.name)
        );
    }
    let known: Vec<String> = words
        .iter()
        .map(|case| format!("{name}{}", go_name(&case.name)))
        .collect();
    let _ = writeln!(
        out,
        "\t}}\n\treturn {}(string(value))\n}}\n\n\
         // MarshalJSON writes a word of the contract as a string, any other as {{\"other\": \"…\"}}.\n\
         func (value {name}) MarshalJSON() ([]byte, error) {{\n\
         \treturn marshalWord(value, {known})\n}}\n\n\
         func (value *{name}) UnmarshalJSON(text []byte) error {{\n\
         \treturn unmarshalWord(value, text)\n}}",
        maker(raw, "other"),
        known = known.join(", ")
    );
}

/// The function of wit-bindgen's that makes a variant's case.
fn maker(raw: &str, case: &str) -> String {
    let (package, name) = raw.split_once('.').unwrap_or(("", raw));
    format!("{package}.Make{name}{}", case.to_upper_camel_case())
}

fn variant(out: &mut String, name: &str, raw: &str, cases: &[Part<Option<Ty>>]) {
    let _ = writeln!(out, "type {name} struct {{\n\tCase {name}Case");
    for case in cases {
        if let Some(ty) = &case.ty {
            comment(out, "\t", "//", case.docs.as_ref());
            let _ = writeln!(out, "\t{} {}", go_name(&case.name), go_type(ty));
        }
    }
    let _ = writeln!(
        out,
        "}}\n\n// {name}Case says which one a {name} is.\ntype {name}Case string\n\nconst ("
    );
    for case in cases {
        comment(out, "\t", "//", case.docs.as_ref());
        let _ = writeln!(
            out,
            "\t{name}Case{} {name}Case = \"{}\"",
            go_name(&case.name),
            case.name
        );
    }
    out.push_str(")\n");
    for case in cases {
        let case_name = go_name(&case.name);
        let _ = match &case.ty {
            None => writeln!(
                out,
                "\nfunc {name}{case_name}() {name} {{\n\treturn {name}{{Case: {name}Case{case_name}}}\n}}"
            ),
            Some(ty) => writeln!(
                out,
                "\nfunc {name}{case_name}(value {}) {name} {{\n\
                 \treturn {name}{{Case: {name}Case{case_name}, {case_name}: value}}\n}}",
                go_type(ty)
            ),
        };
    }
    let _ = writeln!(
        out,
        "\nfunc from{name}(raw {raw}) {name} {{\n\tswitch raw.Tag() {{"
    );
    for case in cases {
        let (camel, case_name) = (case.name.to_upper_camel_case(), go_name(&case.name));
        let value = case
            .ty
            .as_ref()
            .map(|ty| format!("{}(raw.{camel}())", converter("from", ty)))
            .unwrap_or_default();
        let _ = writeln!(
            out,
            "\tcase {raw}{camel}:\n\t\treturn {name}{case_name}({value})"
        );
    }
    let _ = writeln!(
        out,
        "\t}}\n\tpanic(\"a {name} of an unknown case\")\n}}\n\n\
         func to{name}(value {name}) {raw} {{\n\tswitch value.Case {{"
    );
    for (i, case) in cases.iter().enumerate() {
        let case_name = go_name(&case.name);
        let or_zero = if i == 0 { ", \"\"" } else { "" };
        let argument = case
            .ty
            .as_ref()
            .map(|ty| format!("{}(value.{case_name})", converter("to", ty)))
            .unwrap_or_default();
        let _ = writeln!(
            out,
            "\tcase {name}Case{case_name}{or_zero}:\n\t\treturn {}({argument})",
            maker(raw, &case.name)
        );
    }
    let _ = writeln!(
        out,
        "\t}}\n\tpanic(\"there is no {name} \" + string(value.Case))\n}}"
    );
    variant_json(out, name, cases);
}

fn variant_json(out: &mut String, name: &str, cases: &[Part<Option<Ty>>]) {
    let _ = writeln!(
        out,
        "\n// MarshalJSON writes a case as a string, one that holds something as {{\"case\": …}}.\n\
         func (value {name}) MarshalJSON() ([]byte, error) {{\n\tswitch value.Case {{"
    );
    for case in cases.iter().filter(|case| case.ty.is_some()) {
        let case_name = go_name(&case.name);
        let _ = writeln!(
            out,
            "\tcase {name}Case{case_name}:\n\t\treturn marshalCase(\"{}\", value.{case_name})",
            case.name
        );
    }
    let _ = writeln!(
        out,
        "\t}}\n\treturn marshalCase(string(value.Case), nil)\n}}\n\n\
         func (value *{name}) UnmarshalJSON(text []byte) error {{\n\
         \tname, held, err := unmarshalCase(text)\n\tif err != nil {{\n\t\treturn err\n\t}}\n\
         \tvalue.Case = {name}Case(name)\n\tswitch value.Case {{"
    );
    for case in cases {
        let case_name = go_name(&case.name);
        let _ = match &case.ty {
            None => writeln!(out, "\tcase {name}Case{case_name}:\n\t\treturn nil"),
            Some(_) => writeln!(
                out,
                "\tcase {name}Case{case_name}:\n\t\treturn unmarshalHeld(held, &value.{case_name})"
            ),
        };
    }
    let _ = writeln!(out, "\t}}\n\treturn unknownCase(\"{name}\", name)\n}}");
}

fn functions(out: &mut String, interface: &Interface) {
    let name = go_name(&interface.name);
    let kind = format!("{name}Interface");
    out.push('\n');
    documented(out, "", &name, interface.docs.as_ref());
    let _ = writeln!(
        out,
        "var {name} {kind}\n\n// {kind} has the functions of the contract's interface `{}`.\n\
         type {kind} struct{{}}",
        interface.name
    );
    for function in &interface.functions {
        self::function(out, interface, &kind, function);
    }
}

fn function(out: &mut String, interface: &Interface, kind: &str, function: &Function) {
    let name = go_name(&function.name);
    let params: Vec<String> = function
        .params
        .iter()
        .map(|(name, ty)| format!("{} {}", variable(name), go_type(ty)))
        .collect();
    let arguments: Vec<String> = function
        .params
        .iter()
        .map(|(name, ty)| format!("{}({})", converter("to", ty), variable(name)))
        .collect();
    let call = format!(
        "{}.{}({})",
        alias(&interface.name),
        function.name.to_upper_camel_case(),
        arguments.join(", ")
    );
    out.push('\n');
    documented(out, "", &name, function.docs.as_ref());
    let (answers, body) = match &function.ok {
        None => ("error".to_owned(), format!("done({call})")),
        Some(ty) => (
            format!("({}, error)", go_type(ty)),
            format!("answer({call}, {})", converter("from", ty)),
        ),
    };
    let _ = writeln!(
        out,
        "func ({kind}) {name}({}) {answers} {{\n\tbeforeCall()\n\treturn {body}\n}}",
        params.join(", ")
    );
}

/// A parameter's name; none of the contract's is a keyword of Go but these.
fn variable(name: &str) -> String {
    match name {
        "type" | "func" | "range" | "map" | "select" | "package" | "import" => format!("{name}_"),
        name => name.to_lower_camel_case(),
    }
}
